/** MOV to and from control registers, LMSW, SMSW, CLTS. */

import { beforeEach, describe, expect, test } from 'vitest';
import { state as layout } from '../../src/machine/core/layout';
import { CS } from '../../src/machine/core/state';
import { clts, lmsw, readControlRegister, smsw, writeControlRegister } from '../../src/machine/cpu/control-registers';
import { currentPcid } from '../../src/machine/cpu/pcid';
import { CR0, CR4, EFER } from '../../src/x86/control-registers';
import { BareCpu } from './bare-cpu';

let bare: BareCpu;
beforeEach(() => {
  bare = new BareCpu();
});
const write = (register: number, value: bigint | number) => writeControlRegister(bare.cpu, register, BigInt(value));
const PG = 0x8000_0000;

describe('IA-32e mode', () => {
  test('is activated by CR0.PG with LME and PAE, and left by clearing PG in compatibility mode', () => {
    bare.state.efer = BigInt(EFER.LME | EFER.SCE);
    write(4, CR4.PAE);
    write(3, 0x1000);
    write(0, PG + CR0.PE + CR0.ET);
    expect(bare.state.efer).toBe(BigInt(EFER.LME | EFER.LMA | EFER.SCE));
    expect(bare.of('mode')).toEqual([{ kind: 'mode', from: 'protected', to: 'compatibility' }]);
    expect(bare.modeChanges).toBe(2);
    write(0, CR0.PE | CR0.ET);
    expect(bare.state.efer).toBe(BigInt(EFER.LME | EFER.SCE));
    expect(bare.of('mode')[1]).toEqual({ kind: 'mode', from: 'compatibility', to: 'protected' });
  });

  test('allows CR8 and 64-bit values in 64-bit mode', () => {
    bare.pagingOn('4-level', 0x1000);
    bare.state.setU32(layout.segmentAccess + CS * 4, 0xa09b);
    write(8, 9);
    expect(bare.taskPriority).toBe(9);
    expect(readControlRegister(bare.cpu, 8)).toBe(9n);
    write(3, 0x7f_ffff_f018n);
    expect(readControlRegister(bare.cpu, 3)).toBe(0x7f_ffff_f018n);
    write(2, 0xffff_8000_0000_1234n);
    expect(bare.state.cr2).toBe(0xffff_8000_0000_1234n);
  });

  test('with CR4.PCIDE takes the PCID from CR3, whose bit 63 is not kept', () => {
    bare.pagingOn('4-level', 0x1000);
    write(4, CR4.PAE | CR4.PCIDE);
    expect(currentPcid(bare.cpu)).toBe(0);
    write(3, (1n << 63n) | 0x1005n);
    expect([bare.state.cr3, currentPcid(bare.cpu)]).toEqual([0x1005n, 5]);
  });
});

describe('CR0', () => {
  test('keeps ET at 1 and ignores reserved bits of the lower half', () => {
    write(0, 0x1fdaffe3);
    expect(bare.state.cr0).toBe(BigInt(0x1fdaffe3 & (CR0.PE | CR0.MP | CR0.NE | CR0.WP | CR0.AM)) | BigInt(CR0.ET));
  });

  test('going to real mode and back is an event', () => {
    write(0, CR0.ET);
    write(0, CR0.PE);
    expect(bare.of('mode').map(({ from, to }) => `${from} ${to}`)).toEqual(['protected real', 'real protected']);
  });

  test('WP drops what was derived, not the TLB', () => {
    bare.pagingOn('32-bit', 0x1000, 0, 0);
    bare.entry32(0x1000, 0x2007);
    bare.entry32(0x2000, 0x5003);
    bare.paging.translate(0, 0, 0, 0);
    bare.dropped.length = 0;
    write(0, bare.state.cr0 | BigInt(CR0.WP));
    expect(bare.dropped).toEqual([undefined]);
    expect([...bare.paging.tlb.entries()].length).toBe(1);
  });

  test('LMSW writes four bits and cannot clear PE', () => {
    lmsw(bare.cpu, 0xfffe);
    expect(bare.state.cr0).toBe(BigInt(CR0.PE | CR0.MP | CR0.EM | CR0.TS | CR0.ET));
    lmsw(bare.cpu, 0);
    expect(bare.state.cr0).toBe(BigInt(CR0.PE | CR0.ET));
    write(0, 0);
    lmsw(bare.cpu, 1);
    expect(bare.state.cr0).toBe(BigInt(CR0.PE | CR0.ET));
  });

  test('SMSW reads it in ring 3 without UMIP, CLTS clears TS', () => {
    write(0, CR0.PE | CR0.TS);
    bare.state.cpl = 3;
    expect(smsw(bare.cpu)).toBe(BigInt(CR0.PE | CR0.TS | CR0.ET));
    bare.state.cpl = 0;
    clts(bare.cpu);
    expect(bare.state.cr0).toBe(BigInt(CR0.PE | CR0.ET));
  });
});

describe('PAE paging', () => {
  beforeEach(() => {
    for (let i = 0; i < 4; i++) bare.entry64(0x5020 + i * 8, BigInt(0x6000 + i * 0x1000) | 1n);
  });
  const pdptes = () => [0, 1, 2, 3].map((i) => bare.state.getU64(layout.pdpte + i * 8));
  const LOADED = [0x6001n, 0x7001n, 0x8001n, 0x9001n];

  test.each([
    ['CR0.PG', () => write(0, PG + CR0.PE)],
    [
      'CR4.PAE',
      () => {
        bare.state.cr4 = 0n;
        bare.state.cr0 |= BigInt(PG);
        write(4, CR4.PAE);
      },
    ],
    [
      'CR4.PGE',
      () => {
        bare.state.cr0 |= BigInt(PG);
        write(4, CR4.PAE | CR4.PGE);
      },
    ],
    [
      'CR3',
      () => {
        bare.state.cr0 |= BigInt(PG);
        write(3, 0x5020);
      },
    ],
  ])('loads the PDPTE registers with %s', (_, act) => {
    bare.state.cr4 = BigInt(CR4.PAE);
    bare.state.cr3 = 0x5020n;
    act();
    expect(pdptes()).toEqual(LOADED);
  });

  test('does not with a change of another bit', () => {
    bare.state.cr4 = BigInt(CR4.PAE);
    bare.state.cr3 = 0x5020n;
    bare.state.cr0 |= BigInt(PG);
    write(4, CR4.PAE | CR4.TSD);
    write(0, PG + CR0.PE + CR0.WP);
    expect(pdptes()).toEqual([0n, 0n, 0n, 0n]);
  });
});

test('reads and writes are events', () => {
  write(2, 7);
  readControlRegister(bare.cpu, 2);
  expect(bare.of('cr')).toEqual([
    { kind: 'cr', register: 2, access: 'w', value: 7n },
    { kind: 'cr', register: 2, access: 'r', value: 7n },
  ]);
});
