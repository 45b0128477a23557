/** What the TLBs keep, and what drops it. Intel SDM vol. 3, "Caching Translation Information". */

import { beforeEach, describe, expect, test } from 'vitest';
import { access, vcpu } from '../../src/machine/core/layout';
import { setCr0, setCr3, setCr4 } from '../../src/machine/cpu/control-registers';
import { accessor } from '../../src/machine/cpu/paging';
import { invlpg, invpcid } from '../../src/machine/cpu/system-instructions';
import { TLB_BYTES } from '../../src/machine/cpu/tlb';
import { CR4 } from '../../src/x86/control-registers';
import { BareCpu } from './bare-cpu';

const PML4 = 0x1000;
const PDPT = 0x2000;
const PD = 0x3000;
const PT = 0x10_0000;
const G = 0x100n;

let bare: BareCpu;

/** Linear page n (up to 4096) is at physical 4 MiB + n pages; large pages of 2 MiB from 1 GiB on. */
const build = (cr4 = 0, options = {}): void => {
  bare = new BareCpu(undefined, options);
  bare.pagingOn('4-level', PML4, cr4);
  bare.entry64(PML4, BigInt(PDPT) | 7n);
  bare.entry64(PDPT, BigInt(PD) | 7n);
  for (let i = 0; i < 8; i++) bare.entry64(PD + i * 8, BigInt(PT + i * 4096) | 7n);
  for (let i = 0; i < 8 * 512; i++) bare.entry64(PT + i * 8, BigInt(0x40_0000 + i * 4096) | 7n);
  bare.entry64(PDPT + 8, 0x20_0087n & ~0x1f_f000n);
};
const read = (page: number, kind: 0 | 1 | 3 = access.read) =>
  bare.paging.translate(page * 4096, 0, kind, accessor.supervisor);
const point = (page: number, physical: bigint, flags = 7n) => bare.entry64(PT + page * 8, physical | flags);
const MOVED = 0x90_0000n;
const cached = () => [...bare.paging.tlb.entries()].map(({ linear }) => Number(linear / 4096n));

beforeEach(() => build(CR4.PGE));

describe('a stale translation', () => {
  test('is used until INVLPG', () => {
    read(3);
    point(3, MOVED);
    expect(read(3)).toBe(0x40_3000);
    invlpg(bare.cpu, 0x3abcn);
    expect(read(3)).toBe(Number(MOVED));
  });

  test('is kept apart for instructions and data', () => {
    read(3, access.execute);
    point(3, MOVED);
    expect(read(3)).toBe(Number(MOVED));
    expect(read(3, access.execute)).toBe(0x40_3000);
  });

  test('goes with MOV CR3, unless it is global', () => {
    point(4, 0x40_4000n, 7n | G);
    read(3);
    read(4);
    point(3, MOVED);
    point(4, MOVED);
    setCr3(bare.cpu, BigInt(PML4));
    expect(read(3)).toBe(Number(MOVED));
    expect(read(4)).toBe(0x40_4000);
    setCr4(bare.cpu, bare.state.cr4 & ~BigInt(CR4.PGE));
    expect(read(4)).toBe(Number(MOVED));
  });

  test('that forbids is not the last word: the walk is made again', () => {
    point(3, 0x40_3000n, 5n);
    read(3);
    point(3, MOVED, 7n);
    expect(read(3)).toBe(0x40_3000);
    expect(read(3, access.write)).toBe(Number(MOVED));
    expect(read(3)).toBe(Number(MOVED));
    expect(bare.dropped.length).toBeGreaterThan(0);
  });

  test('of a clean page is walked for the first write, which finds the new page', () => {
    read(3);
    point(3, MOVED);
    bare.dropped.length = 0;
    expect(read(3, access.write)).toBe(Number(MOVED));
    expect(bare.dropped.length).toBe(1);
    expect(read(3)).toBe(Number(MOVED));
  });

  test('goes with a page fault for its address', () => {
    read(3);
    point(3, 0n, 0n);
    expect(read(3)).toBe(0x40_3000);
    expect(read(3, access.write)).toBe(-1);
    expect(read(3)).toBe(-1);
  });

  test('is an event while somebody listens', () => {
    read(3);
    point(3, MOVED);
    read(3);
    expect(bare.of('stale')).toEqual([]);
    bare.paging.checkStale = true;
    read(3);
    expect(bare.of('stale')).toMatchObject([{ kind: 'stale', linear: 0x3000n, cached: 0x40_3000n, fresh: MOVED }]);
    point(3, 0n, 0n);
    read(3);
    expect(bare.of('stale')[1]).toMatchObject({ fresh: null });
    read(4);
    read(4);
    expect(bare.of('stale').length).toBe(2);
  });

  test('of a large page goes with INVLPG of any address in it', () => {
    const at = 2 ** 30;
    bare.entry64(PDPT + 8, BigInt(PD + 0x1000) | 7n);
    bare.entry64(PD + 0x1000, 0x60_0087n);
    expect(bare.paging.translate(at, 0, access.read, 0)).toBe(0x60_0000);
    bare.entry64(PD + 0x1000, 0x80_0087n);
    expect(bare.paging.translate(at + 0x12_3456, 0, access.read, 0)).toBe(0x72_3456);
    invlpg(bare.cpu, BigInt(at + 0x1f_0000));
    expect(bare.paging.translate(at + 0x12_3456, 0, access.read, 0)).toBe(0x92_3456);
  });

  test('of a 4 MiB page goes in both halves', () => {
    bare.pagingOn('32-bit', PD, CR4.PSE);
    bare.paging.reset();
    bare.entry32(PD + 8, 0x0080_0087);
    const halves = () => [0x0080_0000, 0x00a0_0000].map((at) => bare.paging.translate(at, 0, access.read, 0));
    expect(halves()).toEqual([0x0080_0000, 0x00a0_0000]);
    bare.entry32(PD + 8, 0x00c0_0087);
    expect(halves()).toEqual([0x0080_0000, 0x00a0_0000]);
    invlpg(bare.cpu, 0x0090_0000n);
    expect(halves()).toEqual([0x00c0_0000, 0x00e0_0000]);
  });

  test('does not exist without a TLB', () => {
    build(CR4.PGE, { tlb: 'none' });
    read(3);
    point(3, MOVED);
    expect(read(3)).toBe(Number(MOVED));
    expect(cached()).toEqual([]);
    expect(bare.paging.mayDerive(access.read)).toBe(false);
  });
});

describe('MOV to control registers', () => {
  const stale = (flags = 7n) => {
    point(3, 0x40_3000n, flags);
    read(3);
    point(3, MOVED, flags);
  };

  test('that clears CR0.PG drops everything, global translations too', () => {
    stale(7n | G);
    bare.state.cr4 |= BigInt(CR4.PAE);
    setCr0(bare.cpu, bare.state.cr0 & 0x7fff_ffffn);
    setCr0(bare.cpu, bare.state.cr0 | 0x8000_0000n);
    expect(read(3)).toBe(Number(MOVED));
  });

  test.each([
    ['PGE', CR4.PGE, 7n | G],
    ['PSE', CR4.PSE, 7n | G],
    ['SMEP', CR4.SMEP, 7n | G],
  ])('that changes CR4.%s drops global translations', (_, bit, flags) => {
    stale(flags);
    setCr4(bare.cpu, bare.state.cr4 ^ BigInt(bit));
    expect(read(3)).toBe(Number(MOVED));
  });

  test.each([
    ['FSGSBASE', CR4.FSGSBASE],
    ['SMAP', CR4.SMAP],
  ])('that changes CR4.%s drops nothing', (_, bit) => {
    bare.state.rflags = 1 << 18;
    stale();
    setCr4(bare.cpu, bare.state.cr4 ^ BigInt(bit));
    expect(read(3)).toBe(0x40_3000);
  });

  test('that clears CR4.SMEP drops nothing', () => {
    setCr4(bare.cpu, bare.state.cr4 | BigInt(CR4.SMEP));
    stale();
    setCr4(bare.cpu, bare.state.cr4 & ~BigInt(CR4.SMEP));
    expect(read(3)).toBe(0x40_3000);
  });
});

describe('PCIDs', () => {
  const space = (pcid: number, keep = true) => setCr3(bare.cpu, BigInt(PML4) | BigInt(pcid) | (keep ? 1n << 63n : 0n));
  /** Every space sees page 3 (not global) and page 4 (global) at their first place and knows them by now. */
  const fillAll = () => {
    for (const pcid of [1, 2]) {
      space(pcid);
      read(3);
      read(4);
    }
    point(3, MOVED);
    point(4, MOVED);
  };
  const seen = (pcid: number) => {
    space(pcid);
    return [read(3), read(4)].map((at) => (at === Number(MOVED) ? 'new' : 'old'));
  };
  const invalidate = (type: bigint, pcid: number, linear: bigint) => {
    bare.physical.write(0x1f_0000, 8, BigInt(pcid));
    bare.physical.write(0x1f_0008, 8, linear);
    // The descriptor is read through a page of its own.
    bare.entry64(PT + 100 * 8, 0x1f_0007n | G);
    invpcid(bare.cpu, type, 100n * 4096n);
  };

  beforeEach(() => {
    setCr4(bare.cpu, bare.state.cr4 | BigInt(CR4.PCIDE));
    point(4, 0x40_4000n, 7n | G);
    fillAll();
  });

  test('keep what bit 63 of CR3 says they keep', () => {
    expect(bare.state.cr3 >> 63n).toBe(0n);
    expect(seen(1)).toEqual(['old', 'old']);
    space(1, false);
    expect(seen(2)).toEqual(['old', 'old']);
    expect(seen(1)).toEqual(['new', 'old']);
  });

  test('INVLPG drops the page of the current one, and global ones', () => {
    space(1);
    invlpg(bare.cpu, 0x3000n);
    invlpg(bare.cpu, 0x4000n);
    expect(seen(1)).toEqual(['new', 'new']);
    expect(seen(2)).toEqual(['old', 'new']);
  });

  test('INVPCID type 0: one address of one PCID, not global', () => {
    space(1);
    invalidate(0n, 2, 0x3000n);
    invalidate(0n, 2, 0x4000n);
    expect(seen(1)).toEqual(['old', 'old']);
    expect(seen(2)).toEqual(['new', 'old']);
  });

  test('INVPCID type 1: one PCID, not global', () => {
    space(2);
    invalidate(1n, 1, 0n);
    expect(seen(2)).toEqual(['old', 'old']);
    expect(seen(1)).toEqual(['new', 'old']);
  });

  test('INVPCID type 2: everything', () => {
    invalidate(2n, 0, 0n);
    expect([seen(1), seen(2)]).toEqual([
      ['new', 'new'],
      ['new', 'new'],
    ]);
  });

  test('INVPCID type 3: everything but global', () => {
    invalidate(3n, 0, 0n);
    expect([seen(1), seen(2)]).toEqual([
      ['new', 'old'],
      ['new', 'old'],
    ]);
  });

  test('are forgotten when CR4.PCIDE is cleared', () => {
    space(1);
    setCr4(bare.cpu, bare.state.cr4 & ~BigInt(CR4.PCIDE));
    expect([read(3), read(4)]).toEqual([Number(MOVED), Number(MOVED)]);
    expect([...bare.paging.tlb.entries()].every(({ pcid }) => pcid === 0 || pcid === undefined)).toBe(true);
  });

  test('beyond the number of contexts lose theirs in turn, the current one never', () => {
    space(1);
    for (let pcid = 10; pcid < 200; pcid++) space(pcid);
    expect(read(4)).toBe(0x40_4000);
    expect(seen(1)).toEqual(['new', 'old']);
  });
});

describe('replacement', () => {
  test('is first in, first out within a set, and hits do not count', () => {
    // Pages 256 apart share a set of four.
    for (const page of [1, 257, 513, 769]) read(page);
    for (let i = 0; i < 10; i++) read(1);
    bare.dropped.length = 0;
    read(1025);
    expect(bare.dropped).toEqual([0x1000n]);
    expect(cached().sort((a, b) => a - b)).toEqual([257, 513, 769, 1025]);
  });

  test('of a large page drops everything derived, for its parts may be anywhere', () => {
    for (let i = 0; i < 5; i++) bare.entry64(PD + (100 + i * 16) * 8, 0x20_0087n);
    const fill = (i: number) => bare.paging.translate((100 + i * 16) * 2 ** 21, 0, access.read, 0);
    for (let i = 0; i < 4; i++) fill(i);
    bare.dropped.length = 0;
    fill(4);
    expect(bare.dropped).toEqual([undefined]);
  });

  test('hits leave no trace', () => {
    for (let page = 0; page < 1000; page++) read((page * 7) % 2048, page % 3 ? access.read : access.execute);
    const before = bare.paging.tlb.canonical();
    const region = () => bare.memory.u8.slice(bare.state.base + vcpu.tlb, bare.state.base + vcpu.tlb + vcpu.tlbSize);
    const bytes = region();
    for (const { instruction, linear } of [...bare.paging.tlb.entries()])
      read(Number(linear / 4096n), instruction ? access.execute : access.read);
    expect(bare.paging.tlb.canonical()).toEqual(before);
    expect(Buffer.compare(region(), bytes)).toBe(0);
  });

  test('stays within the region of the layout', () => {
    expect(TLB_BYTES).toBeLessThanOrEqual(vcpu.tlbSize);
  });

  test('equal canonical forms behave alike: tags are not part of them', () => {
    const other = bare;
    for (const page of [5, 6]) read(page);
    build(CR4.PGE);
    // Extra flushes use up tags and leave no other trace.
    for (let i = 0; i < 5; i++) setCr3(bare.cpu, BigInt(PML4));
    for (const page of [5, 6]) read(page);
    expect(bare.paging.tlb.canonical()).toEqual(other.paging.tlb.canonical());
    read(7);
    expect(bare.paging.tlb.canonical()).not.toEqual(other.paging.tlb.canonical());
  });

  test('when tags run out everything is forgotten, nothing is confused', () => {
    read(3);
    point(3, MOVED);
    const word = (bare.state.base + vcpu.tlb) / 4 + 2;
    bare.memory.u32[word] = 0xffff_ffff;
    setCr3(bare.cpu, BigInt(PML4));
    expect(read(3)).toBe(Number(MOVED));
    point(3, 0x40_3000n);
    for (let i = 0; i < 3; i++) {
      setCr3(bare.cpu, BigInt(PML4));
      expect(read(3)).toBe(0x40_3000);
    }
  });
});

test('every bit of a linear address tells pages apart', () => {
  bare.entry64(PML4 + 32 * 8, BigInt(PDPT) | 7n);
  read(5);
  bare.paging.translate(0x5000, 1 << 12, access.read, 0);
  expect([...bare.paging.tlb.entries()].map(({ linear }) => linear)).toEqual([0x5000n, 0x1000_0000_5000n]);
});

test('the entries say what they hold', () => {
  bare.paging.tellFills = true;
  bare.entry64(PML4 + 511 * 8, BigInt(PDPT) | 7n);
  point(3, 0x40_3000n, 1n | G | (1n << 63n));
  read(3);
  bare.paging.translate(0x5000, 0xffff_ff80, access.write, accessor.user);
  expect([...bare.paging.tlb.entries()]).toEqual([
    {
      instruction: false,
      linear: 0x3000n,
      physical: 0x40_3000n,
      size: 4096,
      writable: false,
      user: false,
      noExecute: true,
      dirty: false,
      global: true,
      vpid: 0,
      pcid: undefined,
      ep4ta: undefined,
      eptRights: 7,
    },
    {
      instruction: false,
      linear: 0xffff_ff80_0000_5000n,
      physical: 0x40_5000n,
      size: 4096,
      writable: true,
      user: true,
      noExecute: false,
      dirty: true,
      global: false,
      vpid: 0,
      pcid: 0,
      ep4ta: undefined,
      eptRights: 7,
    },
  ]);
  expect(bare.of('tlb-fill')).toEqual([
    { kind: 'tlb-fill', linear: 0x3000n, physical: 0x40_3000n },
    { kind: 'tlb-fill', linear: 0xffff_ff80_0000_5000n, physical: 0x40_5000n },
  ]);
});
