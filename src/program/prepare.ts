/**
 * The boot contract applied to one program: all that the machine's memory and registers hold before the first
 * instruction. Pure: called again after a reset it gives the same.
 */

import { physical } from '../x86/address';
import { romMappings } from './bios-rom';
import { type Bios, bios, biosDataArea, interruptVectors } from './bios-services';
import {
  type BootState,
  bootSectorState,
  directState,
  directTables,
  flatGdt32,
  multibootState,
  resetState,
} from './boot-state';
import { checkFits } from './fits';
import { INFORMATION_OFFSET, multibootWrites } from './multiboot-information';
import type { Program, Segment } from './program';

export interface Prepared {
  /** In this order; a segment's bytes, then zeros up to its size. RAM is zero where nothing is written. */
  readonly writes: readonly Segment[];
  /** Read-only memory outside RAM. */
  readonly roms: readonly Segment[];
  readonly state: BootState;
  /** What a firmware has done to the devices before it starts the program; null: they are as after power-on. */
  readonly devices: DeviceState | null;
  /** Null where no BIOS calls are to be had. */
  readonly bios: Bios | null;
}

export interface DeviceState {
  /** The two 8259s, set up with ICW1-4 (edge, cascade on line 2, 8086 mode): first vector, mask. */
  readonly pic: readonly [master: PicState, slave: PicState];
  /** Whether channel 0 of the 8254 runs in mode 3 with the count 65536: 18.2 ticks a second. */
  readonly ticking: boolean;
}

interface PicState {
  readonly vector: number;
  readonly mask: number;
}

/** Nothing comes in before the program asks for it. */
const quiet: DeviceState = {
  pic: [
    { vector: 0x08, mask: 0xff },
    { vector: 0x70, mask: 0xff },
  ],
  ticking: false,
};
/** Timer, keyboard and the cascade open, as a PC's BIOS leaves them. */
const afterBios: DeviceState = {
  pic: [
    { vector: 0x08, mask: 0xf8 },
    { vector: 0x70, mask: 0xff },
  ],
  ticking: true,
};

/** @throws BadInput when the program does not fit into this much memory. */
export function prepare(program: Program, options: { readonly memoryBytes: number }): Prepared {
  const { memoryBytes } = options;
  checkFits(program, memoryBytes);
  const { start, segments } = program;
  switch (start.kind) {
    case 'direct': {
      const real = start.bits === 16;
      return {
        writes: [...(real ? [interruptVectors()] : []), ...biosDataArea(0), ...directTables(start.bits), ...segments],
        roms: [],
        state: directState(start.bits, start.entry),
        devices: quiet,
        bios: real ? bios(memoryBytes, null) : null,
      };
    }
    case 'multiboot': {
      const gdt = physical(start.information - BigInt(INFORMATION_OFFSET));
      return {
        writes: [
          ...biosDataArea(0),
          flatGdt32(gdt),
          ...segments,
          ...multibootWrites(program.name, start, segments, memoryBytes),
        ],
        roms: [],
        state: multibootState(start, gdt),
        devices: afterBios,
        bios: null,
      };
    }
    case 'boot-sector':
      return {
        writes: [interruptVectors(), ...biosDataArea(1), ...segments],
        roms: [],
        state: bootSectorState(),
        devices: afterBios,
        bios: bios(memoryBytes, start.image),
      };
    case 'reset':
      return { writes: segments, roms: romMappings(start.rom), state: resetState(), devices: null, bios: null };
  }
}
