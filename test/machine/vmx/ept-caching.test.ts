/** Intel SDM vol. 3, "Caching Translation Information" of VMX: what is used until which invalidation. */

import { beforeEach, describe, expect, test } from 'vitest';
import { access } from '../../../src/machine/core/layout';
import { setCr0, setCr3, setCr4 } from '../../../src/machine/cpu/control-registers';
import type { CpuModel } from '../../../src/machine/cpu/model';
import { accessor } from '../../../src/machine/cpu/paging';
import { invlpg } from '../../../src/machine/cpu/system-instructions';
import { CR0, CR4 } from '../../../src/x86/control-registers';
import { ALL_FEATURES, BareCpu, stubModel } from '../../cpu/bare-cpu';

const model: CpuModel = {
  ...stubModel(ALL_FEATURES, 39),
  vmx: { IA32_VMX_EPT_VPID_CAP: (1n << 16n) | (1n << 14n) | 1n },
};

/** A guest's tables, guest-physical 0x10000 on: PML4, PDPT, PD, PT; linear 0x200000 and up to `PT`'s pages. */
const CR3 = 0x1_0000;
const GUEST_PT = 0x1_3000;
/** Two EPTs; each PT maps guest-physical 0 to 0x1fffff, at first as it is. */
const FIRST = 0x80_0000;
const SECOND = 0x90_0000;
const pointerOf = (root: number): bigint => BigInt(root | 0x1e);

const LINEAR = 0x20_5000;
const PAGE = 0x5000;

let bare: BareCpu;
const write = (address: number, value: number): void => bare.physical.write(address, 8, BigInt(value));
const ept = (root: number, guest: number, to: number, rights = 7): void =>
  write(root + 0x3000 + (guest >>> 12) * 8, to | rights | 0x30);
const map = (linear: number, guest: number, flags = 7): void =>
  write(GUEST_PT + ((linear >>> 12) & 0x1ff) * 8, guest | flags);

const read = (linear = LINEAR): number => bare.paging.translate(linear, 0, access.read, accessor.supervisor);

const begin = (options = {}): void => {
  bare = new BareCpu(model, options);
  for (const root of [FIRST, SECOND]) {
    for (let level = 0; level < 3; level++) write(root + level * 0x1000, (root + (level + 1) * 0x1000) | 7);
    for (let n = 0; n < 512; n++) ept(root, n << 12, n << 12);
  }
  for (let level = 0; level < 2; level++) write(CR3 + level * 0x1000, (CR3 + (level + 1) * 0x1000) | 7);
  write(CR3 + 0x2000 + 8, GUEST_PT | 7);
  map(LINEAR, PAGE);
  bare.pagingOn('4-level', CR3);
  bare.paging.reset();
};

beforeEach(() => begin());

const enter = (vpid: number, root = FIRST): void => bare.paging.enterSpace(vpid, pointerOf(root));
const invept = (root?: number): void => bare.paging.dropEpt(root === undefined ? undefined : root >>> 12);

describe('a combined mapping', () => {
  beforeEach(() => {
    enter(1);
    expect(read()).toBe(PAGE);
    ept(FIRST, PAGE, 0x8000);
  });
  test('is used until INVEPT of its EPT', () => {
    expect(read()).toBe(PAGE);
    invept(FIRST);
    expect(read()).toBe(0x8000);
  });
  test('or of all', () => {
    invept();
    expect(read()).toBe(0x8000);
  });
  test('and not of another one', () => {
    invept(SECOND);
    expect(read()).toBe(PAGE);
  });
  test('survives exit and entry with a VPID', () => {
    bare.paging.leaveSpace(false);
    enter(1);
    expect(read()).toBe(PAGE);
  });
  test('belongs to its VPID and to its EPT', () => {
    map(LINEAR, 0x6000);
    enter(1);
    expect(read()).toBe(PAGE);
    enter(2);
    expect(read()).toBe(0x6000);
    enter(1, SECOND);
    expect(read()).toBe(0x6000);
  });
  test('goes with a violation at its address, which then tells of the tables as they are', () => {
    ept(FIRST, PAGE, 0x8000, 1);
    expect(bare.paging.translate(LINEAR, 0, access.write, accessor.supervisor)).toBe(PAGE);
    bare.paging.dropVpid(1, true);
    ept(FIRST, PAGE, 0x9000, 1);
    invept(FIRST);
    expect(read()).toBe(0x9000);
    ept(FIRST, PAGE, 0xa000, 1);
    expect(bare.paging.translate(LINEAR, 0, access.write, accessor.supervisor)).toBe(-1);
    expect(read()).toBe(0xa000);
  });
});

describe('a guest-physical mapping', () => {
  beforeEach(() => {
    enter(1);
    expect(read()).toBe(PAGE);
    ept(FIRST, PAGE, 0x8000);
  });
  test.each([
    ['INVVPID', () => bare.paging.dropVpid(1, true)],
    ['INVVPID of the address', () => bare.paging.dropPageOfVpid(1, BigInt(LINEAR))],
    ['INVVPID of all', () => bare.paging.dropVpids()],
    ['MOV to CR3', () => setCr3(bare.cpu, BigInt(CR3))],
    ['INVLPG', () => invlpg(bare.cpu, BigInt(LINEAR))],
    ['MOV to CR4', () => setCr4(bare.cpu, BigInt(CR4.PAE | CR4.PGE))],
  ])('is left alone by %s: what changed in EPT needs INVEPT', (_, drop) => {
    drop();
    expect(read()).toBe(PAGE);
    invept(FIRST);
    expect(read()).toBe(0x8000);
  });
  test('serves every VPID and every linear address', () => {
    map(0x20_7000, PAGE);
    enter(2);
    expect(read(0x20_7000)).toBe(PAGE);
  });
  test('is all there is while paging is off', () => {
    bare.state.cr0 = BigInt(CR0.PE | CR0.ET);
    expect(read(PAGE)).toBe(PAGE);
    ept(FIRST, 0x9000, 0xa000);
    expect(read(0x9000)).toBe(0xa000);
    bare.paging.dropVpid(1, true);
    expect(read(PAGE)).toBe(PAGE);
    invept(FIRST);
    expect(read(PAGE)).toBe(0x8000);
    // An address that was used without paging has another meaning with it.
    setCr0(bare.cpu, BigInt(CR0.PG | CR0.PE | CR0.ET) & 0xffff_ffffn);
    expect(read(LINEAR)).toBe(0x8000);
  });
});

describe("what changed in the guest's tables", () => {
  beforeEach(() => {
    enter(1);
    expect(read()).toBe(PAGE);
    map(LINEAR, 0x6000);
  });
  test.each([
    ['INVVPID', () => bare.paging.dropVpid(1, false)],
    ['INVVPID of the address', () => bare.paging.dropPageOfVpid(1, BigInt(LINEAR))],
    ['INVVPID of all', () => bare.paging.dropVpids()],
    ['MOV to CR3', () => setCr3(bare.cpu, BigInt(CR3))],
    ['INVLPG', () => invlpg(bare.cpu, BigInt(LINEAR))],
    ['INVEPT', () => invept(FIRST)],
    ['MOV to CR4 that changes PGE', () => setCr4(bare.cpu, BigInt(CR4.PAE | CR4.PGE))],
  ])('is seen after %s', (_, drop) => {
    expect(read()).toBe(PAGE);
    drop();
    expect(read()).toBe(0x6000);
  });
  test.each([
    ['INVVPID of another VPID', () => bare.paging.dropVpid(2, true)],
    ['INVVPID of another address', () => bare.paging.dropPageOfVpid(1, 0x20_6000n)],
    ['INVEPT of another EPT', () => invept(SECOND)],
    [
      'what root mode does',
      () => {
        bare.paging.leaveSpace(false);
        invlpg(bare.cpu, BigInt(LINEAR));
        setCr3(bare.cpu, BigInt(CR3));
        setCr4(bare.cpu, BigInt(CR4.PAE | CR4.PGE));
        enter(1);
      },
    ],
  ])('is not by %s', (_, drop) => {
    drop();
    expect(read()).toBe(PAGE);
  });
  test('INVLPG drops it for every EPT that the VPID has used', () => {
    enter(1, SECOND);
    invlpg(bare.cpu, BigInt(LINEAR));
    enter(1);
    expect(read()).toBe(0x6000);
  });
});

test('without a VPID entries and exits leave nothing of a guest, nor of the host', () => {
  expect(read()).toBe(PAGE);
  map(LINEAR, 0x6000);
  expect(read()).toBe(PAGE);
  enter(0);
  expect(read()).toBe(0x6000);
  map(LINEAR, 0x7000);
  expect(read()).toBe(0x6000);
  bare.paging.leaveSpace(true);
  expect(read()).toBe(0x7000);
});

test('with a VPID the host keeps its own', () => {
  expect(read()).toBe(PAGE);
  map(LINEAR, 0x6000);
  enter(1);
  expect(read()).toBe(0x6000);
  bare.paging.leaveSpace(false);
  expect(read()).toBe(PAGE);
});

test('INVVPID may spare global translations', () => {
  bare.state.cr4 = BigInt(CR4.PAE | CR4.PGE);
  map(LINEAR, PAGE, 0x107);
  map(0x20_8000, PAGE);
  enter(1);
  read();
  read(0x20_8000);
  map(LINEAR, 0x6000, 0x107);
  map(0x20_8000, 0x6000);
  bare.paging.dropVpid(1, false);
  expect([read(), read(0x20_8000)]).toEqual([PAGE, 0x6000]);
  bare.paging.dropVpid(1, true);
  expect(read()).toBe(0x6000);
});

test('an EPT whose root is the page at 0 is an EPT', () => {
  for (let level = 0; level < 3; level++) write(level * 0x1000, ((level + 1) * 0x1000) | 7);
  for (let n = 0; n < 512; n++) ept(0, n << 12, n << 12);
  ept(0, PAGE, 0x8000);
  expect(read()).toBe(PAGE);
  bare.paging.enterSpace(0, pointerOf(0));
  expect(read()).toBe(0x8000);
  ept(0, PAGE, 0x9000);
  invept(0);
  expect(read()).toBe(0x9000);
});

describe('a stale translation is told when it is used', () => {
  beforeEach(() => {
    bare.paging.checkStale = true;
    enter(1);
    read();
    expect(bare.of('stale')).toEqual([]);
  });
  test('because EPT leads elsewhere', () => {
    ept(FIRST, PAGE, 0x8000);
    read();
    expect(bare.of('stale')).toMatchObject([{ linear: BigInt(LINEAR), cached: BigInt(PAGE), fresh: 0x8000n }]);
  });
  test('because EPT maps nothing', () => {
    ept(FIRST, PAGE, 0, 0);
    read();
    expect(bare.of('stale')).toMatchObject([{ cached: BigInt(PAGE), fresh: null }]);
  });
  test('because EPT allows less', () => {
    ept(FIRST, PAGE, PAGE, 1);
    read();
    expect(bare.of('stale')).toMatchObject([{ cached: BigInt(PAGE), fresh: BigInt(PAGE), freshRights: 0x30b & ~8 }]);
  });
  test("because the guest's tables lead elsewhere", () => {
    map(LINEAR, 0x6000);
    read();
    expect(bare.of('stale')).toMatchObject([{ cached: BigInt(PAGE), fresh: 0x6000n }]);
  });
  test('also where only the guest-physical mapping is', () => {
    ept(FIRST, PAGE, 0x8000);
    bare.paging.dropVpid(1, true);
    expect(read()).toBe(PAGE);
    expect(bare.of('stale')).toMatchObject([{ cached: BigInt(PAGE), fresh: 0x8000n }]);
  });
  test('and without paging', () => {
    bare.state.cr0 = BigInt(CR0.PE | CR0.ET);
    read(0x9000);
    ept(FIRST, 0x9000, 0xa000);
    read(0x9000);
    expect(bare.of('stale')).toMatchObject([{ linear: 0x9000n, cached: 0x9000n, fresh: 0xa000n }]);
  });
});

test('without TLBs there is nothing to forget', () => {
  begin({ tlb: 'none' });
  bare.paging.checkStale = true;
  enter(1);
  expect(read()).toBe(PAGE);
  ept(FIRST, PAGE, 0x8000);
  expect(read()).toBe(0x8000);
  map(LINEAR, 0x6000);
  expect(read()).toBe(0x6000);
  expect(bare.of('stale')).toEqual([]);
  expect([...bare.paging.tlb.entries(), ...bare.paging.tlb.guestPhysical.entries()]).toEqual([]);
});

test('what is cached is shown with its tags', () => {
  enter(3);
  read();
  expect([...bare.paging.tlb.entries()]).toMatchObject([
    { linear: BigInt(LINEAR), physical: BigInt(PAGE), vpid: 3, pcid: 0, ep4ta: BigInt(FIRST) },
  ]);
  const guests = [...bare.paging.tlb.guestPhysical.entries()];
  expect(guests.map(({ guest }) => Number(guest)).sort((a, b) => a - b)).toEqual([
    ...[PAGE, CR3, CR3 + 0x1000, CR3 + 0x2000, GUEST_PT],
  ]);
  expect(guests[0]).toMatchObject({ rights: 7, memoryType: 6, ep4ta: BigInt(FIRST) });
});

test('the state hash counts what is cached', () => {
  enter(1);
  read();
  const before = bare.paging.tlb.canonical();
  bare.paging.tlb.guestPhysical.dropPage(PAGE >>> 12, FIRST >>> 12);
  expect(bare.paging.tlb.canonical()).not.toEqual(before);
});
