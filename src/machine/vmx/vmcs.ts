/**
 * The active VMCSs of one vCPU: slots in its block of the layout, keyed by physical address. Each field keeps who wrote it
 * last. What software reads from the region in memory meanwhile is stale until VMCLEAR, or until a slot is needed.
 */

import { type FieldName, fieldAt, fieldNames, vmcsFields, widthOf } from '../../x86/vmx/fields';
import { vcpu } from '../core/layout';
import type { CpuState } from '../core/state';

/** Who wrote a field. */
export const writers = ['never', 'vmwrite', 'exit', 'load', 'debugger', 'entry'] as const;
export type Writer = (typeof writers)[number];

export const writerNumber = Object.fromEntries(writers.map((name, number) => [name, number])) as Record<Writer, number>;

export interface FieldWriter {
  readonly by: Writer;
  readonly step: number;
  readonly rip: bigint;
}

/** Number of a field: its place in slots and regions. */
export const fieldIndex: Readonly<Record<FieldName, number>> = Object.fromEntries(
  fieldNames.map((name, index) => [name, index]),
) as Record<FieldName, number>;

const FIELDS = 256;
const VMCS_SLOTS = 16;
const HEADER = 64;
const WRITERS = HEADER + FIELDS * 8;
const SLOT_SIZE = 8192;

/** Words of a slot's header. CHANGED: a bit for each field that was written since the VMCS last passed the checks of an entry. */
const ADDRESS = 0;
const FLAGS = 2;
const AGE = 3;
const CHANGED = 8;
const CHANGED_WORDS = FIELDS / 32;
const IN_USE = 1;
const LAUNCHED = 2;

/** Word of a field's low half in its slot. */
export const fieldWord = (index: number): number => (HEADER >>> 2) + index * 2;

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
  private header(word: number): number {
    return (this.at >>> 2) + word;
  }

  get address(): bigint {
    const low = this.words[this.header(ADDRESS)] as number;
    return (BigInt(this.words[this.header(ADDRESS + 1)] as number) << 32n) | BigInt(low);
  }
  get inUse(): boolean {
    return ((this.words[this.header(FLAGS)] as number) & IN_USE) !== 0;
  }
  get launched(): boolean {
    return ((this.words[this.header(FLAGS)] as number) & LAUNCHED) !== 0;
  }
  set launched(is: boolean) {
    const flags = this.words[this.header(FLAGS)] as number;
    this.words[this.header(FLAGS)] = is ? flags | LAUNCHED : flags & ~LAUNCHED;
  }
  get age(): number {
    return this.words[this.header(AGE)] as number;
  }
  set age(value: number) {
    this.words[this.header(AGE)] = value;
  }

  /** Takes the slot for a region; all fields 0 and never written. */
  claim(address: bigint): void {
    this.words.fill(0, this.at >>> 2, (this.at + SLOT_SIZE) >>> 2);
    this.words.fill(0xffff_ffff, this.header(CHANGED), this.header(CHANGED + CHANGED_WORDS));
    this.words[this.header(ADDRESS)] = Number(address & 0xffff_ffffn);
    this.words[this.header(ADDRESS + 1)] = Number(address >> 32n);
    this.words[this.header(FLAGS)] = IN_USE;
  }
  release(): void {
    this.words[this.header(FLAGS)] = 0;
  }

  // Fields by name

  private word(index: number): number {
    return (this.at >>> 2) + fieldWord(index);
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
    const { words } = this;
    const word = this.word(index);
    words[word] = low;
    words[word + 1] = high;
    this.mark(index);
  }

  // What was written since the last entry

  private mark(index: number): void {
    const word = this.header(CHANGED) + (index >>> 5);
    this.words[word] = (this.words[word] as number) | (1 << (index & 31));
  }
  /** Numbers of such fields; undefined where all are, because the VMCS has not entered since it became active. */
  changedFields(): number[] | undefined {
    const { words } = this;
    const first = this.header(CHANGED);
    if (words[first + CHANGED_WORDS - 1] !== 0) return undefined;
    const fields: number[] = [];
    for (let n = 0; n < CHANGED_WORDS; n++)
      for (let left = words[first + n] as number; left !== 0; left &= left - 1)
        fields.push(n * 32 + 31 - Math.clz32(left & -left));
    return fields;
  }
  forgetChanges(): void {
    const first = this.header(CHANGED);
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
    this.stampAt(fieldIndex[name], writerNumber[by], step, Number(rip & 0xffff_ffffn), Number(rip >> 32n));
  }
  /** RIP by halves. */
  stampAt(index: number, by: number, step: number, ripLow: number, ripHigh: number): void {
    const at = this.at + WRITERS + index * 16;
    const { words } = this;
    this.state.memory.f64[at >>> 3] = step * writers.length + by;
    words[(at + 8) >>> 2] = ripLow;
    words[(at + 12) >>> 2] = ripHigh;
  }
  writer(name: FieldName): FieldWriter {
    const at = (this.at + WRITERS + fieldIndex[name] * 16) >>> 3;
    const packed = this.state.memory.f64[at] as number;
    const by = writers[packed % writers.length] as Writer;
    return { by, step: Math.floor(packed / writers.length), rip: this.state.memory.u64[at + 1] as bigint };
  }
}

/** The slots of a vCPU. */
export class VmcsSlots {
  private readonly slots: readonly Vmcs[];
  private readonly first: number;

  constructor(state: CpuState) {
    this.first = state.base + vcpu.vmcs;
    this.slots = Array.from({ length: VMCS_SLOTS }, (_, slot) => new Vmcs(state, this.first + slot * SLOT_SIZE));
  }

  find(address: bigint): Vmcs | undefined {
    return this.slots.find((slot) => slot.inUse && slot.address === address);
  }
  at(offset: number): Vmcs | undefined {
    return this.slots[Math.floor((offset - this.first) / SLOT_SIZE)];
  }

  /** A free slot, or the one that was made current longest ago, which is then written back by the caller. */
  free(): Vmcs {
    const free = this.slots.find((slot) => !slot.inUse);
    return free ?? ([...this.slots].sort((one, other) => one.age - other.age)[0] as Vmcs);
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
