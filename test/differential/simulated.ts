/** The core as it executes cases: a bare engine, linear addresses mapped one to one, exceptions noted instead of delivered. */

import type { Instruction } from 'iced-x86';
import { coreBytes } from '../../src/machine/core/binary';
import { type Architecture, Engine } from '../../src/machine/core/engine';
import { Fault } from '../../src/machine/core/fault';
import { Handlers } from '../../src/machine/core/handlers';
import { state as layout } from '../../src/machine/core/layout';
import { CoreMemory } from '../../src/machine/core/memory';
import { PhysicalMemory } from '../../src/machine/core/physical';
import { CpuState, CS, DS, ES, FS, GS, SS, UNUSABLE } from '../../src/machine/core/state';
import { type Bits } from './encodings';
import { CODE, CODE_SIZE, type Case, DATA_SIZE } from './cases';
import type { Outcome } from './native';

/** Where code and data lie in physical memory. */
const CODE_AT = 0x100000;
const DATA_AT = 0x2000000;

export interface Configuration {
  readonly bits: Bits;
  /** 32-bit code with segments that are not quite flat takes other handlers. */
  readonly segmented?: boolean;
  /** One instruction at a time takes other handlers too. */
  readonly stepping?: boolean;
}

export class Simulated {
  readonly engine: Engine;
  readonly handlers: Handlers;
  readonly state: CpuState;
  /** How often each handler was at hand. */
  readonly reached = new Set<string>();
  private readonly physical: PhysicalMemory;
  private fault: Fault | undefined;
  private data = 0n;
  private codeSize = 0n;

  constructor(private readonly configuration: Configuration) {
    const memory = new CoreMemory();
    this.physical = new PhysicalMemory(memory);
    this.physical.map(0, 0x4000000, 'ram');
    this.state = new CpuState(memory, 0);
    const module = new WebAssembly.Module(coreBytes);
    this.handlers = new Handlers(module);
    this.engine = new Engine(
      this.state,
      this.physical,
      this.architecture(),
      { step: 0, unretired: 0 },
      module,
      this.handlers,
    );
    this.reset();
  }

  private reset(): void {
    const { state, configuration } = this;
    const { bits, segmented } = configuration;
    state.cr0 = 0x80000001n;
    state.efer = bits === 64 ? 0x500n : 0n;
    state.cpl = 3;
    state.rflags = 0x202;
    const limit = 0xffffffff;
    const big = bits === 32 ? 1 << 14 : 0;
    const long = bits === 64 ? 1 << 13 : 0;
    // Types and selectors as Linux gives them to programs.
    state.setSegment(CS, { selector: bits === 64 ? 0x33 : 0x23, base: 0n, limit: segmented ? limit - 1 : limit, access: 0xfb | big | long | 0x8000 });
    for (const index of [SS, DS, ES] as const)
      state.setSegment(index, { selector: 0x2b, base: 0n, limit, access: 0xf3 | (1 << 14) | 0x8000 });
    for (const index of [FS, GS] as const) state.setSegment(index, { selector: 0, base: 0n, limit: 0, access: UNUSABLE });
    this.engine.modeChanged();
  }

  private architecture(): Architecture {
    const translation = {
      fault: undefined as Fault | undefined,
      translate: (low: number, high: number): number => {
        const linear = (BigInt(high >>> 0) << 32n) | BigInt(low >>> 0);
        if (linear >= this.data && linear < this.data + BigInt(DATA_SIZE)) return DATA_AT + Number(linear - this.data);
        if (linear >= CODE && linear < CODE + this.codeSize) return CODE_AT + Number(linear - CODE);
        const top = linear >> 47n;
        translation.fault =
          top === 0n || top === 0x1ffffn
            ? new Fault(14, { rule: 'walk.present' }, 4, linear)
            : new Fault(13, { rule: 'linear.canonical' }, 0);
        return -1;
      },
    };
    return {
      ...translation,
      get fault() {
        return translation.fault;
      },
      mayDerive: () => true,
      execute: (instruction: Instruction) => {
        // A breakpoint ends the case; nothing else is left to TypeScript.
        this.fault = new Fault(instruction.length === 1 ? 3 : 6, { rule: 'slow' });
        if (this.fault.vector === 3) this.state.rip += 1n;
        this.state.setU32(layout.leave, 1);
      },
      deliver: (fault) => {
        this.fault = fault;
        this.state.setU32(layout.leave, 1);
      },
      refusal: (vector, code, reason) => new Fault(vector, { rule: reason }, code),
      misaligned: () => new Fault(17, { rule: 'alignment' }, 0),
      supports: () => true,
    };
  }

  /** Runs the cases, each on fresh data. */
  run(cases: readonly Case[], data: bigint, template: Uint8Array): Outcome[] {
    const { state, physical, engine } = this;
    this.data = data;
    engine.code.dropAll();
    engine.tables.dropTranslations();
    const code = new Uint8Array(cases.length * CODE_SIZE + 4096).fill(0xcc);
    cases.forEach((one, slot) => code.set(one.code, slot * CODE_SIZE));
    this.codeSize = BigInt((cases.length * CODE_SIZE + 8191) & ~4095);
    physical.pokeBytes(CODE_AT, code);
    physical.pokeBytes(DATA_AT, template);
    const pages = [0, 4096].map((offset) => physical.writable((DATA_AT + offset) / 4096));
    const { u32 } = state.memory;
    const words = new Uint32Array(template.buffer, template.byteOffset, template.length / 4);
    return cases.map((one, slot) => {
      pages.forEach((at, n) => u32.set(words.subarray(n * 1024, (n + 1) * 1024), at / 4));
      one.gpr.forEach((value, n) => state.setGpr(n, value));
      state.rflags = one.flags;
      state.rip = CODE + BigInt(slot * CODE_SIZE);
      this.fault = undefined;
      if (this.configuration.stepping) for (let n = 0; n < 100_000 && !this.fault; n++) engine.step();
      else try { engine.run(100_000); } catch (e) { console.log('slot', slot, [...one.code].map((b) => b.toString(16).padStart(2, '0')).join(' '), [...one.gpr].map((v) => v.toString(16)).join(' '), one.flags.toString(16), 'rip', state.rip.toString(16)); throw e; }
      let sum = 0x811c9dc5;
      for (const at of pages)
        for (let word = at / 4, end = word + 1024; word < end; word++)
          sum = Math.imul(sum ^ (u32[word] as number), 0x01000193);
      const fault = this.fault as Fault | undefined;
      return {
        gpr: BigUint64Array.from({ length: 16 }, (_, n) => state.gpr(n)),
        flags: state.rflags,
        rip: state.rip,
        vector: fault?.vector ?? -1,
        address: fault?.address ?? 0n,
        sum: sum >>> 0,
      };
    });
  }

  /** Notes the handlers of a case's instructions: the key of a handler to the oracle that reached it. */
  note(slot: number, offsets: readonly number[]): void {
    const { memory } = this.state;
    const mode = this.configuration.bits === 64 ? 2 : this.configuration.segmented ? 1 : 3;
    for (const offset of offsets) {
      const at = this.engine.code.instruction(CODE_AT + slot * CODE_SIZE + offset, mode);
      const name = at && this.handlers.names[memory.u32[at / 4] as number];
      if (name) this.reached.add(name);
    }
  }
}
