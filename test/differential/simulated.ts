/** The core as it executes cases: a bare engine, linear addresses mapped one to one, exceptions noted instead of delivered. */

import type { Instruction } from 'iced-x86';
import type { Architecture } from '../../src/machine/core/architecture';
import { coreBytes } from '../../src/machine/core/binary';
import { type Counters, Engine } from '../../src/machine/core/engine';
import { Fault } from '../../src/machine/core/fault';
import { Handlers } from '../../src/machine/core/handlers';
import { access, state as layout, record } from '../../src/machine/core/layout';
import { CoreMemory } from '../../src/machine/core/memory';
import { PhysicalMemory } from '../../src/machine/core/physical';
import { CpuState, CS, DS, ES, FS, GS, SS, UNUSABLE } from '../../src/machine/core/state';
import type { RuleId } from '../../src/x86/rules';
import { type Case, CODE, CODE_SIZE, DATA_SIZE } from './cases';
import type { Bits } from './encodings';
import type { Outcome } from './native';

/** Where code and data lie in physical memory. */
const CODE_AT = 0x100000;
const DATA_AT = 0x2000000;
/** Steps after which a case is given up. */
const PATIENCE = 1_000_000;

const BREAKPOINT = 3;
const UNDEFINED_OPCODE = 6;

export interface Configuration {
  readonly bits: Bits;
  /** 32-bit code with segments that are not quite flat takes other handlers. */
  readonly segmented?: boolean;
  /** One instruction at a time takes other handlers too. */
  readonly stepping?: boolean;
  /** Changes what ring 3 under Linux looks like. */
  readonly prepare?: (state: CpuState) => void;
}

export class Simulated {
  /** Keys of the handlers that executed an instruction. */
  readonly reached = new Set<string>();
  private readonly engine: Engine;
  private readonly handlers: Handlers;
  readonly state: CpuState;
  private readonly physical: PhysicalMemory;
  private readonly counters: Counters = { step: 0, unretired: 0, repeats: 0 };
  /** What ended the last case. */
  fault: Fault | undefined;
  /** RIP of the first case: with a CS of base `CODE` it is 0. */
  start = CODE;
  private data = 0n;
  private codeSize = 0n;

  constructor(readonly configuration: Configuration) {
    const memory = new CoreMemory();
    this.physical = new PhysicalMemory(memory);
    this.physical.map(0, 0x4000000, 'ram');
    this.state = new CpuState(memory, 0);
    const module = new WebAssembly.Module(coreBytes);
    this.handlers = new Handlers(module);
    this.engine = new Engine(this.state, this.physical, this.architecture(), this.counters, module, this.handlers);
    this.engine.beforeDelivery = (fault) => {
      // INT3, INT1 and INTO go on to `execute`, behind the instruction.
      if (fault.why.rule.startsWith('software.')) return false;
      this.end(fault);
      return true;
    };
    this.reset();
  }

  /** Names of all handlers. */
  get names(): readonly string[] {
    return this.handlers.names;
  }

  /** Registers as Linux gives them to programs, ring 3. */
  private reset(): void {
    const { state, configuration } = this;
    const { bits, segmented } = configuration;
    state.cr0 = 0x80000001n;
    state.efer = bits === 64 ? 0x500n : 0n;
    state.cpl = 3;
    state.rflags = 0x202;
    const limit = 0xffffffff;
    const code = 0x80fb | (bits === 64 ? 1 << 13 : 1 << 14);
    state.setSegment(CS, {
      selector: bits === 64 ? 0x33 : 0x23,
      base: 0n,
      limit: segmented ? limit - 1 : limit,
      access: code,
    });
    for (const index of [SS, DS, ES] as const)
      state.setSegment(index, { selector: 0x2b, base: 0n, limit, access: 0x80f3 | (1 << 14) });
    for (const index of [FS, GS] as const)
      state.setSegment(index, { selector: 0, base: 0n, limit: 0, access: UNUSABLE });
    this.configuration.prepare?.(state);
    this.engine.modeChanged();
  }

  private end(fault: Fault): void {
    this.fault = fault;
    this.state.setU32(layout.leave, 1);
  }

  private architecture(): Architecture {
    let refusal: Fault | undefined;
    return {
      get fault() {
        return refusal;
      },
      translate: (low: number, high: number, kind): number => {
        const linear = (BigInt(high >>> 0) << 32n) | BigInt(low >>> 0);
        if (linear >= this.data && linear < this.data + BigInt(DATA_SIZE)) return DATA_AT + Number(linear - this.data);
        const writes = kind === access.write || kind === access.probe;
        if (!writes && linear >= CODE && linear < CODE + this.codeSize) return CODE_AT + Number(linear - CODE);
        const top = linear >> 47n;
        refusal =
          top === 0n || top === 0x1ffffn
            ? new Fault(14, { rule: 'walk.present' }, 4, linear)
            : new Fault(13, { rule: 'linear.canonical' }, 0);
        return -1;
      },
      cached: () => -1,
      mayDerive: () => true,
      faultVector: 0,
      faultCode: 0,
      faultLow: 0,
      faultHigh: 0,
      execute: (instruction: Instruction) => {
        // The breakpoint ends the case; nothing else is left to TypeScript.
        const done = instruction.length === 1;
        if (done) this.state.rip += 1n;
        this.end(new Fault(done ? BREAKPOINT : UNDEFINED_OPCODE, { rule: 'opcode.undefined' }));
        return true;
      },
      mayDeliver: () => true,
      deliver: (fault) => this.end(fault),
      refusal: (vector, code, rule) => new Fault(vector, { rule: rule as RuleId }, code),
      misaligned: () => new Fault(17, { rule: 'alignment' }, 0),
      supports: () => true,
    };
  }

  /** Runs the cases, each on fresh data. */
  run(cases: readonly Case[], data: bigint, template: Uint8Array): Outcome[] {
    const { state, physical, engine } = this;
    this.data = data;
    this.codeSize = BigInt((cases.length * CODE_SIZE + 8191) & ~4095);
    engine.code.dropAll();
    engine.tables.dropTranslations();
    const code = new Uint8Array(Number(this.codeSize)).fill(0xcc);
    cases.forEach((one, slot) => {
      code.set(one.code, slot * CODE_SIZE);
    });
    physical.pokeBytes(CODE_AT, code);
    physical.pokeBytes(DATA_AT, template);
    const pages = [0, 4096].map((offset) => physical.writable((DATA_AT + offset) / 4096));
    return cases.map((one, slot) => {
      pages.forEach((at, n) => {
        state.memory.u8.set(template.subarray(n * 4096, (n + 1) * 4096), at);
      });
      for (let n = 0; n < 16; n++) state.setGpr(n, one.gpr[n] as bigint);
      state.rflags = one.flags;
      state.rip = this.start + BigInt(slot * CODE_SIZE);
      this.fault = undefined;
      this.go();
      this.note(slot, one.starts);
      const fault = this.fault as Fault | undefined;
      return {
        gpr: BigUint64Array.from({ length: 16 }, (_, n) => state.gpr(n)),
        flags: state.rflags,
        rip: state.rip,
        vector: fault?.vector ?? -1,
        address: fault?.address ?? 0n,
        sum: this.checksum(pages, template),
      };
    });
  }

  private go(): void {
    const { engine, counters } = this;
    const end = counters.step + PATIENCE;
    while (!this.fault && counters.step < end) {
      if (this.configuration.stepping) engine.step();
      else engine.run(PATIENCE);
    }
  }

  /** As native.c does it. */
  private checksum(pages: readonly number[], template: Uint8Array): number {
    const { u8, u32 } = this.state.memory;
    const [low, high] = pages as [number, number];
    const around = 512;
    const unchanged = (at: number, from: number, to: number): boolean =>
      Buffer.compare(u8.subarray(at + (from & 4095), at + (from & 4095) + to - from), template.subarray(from, to)) ===
      0;
    const same = unchanged(low, 0, 4096 - around) && unchanged(high, 4096 + around, DATA_SIZE);
    let sum = 0x811c9dc5;
    const add = (from: number, to: number): void => {
      for (let word = from / 4; word < to / 4; word++) sum = Math.imul(sum ^ (u32[word] as number), 0x01000193);
    };
    add(same ? low + 4096 - around : low, low + 4096);
    add(high, same ? high + around : high + 4096);
    return sum >>> 0;
  }

  /** Notes the handlers of cases without running them. */
  decode(cases: readonly Case[]): void {
    this.engine.code.dropAll();
    cases.forEach((one, slot) => {
      this.physical.pokeBytes(CODE_AT + slot * CODE_SIZE, one.code);
      this.note(slot, one.starts);
    });
  }

  /** Notes the handlers of a case's instructions. */
  private note(slot: number, starts: readonly number[]): void {
    const { memory } = this.state;
    const { bits, segmented } = this.configuration;
    const mode = bits === 64 ? 2 : bits === 16 ? 0 : segmented ? 1 : 3;
    for (const start of starts) {
      const at = this.engine.code.instruction(CODE_AT + slot * CODE_SIZE + start, mode);
      if (at === 0) continue;
      for (const handler of [memory.u32[at / 4] as number, memory.view.getUint16(at + record.plain, true)]) {
        const name = this.handlers.names[handler];
        if (name) this.reached.add(name);
      }
    }
  }
}
