/**
 * A processor without a core: state, memory without paging, and a standard set of tables, so that one instruction's
 * privileged part can be called and looked at.
 *
 *   0x1000 GDT   0x2000 LDT   0x3000 IDT   0x4000 current TSS   0x5000 another TSS
 *   0x8000 current stack   0x9000 stack of ring 0   0xa000 ring 1   0xb000 IST1
 */

import { Fault } from '../../src/machine/core/fault';
import { state as layout } from '../../src/machine/core/layout';
import { CoreMemory } from '../../src/machine/core/memory';
import { type AccessSize, PhysicalMemory } from '../../src/machine/core/physical';
import { CpuState, CS, DS, ES, FS, GS, LDTR, type SegmentIndex, SS, TR } from '../../src/machine/core/state';
import { Cpu, type LinearMemory } from '../../src/machine/cpu/cpu';
import type { CpuModel } from '../../src/machine/cpu/model';
import type { RuleId } from '../../src/x86/rules';

export interface SegmentOptions {
  dpl?: number;
  base?: number;
  limit?: number;
  present?: boolean;
  big?: boolean;
  long?: boolean;
  accessed?: boolean;
  /** Code: readable. Data: writable. */
  open?: boolean;
  /** Code: conforming. Data: expand-down. */
  special?: boolean;
  pages?: boolean;
}

const pack = (base: number, limit: number, access: number, nibble: number): bigint =>
  (BigInt(limit) & 0xffffn) |
  ((BigInt(base) & 0xff_ffffn) << 16n) |
  (BigInt(access) << 40n) |
  (((BigInt(limit) >> 16n) & 15n) << 48n) |
  (BigInt(nibble) << 52n) |
  (((BigInt(base) >> 24n) & 0xffn) << 56n);

const segment = (code: boolean, options: SegmentOptions): bigint => {
  const { dpl = 0, base = 0, present = true, accessed = true, open = true, special = false, pages = true } = options;
  const limit = options.limit ?? 0xf_ffff;
  const { big = !options.long, long = false } = options;
  const type = (code ? 8 : 0) | (special ? 4 : 0) | (open ? 2 : 0) | (accessed ? 1 : 0);
  return pack(
    base,
    limit,
    (present ? 0x80 : 0) | (dpl << 5) | 0x10 | type,
    (pages ? 8 : 0) | (big ? 4 : 0) | (long ? 2 : 0),
  );
};

export const code = (options: SegmentOptions = {}): bigint => segment(true, options);
export const code64 = (options: SegmentOptions = {}): bigint => segment(true, { long: true, ...options });
export const data = (options: SegmentOptions = {}): bigint => segment(false, options);

/** A system descriptor: LDT 2, TSS 1, 3, 9, 11. */
export const system = (
  type: number,
  { dpl = 0, base = 0, limit = 0x67, present = true }: SegmentOptions = {},
): bigint => pack(base, limit, (present ? 0x80 : 0) | (dpl << 5) | type, 0);

/** A gate. `extra` is the parameter count of a call gate or the IST entry of a 64-bit gate. */
export const gate = (
  type: number,
  selector: number,
  offset: number,
  { dpl = 0, present = true, extra = 0 }: { dpl?: number; present?: boolean; extra?: number } = {},
): bigint =>
  (BigInt(offset) & 0xffffn) |
  (BigInt(selector) << 16n) |
  (BigInt(extra) << 32n) |
  (BigInt((present ? 0x80 : 0) | (dpl << 5) | type) << 40n) |
  ((BigInt(offset) >> 16n) << 48n);

/** Selectors of the standard GDT, RPL 0. */
export const GDT = {
  code0: 0x08,
  data0: 0x10,
  code3: 0x18,
  data3: 0x20,
  tss: 0x28,
  code64: 0x38,
  code64User: 0x40,
  ldt: 0x48,
  conforming: 0x58,
  code1: 0x60,
  data1: 0x68,
  /** Where tests put theirs: up to 0xff. */
  free: 0x80,
} as const;

export type TestMode = 'real' | 'v86' | 'protected' | 'compatibility' | 'long';

export class BareProcessor {
  /** Does linear memory have the short way? It must make no difference. */
  static windows = true;
  readonly memory = new CoreMemory();
  readonly physical = new PhysicalMemory(this.memory);
  readonly state = new CpuState(this.memory, 0);
  readonly events: Record<string, unknown>[] = [];
  /** Pages (numbers) that fault. */
  readonly absent = new Set<bigint>();
  readonly privileges: string[] = [];
  modeChanges = 0;
  /** Loads of CR3. */
  spaces = 0;
  readonly cpu: Cpu;

  constructor(
    readonly mode: TestMode,
    readonly cpl = mode === 'v86' ? 3 : 0,
  ) {
    this.physical.map(0, 0x100_0000, 'ram');
    const surroundings = {
      now: () => 0,
      emit: (kind: string, make: () => Record<string, unknown>) => this.events.push({ kind, ...make() }),
      portRead: () => 0,
      portWrite: () => undefined,
      apic: undefined as never,
      random: () => 0n,
    };
    this.cpu = new Cpu(
      this.state,
      this.physical,
      { physicalBits: 36, has: () => true } as unknown as CpuModel,
      surroundings,
      () => {
        this.modeChanges++;
      },
      () => undefined,
    );
    this.cpu.linear = this.linear();
    this.cpu.paging = { changeSpace: () => this.spaces++ } as unknown as Cpu['paging'];
    this.tables();
    this.registers();
  }

  private linear(): LinearMemory {
    const check = (address: bigint, size: number, privilege = 'current') => {
      this.privileges.push(privilege);
      const last = address + BigInt(size - 1);
      for (const each of [address, last])
        if (this.absent.has(each >> 12n)) throw new Fault(14, { rule: 'walk.present', linear: each }, 0, each);
    };
    return {
      read: (address, size, privilege) => {
        check(address, size, privilege);
        return this.peek(Number(address), size);
      },
      write: (address, size, value, privilege) => {
        check(address, size, privilege);
        this.poke(Number(address), size, value);
      },
      probe: check,
      window: (low, high, size, write, privilege) => {
        const address = (BigInt(high) << 32n) | BigInt(low);
        if (!BareProcessor.windows || (low & 0xfff) + size > 4096 || high !== 0 || low >= 0x100_0000) return -1;
        if (this.absent.has(address >> 12n)) return -1;
        this.privileges.push(privilege);
        const frame = write ? this.physical.writable(low >>> 12) : this.memory.readable(low >>> 12);
        return frame + (low & 0xfff);
      },
    };
  }

  private tables(): void {
    const { state } = this;
    state.gdtr = { base: 0x1000n, limit: 0xff };
    state.idtr = { base: this.mode === 'real' ? 0n : 0x3000n, limit: this.long ? 0xfff : 0x7ff };
    this.define(GDT.code0, code());
    this.define(GDT.data0, data());
    this.define(GDT.code3, code({ dpl: 3 }));
    this.define(GDT.data3, data({ dpl: 3 }));
    this.define(GDT.tss, system(11, { base: 0x4000, limit: 0x67 }));
    this.define(GDT.code64, code64());
    this.define(GDT.code64User, code64({ dpl: 3 }));
    this.define(GDT.ldt, system(2, { base: 0x2000, limit: 0x3f }));
    this.define(GDT.conforming, this.long ? code64({ special: true }) : code({ special: true }));
    this.define(GDT.code1, this.long ? code64({ dpl: 1 }) : code({ dpl: 1 }));
    this.define(GDT.data1, data({ dpl: 1 }));
    if (this.long) {
      this.poke(0x4004, 8, 0x9000n);
      this.poke(0x400c, 8, 0xa000n);
      this.poke(0x4024, 8, 0xb000n);
    } else {
      this.poke(0x4004, 4, 0x9000n);
      this.poke(0x4008, 2, BigInt(GDT.data0));
      this.poke(0x400c, 4, 0xa000n);
      this.poke(0x4010, 2, BigInt(GDT.data1 | 1));
    }
  }

  private registers(): void {
    const { state, mode, cpl } = this;
    state.cr0 = mode === 'real' ? 0x10n : 0x11n;
    if (this.long) {
      state.cr0 = 0x8000_0011n;
      state.cr4 = 0x20n;
      state.efer = 0xd01n;
    }
    state.rflags = mode === 'v86' ? 0x2_3002 : 2;
    state.cpl = cpl;
    state.rip = 0x7000n;
    state.rsp = 0x8000n;
    if (mode === 'real' || mode === 'v86') {
      const access = mode === 'real' ? 0x93 : 0xf3;
      for (const index of [ES, CS, SS, DS, FS, GS])
        this.set(index as SegmentIndex, 0, { base: 0n, limit: 0xffff, access });
    } else {
      const user = cpl === 3;
      const codeSelector =
        mode === 'long'
          ? user
            ? GDT.code64User
            : cpl === 1
              ? GDT.code1
              : GDT.code64
          : user
            ? GDT.code3
            : cpl === 1
              ? GDT.code1
              : GDT.code0;
      const dataSelector = user ? GDT.data3 : cpl === 1 ? GDT.data1 : GDT.data0;
      this.set(CS, codeSelector | cpl, { access: (mode === 'long' ? 0xa09b : 0xc09b) | (cpl << 5) });
      for (const index of [ES, SS, DS, FS, GS])
        this.set(index as SegmentIndex, dataSelector | cpl, { access: 0xc093 | (cpl << 5) });
    }
    this.set(LDTR, GDT.ldt, { base: 0x2000n, limit: 0x3f, access: 0x82 });
    this.set(TR, GDT.tss, { base: 0x4000n, limit: 0x67, access: 0x8b });
  }

  get long(): boolean {
    return this.mode === 'long' || this.mode === 'compatibility';
  }

  set(index: SegmentIndex, selector: number, hidden: { base?: bigint; limit?: number; access: number }): void {
    this.state.setSegment(index, { selector, base: 0n, limit: 0xffff_ffff, ...hidden });
  }

  /** Puts an entry into the GDT, or with TI into the LDT. */
  define(selector: number, entry: bigint, upper?: bigint): void {
    const at = (selector & 4 ? 0x2000 : 0x1000) + (selector & 0xfff8);
    this.poke(at, 8, entry);
    if (upper !== undefined) this.poke(at + 8, 8, upper);
  }

  /** Puts a gate into the IDT. */
  vector(number: number, entry: bigint, upper = 0n): void {
    if (this.long) {
      this.poke(0x3000 + number * 16, 8, entry);
      this.poke(0x3008 + number * 16, 8, upper);
    } else this.poke(0x3000 + number * 8, 8, entry);
  }

  peek(address: number, size: AccessSize): bigint {
    let value = 0n;
    for (let i = size - 1; i >= 0; i--) value = (value << 8n) | this.physical.read(address + i, 1);
    return value;
  }

  poke(address: number, size: AccessSize, value: bigint): void {
    for (let i = 0; i < size; i++) this.physical.write(address + i, 1, (value >> BigInt(i * 8)) & 0xffn);
  }

  /** Puts values below the stack pointer's present place, first one on top, and points there. */
  stack(size: AccessSize, ...values: (bigint | number)[]): void {
    const top = Number(this.state.rsp) - values.length * size;
    values.forEach((value, index) => {
      this.poke(top + index * size, size, BigInt.asUintN(size * 8, BigInt(value)));
    });
    this.state.rsp = BigInt(top);
  }

  /** Values from an address up. */
  words(address: bigint | number, size: AccessSize, count: number): bigint[] {
    return Array.from({ length: count }, (_, index) => this.peek(Number(address) + index * size, size));
  }

  selectors(): Record<'es' | 'cs' | 'ss' | 'ds' | 'fs' | 'gs', number> {
    const [es, cs, ss, ds, fs, gs] = [ES, CS, SS, DS, FS, GS].map((index) =>
      this.state.selector(index as SegmentIndex),
    );
    return { es, cs, ss, ds, fs, gs } as Record<'es' | 'cs' | 'ss' | 'ds' | 'fs' | 'gs', number>;
  }

  /** Everything architectural as numbers, to see that nothing changed. */
  snapshot(): string {
    const bytes = this.memory.u8.slice(this.state.base, this.state.base + layout.transient);
    return Buffer.from(bytes).toString('base64');
  }
}

/** What a refusal looks like. */
export interface Refusal {
  readonly name: string;
  readonly rule: RuleId;
  readonly vector: number;
  readonly code?: number;
  readonly processor: () => BareProcessor;
  readonly act: (cpu: Cpu, processor: BareProcessor) => void;
  /** The fault belongs to the new task: state has changed. */
  readonly late?: boolean;
}

/** Runs something that must refuse. */
export const faultOf = (act: () => void): Fault => {
  try {
    act();
  } catch (fault) {
    if (fault instanceof Fault) return fault;
    throw fault;
  }
  throw new Error('it did not fault');
};
