/** What a BIOS service is, what it may know of the machine, and what its work costs in virtual time. */

import type { BiosCall } from './call';

/** What the board tells its BIOS; nothing in it ever changes. */
export interface Host {
  readonly memoryMap: readonly { readonly base: number; readonly size: number; readonly type: number }[];
  readonly disk: Disk | null;
}

export interface Disk {
  readonly drive: number;
  /** Whole sectors of 512 bytes. */
  readonly image: Uint8Array;
  readonly geometry: { readonly cylinders: number; readonly heads: number; readonly sectors: number };
}

interface ServiceAction {
  readonly ticks: number;
  /** @returns the offset in the routine at which to go on; undefined: behind the action */
  run(call: BiosCall, host: Host): number | undefined;
}

/** The code of a routine, byte by byte: instructions, and actions that take one byte; an IRET follows. */
export type ServiceItem = number | ServiceAction;
export type Service = readonly ServiceItem[];

/** Ticks of virtual time: the order of magnitude that a BIOS in ROM needs. */
export const ticks = {
  dispatch: 30,
  /** Reads or writes a few words. */
  short: 100,
  /** Talks to a device. */
  device: 1_000,
  /** Moves the screen's contents. */
  screen: 10_000,
  /** Waits for a disk. */
  disk: 100_000,
} as const;

/** A service that does all its work in one action. */
export const service = (cost: number, work: (call: BiosCall, host: Host) => void): Service => [
  {
    ticks: cost,
    run: (call, host) => {
      work(call, host);
      return undefined;
    },
  },
];
