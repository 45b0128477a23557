/** RDMSR and WRMSR. */

import { beforeEach, describe, expect, test } from 'vitest';
import { state as layout } from '../../src/machine/core/layout';
import { FS, GS } from '../../src/machine/core/state';
import { hasMsr, listMsrs, msrOffset, readMsr, resetMsrs, timeStamp, writeMsr } from '../../src/machine/cpu/msrs';
import { rdmsr, wrmsr } from '../../src/machine/cpu/system-instructions';
import { EFER } from '../../src/x86/control-registers';
import { msrSlots, msrs } from '../../src/x86/msrs';
import { ALL_FEATURES, BareCpu, stubModel } from './bare-cpu';

let bare: BareCpu;
beforeEach(() => {
  bare = new BareCpu();
  resetMsrs(bare.cpu, { bootstrap: true });
});
const read = (address: number) => readMsr(bare.cpu, address);
const write = (address: number, value: bigint) => writeMsr(bare.cpu, address, value);

test('the slots fit the layout, and no two registers share an address', () => {
  expect(Math.max(...Object.values(msrSlots))).toBeLessThan((layout.transient - layout.msr) / 8);
  const addresses = Object.values(msrs).map(({ address }) => address);
  expect(new Set(addresses).size).toBe(addresses.length);
});

test('after reset', () => {
  expect(read(0x1b)).toBe(0xfee0_0900n);
  expect(read(0x277)).toBe(0x0007_0406_0007_0406n);
  expect(read(0xfe)).toBe(0x50an);
  expect(read(0x10)).toBe(0n);
  expect(read(0x1a0)).toBe(0x4_1801n);
  expect(read(0x179)).toBe(0n);
  resetMsrs(bare.cpu, { bootstrap: false, featureControl: 5 });
  expect(read(0x1b)).toBe(0xfee0_0800n);
  expect(hasMsr(bare.cpu, 0x3a)).toBe(false);
  const withVmx = new BareCpu(stubModel([...ALL_FEATURES, 'vmx']));
  resetMsrs(withVmx.cpu, { bootstrap: true, featureControl: 5 });
  expect(readMsr(withVmx.cpu, 0x3a)).toBe(5n);
});

test('every register that can be written keeps 0 or its reset value, and nothing else moves', () => {
  for (const [name, row] of Object.entries(msrs)) {
    if (!hasMsr(bare.cpu, row.address) || row.access === 'r' || row.format === 'own') continue;
    const value = row.format === 'canonical' ? 0xffff_8000_0000_1000n : (row.reset ?? (row.writable ?? 0n) & 0x55n);
    const others = listMsrs(bare.cpu).filter((one) => one.name !== name && !/TIME_STAMP|TSC_A/.test(one.name));
    write(row.address, value);
    if (row.place === 'slot') expect([name, read(row.address)]).toEqual([name, value]);
    for (const { address, value: before } of others) expect(read(address)).toBe(before);
  }
});

describe('the time stamp counter', () => {
  test('runs with virtual time from 0 on', () => {
    bare.time += 5;
    expect(timeStamp(bare.cpu)).toBe(5n);
  });

  test('moves IA32_TSC_ADJUST with a write, and moves with a write to it', () => {
    write(0x10, 1000n);
    expect([read(0x10), read(0x3b)]).toEqual([1000n, 1000n]);
    write(0x3b, 400n);
    expect(read(0x10)).toBe(400n);
    write(0x10, 0n);
    expect(read(0x3b)).toBe(0n);
    write(0x3b, BigInt.asUintN(64, -10n));
    expect(read(0x10)).toBe(BigInt.asUintN(64, -10n));
  });

  test('has a deadline in its own ticks, which the APIC gets in virtual time', () => {
    write(0x6e0, 50n);
    expect(bare.deadline).toBe(1050n);
    expect(read(0x6e0)).toBe(50n);
    // 20 ticks later by decree: it is due 20 ticks earlier.
    write(0x10, 20n);
    expect(bare.deadline).toBe(1030n);
    expect(read(0x6e0)).toBe(50n);
    write(0x6e0, 0n);
    expect(bare.deadline).toBe(0n);
    write(0x6e0, 10n);
    expect(bare.deadline).toBe(1000n);
  });
});

test('IA32_EFER: LMA is not written, NXE drops what was derived', () => {
  bare.dropped.length = 0;
  write(0xc0000080, BigInt(EFER.LME | EFER.LMA | EFER.SCE));
  expect(bare.state.efer).toBe(BigInt(EFER.LME | EFER.SCE));
  expect([bare.modeChanges, bare.dropped.length]).toEqual([1, 0]);
  write(0xc0000080, BigInt(EFER.LME | EFER.SCE | EFER.NXE));
  expect(bare.dropped.length).toBe(1);
});

test('FS and GS bases are those of the segment registers', () => {
  write(0xc0000100, 0xffff_8000_0000_0000n);
  write(0xc0000101, 0x1234n);
  expect([bare.state.segmentBase(FS), bare.state.segmentBase(GS)]).toEqual([0xffff_8000_0000_0000n, 0x1234n]);
  expect(read(0xc0000101)).toBe(0x1234n);
});

test('IA32_APIC_BASE tells the APIC, and x2APIC registers are its own', () => {
  bare.apicMsrs.set(0x802, 3n);
  write(0x1b, 0xfee0_0d00n);
  expect(bare.apicBase).toBe(0xfee0_0d00n);
  expect(read(0x802)).toBe(3n);
  write(0x802, 4n);
  expect(bare.apicMsrs.get(0x802)).toBe(4n);
  write(0x1b, 0xfee0_0000n);
  expect(hasMsr(bare.cpu, 0x802)).toBe(false);
});

test('writing an MTRR drops every translation', () => {
  bare.pagingOn('32-bit', 0x1000);
  bare.entry32(0x1000, 0x2007);
  bare.entry32(0x2000, 0x5007);
  bare.paging.translate(0, 0, 0, 0);
  write(0x2ff, 0xc06n);
  expect([...bare.paging.tlb.entries()]).toEqual([]);
  expect(read(0x2ff)).toBe(0xc06n);
});

test('RDMSR and WRMSR use EDX:EAX and ECX, and clear the upper halves', () => {
  const { state } = bare;
  state.setGpr(1, 0xffff_ffff_c000_0082n);
  state.setGpr(0, 0x1111_1111_2222_2222n);
  state.setGpr(2, 0x3333_3333_0000_4444n);
  wrmsr(bare.cpu);
  expect(state.getU64(msrOffset('IA32_LSTAR'))).toBe(0x4444_2222_2222n);
  rdmsr(bare.cpu);
  expect([state.gpr(0), state.gpr(2)]).toEqual([0x2222_2222n, 0x4444n]);
  expect(bare.of('msr')).toEqual([
    { kind: 'msr', register: 0xc0000082, access: 'w', value: 0x4444_2222_2222n },
    { kind: 'msr', register: 0xc0000082, access: 'r', value: 0x4444_2222_2222n },
  ]);
});
