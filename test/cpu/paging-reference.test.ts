/** The walk and the TLB against an independent walker over random page tables. */

import fc from 'fast-check';
import { expect, test } from 'vitest';
import { access, state as layout } from '../../src/machine/core/layout';
import { right } from '../../src/machine/cpu/page-walk';
import { accessor } from '../../src/machine/cpu/paging';
import { CR0, CR4, EFER } from '../../src/x86/control-registers';
import { ALL_FEATURES, BareCpu, RAM, stubModel } from './bare-cpu';
import { type ReferenceInput, referenceWalk } from './reference-walk';

/** Tables lie in a few pages from here on, so that random entries often point at tables. */
const TABLES = 0x10_0000;
const TABLE_PAGES = 6;

/** xorshift32: fast-check draws the seed, thousands of entries follow from it. */
const random = (seed: number) => {
  let x = seed | 1;
  return () => {
    x ^= x << 13;
    x ^= x >>> 17;
    x ^= x << 5;
    return x >>> 0;
  };
};

const kinds = { read: access.read, write: access.write, fetch: access.execute } as const;

test('random tables: walk, error code, rights and accessed bits equal the reference, with and without TLB', () => {
  const counts = { mapped: 0, code: new Set<number>(), large: 0 };
  const machines = new Map<string, BareCpu>();
  fc.assert(
    fc.property(
      fc.record({
        seed: fc.integer(),
        mode: fc.constantFrom('32-bit' as const, 'pae' as const, '4-level' as const),
        physicalBits: fc.constantFrom(36, 39, 46, 52),
        extras: fc.boolean(),
        flags: fc.integer({ min: 0, max: 127 }),
        tlb: fc.constantFrom('keep' as const, 'none' as const),
      }),
      ({ seed, mode, physicalBits, extras, flags, tlb }) => {
        const name = `${physicalBits} ${extras} ${tlb}`;
        const features = ALL_FEATURES.filter((one) => extras || (one !== 'pse36' && one !== 'pdpe1gb'));
        const bare = machines.get(name) ?? new BareCpu(stubModel(features, physicalBits), { tlb });
        machines.set(name, bare);
        bare.events.length = 0;
        bare.dropped.length = 0;
        const next = random(seed);
        const [wp, pse, pge, smep, smap, nxe, ac] = Array.from({ length: 7 }, (_, i) => ((flags >> i) & 1) === 1);
        const { state, physical, paging } = bare;
        const entryOf = (): bigint => {
          const r = next();
          let low = (TABLES + (r % TABLE_PAGES) * 4096) | 0x27;
          if (r & 0x1000) low &= ~2;
          if (r & 0x2000) low &= ~4;
          if ((r & 0xf0000) === 0) low &= ~1;
          if ((r & 0x300000) === 0) low |= 0x80;
          if (r & 0x400000) low |= 0x100;
          if (r & 0x800000) low &= ~0x20;
          if (low & 0x80 && r & 0x1000000) low &= ~0x3ff000;
          if ((r & 0xe000000) === 0) low ^= 1 << (next() % 32);
          let value = BigInt(low >>> 0);
          if ((next() & 15) === 0) value |= 1n << 63n;
          if ((next() & 31) === 0) value |= 1n << BigInt(32 + (next() % 31));
          return value;
        };
        const bytes = mode === '32-bit' ? 4 : 8;
        for (let i = 0; i < (TABLE_PAGES * 4096) / bytes; i++) {
          const value = entryOf();
          if (bytes === 4) physical.write(TABLES + i * 4, 4, value & 0xffffffffn);
          else physical.write(TABLES + i * 8, 8, value);
        }
        const cr4 = (pse ? CR4.PSE : 0) | (pge ? CR4.PGE : 0) | (smep ? CR4.SMEP : 0) | (smap ? CR4.SMAP : 0);
        bare.pagingOn(mode, TABLES, cr4, wp ? CR0.WP : 0);
        if (!nxe) state.efer &= ~BigInt(EFER.NXE);
        state.rflags = ac ? 1 << 18 : 0;
        const pdptes = Array.from({ length: 4 }, (_, i) => BigInt(TABLES + i * 4096) | (next() & 7 ? 1n : 0n));
        pdptes.forEach((value, i) => void state.setU64(layout.pdpte + i * 8, value));
        paging.reset();

        for (let i = 0; i < 40; i++) {
          const low = next();
          // Few linear pages, so that the TLB answers too.
          const upper = mode === '4-level' ? ((next() & 0xffff) << 16) >> 16 : 0;
          const canonical = mode === '4-level' ? BigInt(upper) : 0n;
          const linear = BigInt.asUintN(64, (canonical << 32n) | BigInt(low));
          for (let again = 0; again < 3; again++) {
            const wanted = (['read', 'write', 'fetch'] as const)[next() % 3] as 'read' | 'write' | 'fetch';
            const who = (['user', 'supervisor', 'implicit'] as const)[next() % 3] as 'user' | 'supervisor' | 'implicit';
            const input: ReferenceInput = {
              mode,
              physicalBits,
              has1GiB: extras,
              hasPse36: extras,
              cr0Wp: wp as boolean,
              cr3: BigInt(TABLES),
              pse: pse as boolean,
              pge: pge as boolean,
              smep: smep as boolean,
              smap: smap as boolean,
              nxe: nxe as boolean,
              ac: ac as boolean,
              pdptes,
              read: (address, size) => physical.peek(Number(address), size),
              linear,
              access: wanted,
              who,
            };
            const expected = referenceWalk(input);
            const before = physical.peekBytes(TABLES, TABLE_PAGES * 4096);
            const low32 = Number(linear & 0xffffffffn);
            const high32 = Number(linear >> 32n);
            const found = paging.translate(low32, high32, kinds[wanted], accessor[who]);
            if ('code' in expected) {
              expect(found).toBe(-1);
              expect(paging.fault).toMatchObject({ vector: 14, errorCode: expected.code, address: linear });
              expect(Buffer.compare(physical.peekBytes(TABLES, TABLE_PAGES * 4096), before)).toBe(0);
              counts.code.add(expected.code);
            } else {
              expect(BigInt(found)).toBe(expected.physical);
              expect(BigInt(paging.page)).toBe(expected.physical >> 12n);
              expect((paging.rights & right.write) !== 0).toBe(expected.writable);
              expect((paging.rights & right.user) !== 0).toBe(expected.user);
              expect((paging.rights & right.noExecute) !== 0).toBe(expected.nx);
              expect((paging.rights & right.global) !== 0).toBe(expected.global);
              counts.mapped++;
              if (expected.size > 4096n) counts.large++;
            }
          }
        }
      },
    ),
    { numRuns: 200, endOnFailure: true },
  );
  expect(RAM).toBeGreaterThan(TABLES);
  expect(counts.mapped).toBeGreaterThan(1000);
  expect(counts.large).toBeGreaterThan(100);
  // Every error code that the access kinds can have: P, W, U, RSVD, I.
  const all = [0, 1, 2, 3, 4, 5, 6, 7, 9, 11, 13, 15, 16, 17, 20, 21, 25, 29];
  expect([...counts.code].sort((a, b) => a - b)).toEqual(all);
});
