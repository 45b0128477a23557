/**
 * From instruction bytes to micro-op records: iced-x86 tells what the instruction is, its plan which definition
 * executes it, the key of its shape which handler; the operands become offsets into the vCPU's state.
 */

import { Code, Decoder as Iced, type Instruction, Mnemonic, OpKind, Register } from 'iced-x86';
import type { Definition } from './definition';
import type { Handlers } from './handlers';
import { record, state } from './layout';
import type { CoreMemory } from './memory';
import { type Plan, planOf } from './plan';
import { type AddressSize, type Environment, type Space, shapeKey } from './shapes';

/** How code is decoded: 16-bit and 32-bit code with segments, 64-bit code, 32-bit code with all segments flat. */
export const decodeMode = { code16: 0, code32: 1, code64: 2, flat32: 3 } as const;
export type DecodeMode = 0 | 1 | 2 | 3;
export const bitnessOf = (mode: DecodeMode): 16 | 32 | 64 => (mode === 0 ? 16 : mode === 2 ? 64 : 32);

export interface Decoded {
  /** What follows in the block; `slow` instructions are TypeScript's. */
  readonly flow: 'next' | 'branch' | 'rep' | 'last' | 'slow';
  readonly length: number;
  /** Offset in the page where a relative branch goes; NaN when it is none. */
  readonly target: number;
  /** The branch is linked record to record. */
  readonly linked: boolean;
  /** Flags: see `Definition`; and can it be refused or leave the core? */
  readonly flags: Definition['flags'];
  readonly sure: boolean;
}

const SLOTS = [record.op0, record.op1, record.op2] as const;

/** Offset of a general register in the state: of `AH` and its like the second byte. */
const slotOf = (register: Register): number => {
  if (register >= Register.RAX && register <= Register.R15) return (register - Register.RAX) * 8;
  if (register >= Register.EAX && register <= Register.R15D) return (register - Register.EAX) * 8;
  if (register >= Register.AX && register <= Register.R15W) return (register - Register.AX) * 8;
  if (register >= Register.AL && register <= Register.R15L) {
    // AL CL DL BL AH CH DH BH SPL BPL SIL DIL R8L ...
    const n = register - Register.AL;
    return n < 4 ? n * 8 : n < 8 ? (n - 4) * 8 + 1 : (n - 4) * 8;
  }
  return register === Register.RIP || register === Register.EIP ? state.ipBase : state.zero;
};

const registerBits = (register: Register): AddressSize => {
  if (register === Register.None) return 0;
  if ((register >= Register.RAX && register <= Register.R15) || register === Register.RIP) return 64;
  return register >= Register.AX && register <= Register.R15W ? 16 : 32;
};

/** Address size of implicit memory operands, by iced's kinds. */
const implicitAddress = new Map<OpKind, 16 | 32 | 64>([
  [OpKind.MemorySegSI, 16],
  [OpKind.MemorySegESI, 32],
  [OpKind.MemorySegRSI, 64],
  [OpKind.MemorySegDI, 16],
  [OpKind.MemorySegEDI, 32],
  [OpKind.MemorySegRDI, 64],
  [OpKind.MemoryESDI, 16],
  [OpKind.MemoryESEDI, 32],
  [OpKind.MemoryESRDI, 64],
]);

/** The slot that the record names for a segment: a bare base in 64-bit mode, base and limit elsewhere. */
const segmentSlot = (segment: number, long: boolean): number =>
  long ? (segment >= 4 ? state.segmentBase + segment * 8 : state.zero) : (state.segmentBase + segment * 8) | 1;

const countBits = new Map<Mnemonic, AddressSize>([
  [Mnemonic.Jcxz, 16],
  [Mnemonic.Jecxz, 32],
  [Mnemonic.Jrcxz, 64],
]);

export class Decoder {
  constructor(
    private readonly memory: CoreMemory,
    private readonly handlers: Handlers,
    /** Does the processor have what the instruction needs? Otherwise TypeScript refuses it. */
    private readonly supported: (instruction: Instruction) => boolean,
  ) {}

  /** A reader of the code in `bytes`, which starts `offset` bytes into its page. The caller frees it. */
  open(bytes: Uint8Array, offset: number, mode: DecodeMode): Iced {
    const iced = new Iced(bitnessOf(mode), bytes, 0);
    iced.ip = BigInt(offset);
    return iced;
  }

  /** Fills the record at `at` for the instruction, which starts `offset` bytes into its page. */
  encode(at: number, instruction: Instruction, offset: number, mode: DecodeMode, link = true): Decoded {
    const { u8, u32, u64, view } = this.memory;
    u64.fill(0n, at / 8, at / 8 + 4);
    const length = instruction.length || 1;
    view.setUint16(at + record.place, (offset & 0xfff) | ((length - 1) << 12), true);
    u32[(at + record.extra) / 4] = offset + length;
    u8[at + record.base] = state.zero;
    u8[at + record.index] = state.zero;

    const plan = this.supported(instruction) ? planOf(instruction, bitnessOf(mode)) : null;
    const found =
      plan &&
      (plan.branch ? this.branch(instruction, plan, at, mode, link) : this.operands(instruction, plan, at, mode));
    const handler = found?.handler ?? this.handlers.leaver('slow');
    u32[at / 4] = handler;
    view.setUint16(at + record.plain, handler, true);
    if (!plan || !found)
      return { flow: 'slow', length, target: Number.NaN, linked: false, flags: undefined, sure: false };
    const { flow = 'next', flags } = plan.definition;
    const sure = flow === 'next' && this.handlers.isSure(handler);
    return { flow, length, target: found.target, linked: found.linked, flags, sure };
  }

  private branch(instruction: Instruction, plan: Plan, at: number, mode: DecodeMode, link: boolean) {
    const target = Number(BigInt.asIntN(plan.size, instruction.nearBranchTarget));
    this.memory.i32[(at + record.displacement) / 4] = target;
    const flat = mode === decodeMode.code64 || (mode === decodeMode.flat32 && plan.size === 32);
    const linked = link && flat && target >= 0 && target < 4096;
    const flat32 = mode === decodeMode.flat32;
    const mnemonic = plan.definition.name.replace('.unlinked', '');
    if (linked && mnemonic !== plan.definition.name) {
      // Jumps have one linked handler for all sizes; calls push a return address of the operand size.
      const environments: Environment[] = mode === decodeMode.code64 ? ['q', ''] : ['f', ''];
      for (const environment of environments) {
        const size = environment === '' ? 64 : plan.size;
        const handler = this.handlers.find(shapeKey(`${mnemonic}.linked`, size, '', '', environment, 0), flat32);
        if (handler !== undefined) return { handler, target, linked };
      }
    }
    const address = plan.definition.addressed ? this.countSize(instruction, mode) : 0;
    const handler = this.find(plan.definition, plan.size, '', '', address, mode);
    return handler === undefined ? null : { handler, target, linked: false };
  }

  private operands(instruction: Instruction, plan: Plan, at: number, mode: DecodeMode) {
    const { u8, u64 } = this.memory;
    if (plan.form === 'r,i' || plan.form === 'i,r') {
      u8[at + record.op0] = slotOf(instruction.opRegister(plan.form === 'r,i' ? 0 : 1));
      u64[(at + record.immediate) / 8] = instruction.memoryDisplacement;
    }
    const form = plan.form ?? this.explicit(instruction, at);
    const implicit = plan.definition.addressed ? this.implicitSize(instruction, mode) : 0;
    if (!form.includes('m')) u8[at + record.segment] = segmentSlot(this.implicitSegment(instruction), mode === 2);
    const handler = form.includes('m')
      ? this.memoryOperand(instruction, plan, form, at, mode)
      : this.find(plan.definition, plan.size, form, '', implicit, mode);
    return handler === undefined ? null : { handler, target: Number.NaN, linked: false };
  }

  /** Fills in the operands that the instruction names, and tells their form. */
  private explicit(instruction: Instruction, at: number): string {
    const { u8, u64 } = this.memory;
    const forms: string[] = [];
    let registers = 0;
    let immediates = 0;
    const immediate = (value: bigint) => {
      if (immediates++ === 0) u64[(at + record.immediate) / 8] = value;
      else u8[at + record.op2] = Number(value & 0xffn);
      forms.push('i');
    };
    for (let index = 0; index < instruction.opCount; index++) {
      const kind = instruction.opKind(index);
      if (kind === OpKind.Memory) forms.push('m');
      else if (kind !== OpKind.Register) {
        if (!implicitAddress.has(kind)) immediate(instruction.immediate(index));
      } else {
        const register = instruction.opRegister(index);
        if (register >= Register.ES && register <= Register.GS) immediate(BigInt(register - Register.ES));
        else {
          u8[at + (SLOTS[registers++] as number)] = slotOf(register);
          forms.push('r');
        }
      }
    }
    return forms.join(',');
  }

  private memoryOperand(
    instruction: Instruction,
    plan: Plan,
    form: string,
    at: number,
    mode: DecodeMode,
  ): number | undefined {
    const { u8, i32 } = this.memory;
    const { memoryBase: base, memoryIndex: index } = instruction;
    const addressSize =
      registerBits(base || index) || ((instruction.memoryDisplSize * 8 || bitnessOf(mode)) as 16 | 32 | 64);
    const displacement = BigInt.asIntN(addressSize, instruction.memoryDisplacement);
    // An absolute 64-bit offset (MOV with moffs64) is TypeScript's.
    if (displacement !== BigInt.asIntN(32, displacement)) return undefined;
    u8[at + record.base] = slotOf(base);
    u8[at + record.index] = slotOf(index);
    u8[at + record.scale] = Math.log2(instruction.memoryIndexScale || 1);
    i32[(at + record.displacement) / 4] = Number(displacement);
    const segment = instruction.memorySegment - Register.ES;
    const long = mode === decodeMode.code64;
    // Through CS nothing can be written outside 64-bit mode: its limits say so.
    const flat = long
      ? segment < 4 && addressSize === 64
      : mode === decodeMode.flat32 && segment < 4 && segment !== 1 && addressSize === 32;
    if (flat) {
      const indexed = index !== Register.None;
      const space = long ? (indexed ? 'x' : 'b') : indexed ? 'y' : 'f';
      const handler = this.find(plan.definition, plan.size, form, space, 0, mode);
      if (handler !== undefined) return handler;
    }
    u8[at + record.op2] = 64 - addressSize;
    u8[at + record.segment] = segmentSlot(segment, long);
    return this.find(plan.definition, plan.size, form, 's', 0, mode);
  }

  /** The handler for a shape, the fastest first. */
  private find(
    definition: Definition,
    size: number,
    form: string,
    space: Space,
    address: AddressSize,
    mode: DecodeMode,
  ): number | undefined {
    const moded = definition.stack || definition.moded;
    const environments: Environment[] = !moded ? [''] : mode === 2 ? ['q'] : mode === 3 ? ['f', 'l'] : ['l'];
    for (const environment of environments) {
      const key = shapeKey(definition.name, size as 64, form, space, environment, address);
      const handler = this.handlers.find(key, mode === decodeMode.flat32);
      if (handler !== undefined) return handler;
    }
    return undefined;
  }

  /** Width of CX, ECX or RCX that a LOOP or JRCXZ counts in: the code's name ends with it, or the mnemonic tells. */
  private countSize(instruction: Instruction, mode: DecodeMode): AddressSize {
    const [, register] = /_([RE]?CX)$/.exec(Code[instruction.code] as string) ?? [];
    if (register) return register === 'CX' ? 16 : register === 'ECX' ? 32 : 64;
    return countBits.get(instruction.mnemonic) ?? bitnessOf(mode);
  }

  private implicitSize(instruction: Instruction, mode: DecodeMode): AddressSize {
    for (let operand = 0; operand < instruction.opCount; operand++) {
      const size = implicitAddress.get(instruction.opKind(operand));
      if (size) return size;
      // XLAT: [rBX + AL]
      if (instruction.opKind(operand) === OpKind.Memory) return registerBits(instruction.memoryBase) || bitnessOf(mode);
    }
    return bitnessOf(mode);
  }

  /** The segment of the source of a string instruction: DS unless a prefix says otherwise. */
  private implicitSegment(instruction: Instruction): number {
    return instruction.segmentPrefix === Register.None ? 3 : instruction.segmentPrefix - Register.ES;
  }
}
