/**
 * The registers of the local APIC, Intel SDM vol. 3, "Local APIC Register Address Map" and "x2APIC Register Address
 * Space": one table for both modes, and the state behind it.
 */

import { currentCount, setDivide, setInitialCount, setTimerEntry, type TimerState } from './local-apic-timer';
import type { Oscillator } from './oscillator';
import { noVectors } from './vector-set';

/** Version 0x15, highest LVT entry 5. */
const version = 0x5_0015;
export const lvtBit = { deliveryStatus: 0x1000, remoteIrr: 0x4000, level: 0x8000, masked: 0x1_0000 } as const;
export const svr = { enable: 0x100, writable: 0x1ff } as const;

/** The entries beside the timer's, with the bits that can be written. */
const lvtMasks = { thermal: 0x107ff, performance: 0x107ff, lint0: 0x1a7ff, lint1: 0x1a7ff, error: 0x100ff } as const;
export type LocalSource = keyof typeof lvtMasks;
const timerMask = 0x700ff;

export interface LocalApicState {
  id: number;
  /** IA32_APIC_BASE: physical address, and the two enable bits. */
  base: number;
  enabled: boolean;
  x2: boolean;
  tpr: number;
  ldr: number;
  dfr: number;
  svr: number;
  /** The error status register as it reads, and what the next write to it will show. */
  esr: number;
  errors: number;
  icrLow: number;
  icrHigh: number;
  irr: number[];
  isr: number[];
  tmr: number[];
  lvt: Record<LocalSource, number>;
  timer: TimerState;
  /** Levels of the pins LINT0 and LINT1. */
  pins: [boolean, boolean];
  /** An external interrupt by message, to be fetched from the 8259. */
  external: boolean;
}

/** "Local APIC State After Power-Up or Reset", but for what is kept; it is also the state after INIT. */
export const afterInit = (
  kept: Pick<LocalApicState, 'id' | 'base' | 'enabled' | 'x2' | 'pins'>,
  timer: TimerState,
): LocalApicState => ({
  ...kept,
  tpr: 0,
  ldr: kept.x2 ? logicalX2(kept.id) : 0,
  dfr: 0xffff_ffff,
  svr: 0xff,
  esr: 0,
  errors: 0,
  icrLow: 0,
  icrHigh: 0,
  irr: noVectors(),
  isr: noVectors(),
  tmr: noVectors(),
  lvt: {
    thermal: lvtBit.masked,
    performance: lvtBit.masked,
    lint0: lvtBit.masked,
    lint1: lvtBit.masked,
    error: lvtBit.masked,
  },
  timer,
  external: false,
});

/** "Logical x2APIC ID": cluster in the upper half, one bit in the lower. */
export const logicalX2 = (id: number): number => (((id >>> 4) << 16) | (1 << (id & 0xf))) >>> 0;

type Access = 'rw' | 'ro' | 'wo';
export interface ApicRegister {
  readonly name: string;
  readonly offset: number;
  /** How xAPIC and x2APIC mode reach it; absent where the mode does not have it. */
  readonly x?: Access;
  readonly x2?: Access;
  /** Bits that may be set; writing others in x2APIC mode is refused. */
  readonly valid?: number;
  readonly get?: () => number;
  readonly set?: (value: number) => void;
}

/** What writing a register sets going in the APIC. */
export interface RegisterActions {
  readonly state: LocalApicState;
  readonly clock: Oscillator;
  now(): number;
  priority(): number;
  setTaskPriority(value: number): void;
  setSpurious(value: number): void;
  endOfInterrupt(): void;
  send(): void;
  sendToSelf(vector: number): void;
  /** The LVT entry as it is stored: masked while the APIC is disabled by software. */
  maskIfDisabled(entry: number): number;
  entryChanged(source: LocalSource): void;
}

/** All registers of a local APIC, in order of their offsets. */
export const apicRegisters = (apic: RegisterActions): readonly ApicRegister[] => [
  { name: 'ID', offset: 0x20, x: 'ro', x2: 'ro', get: () => (apic.state.x2 ? apic.state.id : apic.state.id << 24) },
  { name: 'version', offset: 0x30, x: 'ro', x2: 'ro', get: () => version },
  {
    name: 'TPR',
    offset: 0x80,
    x: 'rw',
    x2: 'rw',
    valid: 0xff,
    get: () => apic.state.tpr,
    set: (value) => apic.setTaskPriority(value & 0xff),
  },
  { name: 'APR', offset: 0x90, x: 'ro', get: () => apic.priority() },
  { name: 'PPR', offset: 0xa0, x: 'ro', x2: 'ro', get: () => apic.priority() },
  { name: 'EOI', offset: 0xb0, x: 'wo', x2: 'wo', valid: 0, set: () => apic.endOfInterrupt() },
  { name: 'RRD', offset: 0xc0, x: 'ro', get: () => 0 },
  {
    name: 'LDR',
    offset: 0xd0,
    x: 'rw',
    x2: 'ro',
    get: () => apic.state.ldr,
    set: (value) => {
      apic.state.ldr = (value & 0xff00_0000) >>> 0;
    },
  },
  {
    name: 'DFR',
    offset: 0xe0,
    x: 'rw',
    get: () => apic.state.dfr,
    set: (value) => {
      apic.state.dfr = (value | 0x0fff_ffff) >>> 0;
    },
  },
  {
    name: 'SVR',
    offset: 0xf0,
    x: 'rw',
    x2: 'rw',
    valid: svr.writable,
    get: () => apic.state.svr,
    set: (value) => apic.setSpurious(value & svr.writable),
  },
  ...vectorRegisters('ISR', 0x100, () => apic.state.isr),
  ...vectorRegisters('TMR', 0x180, () => apic.state.tmr),
  ...vectorRegisters('IRR', 0x200, () => apic.state.irr),
  {
    name: 'ESR',
    offset: 0x280,
    x: 'rw',
    x2: 'rw',
    valid: 0,
    get: () => apic.state.esr,
    set: () => {
      apic.state.esr = apic.state.errors;
      apic.state.errors = 0;
    },
  },
  {
    name: 'ICR',
    offset: 0x300,
    x: 'rw',
    x2: 'rw',
    valid: 0xc_cfff,
    get: () => apic.state.icrLow,
    set: (value) => {
      apic.state.icrLow = value & 0xc_cfff;
      apic.send();
    },
  },
  {
    name: 'ICR high',
    offset: 0x310,
    x: 'rw',
    get: () => apic.state.icrHigh,
    set: (value) => {
      apic.state.icrHigh = (value & 0xff00_0000) >>> 0;
    },
  },
  {
    name: 'LVT timer',
    offset: 0x320,
    x: 'rw',
    x2: 'rw',
    valid: timerMask | 0x1000,
    get: () => apic.state.timer.lvt,
    set: (value) => setTimerEntry(apic.state.timer, apic.maskIfDisabled(value & timerMask), apic.clock, apic.now()),
  },
  lvtRegister(apic, 'LVT thermal', 0x330, 'thermal'),
  lvtRegister(apic, 'LVT performance', 0x340, 'performance'),
  lvtRegister(apic, 'LVT LINT0', 0x350, 'lint0'),
  lvtRegister(apic, 'LVT LINT1', 0x360, 'lint1'),
  lvtRegister(apic, 'LVT error', 0x370, 'error'),
  {
    name: 'initial count',
    offset: 0x380,
    x: 'rw',
    x2: 'rw',
    valid: 0xffff_ffff,
    get: () => apic.state.timer.initial,
    set: (value) => setInitialCount(apic.state.timer, value, apic.clock, apic.now()),
  },
  {
    name: 'current count',
    offset: 0x390,
    x: 'ro',
    x2: 'ro',
    get: () => currentCount(apic.state.timer, apic.clock, apic.now()),
  },
  {
    name: 'divide configuration',
    offset: 0x3e0,
    x: 'rw',
    x2: 'rw',
    valid: 0xb,
    get: () => apic.state.timer.divide,
    set: (value) => setDivide(apic.state.timer, value, apic.clock, apic.now()),
  },
  { name: 'self IPI', offset: 0x3f0, x2: 'wo', valid: 0xff, set: (value) => apic.sendToSelf(value) },
];

const lvtRegister = (apic: RegisterActions, name: string, offset: number, source: LocalSource): ApicRegister => ({
  name,
  offset,
  x: 'rw',
  x2: 'rw',
  valid: lvtMasks[source] | lvtBit.deliveryStatus,
  get: () => apic.state.lvt[source],
  set: (value) => {
    const { lvt } = apic.state;
    const remote = value & lvtBit.level ? lvt[source] & lvtBit.remoteIrr : 0;
    lvt[source] = apic.maskIfDisabled(value & lvtMasks[source]) | remote;
    apic.entryChanged(source);
  },
});

const vectorRegisters = (name: string, offset: number, set: () => number[]): readonly ApicRegister[] =>
  Array.from({ length: 8 }, (_, i) => ({
    name: `${name}${i}`,
    offset: offset + 0x10 * i,
    x: 'ro',
    x2: 'ro',
    get: () => set()[i] ?? 0,
  }));
