/** Random guest tables behind random EPT tables, against an independent walk; with TLBs after invalidation, and without any. */

import fc from 'fast-check';
import { expect, test } from 'vitest';
import { access, state as layout } from '../../../src/machine/core/layout';
import type { CpuModel } from '../../../src/machine/cpu/model';
import { accessor } from '../../../src/machine/cpu/paging';
import { VmExit } from '../../../src/machine/cpu/virtualization';
import { CR0, CR4, EFER } from '../../../src/x86/control-registers';
import { ALL_FEATURES, BareCpu, stubModel } from '../../cpu/bare-cpu';
import { type EptInput, type Memory, referenceNested } from './ept-reference';

/** The guest's tables, the same guest-physical and physical; then EPT's, which nothing maps. */
const GUEST = 0x40_0000;
const GUEST_PAGES = 6;
const EPT = 0x80_0000;
/** Pages of each level from the top. */
const LEVEL_PAGES = [1, 2, 3, 4] as const;
const firstPage = (level: number): number => LEVEL_PAGES.slice(0, level).reduce((sum, count) => sum + count, 0);
const EPT_PAGES = firstPage(4);

const CAPABILITIES = (1n << 6n) | (1n << 14n) | (1n << 16n) | (1n << 21n);
const addressOf = (word: number): bigint =>
  BigInt(word < GUEST_PAGES * 512 ? GUEST + word * 8 : EPT + (word - GUEST_PAGES * 512) * 8);

const kinds = { read: access.read, write: access.write, fetch: access.execute } as const;

const random = (seed: number) => {
  let x = seed | 1;
  return () => {
    x ^= x << 13;
    x ^= x >>> 17;
    x ^= x << 5;
    return x >>> 0;
  };
};

const modelOf = (executeOnly: boolean, oneGiB: boolean): CpuModel => ({
  ...stubModel(ALL_FEATURES, 39),
  vmx: { IA32_VMX_EPT_VPID_CAP: CAPABILITIES | (executeOnly ? 1n : 0n) | (oneGiB ? 1n << 17n : 0n) },
});

/** Mostly allows everything and leads to the next level. */
const eptEntry = (level: number, next: () => number): bigint => {
  const r = next();
  let low = (r & 0xf) === 0 ? next() & 7 : 7;
  let target = EPT + (firstPage(level + 1) + ((r >>> 4) % (LEVEL_PAGES[level + 1] ?? 1))) * 4096;
  if (level === 3) target = GUEST + ((r >>> 4) % GUEST_PAGES) * 4096;
  const large = (level === 1 || level === 2) && (r & 0x3000) === 0;
  if (large) target = level === 1 ? 0 : GUEST;
  if (large) low |= 0x80;
  if (large || level === 3) low |= [0, 8, 0x20, 0x28, 0x30, 0x30, 0x30, 0x30][(r >>> 16) & 7] as number;
  if ((r & 0x1f00000) === 0) low ^= 1 << (3 + (next() % 9));
  let value = BigInt(low) | BigInt(target);
  if ((r & 0xfe000000) >>> 0 === 0) value ^= 1n << BigInt(12 + (next() % 40));
  // Ignored bits.
  if (r & 0x8000) value |= 0xfc00_0000_0000_0000n;
  return value;
};

const guestEntry = (next: () => number): bigint => {
  const r = next();
  let low = (GUEST + (r % GUEST_PAGES) * 4096) | 7;
  if (r & 0x1000) low &= ~2;
  if (r & 0x2000) low &= ~4;
  if ((r & 0xf0000) === 0) low &= ~1;
  if ((r & 0x300000) === 0) low |= 0x80;
  if (r & 0x400000) low |= 0x100;
  if (r & 0x800000) low |= 0x20;
  if (low & 0x80 && r & 0x1000000) low &= ~0x3ff000;
  return BigInt(low >>> 0) | ((next() & 31) === 0 ? 1n << 63n : 0n);
};

test('random tables of both kinds: address, error code, qualification, bad bit and flags equal the reference', () => {
  const seen = { mapped: 0, faults: 0, violations: new Set<bigint>(), misconfigured: new Set<number>() };
  const machines = new Map<string, BareCpu>();
  const machineFor = (executeOnly: boolean, oneGiB: boolean, tlb: 'keep' | 'none'): BareCpu => {
    const name = `${executeOnly} ${oneGiB} ${tlb}`;
    const found = machines.get(name) ?? new BareCpu(modelOf(executeOnly, oneGiB), { tlb });
    machines.set(name, found);
    return found;
  };
  fc.assert(
    fc.property(
      fc.record({
        seed: fc.integer(),
        mode: fc.constantFrom('32-bit' as const, 'pae' as const, '4-level' as const),
        executeOnly: fc.boolean(),
        oneGiB: fc.boolean(),
        flags: fc.boolean(),
        wp: fc.boolean(),
        smep: fc.boolean(),
        tlb: fc.constantFrom('keep' as const, 'none' as const),
        vpid: fc.constantFrom(0, 5),
      }),
      ({ seed, mode, executeOnly, oneGiB, flags, wp, smep, tlb, vpid }) => {
        const bare = machineFor(executeOnly, oneGiB, tlb);
        const { physical, paging, state } = bare;
        const next = random(seed);
        const write = (address: number, value: bigint): void => physical.write(address, 8, value);
        const fillEpt = (): void => {
          for (let level = 0; level < 4; level++)
            for (let i = 0; i < (LEVEL_PAGES[level] as number) * 512; i++)
              write(EPT + firstPage(level) * 4096 + i * 8, eptEntry(level, next));
        };
        /** All tables as words, to be compared. */
        const tables = (): BigUint64Array => {
          const bytes = new Uint8Array((GUEST_PAGES + EPT_PAGES) * 4096);
          bytes.set(physical.peekBytes(GUEST, GUEST_PAGES * 4096));
          bytes.set(physical.peekBytes(EPT, EPT_PAGES * 4096), GUEST_PAGES * 4096);
          return new BigUint64Array(bytes.buffer);
        };
        fillEpt();
        for (let i = 0; i < GUEST_PAGES * 512; i++) {
          const value = guestEntry(next);
          const other = mode === '32-bit' ? (guestEntry(next) & 0xffffffffn) << 32n : 0n;
          write(GUEST + i * 8, mode === '32-bit' ? (value & 0xffffffffn) | other : value);
        }
        bare.pagingOn(mode, GUEST, CR4.PSE | (smep ? CR4.SMEP : 0), wp ? CR0.WP : 0);
        state.rflags = 0;
        const pdptes = Array.from({ length: 4 }, (_, i) => BigInt(GUEST + i * 4096) | 1n);
        pdptes.forEach((value, i) => void state.setU64(layout.pdpte + i * 8, value));
        const pointer = BigInt(EPT) | 0x1en | (flags ? 0x40n : 0n);
        paging.reset();
        paging.enterSpace(vpid, pointer);
        const input: EptInput = { pointer, physicalBits: 39, executeOnly, oneGiB };
        for (let i = 0; i < 60; i++) {
          if (i === 30) {
            // EPT is another one now: after INVEPT nothing of the old one is left.
            fillEpt();
            paging.dropEpt(Number(pointer >> 12n));
          }
          const low = next();
          const upper = mode === '4-level' ? ((next() & 0xffff) << 16) >> 16 : 0;
          const linear = BigInt.asUintN(64, (BigInt(upper) << 32n) | BigInt(low));
          for (let again = 0; again < 3; again++) {
            const wanted = (['read', 'write', 'fetch'] as const)[next() % 3] as 'read' | 'write' | 'fetch';
            const who = (['user', 'supervisor', 'implicit'] as const)[next() % 3] as 'user' | 'supervisor' | 'implicit';
            const written = new Map<bigint, bigint>();
            const memory: Memory = {
              read: (address, bytes) => {
                const word = written.get(address & ~7n) ?? physical.peek(Number(address & ~7n), 8);
                return bytes === 8 ? word : (word >> ((address & 4n) * 8n)) & 0xffffffffn;
              },
              write: (address, bytes, value) => {
                const word = memory.read(address & ~7n, 8);
                const shift = (address & 4n) * 8n;
                written.set(address & ~7n, bytes === 8 ? value : (word & ~(0xffffffffn << shift)) | (value << shift));
              },
            };
            const before = tables();
            const expected = referenceNested(memory, input, {
              mode,
              physicalBits: 39,
              has1GiB: true,
              hasPse36: true,
              cr0Wp: wp,
              cr3: BigInt(GUEST),
              pse: true,
              pge: false,
              smep,
              smap: false,
              nxe: (state.efer & BigInt(EFER.NXE)) !== 0n,
              ac: false,
              pdptes,
              linear,
              access: wanted,
              who,
            });
            const found = paging.translate(
              Number(linear & 0xffffffffn),
              Number(linear >> 32n),
              kinds[wanted],
              accessor[who],
            );
            const fault = found < 0 ? paging.fault : undefined;
            if ('physical' in expected) {
              expect(BigInt(found)).toBe(expected.physical);
              seen.mapped++;
            } else if ('code' in expected) {
              expect(fault).toMatchObject({ vector: 14, errorCode: expected.code, address: linear });
              seen.faults++;
            } else {
              expect(fault).toBeInstanceOf(VmExit);
              const { exit } = fault as VmExit;
              expect(exit).toMatchObject({ guestPhysical: expected.guest, guestLinear: linear });
              if ('violation' in expected) {
                expect(exit).toMatchObject({ reason: 48, qualification: expected.violation });
                seen.violations.add(expected.violation);
              } else {
                expect(exit).toMatchObject({ reason: 49, cause: { bit: expected.misconfigured } });
                expect(exit.qualification).toBeUndefined();
                seen.misconfigured.add(expected.misconfigured);
              }
            }
            const after = tables();
            for (const [address, value] of written) expect(physical.peek(Number(address), 8)).toBe(value);
            for (let n = 0; n < after.length; n++)
              if (after[n] !== before[n]) expect(written.has(addressOf(n))).toBe(true);
          }
        }
      },
    ),
    { numRuns: 30, endOnFailure: true },
  );
  expect(seen.mapped).toBeGreaterThan(1000);
  expect(seen.faults).toBeGreaterThan(300);
  // Reads, writes and fetches, final accesses and those to tables: the rarer kinds are not in every run.
  for (const kind of [1n, 2n, 4n]) expect([...seen.violations].some((one) => one & kind)).toBe(true);
  expect([...seen.violations].some((one) => one & 0x100n)).toBe(true);
  expect([...seen.violations].some((one) => !(one & 0x100n))).toBe(true);
  expect(seen.misconfigured.size).toBeGreaterThan(3);
});
