/**
 * Finds the records for RIP: the limit of CS, the translation, decoded code, and the cases that are executed one by
 * one: native code, instructions that cross a page, the page in which the code segment ends.
 */

import { Decoder, DecoderOptions, type Instruction } from 'iced-x86';
import type { Architecture } from './architecture';
import type { CodeCache } from './code-cache';
import { bitnessOf, type DecodeMode, decodeMode } from './decoder';
import type { FastTables } from './fast-tables';
import type { Fault } from './fault';
import { access, record, state } from './layout';
import type { PhysicalMemory } from './physical';
import { type CpuState, CS } from './state';

const GENERAL_PROTECTION = 13;

export class CodeFetch {
  mode: DecodeMode = 0;
  /** The action of native code at a physical address, one step; undefined: there is none. It may throw a Fault. */
  native: ((physical: number) => (() => void) | undefined) | undefined;
  /** After `find` gave 0, one of these says why; with none of them, the instruction is to be looked for on its own. */
  refused: Fault | undefined;
  action: (() => void) | undefined;
  /** A record to be executed alone. */
  alone = 0;

  constructor(
    private readonly cpu: CpuState,
    private readonly physical: PhysicalMemory,
    private readonly architecture: Architecture,
    private readonly code: CodeCache,
    private readonly tables: FastTables,
  ) {}

  get isLong(): boolean {
    return this.mode === decodeMode.code64;
  }

  linear(rip: bigint): bigint {
    return this.isLong ? BigInt.asUintN(64, rip) : BigInt.asUintN(32, rip + this.cpu.segmentBase(CS));
  }

  /** Physical address of code, or -1 with the refusal in the architecture's `fault`. */
  translate(rip: bigint): number {
    const linear = this.linear(rip);
    const low = Number(linear & 0xffffffffn);
    return this.architecture.translate(low, Number(linear >> 32n), access.execute, this.cpu.cpl === 3 ? 1 : 0);
  }

  /** Decodes the instruction at RIP as the processor would; bytes of a page that cannot be fetched are missing. */
  decode(rip: bigint): Instruction {
    const bytes: number[] = [];
    for (let n = 0; n < 15; n++) {
      const physical = this.translate(rip + BigInt(n));
      if (physical < 0) break;
      bytes.push(Number(this.physical.peek(physical, 1)));
    }
    const decoder = new Decoder(bitnessOf(this.mode), new Uint8Array(bytes), DecoderOptions.None);
    decoder.ip = rip;
    const instruction = decoder.decode();
    decoder.free();
    return instruction;
  }

  /** The record for RIP: the head of a block, or with `block` false any record of that instruction; or 0. */
  find(block: boolean): number {
    const { cpu, mode } = this;
    // By halves: single steps come this way, and BigInts would be most of their time.
    const low = cpu.getU32(state.rip);
    const high = cpu.getU32(state.rip + 4);
    const long = this.isLong;
    this.refused = undefined;
    this.action = undefined;
    this.alone = 0;
    const limit = long ? Number.POSITIVE_INFINITY : cpu.getU32(state.segmentLimit + CS * 4);
    if (!long && (high !== 0 || low > limit)) return this.refuse();
    const linear = long ? low : (low + cpu.getU32(state.segmentBase + CS * 8)) >>> 0;
    const user = cpu.getU32(state.cpl) === 3 ? 1 : 0;
    const physical = this.architecture.translate(linear, long ? high : 0, access.execute, user);
    if (physical < 0) {
      this.refused = this.architecture.fault as Fault;
      return 0;
    }
    this.action = this.native?.(physical);
    if (this.action) return 0;
    const offset = physical & 0xfff;
    cpu.setU32(state.ipBase, low - offset);
    cpu.setU32(state.ipBase + 4, low < offset ? high - 1 : high);
    // Where the segment ends within reach of the page, each instruction is looked at on its own.
    const tail = !long && low - offset + 0xfff + 15 > limit && limit < 0xffff0000;
    if (tail && block) return 0;
    const memory = physical < 2 ** 32;
    const found = !memory ? 0 : block ? this.code.block(physical, mode) : this.code.instruction(physical, mode);
    if (found === 0) return this.crossing(physical, cpu.rip, limit);
    if (tail && this.isBeyond(found, cpu.rip, limit)) return this.refuse();
    if (block && this.architecture.mayDerive(access.execute)) this.tables.fillJump(low | 0, high | 0, found, offset);
    return found;
  }

  /** Offset in its page of the next instruction's linear address. */
  get pageOffset(): number {
    const base = this.isLong ? 0 : this.cpu.getU32(state.segmentBase + CS * 8);
    return (this.cpu.getU32(state.rip) + base) & 0xfff;
  }

  private refuse(): 0 {
    this.refused = this.architecture.refusal(GENERAL_PROTECTION, 0, 'code.limit');
    return 0;
  }

  private isBeyond(at: number, rip: bigint, limit: number): boolean {
    const length = (this.cpu.memory.view.getUint16(at + record.place, true) >>> 12) + 1;
    return rip + BigInt(length) - 1n > limit;
  }

  /** An instruction whose bytes lie in two pages: it needs the second one too. */
  private crossing(physical: number, rip: bigint, limit: number): 0 {
    const next = this.translate(rip + BigInt(4096 - (physical & 0xfff)));
    if (next < 0) {
      this.refused = this.architecture.fault as Fault;
      return 0;
    }
    const at = this.code.crossing(physical, Math.floor(next / 4096), this.mode);
    if (this.isBeyond(at, rip, limit)) return this.refuse();
    this.alone = at;
    return 0;
  }
}
