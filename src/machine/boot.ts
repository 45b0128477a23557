/** Bringing the machine to the start of a program: memory and ROMs placed, devices set up, registers set. */

import { gprNames64, segmentNames } from '../x86/registers';
import type { Bios } from './bios/bios';
import { state as layout } from './core/layout';
import type { PhysicalMemory } from './core/physical';
import type { SegmentIndex } from './core/state';
import { resetMsrs } from './cpu/msrs';
import type { Devices } from './devices/board-devices';
import { activity, type VirtualCpu } from './virtual-cpu';

/** What a loader has prepared; structurally the result of program/prepare.ts. */
export interface Prepared {
  readonly writes: readonly { readonly physical: bigint; readonly bytes: Uint8Array; readonly size: number }[];
  readonly roms: readonly { readonly physical: bigint; readonly bytes: Uint8Array; readonly size: number }[];
  readonly state: InitialState;
  /** What a firmware has done to the devices; null: as after power-on. */
  readonly devices: InitialDevices | null;
  /** Null where no BIOS calls are to be had. */
  readonly bios: Bios | null;
}

interface InitialState {
  readonly rip: bigint;
  readonly rsp: bigint;
  readonly rflags: bigint;
  readonly gpr: Readonly<Partial<Record<string, bigint>>>;
  readonly segments: Readonly<
    Record<
      (typeof segmentNames)[number],
      { readonly selector: number; readonly base: bigint; readonly limit: number; readonly attributes: number }
    >
  >;
  readonly gdtr: { readonly base: bigint; readonly limit: number };
  readonly idtr: { readonly base: bigint; readonly limit: number };
  readonly cr0: bigint;
  readonly cr3: bigint;
  readonly cr4: bigint;
  readonly efer: bigint;
  readonly a20: boolean;
}

interface InitialDevices {
  readonly pic: readonly [master: { vector: number; mask: number }, slave: { vector: number; mask: number }];
  readonly ticking: boolean;
}

/** Video memory, adapters' ROMs and the BIOS: no RAM between 640 KiB and 1 MiB. */
const HOLE_START = 0xa0000;
const HOLE_END = 0x100000;

/**
 * Lays out RAM, ROMs and device space, and writes what the program wants in memory; RAM is zero elsewhere.
 * @param firmware the board's own ROMs, for programs that do not bring theirs
 */
export const placeMemory = (
  physical: PhysicalMemory,
  memoryBytes: number,
  prepared: Prepared | undefined,
  firmware: readonly { readonly physical: number; readonly bytes: Uint8Array }[],
): void => {
  physical.clear();
  physical.map(0, memoryBytes, 'ram');
  physical.map(HOLE_START, HOLE_END, 'device');
  physical.map(memoryBytes, 2 ** 32, 'device');
  for (const { physical: at, bytes } of firmware) placeRom(physical, at, bytes, bytes.length);
  for (const rom of prepared?.roms ?? []) placeRom(physical, Number(rom.physical), rom.bytes, rom.size);
  for (const { physical: at, bytes, size } of prepared?.writes ?? []) {
    physical.pokeBytes(Number(at), bytes);
    if (size > bytes.length) zero(physical, Number(at) + bytes.length, size - bytes.length);
  }
};

const zero = (physical: PhysicalMemory, at: number, length: number): void => {
  // Untouched memory is zero already; only what an earlier segment wrote needs clearing.
  for (let from = at; from < at + length; ) {
    const run = Math.min(at + length - from, 4096 - (from % 4096));
    if (physical.memory.frameOf(Math.floor(from / 4096)) >= 4096) physical.pokeBytes(from, new Uint8Array(run));
    from += run;
  }
};

const placeRom = (physical: PhysicalMemory, at: number, bytes: Uint8Array, size: number): void => {
  for (let offset = 0; offset < size; offset += 4096) physical.mapRom(Math.floor((at + offset) / 4096));
  physical.pokeBytes(at, bytes);
};

/** Intel SDM vol. 3, "Processor State After Reset" and "INIT": what a processor holds; INIT keeps some of it. */
export const resetCpu = (vcpu: VirtualCpu, featureControl: number, init = false): void => {
  const { state, cpu, processor } = vcpu;
  const signature = cpu.model.cpuid(1, 0).eax;
  for (let n = 0; n < 16; n++) state.setGpr(n, n === 2 ? BigInt(signature) : 0n);
  const keptCache = init ? state.cr0 & 0x60000000n : 0x60000000n;
  state.cr0 = keptCache | 0x10n;
  state.cr2 = 0n;
  state.cr3 = 0n;
  state.cr4 = 0n;
  state.efer = 0n;
  state.rflags = 2;
  state.rip = 0xfff0n;
  state.cpl = 0;
  for (let n = 0; n < 4; n++) state.setDr(n, 0n);
  state.setDr(6, 0xffff0ff0n);
  state.setDr(7, 0x400n);
  const real = { selector: 0, base: 0n, limit: 0xffff, access: 0x93 };
  for (let n = 0; n < 6; n++) state.setSegment(n as SegmentIndex, real);
  state.setSegment(1, { ...real, selector: 0xf000, base: 0xffff0000n });
  state.setSegment(6, { ...real, access: 0x82 });
  state.setSegment(7, { ...real, access: 0x8b });
  state.gdtr = { base: 0n, limit: 0xffff };
  state.idtr = { base: 0n, limit: 0xffff };
  state.setU32(layout.interruptibility, 0);
  state.setU32(layout.activity, activity.active);
  state.setU64(layout.pendingDebug, 0n);
  state.setU32(layout.pendingNmi, 0);
  state.setU64(layout.monitor, 0xffffffffffffffffn);
  if (!init) resetMsrs(cpu, { bootstrap: vcpu.index === 0, featureControl });
  vcpu.vmx?.leave();
  if (!init) state.setU32(layout.vmxUsed, 0);
  processor.shutdown = undefined;
  processor.paging.reset();
  vcpu.engine.settle();
};

/** Start-up IPI: real mode at `vector << 12`. Intel SDM vol. 3, "Multiple-Processor (MP) Initialization". */
export const startApplicationProcessor = (vcpu: VirtualCpu, vector: number): void => {
  const { state } = vcpu;
  state.setSegment(1, { selector: vector << 8, base: BigInt(vector << 12), limit: 0xffff, access: 0x93 });
  state.rip = 0n;
  state.setU32(layout.activity, activity.active);
  vcpu.engine.settle();
};

/** The registers of the boot contract, and what a firmware would have done to the devices. */
export const setBootState = (vcpu: VirtualCpu, devices: Devices, prepared: Prepared): void => {
  const { state } = vcpu;
  const from = prepared.state;
  for (const [n, name] of gprNames64.entries()) {
    const value = from.gpr[name];
    if (value !== undefined) state.setGpr(n, value);
    else if (n !== 2 || prepared.devices) state.setGpr(n, 0n);
  }
  state.rsp = from.rsp;
  state.cr0 = from.cr0;
  state.cr3 = from.cr3;
  state.cr4 = from.cr4;
  state.efer = from.efer;
  state.rflags = Number(from.rflags);
  for (const [index, name] of segmentNames.entries()) {
    const { selector, base, limit, attributes } = from.segments[name];
    state.setSegment(index as SegmentIndex, { selector, base, limit, access: attributes });
  }
  state.gdtr = from.gdtr;
  state.idtr = from.idtr;
  state.rip = from.rip;
  vcpu.processor.paging.reset();
  vcpu.engine.settle();
  if (prepared.devices) setUpDevices(devices, prepared.devices);
  devices.port92.setA20(from.a20);
};

const setUpDevices = (devices: Devices, { pic, ticking }: InitialDevices): void => {
  const write = (port: number, value: number) => devices.io.write(port, 1, value);
  for (const [chip, base, cascade] of [
    [pic[0], 0x20, 4],
    [pic[1], 0xa0, 2],
  ] as const) {
    write(base, 0x11);
    write(base + 1, chip.vector);
    write(base + 1, cascade);
    write(base + 1, 0x01);
    write(base + 1, chip.mask);
  }
  if (!ticking) return;
  write(0x43, 0x36);
  write(0x40, 0);
  write(0x40, 0);
};
