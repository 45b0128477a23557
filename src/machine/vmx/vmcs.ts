/**
 * The active VMCSs of one vCPU: slots in its block of the layout, keyed by physical address. Each field keeps who wrote it
 * last. What software reads from the region in memory meanwhile is stale until VMCLEAR, or until a slot is needed.
 */

import { type FieldName, fieldAt, fieldIndex, vmcsFields, widthOf } from '../../x86/vmx/fields';
import { vcpu, vmcsSlot, VMCS_WRITERS as writers } from '../core/layout';
import type { CpuState } from '../core/state';

/** Who wrote a field. */
export type Writer = (typeof writers)[number];

const writerNumber = Object.fromEntries(writers.map((name, number) => [name, number])) as Record<Writer, number>;
/** When, and by whom, as slots keep it. */
export const stampOf = (step: number, by: Writer): number => step * 8 + writerNumber[by];

export interface FieldWriter {
  readonly by: Writer;
  readonly step: number;
  readonly rip: bigint;
}

const VMCS_SLOTS = vcpu.vmcsSize / vmcsSlot.size;
const CHANGED_WORDS = 8;
const IN_USE = 1;
const LAUNCHED = 2;

/** No VMCS is current. */
export const NO_VMCS = 0xffff_ffff_ffff_ffffn;

const masks = { 16: 0xffffn, 32: 0xffff_ffffn, 64: NO_VMCS, natural: NO_VMCS } as const;
/** A field holds so many bits. */
const fieldMask = (name: FieldName): bigint => masks[widthOf(vmcsFields[name].encoding)];

/** One VMCS in its slot. */
export class Vmcs {
  /** First byte of the slot in the linear memory. */
  readonly at: number;
  private readonly state: CpuState;

  constructor(state: CpuState, at: number) {
    this.state = state;
    this.at = at;
  }

  private get words(): Uint32Array {
    return this.state.memory.u32;
  }
  private header(offset: number): number {
    return (this.at + offset) >>> 2;
  }

  get address(): bigint {
    const low = this.words[this.header(vmcsSlot.address)] as number;
    return (BigInt(this.words[this.header(vmcsSlot.address + 4)] as number) << 32n) | BigInt(low);
  }
  get inUse(): boolean {
    return ((this.words[this.header(vmcsSlot.flags)] as number) & IN_USE) !== 0;
  }
  get launched(): boolean {
    return ((this.words[this.header(vmcsSlot.flags)] as number) & LAUNCHED) !== 0;
  }
  set launched(is: boolean) {
    const flags = this.words[this.header(vmcsSlot.flags)] as number;
    this.words[this.header(vmcsSlot.flags)] = is ? flags | LAUNCHED : flags & ~LAUNCHED;
  }
  get age(): number {
    return this.words[this.header(vmcsSlot.age)] as number;
  }
  set age(value: number) {
    this.words[this.header(vmcsSlot.age)] = value;
  }

  /** Takes the slot for a region. It keeps its fields and who wrote them if it was that region's before; else all are 0. */
  claim(address: bigint): void {
    if (this.address !== address) this.words.fill(0, this.at >>> 2, (this.at + vmcsSlot.size) >>> 2);
    const changed = this.header(vmcsSlot.changed);
    this.words.fill(0xffff_ffff, changed, changed + CHANGED_WORDS);
    this.words[this.header(vmcsSlot.address)] = Number(address & 0xffff_ffffn);
    this.words[this.header(vmcsSlot.address + 4)] = Number(address >> 32n);
    this.words[this.header(vmcsSlot.flags)] = IN_USE;
  }
  release(): void {
    this.words[this.header(vmcsSlot.flags)] = 0;
  }

  // Fields by name

  private word(index: number): number {
    return ((this.at + vmcsSlot.fields) >>> 2) + index * 2;
  }
  get(name: FieldName): bigint {
    return this.state.memory.u64[this.word(fieldIndex[name]) >>> 1] as bigint;
  }
  /** The low half, for fields of up to 32 bits and for controls. */
  get32(name: FieldName): number {
    return this.low(fieldIndex[name]);
  }
  /** Writes without stamping; `stamp` says who it was. */
  set(name: FieldName, value: bigint): void {
    const index = fieldIndex[name];
    this.state.memory.u64[this.word(index) >>> 1] = value & fieldMask(name);
    this.mark(index);
  }
  set32(name: FieldName, value: number): void {
    this.put(fieldIndex[name], value, 0);
  }

  // Fields by number and by halves: what entries and exits use

  low(index: number): number {
    return this.words[this.word(index)] as number;
  }
  high(index: number): number {
    return this.words[this.word(index) + 1] as number;
  }
  put(index: number, low: number, high: number): void {
    this.inform(index, low, high);
    this.mark(index);
  }
  /** The same for exit information, which no entry looks at. */
  inform(index: number, low: number, high: number): void {
    const { words } = this;
    const word = this.word(index);
    words[word] = low;
    words[word + 1] = high;
  }

  // What was written since the last entry

  private mark(index: number): void {
    const word = this.header(vmcsSlot.changed) + (index >>> 5);
    this.words[word] = (this.words[word] as number) | (1 << (index & 31));
  }
  /** Numbers of such fields; undefined where all are, because the VMCS has not entered since it became active. */
  changedFields(): number[] | undefined {
    const { words } = this;
    const first = this.header(vmcsSlot.changed);
    if (words[first + CHANGED_WORDS - 1] !== 0) return undefined;
    const fields: number[] = [];
    for (let n = 0; n < CHANGED_WORDS; n++)
      for (let left = words[first + n] as number; left !== 0; left &= left - 1)
        fields.push(n * 32 + 31 - Math.clz32(left & -left));
    return fields;
  }
  forgetChanges(): void {
    const first = this.header(vmcsSlot.changed);
    this.words.fill(0, first, first + CHANGED_WORDS);
  }

  /** By encoding, as VMREAD does: the odd one of a 64-bit field is its upper half. */
  read(encoding: number): bigint | undefined {
    const name = fieldAt(encoding);
    if (name === undefined) return undefined;
    const value = this.get(name);
    return encoding & 1 ? value >> 32n : value;
  }
  write(encoding: number, value: bigint): void {
    const name = fieldAt(encoding);
    if (name === undefined) return;
    const now = this.get(name);
    this.set(name, encoding & 1 ? (now & 0xffff_ffffn) | ((value & 0xffff_ffffn) << 32n) : value);
  }

  stamp(name: FieldName, by: Writer, step: number, rip: bigint): void {
    this.stampAt(fieldIndex[name], stampOf(step, by), Number(rip & 0xffff_ffffn), Number(rip >> 32n));
  }
  /** RIP by halves. */
  stampAt(index: number, stamp: number, ripLow: number, ripHigh: number): void {
    const { words } = this;
    const word = (this.at + vmcsSlot.writers + index * 16) >>> 2;
    words[word] = stamp;
    words[word + 1] = stamp / 2 ** 32;
    words[word + 2] = ripLow;
    words[word + 3] = ripHigh;
  }
  writer(name: FieldName): FieldWriter {
    const { u64 } = this.state.memory;
    const at = (this.at + vmcsSlot.writers + fieldIndex[name] * 16) >>> 3;
    const packed = Number(u64[at]);
    return { by: writers[packed % 8] as Writer, step: Math.floor(packed / 8), rip: u64[at + 1] as bigint };
  }
}

/** The slots of a vCPU. */
export class VmcsSlots {
  private readonly slots: readonly Vmcs[];
  private readonly first: number;

  constructor(state: CpuState) {
    this.first = state.base + vcpu.vmcs;
    this.slots = Array.from({ length: VMCS_SLOTS }, (_, slot) => new Vmcs(state, this.first + slot * vmcsSlot.size));
  }

  find(address: bigint): Vmcs | undefined {
    return this.slots.find((slot) => slot.inUse && slot.address === address);
  }
  at(offset: number): Vmcs | undefined {
    return this.slots[Math.floor((offset - this.first) / vmcsSlot.size)];
  }

  /**
   * The slot for a region: the one that it was in before it was cleared, or another free one, or one in use, which the caller
   * then writes back; of several the one that was made current longest ago.
   */
  slotFor(address: bigint): Vmcs {
    const byAge = [...this.slots].sort((one, other) => one.age - other.age);
    const free = byAge.filter((slot) => !slot.inUse);
    return free.find((slot) => slot.address === address) ?? free[0] ?? (byAge[0] as Vmcs);
  }

  /** Later than those of all others; from what the slots hold, so that a replay gives the same. */
  nextAge(): number {
    return this.slots.reduce((last, { inUse, age }) => (inUse && age > last ? age : last), 0) + 1;
  }

  /** All that are active. */
  active(): Vmcs[] {
    return this.slots.filter((slot) => slot.inUse);
  }
}
