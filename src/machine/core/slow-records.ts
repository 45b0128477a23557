/** The instructions that TypeScript executes, decoded; kept by record, because the same ones come again. */

import type { Instruction } from 'iced-x86';
import type { CodeCache } from './code-cache';
import type { CodeFetch } from './code-fetch';

/** What is asked of an instruction again and again, as properties of its own: each question would be a call into iced-x86. */
const withProperties = (instruction: Instruction): Instruction => {
  const { mnemonic, code, length, ip } = instruction;
  return Object.defineProperties(instruction, {
    mnemonic: { value: mnemonic },
    code: { value: code },
    length: { value: length },
    ip: { value: ip },
  });
};

export class SlowRecords {
  private readonly known = new Map<number, Instruction>();
  private generation = 0;

  constructor(
    private readonly code: CodeCache,
    private readonly fetch: CodeFetch,
  ) {}

  at(record: number, rip: bigint): Instruction {
    if (this.generation !== this.code.generation) this.forget();
    const known = this.known.get(record);
    // The same bytes at another linear address have other targets and RIP-relative operands.
    if (known?.ip === rip) return known;
    known?.free();
    const instruction = withProperties(this.fetch.decode(rip));
    this.known.set(record, instruction);
    return instruction;
  }

  private forget(): void {
    for (const instruction of this.known.values()) instruction.free();
    this.known.clear();
    this.generation = this.code.generation;
  }
}
