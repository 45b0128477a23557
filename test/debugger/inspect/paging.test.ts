/** Walks with their verdicts, the list of the whole space, and what the TLBs hold beside the tables. */

import { describe, expect, test } from 'vitest';
import { recollectionOf } from '../../../src/debugger/inspect/recollection';
import { spaceItems } from '../../../src/debugger/inspect/space';
import { walkItems } from '../../../src/debugger/inspect/walk';
import { itemValue } from '../../../src/debugger/item';
import type { Session } from '../../../src/debugger/session';
import { linear } from '../../../src/x86/address';
import { debug } from '../guest-session';
import { modes } from './modes';
import { itemAt } from './tree';

const standing = async (mode: string): Promise<Session> => {
  const { source, steps } = modes[mode] as { source: string; steps: number };
  const { session } = await debug(source);
  session.machine.runTo(steps);
  return session;
};

const write = ({ machine }: Session, physical: number, value: bigint): void =>
  machine.physical.pokeBytes(
    physical,
    Uint8Array.from({ length: 8 }, (_, i) => Number((value >> BigInt(i * 8)) & 0xffn)),
  );

const walk = (session: Session, address: bigint) => walkItems(session.vcpu(0).cpu, linear(address));

describe('a walk', () => {
  test('has an item a level, the physical address, and the verdict on each kind of access', async () => {
    const session = await standing('64-bit');
    const items = walk(session, 0x25_0008n);
    expect(items.map(({ name }) => name)).toEqual([
      'PML4E',
      'PDPTE',
      'PDE',
      'physical',
      ...['supervisor read', 'supervisor write', 'supervisor execute'],
      // The same denies all of them.
      'user read, write, execute',
    ]);
    expect(items[3]).toMatchObject({ bits: 0x25_0008n, meaning: 'page of 2 MiB' });
    expect(items.slice(4, 7).map(({ meaning }) => meaning)).toEqual(['allowed', 'allowed', 'allowed']);
    expect(items[7]).toMatchObject({ mark: 'denied' });
    expect(items[7]?.meaning).toMatch(/PML4E .* \(bit 2, U\/S, is 0\).*\[walk.user\]$/);
    expect(items[2]?.memory).toEqual({ space: 'phys', address: 0x9_3008n });
  });

  test('names the entry that forbids a write, and heeds CR0.WP', async () => {
    const session = await standing('32-bit paging');
    write(session, 0x20_1000 + 0x301 * 4, 0x30_1001n);
    const verdict = () => walk(session, 0x30_1000n).find(({ name }) => name === 'supervisor write');
    expect(verdict()?.meaning).toMatch(/PTE 0x301001 at 0x201c04 \(bit 1, R\/W, is 0\).*\[walk.writable\]/);
    session.environment(0).setName('cr0.wp', 0n);
    expect(verdict()).toMatchObject({ meaning: 'allowed' });
  });

  test('ends where nothing is mapped, and at a reserved bit', async () => {
    const session = await standing('64-bit');
    expect(walk(session, 1n << 40n)[1]).toMatchObject({ name: 'physical', mark: 'denied' });
    expect(walk(session, 1n << 40n)[1]?.meaning).toBe('not mapped: bit P is 0 in the PML4E');
    expect(walk(session, 1n << 40n).slice(2)).toMatchObject([
      { name: 'any access', mark: 'denied', meaning: expect.stringMatching(/\[walk\.present\]$/) },
    ]);
    write(session, 0x9_3008, 0x20_20a3n | (1n << 13n));
    expect(itemValue(walk(session, 0x20_0000n)[3] as never)).toBe(
      'not mapped: a reserved bit is set in the PDE (denied)',
    );
  });

  test('of an address that the user adds is shown until it is taken away', async () => {
    const session = await standing('64-bit');
    const past = recollectionOf(session.machine);
    past.watchWalk(0x12_3456n, true);
    expect(itemAt(session, 'Paging', '0x123456')).toMatchObject({ bits: 0x12_3456n });
    past.watchWalk(0x12_3456n, false);
    expect(() => itemAt(session, 'Paging', '0x123456')).toThrow();
  });
});

const space = (session: Session): string[] =>
  spaceItems(session.vcpu(0).cpu).map((item) => `${item.name} ${itemValue(item)}`);

describe('the whole space', () => {
  test('joins pages with equal rights, and says where they lead when they lie in one piece', async () => {
    const session = await standing('32-bit paging');
    write(session, 0x20_1000 + 0x310 * 4, 0x39_0003n | (0x31_1003n << 32n));
    expect(space(session)).toEqual([
      '0x0-0x2fffff 3 MiB, R/W supervisor, physical 0x0',
      '0x300000-0x300fff 4 KiB, R/W user, physical 0x300000',
      '0x301000-0x3fffff 1020 KiB, R/W supervisor, scattered',
    ]);
  });

  test('has both halves of a 64-bit space in order, with the rights of all levels', async () => {
    const session = await standing('64-bit');
    write(session, 0x9_1ff8, 0x9_2003n);
    write(session, 0x9_3010, 0x40_0081n);
    expect(space(session)).toEqual([
      '0x0-0x3fffff 4 MiB, R/W supervisor, physical 0x0',
      '0x400000-0x5fffff 2 MiB, read-only supervisor, physical 0x400000',
      '0x600000-0xffffffff 4090 MiB, R/W supervisor, physical 0x600000',
      '0xffffff8000000000-0xffffff80003fffff 4 MiB, R/W supervisor, physical 0x0',
      '0xffffff8000400000-0xffffff80005fffff 2 MiB, read-only supervisor, physical 0x400000',
      '0xffffff8000600000-0xffffff80ffffffff 4090 MiB, R/W supervisor, physical 0x600000',
    ]);
  });

  test('is listed fast where every table is used everywhere: 256 TiB of 4 KiB pages', async () => {
    const session = await standing('64-bit');
    const { machine } = session;
    const fill = (table: number, entry: (index: number) => bigint): void => {
      for (let index = 0; index < 512; index++) write(session, table + index * 8, entry(index));
    };
    fill(0x80_0000, () => 0x80_1003n);
    fill(0x80_1000, () => 0x80_2003n);
    fill(0x80_2000, () => 0x80_3003n);
    fill(0x80_3000, () => 0x70_0003n);
    machine.input({ kind: 'register', vcpu: 0, name: 'cr3', value: 0x80_0000n });
    expect(space(session)).toEqual(['0x0-0xffffffffffffffff 256 TiB, R/W supervisor, scattered']);
    expect(itemAt(session, 'Paging', 'mapped', 'mapped').meaning).toBe('256 TiB in 1 range');
    // One hole in the page table, and there are 2^27 ranges: the list comes in pieces.
    write(session, 0x80_3000, 0n);
    const items = spaceItems(session.vcpu(0).cpu);
    expect(items).toHaveLength(201);
    expect(items[200]).toMatchObject({ name: 'from 0x19001000', meaning: 'more ranges' });
    expect(items[200]?.children?.()[0]?.name).toBe('0x19001000-0x191fffff');
  });
});

describe('the TLBs', () => {
  test('an entry that the tables contradict is stale, and says what they say', async () => {
    const session = await standing('64-bit');
    const entry = () => itemAt(session, 'TLB', 'data', '0x200000 PCID 0 2 MiB');
    expect(entry()).toMatchObject({ bits: 0x20_0000n });
    expect(entry().mark).toBeUndefined();
    write(session, 0x9_3008, 0x60_00e3n);
    expect(itemAt(session, 'TLB', 'stale', 'stale').meaning).toBe('1 of 2 entries');
    expect(entry()).toMatchObject({ mark: 'stale' });
    expect(itemValue(entry())).toMatch(/the tables now lead to 0x600000 \(stale\)$/);
    write(session, 0x9_3008, 0x20_00e1n);
    expect(itemValue(entry())).toMatch(/the tables now say read-only supervisor D \(stale\)$/);
    write(session, 0x9_3008, 0n);
    expect(itemValue(entry())).toMatch(/the tables map nothing here now \(stale\)$/);
  });

  test('PDPTE registers keep what the table no longer says', async () => {
    const session = await standing('PAE paging');
    expect(itemAt(session, 'Paging', 'pdpte0').mark).toBeUndefined();
    write(session, 0x20_1000, 0n);
    expect(itemAt(session, 'Paging', 'pdpte0')).toMatchObject({ mark: 'differs', meaning: 'the table now has 0x0' });
  });
});
