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

/** Words of a slot's header. */
const ADDRESS = 0;
const FLAGS = 2;
const AGE = 3;
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
    this.words[this.header(ADDRESS)] = Number(address & 0xffff_ffffn);
    this.words[this.header(ADDRESS + 1)] = Number(address >> 32n);
    this.words[this.header(FLAGS)] = IN_USE;
  }
  release(): void {
    this.words[this.header(FLAGS)] = 0;
  }

  /** Offset of a field's eight bytes in the linear memory. */
  /** All fields as pairs of words, in the order of their numbers; valid until the memory grows. */
  fieldWords(): Uint32Array {
    const first = (this.at + HEADER) >>> 2;
    return this.words.subarray(first, first + fieldNames.length * 2);
  }

  place(name: FieldName): number {
    return this.at + HEADER + fieldIndex[name] * 8;
  }
  get(name: FieldName): bigint {
    return this.state.memory.u64[this.place(name) >>> 3] as bigint;
  }
  /** The low half, for fields of up to 32 bits and for controls. */
  get32(name: FieldName): number {
    return this.words[this.place(name) >>> 2] as number;
  }
  /** Writes without stamping; `stamp` says who it was. */
  set(name: FieldName, value: bigint): void {
    this.state.memory.u64[this.place(name) >>> 3] = value & fieldMask(name);
  }
  set32(name: FieldName, value: number): void {
    const word = this.place(name) >>> 2;
    this.words[word] = value;
    this.words[word + 1] = 0;
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
    const at = (this.at + WRITERS + fieldIndex[name] * 16) >>> 3;
    this.state.memory.f64[at] = step * writers.length + writers.indexOf(by);
    this.state.memory.u64[at + 1] = rip;
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

  constructor(state: CpuState) {
    this.slots = Array.from(
      { length: VMCS_SLOTS },
      (_, slot) => new Vmcs(state, state.base + vcpu.vmcs + slot * SLOT_SIZE),
    );
  }

  find(address: bigint): Vmcs | undefined {
    return this.slots.find((slot) => slot.inUse && slot.address === address);
  }
  at(offset: number): Vmcs | undefined {
    return this.slots.find((slot) => slot.at === offset);
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
