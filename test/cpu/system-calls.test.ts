import { expect, test } from 'vitest';
import { CS, SS } from '../../src/machine/core/state';
import { msrOffset } from '../../src/machine/cpu/msrs';
import { syscall, sysret } from '../../src/machine/cpu/syscall';
import { sysenter, sysexit } from '../../src/machine/cpu/sysenter';
import { BareProcessor, type TestMode } from './bare-processor';

const withMsrs = (mode: TestMode, cpl: number): BareProcessor => {
  const p = new BareProcessor(mode, cpl);
  p.state.setU64(msrOffset('IA32_STAR'), 0x0043_0010_0000_0000n);
  p.state.setU64(msrOffset('IA32_LSTAR'), 0xffff_8000_0000_1000n);
  p.state.setU64(msrOffset('IA32_FMASK'), 0x4_7700n);
  p.state.setU64(msrOffset('IA32_SYSENTER_CS'), 0x13n);
  p.state.setU64(msrOffset('IA32_SYSENTER_ESP'), 0xffff_8000_0000_9000n);
  p.state.setU64(msrOffset('IA32_SYSENTER_EIP'), 0xffff_8000_0000_2000n);
  return p;
};

test('SYSCALL saves RIP and RFLAGS, masks the flags and makes up flat segments', () => {
  const p = withMsrs('long', 3);
  p.state.rflags = 0x5_0b93;
  syscall(p.cpu, 0x7002n);
  expect([p.state.gpr(1), p.state.gpr(11), p.state.rflags]).toEqual([0x7002n, 0x4_0b93n, 0x893]);
  expect([p.state.rip, p.state.cpl, p.state.rsp]).toEqual([0xffff_8000_0000_1000n, 0, 0x8000n]);
  expect(p.state.segment(CS)).toEqual({ selector: 0x10, base: 0n, limit: 0xffff_ffff, access: 0xa09b });
  expect(p.state.segment(SS)).toEqual({ selector: 0x18, base: 0n, limit: 0xffff_ffff, access: 0xc093 });
  expect(p.events).toEqual([
    { kind: 'syscall', direction: 'in' },
    { kind: 'ring', from: 3, to: 0 },
  ]);
});

test('SYSRET to 64-bit mode takes RIP from RCX, flags from R11, CS from STAR + 16', () => {
  const p = withMsrs('long', 0);
  p.state.setGpr(1, 0x7fff_ffff_f000n);
  p.state.setGpr(11, 0xffff_ffffn);
  sysret(p.cpu, true);
  expect([p.state.rip, p.state.cpl, p.state.rflags]).toEqual([0x7fff_ffff_f000n, 3, 0x3c_7fd7]);
  expect(p.state.segment(CS)).toEqual({ selector: 0x53, base: 0n, limit: 0xffff_ffff, access: 0xa0fb });
  expect(p.state.segment(SS)).toEqual({ selector: 0x4b, base: 0n, limit: 0xffff_ffff, access: 0xc0f3 });
});

test('SYSRET to compatibility mode takes EIP from ECX, CS from STAR', () => {
  const p = withMsrs('long', 0);
  p.state.setGpr(1, 0x8000_1234_5678n);
  p.state.setGpr(11, 2n);
  sysret(p.cpu, false);
  expect(p.state.rip).toBe(0x1234_5678n);
  expect(p.state.segment(CS)).toEqual({ selector: 0x43, base: 0n, limit: 0xffff_ffff, access: 0xc0fb });
  expect(p.events).toEqual([
    { kind: 'syscall', direction: 'out' },
    { kind: 'ring', from: 0, to: 3 },
    { kind: 'mode', from: '64-bit', to: 'compatibility' },
  ]);
});

test('SYSENTER goes to 32-bit code in protected mode, with the low halves of its registers', () => {
  const p = withMsrs('protected', 3);
  p.state.rflags = 0x202;
  sysenter(p.cpu);
  expect([p.state.rip, p.state.rsp, p.state.cpl, p.state.rflags]).toEqual([0x2000n, 0x9000n, 0, 2]);
  expect(p.state.segment(CS)).toEqual({ selector: 0x10, base: 0n, limit: 0xffff_ffff, access: 0xc09b });
  expect(p.state.segment(SS)).toEqual({ selector: 0x18, base: 0n, limit: 0xffff_ffff, access: 0xc093 });
});

test('SYSENTER leaves virtual-8086 mode', () => {
  const p = withMsrs('v86', 3);
  sysenter(p.cpu);
  expect(p.events.at(-1)).toEqual({ kind: 'mode', from: 'virtual-8086', to: 'protected' });
});

test('SYSENTER from compatibility mode goes to 64-bit code', () => {
  const p = withMsrs('compatibility', 3);
  sysenter(p.cpu);
  expect([p.state.rip, p.state.rsp]).toEqual([0xffff_8000_0000_2000n, 0xffff_8000_0000_9000n]);
  expect(p.state.segmentAccess(CS)).toBe(0xa09b);
});

test.each([
  ['protected', false, 0x23, 0x2b, 0xc0fb, 0x1234_5678n],
  ['long', false, 0x23, 0x2b, 0xc0fb, 0x1234_5678n],
  ['long', true, 0x33, 0x3b, 0xa0fb, 0x7fff_1234_5678n],
] as const)('SYSEXIT in %s mode, operand size 64: %s', (mode, wide, code, stack, access, rip) => {
  const p = withMsrs(mode, 0);
  p.state.setGpr(1, 0x8000n);
  p.state.setGpr(2, 0x7fff_1234_5678n);
  sysexit(p.cpu, wide);
  expect([p.state.rip, p.state.rsp, p.state.cpl]).toEqual([rip, 0x8000n, 3]);
  expect([p.state.selector(CS), p.state.selector(SS), p.state.segmentAccess(CS)]).toEqual([code, stack, access]);
});
