/** Debug registers. Intel SDM vol. 3, "Debug Registers". */

import { beforeEach, expect, test } from 'vitest';
import {
  armedBreakpoints,
  breakpointHits,
  type DebugException,
  DR6_RESET,
  DR7_RESET,
  disableLocalBreakpoints,
  readDebugRegister,
  recordDebug,
  writeDebugRegister,
} from '../../src/machine/cpu/debug-registers';
import { CR4, DR6, DR7 } from '../../src/x86/control-registers';
import { BareCpu, faultOf } from './bare-cpu';

let bare: BareCpu;
beforeEach(() => {
  bare = new BareCpu();
  bare.state.setDr(6, DR6_RESET);
  bare.state.setDr(7, DR7_RESET);
});
const write = (register: number, value: bigint | number) => writeDebugRegister(bare.cpu, register, BigInt(value));
const read = (register: number) => readDebugRegister(bare.cpu, register);

test('DR6 and DR7 have fixed bits', () => {
  expect([DR6_RESET, DR7_RESET]).toEqual([0xffff_0ff0n, 0x400n]);
  write(6, 0);
  expect(read(6)).toBe(0xffff_0ff0n);
  write(6, 0xffff_ffff);
  expect(read(6)).toBe(0xffff_efffn);
  write(7, 0xffff_dfff);
  expect(read(7)).toBe(0xffff_07ffn);
});

test('DR4 and DR5 are DR6 and DR7 while CR4.DE is 0', () => {
  write(5, DR7.G2);
  expect(read(7)).toBe(BigInt(DR7.G2 | 0x400));
  expect(read(4)).toBe(read(6));
});

test('addresses keep 64 bits', () => {
  write(3, 0xffff_8000_1234_5678n);
  expect(read(3)).toBe(0xffff_8000_1234_5678n);
});

test('DR7.GD raises #DB with BD, which its delivery leaves in DR6', () => {
  write(7, DR7.GD);
  const fault = faultOf(() => read(0));
  expect(fault).toMatchObject({ vector: 1, bits: DR6.BD });
  recordDebug(bare.state, (fault as DebugException).bits);
  expect(bare.state.dr(6)).toBe(0xffff_0ff0n | BigInt(DR6.BD));
});

test('what DR7 enables is armed, aligned to its length', () => {
  write(0, 0x1003);
  write(1, 0x2007);
  write(2, 0x3f9);
  write(3, 0x4001);
  // 0: write, 4 bytes, local. 1: access, 8 bytes, global. 2: port, 2 bytes. 3: execute; its length is ignored.
  write(
    7,
    DR7.L0 + DR7.G1 + DR7.L2 + DR7.G3 + 0b1101 * 2 ** 16 + 0b1011 * 2 ** 20 + 0b0110 * 2 ** 24 + 0b1100 * 2 ** 28,
  );
  const rows = [
    { index: 0, address: 0x1000n, length: 4, condition: 'write' },
    { index: 1, address: 0x2000n, length: 8, condition: 'access' },
    { index: 3, address: 0x4001n, length: 1, condition: 'execute' },
  ];
  expect(armedBreakpoints(bare.state)).toEqual(rows);
  bare.state.cr4 = BigInt(CR4.DE);
  expect(armedBreakpoints(bare.state)[2]).toEqual({ index: 2, address: 0x3f8n, length: 2, condition: 'port' });
});

test('a hit needs an overlap with an enabled breakpoint of that condition', () => {
  write(0, 0x1000);
  write(7, DR7.G0 + 0b1101 * 2 ** 16);
  const hit = (event: 'read' | 'write' | 'execute' | 'port', address: bigint, size: number) =>
    breakpointHits(bare.state, event, address, size);
  expect(hit('write', 0xffdn, 4)).toBe(1);
  expect(hit('write', 0x1003n, 1)).toBe(1);
  expect(hit('write', 0xffcn, 4)).toBe(0);
  expect(hit('write', 0x1004n, 8)).toBe(0);
  expect(hit('read', 0x1000n, 4)).toBe(0);
  expect(hit('execute', 0x1000n, 1)).toBe(0);
});

test('a breakpoint that is met but not enabled shows its bit beside one that is', () => {
  write(0, 0x1000);
  write(1, 0x1000);
  write(7, DR7.G0 + 0b0011 * 2 ** 16 + 0b0011 * 2 ** 20);
  expect(breakpointHits(bare.state, 'read', 0x1000n, 1)).toBe(3);
  write(7, 0b0011 * 2 ** 16 + 0b0011 * 2 ** 20);
  expect(breakpointHits(bare.state, 'read', 0x1000n, 1)).toBe(0);
});

test('the bits of the last breakpoint replace those before, the others stay', () => {
  recordDebug(bare.state, DR6.B1 | DR6.BS);
  recordDebug(bare.state, DR6.B3);
  expect(bare.state.dr(6)).toBe(0xffff_0ff0n | BigInt(DR6.B3 | DR6.BS));
});

test('a task switch disables local breakpoints', () => {
  write(7, DR7.L0 | DR7.G1 | DR7.L3 | DR7.LE | DR7.GE);
  disableLocalBreakpoints(bare.state);
  expect(read(7)).toBe(BigInt(DR7.G1 | DR7.GE | 0x400));
});
