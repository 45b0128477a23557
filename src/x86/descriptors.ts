/**
 * Segment descriptors, system descriptors and gates: their types as data and their fields decoded from the words of a
 * table entry. Intel SDM vol. 3, "Segment Descriptors", "System Descriptor Types" and "IDT Descriptors".
 */

import type { RegisterBits } from './control-registers';

/** Types of system descriptors (S = 0). */
export const systemType = {
  tss16: 1,
  ldt: 2,
  tss16Busy: 3,
  callGate16: 4,
  taskGate: 5,
  interruptGate16: 6,
  trapGate16: 7,
  tss32: 9,
  tss32Busy: 11,
  callGate32: 12,
  interruptGate32: 14,
  trapGate32: 15,
} as const;

export interface SystemTypeRow {
  readonly type: number;
  readonly name: string;
  /** In IA-32e mode: the name and the size of the entry in a GDT or LDT; undefined when reserved there. */
  readonly long?: { readonly name: string; readonly bytes: 8 | 16 };
}

export const systemTypes: readonly SystemTypeRow[] = [
  { type: 1, name: '16-bit TSS (available)' },
  { type: 2, name: 'LDT', long: { name: 'LDT', bytes: 16 } },
  { type: 3, name: '16-bit TSS (busy)' },
  { type: 4, name: '16-bit call gate' },
  { type: 5, name: 'task gate' },
  { type: 6, name: '16-bit interrupt gate' },
  { type: 7, name: '16-bit trap gate' },
  { type: 9, name: '32-bit TSS (available)', long: { name: '64-bit TSS (available)', bytes: 16 } },
  { type: 11, name: '32-bit TSS (busy)', long: { name: '64-bit TSS (busy)', bytes: 16 } },
  { type: 12, name: '32-bit call gate', long: { name: '64-bit call gate', bytes: 16 } },
  { type: 14, name: '32-bit interrupt gate', long: { name: '64-bit interrupt gate', bytes: 16 } },
  { type: 15, name: '32-bit trap gate', long: { name: '64-bit trap gate', bytes: 16 } },
];

/** Access rights as segment registers keep them: the descriptor's bits 40-47 and 52-55, bit 16 unusable. */
export const access = {
  accessed: 1 << 0,
  /** Data: writable. Code: readable. */
  writable: 1 << 1,
  readable: 1 << 1,
  /** Data: expand-down. Code: conforming. */
  expandDown: 1 << 2,
  conforming: 1 << 2,
  code: 1 << 3,
  /** S: code or data rather than system. */
  segment: 1 << 4,
  dplShift: 5,
  present: 1 << 7,
  available: 1 << 12,
  /** L: 64-bit code. */
  long: 1 << 13,
  /** D/B: 32-bit default, stack pointer or upper bound. */
  big: 1 << 14,
  granularity: 1 << 15,
  unusable: 1 << 16,
} as const;

/** The same by name, and the parts of a selector. Intel SDM vol. 3, "Segment Selectors". */
export const accessBits = {
  type: { bit: 0, width: 4, meaning: 'type' },
  s: { bit: 4, meaning: 'code or data, not system' },
  dpl: { bit: 5, width: 2, meaning: 'descriptor privilege level' },
  p: { bit: 7, meaning: 'present' },
  avl: { bit: 12, meaning: 'available to software' },
  l: { bit: 13, meaning: '64-bit code' },
  db: { bit: 14, meaning: 'default size, stack pointer size or upper bound' },
  g: { bit: 15, meaning: 'granularity' },
  unusable: { bit: 16, meaning: 'null: may not be used' },
} as const satisfies RegisterBits;
export const selectorBits = {
  rpl: { bit: 0, width: 2, meaning: 'requested privilege level' },
  ti: { bit: 2, meaning: 'entry of the LDT' },
  index: { bit: 3, width: 13, meaning: 'number of the entry' },
} as const satisfies RegisterBits;

/** Descriptor privilege level in access rights. */
export const dplOf = (rights: number): number => (rights >>> access.dplShift) & 3;

/** One entry of a descriptor table: its words, and what they mean as a segment or as a gate. */
export class Descriptor {
  constructor(
    /** The selector or, in an IDT, vector * 8 + 2 that named it. */
    readonly selector: number,
    /** Linear address of the entry, in halves. */
    readonly addressLow: number,
    readonly addressHigh: number,
    readonly low: number,
    readonly high: number,
    /** Bits 64-95 of an entry of 16 bytes. */
    readonly upper = 0,
    /** Bits 96-127 of an entry of 16 bytes. */
    readonly top = 0,
  ) {}

  /** Linear address of the entry. */
  get address(): bigint {
    return (BigInt(this.addressHigh) << 32n) | BigInt(this.addressLow);
  }
  /** The first 8 bytes, as shown to people. */
  get entry(): bigint {
    return (BigInt(this.high) << 32n) | BigInt(this.low);
  }

  get type(): number {
    return (this.high >>> 8) & 15;
  }
  get isSystem(): boolean {
    return (this.high & 0x1000) === 0;
  }
  get dpl(): number {
    return (this.high >>> 13) & 3;
  }
  get isPresent(): boolean {
    return (this.high & 0x8000) !== 0;
  }

  get isCode(): boolean {
    return (this.high & 0x1800) === 0x1800;
  }
  get isConformingCode(): boolean {
    return (this.high & 0x1c00) === 0x1c00;
  }
  get isWritableData(): boolean {
    return (this.high & 0x1a00) === 0x1200;
  }
  /** Data, or code that may be read. */
  get isReadable(): boolean {
    return (this.high & 0x1000) !== 0 && (this.high & 0xa00) !== 0x800;
  }
  get isAccessed(): boolean {
    return (this.high & 0x100) !== 0;
  }
  get isLong(): boolean {
    return (this.high & 0x20_0000) !== 0;
  }
  get isBig(): boolean {
    return (this.high & 0x40_0000) !== 0;
  }

  /** Base of a segment below 4 GiB. */
  get base(): number {
    return ((this.low >>> 16) | ((this.high & 0xff) << 16) | (this.high & 0xff00_0000)) >>> 0;
  }
  /** Base of a system segment in IA-32e mode. */
  get base64(): bigint {
    return (BigInt(this.upper) << 32n) | BigInt(this.base);
  }
  /** Offset of the last byte, granularity applied. */
  get limit(): number {
    const limit = (this.high & 0xf_0000) | (this.low & 0xffff);
    return this.high & 0x80_0000 ? ((limit << 12) | 0xfff) >>> 0 : limit;
  }
  /** Access rights as a segment register keeps them. */
  get rights(): number {
    return (this.high >>> 8) & 0xf0ff;
  }

  /** Selector in a gate. */
  get target(): number {
    return this.low >>> 16;
  }
  /** Offset in a 16-bit gate. */
  get offset16(): number {
    return this.low & 0xffff;
  }
  /** Offset in a 32-bit gate, or the low half of one in a 64-bit gate. */
  get offset32(): number {
    return ((this.low & 0xffff) | (this.high & 0xffff_0000)) >>> 0;
  }
  /** Offset in a 64-bit gate. */
  get offset64(): bigint {
    return (BigInt(this.upper) << 32n) | BigInt(this.offset32);
  }
  /** Parameters that a call gate copies. */
  get parameters(): number {
    return this.high & 31;
  }
  /** Entry of the interrupt stack table that a 64-bit gate selects, 0 for none. */
  get interruptStack(): number {
    return this.high & 7;
  }
  /** 64-bit call gates and system descriptors: the bits where the type of a second descriptor would lie. */
  get upperType(): number {
    return (this.top >>> 8) & 31;
  }
}
