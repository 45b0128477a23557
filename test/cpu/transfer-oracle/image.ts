/** The image of kernel.asm with its cases: handlers and IDT are written here, where a loop is shorter than a macro. */

import { readFileSync } from 'node:fs';
import { assembleProgram } from '../../../src/assembler/assemble';
import { exceptionOf } from '../../../src/x86/exceptions';

export const LOAD = 0x8000;
const IDT = 0x10800;
const CASES = 0x20000;
export const CASE_SIZE = 144;

const source = (): string => {
  const lines = [readFileSync(new URL('./kernel.asm', import.meta.url), 'utf8')];
  for (let vector = 0; vector <= 0x41; vector++) {
    lines.push(`vector_${vector}:`);
    if ((exceptionOf(vector)?.errorCode ?? 'none') === 'none' || vector > 20) lines.push('    push dword 0');
    lines.push(`    push dword ${vector}`, '    jmp report');
  }
  return lines.join('\n');
};

export interface Kernel {
  readonly bytes: Uint8Array;
  /** Where transfers go. */
  readonly landing: number;
  /** The byte that chooses between COM1 and the debug console. */
  readonly console: number;
}

export const assembleKernel = (): Kernel => {
  const program = assembleProgram(source(), { file: 'kernel.asm' });
  const segment = program.segments[0];
  if (segment === undefined) throw new Error('an empty kernel');
  const address = (name: string): number => Number(program.symbols.find((symbol) => symbol.name === name)?.address);
  const bytes = new Uint8Array(CASES - LOAD);
  bytes.set(segment.bytes);
  const view = new DataView(bytes.buffer);
  for (let vector = 0; vector <= 0x41; vector++) {
    const offset = address(`vector_${vector}`);
    const at = IDT - LOAD + vector * 8;
    view.setUint16(at, offset, true);
    view.setUint16(at + 2, 8, true);
    view.setUint16(at + 4, vector === 0x41 ? 0xee00 : 0x8e00, true);
    view.setUint16(at + 6, offset >>> 16, true);
  }
  // Double faults are a task of their own.
  view.setBigUint64(IDT - LOAD + 8 * 8, 0x0000_8500_0058_0000n, true);
  // An offset of more than 16 bits lands 64 KiB higher.
  bytes.set([0xcd, 0x41], address('landing') + 0x1_0000 - LOAD);
  return { bytes, landing: address('landing'), console: address('console') };
};

/** Kernel and cases as one image for address 0x8000. */
export const imageOf = (kernel: Kernel, cases: readonly Uint8Array[], serial: boolean): Uint8Array => {
  const image = new Uint8Array(kernel.bytes.length + (cases.length + 1) * CASE_SIZE);
  image.set(kernel.bytes);
  image[kernel.console - LOAD] = serial ? 1 : 0;
  cases.forEach((one, index) => {
    image.set(one, kernel.bytes.length + index * CASE_SIZE);
  });
  image[kernel.bytes.length + cases.length * CASE_SIZE + 48] = 0xff;
  return image;
};
