/**
 * How much a function has pushed where it stands, and where its frame pointer points: read off its instructions from
 * its beginning on. This tells the return address exactly in a prologue, in an epilogue and without a frame pointer.
 */

import { FlowControl, type Instruction, Mnemonic, OpKind, Register, RegisterExt } from 'iced-x86';
import { type LinearAddress, linear } from '../x86/address';
import type { CodeView } from './code-view';
import { readInstructions, targetOf } from './instruction';

/** All distances count down from RSP as it was at the function's first instruction, which points to the return address. */
export interface StackDepth {
  /** To where RSP points; undefined where the function has aligned or exchanged its stack. */
  readonly rsp: number | undefined;
  /** To where RBP points, as long as it is the function's own frame pointer. */
  readonly rbp: number | undefined;
  /** To where registers were pushed first, by number. */
  readonly pushed: ReadonlyMap<number, number>;
}

/** Further from its beginning than this, a function is not read. */
export const LONGEST_FUNCTION = 0x4000n;
const RSP = 4;
const RBP = 5;

const atEntry: StackDepth = { rsp: 0, rbp: undefined, pushed: new Map() };

/** @returns undefined when the instructions do not lead from the beginning to the address */
export const stackDepth = (view: CodeView, start: LinearAddress, address: LinearAddress): StackDepth | undefined => {
  if (address < start || address - start > LONGEST_FUNCTION) return undefined;
  return readInstructions(view, (reader) => {
    /** By where forward branches go. */
    const arrivals = new Map<bigint, StackDepth>();
    let here: StackDepth | undefined = atEntry;
    /** The state of the function's body: what holds behind an epilogue that nobody is known to jump over. */
    let body = atEntry;
    let at = start;
    while (at < address) {
      const instruction = reader.at(at);
      if (instruction === undefined || instruction.isInvalid) return undefined;
      here = arrivals.get(at) ?? here ?? body;
      const next = linear(at + BigInt(instruction.length));
      const target = targetOf(view, instruction);
      if (isBranch(instruction) && target !== undefined && target > at && !arrivals.has(target))
        arrivals.set(target, here);
      here = after(here, instruction, view.bits / 8);
      if (here !== undefined && (here.rsp ?? 0) > (body.rsp ?? 0)) body = here;
      at = next;
    }
    return at === address ? (arrivals.get(at) ?? here ?? body) : undefined;
  });
};

const isBranch = ({ flowControl }: Instruction): boolean =>
  flowControl === FlowControl.ConditionalBranch || flowControl === FlowControl.UnconditionalBranch;

/** Control does not go on behind it. */
const ends: ReadonlySet<FlowControl> = new Set([
  FlowControl.Return,
  FlowControl.UnconditionalBranch,
  FlowControl.IndirectBranch,
  FlowControl.Exception,
]);

const reads: ReadonlySet<Mnemonic> = new Set([Mnemonic.Cmp, Mnemonic.Test, Mnemonic.Push, Mnemonic.Bt]);

/** Number of a general register that the first operand is, whatever its size. */
const firstRegister = (instruction: Instruction): number | undefined =>
  instruction.opCount > 0 && instruction.op0Kind === OpKind.Register && RegisterExt.isGPR(instruction.op0Register)
    ? RegisterExt.number(instruction.op0Register)
    : undefined;

type Effect = (before: StackDepth, instruction: Instruction, word: number) => StackDepth;

const unknown = (before: StackDepth): StackDepth => ({ ...before, rsp: undefined });
const add = (before: StackDepth, bytes: number): StackDepth =>
  before.rsp === undefined ? before : { ...before, rsp: before.rsp + bytes };

/** Numbers in instructions are as wide as the code. */
const signed = (value: bigint, word: number): number => Number(BigInt.asIntN(word * 8, value));

const immediate = (instruction: Instruction, word: number): number | undefined =>
  instruction.opCount === 2 && instruction.op1Kind !== OpKind.Register && instruction.op1Kind !== OpKind.Memory
    ? signed(instruction.immediate(1), word)
    : undefined;

/** Instructions that change RSP or RBP otherwise than by pushing and popping. */
const effects: ReadonlyMap<Mnemonic, Effect> = new Map([
  [Mnemonic.Sub, (before, instruction, word) => grow(before, instruction, word, 1)],
  [Mnemonic.Add, (before, instruction, word) => grow(before, instruction, word, -1)],
  [
    Mnemonic.Mov,
    (before, instruction) => {
      const [to, from] = [firstRegister(instruction), secondRegister(instruction)];
      if (to === RBP) return { ...before, rbp: from === RSP ? before.rsp : undefined };
      return to === RSP ? { ...before, rsp: from === RBP ? before.rbp : undefined } : before;
    },
  ],
  [
    Mnemonic.Lea,
    (before, instruction, word) => {
      const to = firstRegister(instruction);
      if (to === RBP) return { ...before, rbp: undefined };
      if (to !== RSP) return before;
      const base = instruction.memoryBase === Register.None ? -1 : RegisterExt.number(instruction.memoryBase);
      const from = base === RSP ? before.rsp : base === RBP ? before.rbp : undefined;
      const plain = from !== undefined && instruction.memoryIndex === Register.None;
      const distance = signed(instruction.memoryDisplacement, word);
      return { ...before, rsp: plain ? from - distance : undefined };
    },
  ],
  [
    Mnemonic.Leave,
    (before, _, word) => ({ ...before, rsp: before.rbp === undefined ? undefined : before.rbp - word, rbp: undefined }),
  ],
  [
    Mnemonic.Enter,
    (before, instruction, word) => {
      if (before.rsp === undefined) return before;
      const frame = before.rsp + word;
      return { rsp: frame + instruction.immediate16, rbp: frame, pushed: new Map([...before.pushed, [RBP, frame]]) };
    },
  ],
]);

const grow = (before: StackDepth, instruction: Instruction, word: number, sign: 1 | -1): StackDepth => {
  const register = firstRegister(instruction);
  if (register === RBP) return { ...before, rbp: undefined };
  if (register !== RSP) return before;
  const bytes = immediate(instruction, word);
  return bytes === undefined ? unknown(before) : add(before, sign * bytes);
};

const secondRegister = (instruction: Instruction): number | undefined =>
  instruction.opCount === 2 && instruction.op1Kind === OpKind.Register && RegisterExt.isGPR(instruction.op1Register)
    ? RegisterExt.number(instruction.op1Register)
    : undefined;

/** What holds behind an instruction; undefined where control does not go on there. */
const after = (before: StackDepth, instruction: Instruction, word: number): StackDepth | undefined => {
  const { flowControl, mnemonic } = instruction;
  if (ends.has(flowControl)) return undefined;
  // What is called leaves the stack as it was.
  if (flowControl === FlowControl.Call || flowControl === FlowControl.IndirectCall) return before;
  if (flowControl === FlowControl.Interrupt) return before;
  const effect = effects.get(mnemonic);
  if (effect !== undefined) return effect(before, instruction, word);
  const register = firstRegister(instruction);
  const change = instruction.stackPointerIncrement;
  if (change !== 0) {
    const moved = add(before, -change);
    if (mnemonic === Mnemonic.Pop && register === RSP) return unknown(before);
    if (mnemonic === Mnemonic.Pop && register === RBP) return { ...moved, rbp: undefined };
    const isFirst = mnemonic === Mnemonic.Push && register !== undefined && !before.pushed.has(register);
    return isFirst && moved.rsp !== undefined
      ? { ...moved, pushed: new Map([...moved.pushed, [register, moved.rsp]]) }
      : moved;
  }
  if (reads.has(mnemonic)) return before;
  if (register === RSP) return unknown(before);
  return register === RBP ? { ...before, rbp: undefined } : before;
};
