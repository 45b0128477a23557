/**
 * A table derived from the TLB changes nothing: two equal processors go through the same random accesses, edits without
 * invalidation included; one of them keeps what `mayDerive` allows until it is told to drop it, the other asks `translate`
 * each time. And software that invalidates what it changes sees the same with and without a TLB.
 */

import fc from 'fast-check';
import { expect, test } from 'vitest';
import { access, state as layout } from '../../src/machine/core/layout';
import { setCr0, setCr3, setCr4 } from '../../src/machine/cpu/control-registers';
import { writeMsr } from '../../src/machine/cpu/msrs';
import { accessor } from '../../src/machine/cpu/paging';
import { invlpg } from '../../src/machine/cpu/system-instructions';
import { CR0, CR4, EFER } from '../../src/x86/control-registers';
import { BareCpu } from './bare-cpu';

const PML4 = 0x1000;
const PT = 0x10_0000;
const TABLES = 8;
/** Pages at distances that collide in sets, in two large ranges that are 2 MiB pages at times. */
const pages = [1, 257, 513, 769, 1025, 1281, 1537, 2, 258, 514, 3, 1600, 3000, 3001];

class Subject {
  readonly bare: BareCpu;
  /** By kind, accessor and page: the physical page. */
  private readonly derived = new Map<string, number>();

  constructor(
    private readonly derive: boolean,
    tlb: 'keep' | 'none' = 'keep',
  ) {
    this.bare = new BareCpu(undefined, { tlb });
  }

  /** As at the beginning: a processor is dear to make. */
  begin(): this {
    this.derived.clear();
    const { state, memory, paging } = this.bare;
    memory.u8.fill(0, state.base, state.base + layout.transient);
    paging.reset();
    const drop = (linear?: bigint): void => {
      if (linear === undefined) this.derived.clear();
      else for (const key of this.derived.keys()) if (key.endsWith(` ${linear >> 12n}`)) this.derived.delete(key);
    };
    Object.assign(this.bare.cpu, { translationsDropped: drop, modeChanged: () => drop() });
    this.bare.pagingOn('4-level', PML4, CR4.PGE | CR4.PCIDE);
    this.bare.entry64(PML4, 0x2007n);
    this.bare.entry64(0x2000, 0x3007n);
    for (let i = 0; i < TABLES; i++) this.bare.entry64(0x3000 + i * 8, BigInt(PT + i * 4096) | 7n);
    for (const page of pages) this.bare.entry64(PT + page * 8, BigInt(page * 4096) | 7n);
    return this;
  }

  access(page: number, kind: 0 | 1 | 3, who: 0 | 1): string {
    const { paging } = this.bare;
    const key = `${kind} ${who} ${page}`;
    const known = this.derived.get(key);
    if (known !== undefined) return `page ${known}`;
    if (paging.translate(page * 4096, 0, kind, who) < 0) return `${paging.fault?.why.rule} ${paging.fault?.errorCode}`;
    if (this.derive && paging.mayDerive(kind)) this.derived.set(key, paging.page);
    return `page ${paging.page}`;
  }
}

type Operation = (subject: Subject, invalidate: boolean) => string | undefined;

const page = fc.constantFrom(...pages);
const invalidated = ({ bare }: Subject, at: number, invalidate: boolean): undefined => {
  if (invalidate) invlpg(bare.cpu, BigInt(at * 4096));
};
const toggle = (name: 'cr0' | 'cr4' | 'efer', bits: readonly number[]) =>
  fc.constantFrom(...bits).map(
    (bit): Operation =>
      ({ bare }, invalidate) => {
        const value = bare.state[name] ^ BigInt(bit);
        if (name === 'cr0') setCr0(bare.cpu, value);
        else if (name === 'cr4') setCr4(bare.cpu, value);
        else writeMsr(bare.cpu, 0xc0000080, value);
        // Without NXE, bit 63 of an entry is reserved: software drops what it walked before.
        if (name === 'efer' && invalidate) setCr3(bare.cpu, bare.state.cr3);
        return undefined;
      },
  );

const accesses = fc
  .record({
    at: page,
    kind: fc.constantFrom(access.read, access.write, access.execute),
    who: fc.constantFrom(accessor.supervisor, accessor.user),
  })
  .map(
    ({ at, kind, who }): Operation =>
      (subject) =>
        subject.access(at, kind, who),
  );
const edits = fc
  .record({
    at: page,
    to: fc.integer({ min: 1, max: 0x7ff }),
    flags: fc.integer({ min: 0, max: 7 }),
    more: fc.integer({ min: 0, max: 3 }),
  })
  .map(
    ({ at, to, flags, more }): Operation =>
      (subject, invalidate) => {
        const bits = BigInt(flags | 1 | (more & 1 ? 0x100 : 0)) | (more === 3 ? 1n << 63n : 0n);
        subject.bare.entry64(PT + at * 8, flags === 0 ? 0n : BigInt(to * 4096) | bits);
        return invalidated(subject, at, invalidate);
      },
  );
const largeEdits = fc.record({ table: fc.integer({ min: 0, max: TABLES - 1 }), large: fc.boolean() }).map(
  ({ table, large }): Operation =>
    (subject, invalidate) => {
      const entry = large ? BigInt(0x20_0000 * (table & 3)) | 0x87n : BigInt(PT + table * 4096) | 7n;
      subject.bare.entry64(0x3000 + table * 8, entry);
      for (const at of pages) if (at >> 9 === table) invalidated(subject, at, invalidate);
      return undefined;
    },
);
const invalidations = page.map(
  (at): Operation =>
    (subject) =>
      invalidated(subject, at, true),
);
const spaces = fc.record({ pcid: fc.integer({ min: 0, max: 3 }), keep: fc.boolean() }).map(
  ({ pcid, keep }): Operation =>
    ({ bare }, invalidate) => {
      setCr3(bare.cpu, BigInt(PML4 | pcid) | (keep && !invalidate ? 1n << 63n : 0n));
      return undefined;
    },
);
const alignment = fc.boolean().map(
  (on): Operation =>
    ({ bare }) => {
      bare.state.rflags = on ? 1 << 18 : 0;
      return undefined;
    },
);

const operations = fc.array(
  fc.oneof(
    { weight: 120, arbitrary: accesses },
    { weight: 20, arbitrary: edits },
    { weight: 1, arbitrary: largeEdits },
    { weight: 1, arbitrary: invalidations },
    { weight: 1, arbitrary: spaces },
    { weight: 1, arbitrary: toggle('cr0', [CR0.WP]) },
    { weight: 1, arbitrary: toggle('cr4', [CR4.SMEP, CR4.SMAP, CR4.PGE]) },
    { weight: 1, arbitrary: toggle('efer', [EFER.NXE]) },
    { weight: 1, arbitrary: alignment },
  ),
  { minLength: 100, maxLength: 400 },
);

const options = { numRuns: 150, endOnFailure: true };

test('what is derived and dropped as told gives what the TLB gives', () => {
  const [derived, plain] = [new Subject(true), new Subject(false)];
  fc.assert(
    fc.property(operations, (list) => {
      derived.begin();
      plain.begin();
      for (const operation of list) expect(operation(derived, false)).toBe(operation(plain, false));
      expect(derived.bare.paging.tlb.canonical()).toEqual(plain.bare.paging.tlb.canonical());
    }),
    options,
  );
});

test('software that invalidates what it changes sees no TLB', () => {
  const [keep, none] = [new Subject(true), new Subject(false, 'none')];
  fc.assert(
    fc.property(operations, (list) => {
      keep.begin();
      none.begin();
      for (const operation of list) {
        // One space and nothing global: INVLPG then reaches everything.
        for (const { bare } of [keep, none]) bare.state.cr4 &= ~BigInt(CR4.PGE | CR4.PCIDE);
        expect(operation(keep, true)).toBe(operation(none, true));
      }
    }),
    options,
  );
});
