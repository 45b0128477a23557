/** What people got stuck on with EPT, each as a guest: the entry, and the words that Ringside must give. */

import { describe, expect, test } from 'vitest';
import { walkItems } from '../../src/debugger/inspect/walk';
import type { Session } from '../../src/debugger/session';
import { whyLast, whyNext } from '../../src/debugger/why/instruction';
import type { EventKind } from '../../src/machine/core/event';
import { hex, linear } from '../../src/x86/address';
import { itemAt } from '../debugger/inspect/tree';
import { boot, type Guest } from '../guest';
import { DATA, PD, PDPT, POINTER, PT, page, put, secondary, tables } from '../machine/vmx/ept-guest';
import { hypervisor, type Spec } from '../machine/vmx/hypervisor';
import { start } from './start';

/** A descriptor for INVEPT: zeros, and behind it zeros. */
const NOTHING = 0x20_a000;

const run = (source: string, record: readonly EventKind[]): Guest => {
  const guest = boot(source, {}, record);
  guest.run(1_000_000);
  return guest;
};

describe('EPT', () => {
  const read = `mov eax, [${DATA}]`;
  const behind = async (change: string, guest: string): Promise<Session> =>
    start({ guest, secondary: secondary.ept, fields: { EPT_POINTER: POINTER }, setup: tables + change });
  const large = PT | 0x87;
  const writeOnly = page(DATA, 2);
  const type = DATA | 7 | (2 << 3);
  test.each([
    [
      'a large page split, and its bit 7 left in the entry of the table',
      put(PD + 16, large | 0x1000),
      'ept.reserved',
      `the EPT entry ${hex(large | 0x1000)} at ${hex(PD + 16)} has reserved bit 12 set`,
    ],
    [
      'an entry to write and not to read',
      put(PT, writeOnly),
      'ept.write-only',
      `the EPT entry ${hex(writeOnly)} at ${hex(PT)} allows writes (bit 1) but no reads (bit 0)`,
    ],
    [
      'a memory type that does not exist',
      put(PT, type),
      'ept.memory-type',
      `the EPT entry ${hex(type)} at ${hex(PT)} has a reserved memory type in bits 5:3`,
    ],
  ])('%s', async (_, change, rule, says) => {
    const session = await behind(change, read);
    session.events.break('vmexit:EPT_MISCONFIGURATION');
    const pause = await session.continue();
    if (pause.reason !== 'event' || pause.event.kind !== 'vmexit') throw new Error(`no exit: ${pause.reason}`);
    expect(pause.event.cause.rule).toBe(rule);
    expect(whyLast(session, 0).text).toContain(says);
  });
  test('a map that is too small', async () => {
    const session = await behind('', 'mov eax, [0x40000000]');
    session.events.break('vmexit:EPT_VIOLATION');
    expect(await session.continue()).toMatchObject({ reason: 'event', event: { guestPhysical: 0x4000_0000n } });
    expect(whyLast(session, 0).text).toContain(
      `read at guest-physical 0x40000000 (linear address 0x40000000); EPT allows nothing there; the EPT entry 0x0 at ${hex(PDPT + 8)} does not allow it`,
    );
  });
  test('device memory mapped as write-back: the MTRRs say otherwise', async () => {
    // Variable range 0: the page at DATA is UC; everything else is WB.
    const mtrrs = [
      [0x200, DATA, 0],
      [0x201, 0xffff_f800, 0x7f],
      [0x2ff, 0x806, 0],
    ].map(([msr, low, high]) => `mov ecx, ${msr}\n mov eax, ${low}\n mov edx, ${high}\n wrmsr\n`);
    const session = await behind(mtrrs.join(''), `${read}\n mov eax, [${DATA + 4096}]`);
    session.events.break('vmentry', { temporary: true });
    await session.continue();
    expect(whyNext(session, 0).text).toContain(
      `allows rwx, WB where the MTRRs say UC (${hex(DATA)}-${hex(DATA + 4095)})`,
    );
    const walk = walkItems(session.vcpu(0).cpu, linear(BigInt(DATA)));
    expect(walk.find(({ name }) => name === 'physical')).toMatchObject({
      meaning: `EPT page of 4 KiB, rwx, WB where the MTRRs say UC (${hex(DATA)}-${hex(DATA + 4095)})`,
      mark: 'differs',
    });
    const map = itemAt(session, 'VMCS', 'Execution controls', 'EPT_POINTER', 'maps').children?.() ?? [];
    expect(map.find(({ mark }) => mark === 'differs')?.meaning).toContain(
      `WB where the MTRRs say UC (${hex(DATA)}-${hex(DATA + 4095)})`,
    );
    await session.step(0, 'into', 'instruction');
    expect(whyNext(session, 0).text).not.toContain('MTRRs');
  });
  test('an entry changed without INVEPT: the old translation is used, and told beside the new one', () => {
    const spec: Spec = {
      guest: `${read}\n cpuid\n ${read}`,
      secondary: secondary.ept | secondary.vpid,
      fields: { EPT_POINTER: POINTER, VIRTUAL_PROCESSOR_ID: 1 },
      setup: tables,
      onExit: put(PT, page(DATA + 0x1000)),
    };
    const { events } = run(hypervisor(spec), ['stale']);
    expect(events).toMatchObject([{ linear: BigInt(DATA), cached: BigInt(DATA), fresh: BigInt(DATA + 0x1000) }]);
    const invalidated = { ...spec, onExit: `${spec.onExit} mov eax, 2\n mov rsi, ${NOTHING}\n invept rax, [rsi]\n` };
    expect(run(hypervisor(invalidated), ['stale']).events).toEqual([]);
  });
  test('an entry taken away without INVEPT: why the access does not exit', async () => {
    const session = await start({
      guest: `${read}\n cpuid\n ${read}`,
      secondary: secondary.ept | secondary.vpid,
      fields: { EPT_POINTER: POINTER, VIRTUAL_PROCESSOR_ID: 1 },
      setup: tables,
      onExit: put(PT, 0),
    });
    session.events.break('vmexit:CPUID', { temporary: true });
    await session.continue();
    session.events.break('vmentry', { temporary: true });
    await session.continue();
    const before = session.machine.stateHash();
    expect(whyNext(session, 0).text).toContain(
      `no VM exit: nothing intercepts this MOV; read of ${hex(DATA)} at guest-physical ${hex(DATA)}: EPT PTE 0x0 at ${hex(PT)} allows ---, but the cached translation to physical ${hex(DATA)} is used until INVEPT drops it`,
    );
    expect(session.machine.stateHash()).toBe(before);
    await session.step(0, 'into', 'instruction');
    expect(session.vcpu(0).vmx?.nonRoot).toBe(true);
    expect(whyLast(session, 0).text).toContain('the cached translation');
  });
});
