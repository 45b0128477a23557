/** Instructions whose effect depends on CPL, IOPL, the mode or a control register. */

import { expect, test } from 'vitest';
import { state as layout } from '../../src/machine/core/layout';
import { type CpuState, CS, DS, ES, GS, SS } from '../../src/machine/core/state';
import { msrSlots } from '../../src/x86/msrs';
import { CODE } from '../differential/cases';
import type { Outcome } from '../differential/native';
import { type Configuration, Simulated } from '../differential/simulated';

const DATA = 0x20000000n;
const IF = 0x200;
const IOPL3 = 0x3000;
const VM = 0x20000;
const BASE = 2;

interface Ran extends Outcome {
  readonly core: Simulated;
  readonly rule: string | undefined;
}
/** Runs code with registers by number, and with what the configuration prepares. */
const run = (
  configuration: Configuration,
  code: readonly number[],
  registers: Readonly<Record<number, bigint>> = {},
  flags = BASE,
): Ran => {
  const core = new Simulated(configuration);
  const gpr = new BigUint64Array(16).fill(DATA + 0x1000n);
  for (const [n, value] of Object.entries(registers)) gpr[Number(n)] = BigInt.asUintN(64, value);
  const one = { code: Uint8Array.from(code), gpr, flags, undefinedFlags: 0, starts: [] };
  const [outcome] = core.run([one], DATA, new Uint8Array(8192)) as [Outcome];
  return { ...outcome, core, rule: core.fault?.why.rule };
};

const ring = (cpl: number) => (state: CpuState) => {
  state.cpl = cpl;
};
/** Ring 0 of 64-bit mode, ring 3 of it, and virtual-8086 mode. */
const ring0: Configuration = { bits: 64, prepare: ring(0) };
const ring3: Configuration = { bits: 64, prepare: ring(3) };

const [CLI, STI] = [0xfa, 0xfb] as const;

test('CLI and STI raise #GP when CPL is above IOPL', () => {
  for (const instruction of [CLI, STI]) {
    const refused = run(ring3, [instruction], {}, BASE | IF);
    expect([refused.vector, refused.rule, refused.rip]).toEqual([13, 'flags.iopl', CODE]);
    expect(refused.core.fault?.errorCode).toBe(0);
    expect(run(ring3, [instruction], {}, BASE | IOPL3).vector).toBe(3);
  }
});

test('CLI clears IF, STI sets it and holds interrupts off for one instruction', () => {
  expect(run(ring0, [CLI], {}, BASE | IF).flags & IF).toBe(0);
  const set = run(ring0, [STI]);
  expect(set.flags & IF).toBe(IF);
  expect(set.core.state.getU32(layout.interruptibility)).toBe(1);
  // It was set before: nothing to hold off.
  expect(run(ring0, [STI], {}, BASE | IF).core.state.getU32(layout.interruptibility)).toBe(0);
});

test('POPF changes IOPL at CPL 0 only, and IF when CPL is not above IOPL', () => {
  // push 0x3202; popfq
  const code = [0x68, 0x02, 0x32, 0, 0, 0x9d];
  expect(run(ring0, code).flags).toBe(BASE | IF | IOPL3);
  expect(run(ring3, code).flags).toBe(BASE);
  expect(run({ bits: 64, prepare: ring(1) }, code, {}, BASE | 0x1000).flags).toBe(BASE | IF | 0x1000);
});

test('POPF leaves the core when TF is set, so that the trap is not missed', () => {
  // push 0x102; popfq
  const { core } = run(ring0, [0x68, 0x02, 0x01, 0, 0, 0x9d]);
  expect(core.state.rflags & 0x100).toBe(0x100);
});

test('PUSHF and POPF in virtual-8086 mode need an IOPL of 3', () => {
  const virtual: Configuration = {
    bits: 32,
    prepare: (state) => {
      state.setU32(layout.flags, BASE | VM);
      const segment = { selector: 0, base: 0n, limit: 0xffffffff, access: 0xf3 };
      state.setSegment(CS, { ...segment, selector: Number(CODE >> 4n) & 0xffff, base: CODE, access: 0xfb });
      for (const index of [SS, DS, ES] as const) state.setSegment(index, { ...segment, base: DATA });
    },
  };
  const registers = { 4: 0x800n };
  const at = (code: readonly number[], flags: number): Ran => {
    const core = new Simulated(virtual);
    const gpr = new BigUint64Array(16);
    for (const [n, value] of Object.entries(registers)) gpr[Number(n)] = value;
    core.start = 0n;
    const one = { code: Uint8Array.from(code), gpr, flags: flags | VM, undefinedFlags: 0, starts: [] };
    const [outcome] = core.run([one], DATA, new Uint8Array(8192)) as [Outcome];
    return { ...outcome, core, rule: core.fault?.why.rule };
  };
  for (const code of [[0x9c], [0x9d], [0x66, 0x9c], [0x66, 0x9d]]) {
    const refused = at(code, BASE);
    expect([refused.vector, refused.rule]).toEqual([13, 'flags.v86-iopl']);
    expect(refused.gpr[4]).toBe(0x800n);
    expect(at(code, BASE | IOPL3).vector).toBe(3);
  }
});

const kernelGs = layout.msr + msrSlots.IA32_KERNEL_GS_BASE * 8;
test('SWAPGS exchanges the base of GS with IA32_KERNEL_GS_BASE, at CPL 0 only', () => {
  const bases = (cpl: number): Configuration => ({
    bits: 64,
    prepare: (state) => {
      state.cpl = cpl;
      state.setU64(layout.segmentBase + GS * 8, 0x1111n);
      state.setU64(kernelGs, 0x2222n);
    },
  });
  const swapped = run(bases(0), [0x0f, 0x01, 0xf8]).core.state;
  expect([swapped.segmentBase(GS), swapped.getU64(kernelGs)]).toEqual([0x2222n, 0x1111n]);
  const refused = run(bases(3), [0x0f, 0x01, 0xf8]);
  expect([refused.vector, refused.rule]).toEqual([13, 'privileged.cpl-0']);
});

test('RDGSBASE and WRGSBASE need CR4.FSGSBASE, and a canonical base', () => {
  const enabled = (on: boolean): Configuration => ({
    bits: 64,
    prepare: (state) => {
      state.cr4 = on ? 0x10000n : 0n;
    },
  });
  const [RDGSBASE, WRGSBASE] = [
    [0xf3, 0x48, 0x0f, 0xae, 0xc8],
    [0xf3, 0x48, 0x0f, 0xae, 0xd8],
  ];
  expect(run(enabled(false), RDGSBASE as number[]).vector).toBe(6);
  expect(run(enabled(false), WRGSBASE as number[]).vector).toBe(6);
  const written = run(enabled(true), [...(WRGSBASE as number[]), 0x31, 0xc0, ...(RDGSBASE as number[])], {
    0: 0x7fff_1234_5678n,
  });
  expect(written.gpr[0]).toBe(0x7fff_1234_5678n);
  expect(run(enabled(true), WRGSBASE as number[], { 0: 1n << 60n }).vector).toBe(13);
  // 32 bits: zero-extended
  expect(run(enabled(true), [0xf3, 0x0f, 0xae, 0xd8], { 0: -1n }).core.state.segmentBase(GS)).toBe(0xffff_ffffn);
});

test('instructions with a VEX prefix are not recognized in real mode', () => {
  const mode = (cr0: bigint): Configuration => ({
    bits: 32,
    prepare: (state) => {
      state.cr0 = cr0;
    },
  });
  // andn, bzhi, mulx, pdep, rorx, shlx
  const codes = [
    [0xc4, 0xe2, 0x78, 0xf2, 0xc0],
    [0xc4, 0xe2, 0x78, 0xf5, 0xc0],
    [0xc4, 0xe2, 0x7b, 0xf6, 0xc0],
    [0xc4, 0xe2, 0x7b, 0xf5, 0xc0],
    [0xc4, 0xe3, 0x7b, 0xf0, 0xc0, 1],
    [0xc4, 0xe2, 0x79, 0xf7, 0xc0],
  ];
  for (const code of codes) {
    expect(run(mode(1n), code).vector).toBe(3);
    expect(run(mode(0n), code).vector).toBe(6);
  }
});
