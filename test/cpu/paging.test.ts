/** Page walks and faults on tables built by hand. Intel SDM vol. 3, "Paging". */

import { beforeEach, describe, expect, test } from 'vitest';
import { access, state as layout } from '../../src/machine/core/layout';
import { setCr3 } from '../../src/machine/cpu/control-registers';
import { explainWalk, peekTranslation } from '../../src/machine/cpu/look';
import { right } from '../../src/machine/cpu/page-walk';
import { accessor } from '../../src/machine/cpu/paging';
import { CR0, CR4, EFER } from '../../src/x86/control-registers';
import { pagingRules } from '../../src/x86/rules/paging';
import { ALL_FEATURES, BareCpu, faultOf, stubModel } from './bare-cpu';

const PML4 = 0x1000;
const PDPT = 0x2000;
const PD = 0x3000;
const PT = 0x4000;
const PAGE = 0x40_0000n;
const [P, W, U, A, D, PS, G, NX] = [1n, 2n, 4n, 0x20n, 0x40n, 0x80n, 0x100n, 1n << 63n];
/** Slots 5, 3, 7 and 9 of the four tables. */
const LINEAR = (5n << 39n) | (3n << 30n) | (7n << 21n) | (9n << 12n) | 0x123n;
const LOW = Number(LINEAR & 0xffffffffn);
const HIGH = Number(LINEAR >> 32n);

let bare: BareCpu;
/** Rights of the four entries; the page is at PAGE. */
const map = (pml4e = P | W | U, pdpte = P | W | U, pde = P | W | U, pte = P | W | U): void => {
  bare.entry64(PML4 + 5 * 8, BigInt(PDPT) | pml4e);
  bare.entry64(PDPT + 3 * 8, BigInt(PD) | pdpte);
  bare.entry64(PD + 7 * 8, BigInt(PT) | pde);
  bare.entry64(PT + 9 * 8, PAGE | pte);
};
const entries = () => [PML4 + 40, PDPT + 24, PD + 56, PT + 72].map((at) => bare.physical.read(at, 8));
const translate = (kind: 0 | 1 | 2 | 3, who: 0 | 1 | 2 = accessor.supervisor) =>
  bare.paging.translate(LOW, HIGH, kind, who);

beforeEach(() => {
  bare = new BareCpu();
  bare.pagingOn('4-level', PML4, CR4.PGE);
  map();
});

describe('a walk', () => {
  test('sets the accessed bit of every entry, and the dirty bit of the last for a write', () => {
    expect(translate(access.read)).toBe(0x40_0123);
    expect(entries().map((entry) => entry & (A | D))).toEqual([A, A, A, A]);
    expect(translate(access.write)).toBe(0x40_0123);
    expect(entries().map((entry) => entry & (A | D))).toEqual([A, A, A, A | D]);
  });

  test('that ends in a fault sets no bit', () => {
    map(P | W | U, P | W | U, P | W | U, P);
    expect(translate(access.write, accessor.user)).toBe(-1);
    expect(entries().map((entry) => entry & (A | D))).toEqual([0n, 0n, 0n, 0n]);
  });

  test('gives rights that every entry grants, and XD if one of them has it', () => {
    map(P | W, P | U | W, P | W | U, P | W | U | G | NX);
    translate(access.write);
    expect(bare.paging.rights).toBe(right.write | right.noExecute | right.dirty | right.global);
    expect(bare.paging.page).toBe(0x400);
  });

  test('finds 2 MiB and 1 GiB pages', () => {
    bare.entry64(PD + 7 * 8, 0x60_0000n | P | PS);
    expect(translate(access.read)).toBe(0x60_9123);
    bare.paging.reset();
    bare.entry64(PDPT + 3 * 8, 0x4000_0000n | P | PS);
    expect(translate(access.read)).toBe(0x4000_0000 + (LOW & 0x3fffffff));
  });

  test('reads PDPTE registers, not memory, in PAE paging', () => {
    bare.pagingOn('pae', PDPT);
    bare.state.setU64(layout.pdpte + 8, BigInt(PD) | P);
    bare.entry64(PDPT + 8, 0n);
    // 1 GiB + slot 7 + slot 9
    expect(bare.paging.translate(0x40e0_9123, 0, access.read, accessor.supervisor)).toBe(0x40_0123);
    // A register has no accessed bit, and where it was loaded from is not written.
    expect(bare.physical.read(PDPT + 8, 8)).toBe(0n);
    expect(bare.state.getU64(layout.pdpte + 8)).toBe(BigInt(PD) | P);
    // The next of the four is not present.
    expect(bare.paging.translate(0x8000_0000, 0, access.read, accessor.supervisor)).toBe(-1);
    expect(bare.paging.fault?.why).toMatchObject({ rule: 'walk.present', level: 'PDPTE', entryAddress: 0x2010n });
    expect(bare.paging.fault?.errorCode).toBe(0);
  });

  test('finds 4 MiB pages with CR4.PSE, above 4 GiB with PSE-36', () => {
    bare.pagingOn('32-bit', PD, CR4.PSE);
    bare.entry32(PD + 4, 0x0080_0087 | (0x12 << 13));
    expect(bare.paging.translate(0x0040_5678, 0, access.read, accessor.user)).toBe(0x12_0080_5678);
    bare.pagingOn('32-bit', PD, 0);
    bare.paging.reset();
    // Without PSE the same entry names a page table.
    bare.entry32(0x0082_4000 + 5 * 4, 0x0012_3007);
    expect(bare.paging.translate(0x0040_5678, 0, access.read, accessor.user)).toBe(0x0012_3678);
  });

  test('is not made while paging is off', () => {
    bare.state.cr0 = BigInt(CR0.PE);
    expect(bare.paging.translate(0xfee0_0020, 0, access.write, accessor.user)).toBe(0xfee0_0020);
    expect(bare.paging.mayDerive(access.write)).toBe(true);
    expect(explainWalk(bare.cpu, 0x1234n)).toEqual([]);
  });
});

/** A refusal: what to prepare, the access, the error code and what the reason names. */
interface Row {
  readonly name: string;
  readonly prepare: () => void;
  readonly kind?: 0 | 1 | 2 | 3;
  readonly who?: 0 | 1 | 2;
  readonly code: number;
  readonly why: Record<string, unknown>;
}

const ac = (on: boolean): void => {
  bare.state.rflags = on ? 1 << 18 : 0;
};
const cr4 = (bits: number): void => {
  bare.state.cr4 |= BigInt(bits);
};

const refusals: readonly Row[] = [
  {
    name: 'a page directory that is not present',
    prepare: () => map(P | W | U, P | W | U, W | U),
    kind: access.write,
    who: accessor.user,
    code: 2 | 4,
    why: { rule: 'walk.present', level: 'PDE', entry: BigInt(PT) | W | U, entryAddress: BigInt(PD + 56), bit: 0 },
  },
  {
    name: 'a fetch from a page that is not present, with NXE',
    prepare: () => map(P, P, P, 0n),
    kind: access.execute,
    code: 16,
    why: { rule: 'walk.present', level: 'PTE' },
  },
  {
    name: 'a fetch from a page that is not present, without NXE and SMEP',
    prepare: () => {
      bare.state.efer &= ~BigInt(EFER.NXE);
      map(P, P, P, 0n);
    },
    kind: access.execute,
    code: 0,
    why: { rule: 'walk.present' },
  },
  {
    name: 'a user write through a read-only PDPTE',
    prepare: () => map(P | W | U, P | U),
    kind: access.write,
    who: accessor.user,
    code: 7,
    why: { rule: 'walk.writable', level: 'PDPTE', entry: BigInt(PD) | P | U, entryAddress: BigInt(PDPT + 24), bit: 1 },
  },
  {
    name: 'a supervisor write to a read-only page with CR0.WP',
    prepare: () => map(P, P | W, P | W, P | W),
    kind: access.write,
    code: 3,
    why: { rule: 'walk.writable', level: 'PML4E' },
  },
  {
    name: 'a probe of a read-only page, which is judged as a write',
    prepare: () => map(P | W, P | W, P | W, P),
    kind: access.probe,
    code: 3,
    why: { rule: 'walk.writable', level: 'PTE' },
  },
  {
    name: 'a user read of a supervisor page',
    prepare: () => map(P | U, P | U, P, P | U),
    who: accessor.user,
    code: 5,
    why: { rule: 'walk.user', level: 'PDE', bit: 2 },
  },
  {
    name: 'a fetch from a page with XD in its PML4E',
    prepare: () => map(P | W | U | NX),
    kind: access.execute,
    who: accessor.user,
    code: 1 | 4 | 16,
    why: { rule: 'walk.nx', level: 'PML4E', bit: 63 },
  },
  {
    name: 'XD without IA32_EFER.NXE, which is reserved',
    prepare: () => {
      bare.state.efer &= ~BigInt(EFER.NXE);
      map(P | W | U, P | W | U, P | W | U, P | W | U | NX);
    },
    code: 1 | 8,
    why: { rule: 'walk.reserved', level: 'PTE' },
  },
  {
    name: 'PS in a PML4E',
    prepare: () => map(P | PS),
    code: 9,
    why: { rule: 'walk.reserved', level: 'PML4E' },
  },
  {
    name: 'an address bit beyond MAXPHYADDR',
    prepare: () => map(P, P, P, P | (1n << 39n)),
    code: 9,
    why: { rule: 'walk.reserved', level: 'PTE' },
  },
  {
    name: 'a user fetch in supervisor mode with SMEP',
    prepare: () => cr4(CR4.SMEP),
    kind: access.execute,
    code: 1 | 16,
    why: { rule: 'walk.smep', level: 'PTE', register: 'CR4', bit: 20 },
  },
  {
    name: 'a user page read in supervisor mode with SMAP and EFLAGS.AC = 0',
    prepare: () => cr4(CR4.SMAP),
    code: 1,
    why: { rule: 'walk.smap', level: 'PTE', register: 'CR4', bit: 21 },
  },
  {
    name: 'an implicit access to a user page with SMAP, whatever EFLAGS.AC is',
    prepare: () => {
      cr4(CR4.SMAP);
      ac(true);
    },
    who: accessor.implicit,
    kind: access.write,
    code: 3,
    why: { rule: 'walk.smap' },
  },
];

describe('#PF', () => {
  test.each(refusals)(
    '$name: error code $code',
    ({ prepare, kind = access.read, who = accessor.supervisor, code, why }) => {
      prepare();
      expect(translate(kind, who)).toBe(-1);
      expect(bare.paging.fault).toMatchObject({ vector: 14, errorCode: code, address: LINEAR, why });
      expect(bare.paging.fault?.why.linear).toBe(LINEAR);
    },
  );

  test('is not raised for what the rights allow', () => {
    cr4(CR4.SMAP);
    ac(true);
    expect(translate(access.write)).toBe(0x40_0123);
    bare.paging.reset();
    bare.state.cr0 &= ~BigInt(CR0.WP);
    map(P | W | U, P | W | U, P | W | U, P | U);
    expect(translate(access.write)).toBe(0x40_0123);
    expect(translate(access.write, accessor.user)).toBe(-1);
  });

  test('a non-canonical address is #GP(0), or #SS(0) for the stack', () => {
    expect(bare.paging.translate(0, 0x8000, access.read, accessor.user)).toBe(-1);
    expect(bare.paging.fault).toMatchObject({
      vector: 13,
      errorCode: 0,
      why: { rule: 'linear.canonical', linear: 1n << 47n },
    });
    expect(bare.paging.translate(0, 0xffff_7fff, access.read, accessor.user, true)).toBe(-1);
    expect(bare.paging.fault?.vector).toBe(12);
    expect(bare.paging.translate(0, 0xffff_8000, access.read, accessor.user)).toBe(-1);
    expect(bare.paging.fault?.vector).toBe(14);
  });

  test('a PDPTE with reserved bits is refused when CR3 is loaded, and CR3 stays', () => {
    bare.pagingOn('pae', PML4);
    bare.entry64(0x5000, BigInt(PD) | P | 2n);
    const fault = faultOf(() => setCr3(bare.cpu, 0x5000n));
    expect(fault).toMatchObject({
      vector: 13,
      errorCode: 0,
      why: { rule: 'pdpte.reserved', bit: 1, entryAddress: 0x5000n },
    });
    expect(bare.state.cr3).toBe(BigInt(PML4));
    // Not present, it may hold anything.
    bare.entry64(0x5000, BigInt(PD) | 2n);
    setCr3(bare.cpu, 0x5000n);
    expect(bare.state.getU64(layout.pdpte)).toBe(BigInt(PD) | 2n);
  });

  test('reserved bits depend on the model: 1 GiB pages and PSE-36', () => {
    const features = ALL_FEATURES.filter((one) => one !== 'pdpe1gb' && one !== 'pse36');
    bare = new BareCpu(stubModel(features));
    bare.pagingOn('4-level', PML4);
    map(P, P | PS);
    expect(translate(access.read)).toBe(-1);
    expect(bare.paging.fault?.why).toMatchObject({ rule: 'walk.reserved', level: 'PDPTE' });
    bare.pagingOn('32-bit', PD, CR4.PSE);
    bare.entry32(PD + 4, 0x0080_0087 | (1 << 13));
    expect(bare.paging.translate(0x0040_5678, 0, access.read, accessor.user)).toBe(-1);
    expect(bare.paging.fault?.errorCode).toBe(13);
  });

  test('every rule is raised by this file', () => {
    const raised = new Set([...refusals.map(({ why }) => why.rule), 'linear.canonical', 'pdpte.reserved']);
    expect(Object.keys(pagingRules).filter((rule) => !raised.has(rule))).toEqual([]);
  });
});

describe('a derived table may answer', () => {
  test('writes once the dirty bit is set', () => {
    translate(access.read);
    expect([bare.paging.mayDerive(access.read), bare.paging.mayDerive(access.write)]).toEqual([true, false]);
    translate(access.write);
    expect(bare.paging.mayDerive(access.write)).toBe(true);
  });

  test('what the accessor may do, nothing else', () => {
    map(P | W | U, P | W | U, P | W | U, P | U | D);
    translate(access.read, accessor.user);
    expect([access.read, access.write, access.execute].map((kind) => bare.paging.mayDerive(kind))).toEqual([
      true,
      false,
      true,
    ]);
  });

  test('no supervisor access to a user page under SMAP: EFLAGS.AC may change at any time', () => {
    cr4(CR4.SMAP);
    ac(true);
    translate(access.write);
    expect(bare.paging.mayDerive(access.read)).toBe(false);
    translate(access.write, accessor.user);
    expect(bare.paging.mayDerive(access.read)).toBe(true);
  });
});

describe('linear memory', () => {
  beforeEach(() => {
    map();
    // The next page lies elsewhere.
    bare.entry64(PT + 10 * 8, 0x50_0000n | P | W | U);
  });
  const END = (LINEAR & ~0xfffn) + 0x1000n;

  test('reads and writes across pages', () => {
    bare.cpu.linear.write(END - 3n, 8, 0x1122_3344_5566_7788n);
    expect(bare.physical.read(0x40_0ffd, 1)).toBe(0x88n);
    expect(bare.physical.read(0x50_0000, 4)).toBe(0x2233_4455n);
    expect(bare.cpu.linear.read(END - 3n, 8)).toBe(0x1122_3344_5566_7788n);
  });

  test('writes nothing when the second page refuses', () => {
    bare.entry64(PT + 10 * 8, 0n);
    const fault = faultOf(() => bare.cpu.linear.write(END - 2n, 4, 0xffff_ffffn));
    expect(fault.address).toBe(END);
    expect(bare.physical.read(0x40_0ffe, 2)).toBe(0n);
    expect(faultOf(() => bare.cpu.linear.probe(END - 2n, 3)).address).toBe(END);
    bare.cpu.linear.probe(END - 2n, 2);
  });

  test('probes every page of a range', () => {
    bare.entry64(PT + 12 * 8, 0n);
    bare.entry64(PT + 11 * 8, 0x51_0000n | P | W);
    expect(faultOf(() => bare.cpu.linear.probe(END - 1n, 0x2002)).address).toBe(END + 0x2000n);
    bare.cpu.linear.probe(END - 1n, 0x2001);
  });

  test('has the rights of the program unless it is told', () => {
    map(P | W | U, P | W | U, P | W | U, P | W);
    bare.state.cpl = 3;
    expect(faultOf(() => bare.cpu.linear.read(LINEAR, 1)).errorCode).toBe(5);
    expect(bare.cpu.linear.read(LINEAR, 1, 'supervisor')).toBe(0n);
    bare.state.cpl = 0;
    expect(bare.cpu.linear.read(LINEAR, 1)).toBe(0n);
    expect(faultOf(() => bare.cpu.linear.write(LINEAR, 1, 0n, 'user')).errorCode).toBe(7);
  });

  test('wraps at 4 GiB outside IA-32e mode', () => {
    bare.state.cr0 = BigInt(CR0.PE);
    bare.state.efer = 0n;
    bare.physical.write(0, 2, 0xbeefn);
    expect(bare.cpu.linear.read(0xffff_fffen, 4) >> 16n).toBe(0xbeefn);
    bare.pagingOn('32-bit', PD);
    bare.entry32(PD, PT | 7);
    bare.entry32(PD + 0xffc, PT | 7);
    bare.entry32(PT, 0x40_0007);
    bare.entry32(PT + 0xffc, 0x41_0007);
    bare.cpu.linear.read(0xffff_fffen, 4);
    expect([...bare.paging.tlb.entries()].map(({ linear }) => linear)).toEqual([0n, 0xffff_f000n]);
  });
});

describe('a walk for a person', () => {
  test('names every level, sets no bit and fills no TLB', () => {
    map(P | W | U, P | W | U, P | U, P | W | U | D | NX);
    const before = entries();
    expect(explainWalk(bare.cpu, LINEAR)).toMatchObject([
      { level: 'PML4E', entryAddress: BigInt(PML4 + 40), present: true, writable: true },
      { level: 'PDPTE', entryAddress: BigInt(PDPT + 24), present: true },
      { level: 'PDE', entryAddress: BigInt(PD + 56), present: true, writable: false },
      { level: 'PTE', noExecute: true, leaf: { size: 4096, physical: PAGE, dirty: true, global: false } },
    ]);
    expect(peekTranslation(bare.cpu, LINEAR)).toBe(0x40_0123);
    expect(entries()).toEqual(before);
    expect([...bare.paging.tlb.entries()]).toEqual([]);
  });

  test('ends where the walk ends', () => {
    map(P | W | U, 0n);
    const steps = explainWalk(bare.cpu, LINEAR);
    expect(steps.map(({ level, refused }) => [level, refused])).toEqual([
      ['PML4E', undefined],
      ['PDPTE', 'walk.present'],
    ]);
    expect(peekTranslation(bare.cpu, LINEAR)).toBeUndefined();
  });
});
