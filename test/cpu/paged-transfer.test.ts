/** Delivery with paging on: whose rights the processor's own accesses have. */

import { expect, test } from 'vitest';
import { Fault } from '../../src/machine/core/fault';
import { deliverFault, deliverInterrupt } from '../../src/machine/cpu/interrupt-delivery';
import { iret } from '../../src/machine/cpu/iret';
import { PagedMemory } from '../../src/machine/cpu/linear-memory';
import { Paging } from '../../src/machine/cpu/paging';
import { BareProcessor, GDT, gate } from './bare-processor';

const TABLES = 0x2_0000;
const USER = 4n;

/** 64-bit mode at CPL 3, the first 2 MiB in supervisor pages of 4 KiB, identity-mapped. */
const processor = (): BareProcessor => {
  const p = new BareProcessor('long', 3);
  p.poke(TABLES, 8, BigInt(TABLES + 0x1000) | 7n);
  p.poke(TABLES + 0x1000, 8, BigInt(TABLES + 0x2000) | 7n);
  p.poke(TABLES + 0x2000, 8, BigInt(TABLES + 0x3000) | 7n);
  for (let page = 0; page < 512; page++) setPage(p, page, 3n);
  p.state.cr3 = BigInt(TABLES);
  for (const vector of [6, 0x40]) p.vector(vector, gate(14, GDT.code64, 0x6000, { dpl: 3 }));
  const paging = new Paging(p.cpu);
  p.cpu.paging = paging;
  p.cpu.linear = new PagedMemory(p.cpu, paging);
  return p;
};

const setPage = (p: BareProcessor, page: number, bits: bigint): void =>
  p.poke(TABLES + 0x3000 + page * 8, 8, BigInt(page * 4096) | bits);

test('tables and inner stacks in supervisor pages serve a program of ring 3', () => {
  const p = processor();
  setPage(p, 7, 3n | USER);
  expect(deliverInterrupt(p.cpu, 0x40)).toEqual({ shutdown: false });
  expect([p.state.cpl, p.state.rsp]).toEqual([0, 0x9000n - 40n]);
  iret(p.cpu, 8, 0n);
  expect([p.state.cpl, p.state.rsp]).toEqual([3, 0x8000n]);
});

test('a frame that crosses into a page that is not there changes nothing and is a page fault', () => {
  const p = processor();
  setPage(p, 7, 0n);
  p.poke(0x4004, 8, 0x8010n);
  // The #PF has no gate: its delivery ends in #DF, and that in a shutdown.
  const delivery = deliverInterrupt(p.cpu, 0x40);
  expect(delivery.shutdown && delivery.chain[0]).toMatchObject({ vector: 14, errorCode: 2, why: { linear: 0x7fe8n } });
  expect(p.peek(0x8008, 8)).toBe(0n);
});

test.each([
  [0, true],
  [0x4_0000, false],
])('SMAP with EFLAGS.AC %i: an inner stack in a user page', (ac, refused) => {
  const p = processor();
  setPage(p, 8, 3n | USER);
  p.state.cr4 |= 1n << 21n;
  p.state.rflags = 2 | ac;
  const delivery = deliverFault(p.cpu, new Fault(6, { rule: 'gate.dpl' }));
  expect(delivery.shutdown).toBe(refused);
  if (delivery.shutdown)
    expect(delivery.chain[1]).toMatchObject({ vector: 14, errorCode: 3, why: { rule: 'walk.smap' } });
});

test('with SMAP, tables in user pages are refused whatever EFLAGS.AC is', () => {
  const p = processor();
  setPage(p, 3, 3n | USER);
  p.state.cr4 |= 1n << 21n;
  p.state.rflags = 0x4_0002;
  const delivery = deliverInterrupt(p.cpu, 0x40);
  expect(delivery.shutdown && delivery.chain[0]).toMatchObject({
    vector: 14,
    errorCode: 1,
    why: { rule: 'walk.smap' },
  });
});
