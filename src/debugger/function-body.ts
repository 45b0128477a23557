/** Where a function begins to do what its source says: behind the code that makes its frame. */

import { Code, type Instruction, Mnemonic, Register } from 'iced-x86';
import { type LinearAddress, linear } from '../x86/address';
import type { CodeView } from './code-view';
import { readInstructions } from './instruction';

/** A function without a size in its symbol is not looked at further than this. */
const FURTHEST = 0x1000n;

/** Where a breakpoint on a symbol goes: into the body of a function; undefined when nothing has this name. */
export const stopAtSymbol = (view: CodeView, name: string): LinearAddress | undefined => {
  const symbol = view.info.symbols.named(name.trim());
  if (symbol === null) return undefined;
  // The code may be for another mode than the present one; the instructions looked for read the same in all.
  return symbol.kind === 'code' ? bodyOf({ ...view, bits: 64, base: 0n }, symbol.address) : symbol.address;
};

/**
 * The line table marks it, or a frame pointer is set up first and the line goes on behind it. Assembly names each
 * instruction's line, so that nothing is skipped in it.
 */
export const bodyOf = (view: CodeView, address: LinearAddress): LinearAddress => {
  const { lines, symbols } = view.info;
  const near = symbols.at(address);
  if (near === null || near.offset !== 0n || near.symbol.kind !== 'code') return address;
  const end = address + (near.symbol.size > 0 ? BigInt(near.symbol.size) : FURTHEST);
  const marked = lines.markedBody(address, end);
  if (marked !== null) return marked;
  const framed = afterFrame(view, address);
  const piece = framed === undefined ? null : lines.pieceAt(address);
  if (framed === undefined || piece === null) return address;
  const rows = lines.starts(linear(address + 1n), end);
  // A row within the code that makes the frame: somebody has written it himself.
  if ((rows[0] ?? end) < framed) return address;
  return rows.find((row) => row >= framed && lines.beginsAt(row)) ?? address;
};

/** Behind `push rbp; mov rbp, rsp`, with ENDBR before it perhaps; undefined where the function does not begin so. */
const afterFrame = (view: CodeView, address: LinearAddress): LinearAddress | undefined =>
  readInstructions(view, (reader) => {
    let at = address;
    for (const expected of [isEndbranch, isPushOfFramePointer, isFramePointerSet]) {
      const instruction = reader.at(at);
      if (instruction === undefined) return undefined;
      if (expected(instruction)) at = linear(at + BigInt(instruction.length));
      else if (expected !== isEndbranch) return undefined;
    }
    return at;
  });

const isEndbranch = ({ code }: Instruction): boolean => code === Code.Endbr64 || code === Code.Endbr32;

const framePointers: readonly Register[] = [Register.RBP, Register.EBP, Register.BP];
const stackPointers: readonly Register[] = [Register.RSP, Register.ESP, Register.SP];

const isPushOfFramePointer = ({ mnemonic, op0Register }: Instruction): boolean =>
  mnemonic === Mnemonic.Push && framePointers.includes(op0Register);

const isFramePointerSet = ({ mnemonic, op0Register, op1Register }: Instruction): boolean =>
  mnemonic === Mnemonic.Mov && framePointers.includes(op0Register) && stackPointers.includes(op1Register);
