/** What fields point to: bitmaps as ranges, MSR areas by entry, the EPT as ranges with rights and memory type. */

import { expect, test } from 'vitest';
import type { Item } from '../../../src/debugger/item';
import { bitRanges } from '../../../src/debugger/vmcs/bitmaps';
import { hypervisor, pages } from '../../machine/vmx/hypervisor';
import { debug } from '../guest-session';
import { itemAt } from '../inspect/tree';

const USE_IO_BITMAPS = 1 << 25;
const USE_MSR_BITMAPS = 1 << 28;
const ENABLE_EPT = 2;
const at = (address: number): string => `0x${address.toString(16)}`;

const source = hypervisor({
  primary: USE_IO_BITMAPS | USE_MSR_BITMAPS | (1 << 31),
  secondary: ENABLE_EPT,
  fields: {
    EPT_POINTER: pages.spare | 0x1e,
    VM_EXIT_MSR_STORE_COUNT: 2,
    VM_EXIT_MSR_STORE_ADDR: pages.storedMsrs,
  },
  setup: `
    mov byte [${at(pages.ioA + 0x60 / 8)}], 0x11           ; ports 60H and 64H
    mov word [${at(pages.ioB + 0xff)}], 0x0180        ; ports 87FFH and 8800H
    mov byte [${at(pages.msrBitmap + 7)}], 4               ; reads of MSR 3AH
    mov byte [${at(pages.msrBitmap + 0xc00 + 0x10)}], 3    ; writes of C0000080H and C0000081H
    mov dword [${at(pages.storedMsrs)}], 0x277
    mov dword [${at(pages.storedMsrs + 16)}], 0xc0000082
    mov dword [${at(pages.spare)}], ${at(pages.spare + 0x1007)}
    mov dword [${at(pages.spare + 0x1000)}], ${at(pages.spare + 0x2007)}
    mov dword [${at(pages.spare + 0x2000)}], 0x0000b7      ; 2 MiB each: RWX, write-back
    mov dword [${at(pages.spare + 0x2008)}], 0x2000b7
    mov dword [${at(pages.spare + 0x2018)}], 0x800081      ; read-only, uncacheable, elsewhere
    mov dword [${at(pages.spare + 0x2020)}], 0x8000b2      ; writes only
  `,
  guest: 'cpuid\n mov eax, 0x900d\n vmcall\n',
});

const words = (item: Item | undefined): Record<string, string | undefined> =>
  Object.fromEntries((item?.children?.() ?? []).map(({ name, meaning }) => [name, meaning]));

const stopped = async () => {
  const { session } = await debug(source, { memory: '32M' });
  session.events.break('vmexit:CPUID');
  expect(await session.continue()).toMatchObject({ reason: 'event' });
  return session;
};

test('I/O bitmaps are ranges of ports that exit', async () => {
  const session = await stopped();
  const field = itemAt(session, 'VMCS', 'Execution controls', 'IO_BITMAP_A');
  expect(field.memory).toEqual({ space: 'phys', address: BigInt(pages.ioA) });
  expect(words(field)).toMatchObject({ 'ports 0x60': 'exit', 'ports 0x64': 'exit' });
  const high = words(itemAt(session, 'VMCS', 'Execution controls', 'IO_BITMAP_B'));
  expect(Object.keys(high).filter((name) => name.startsWith('ports'))).toEqual(['ports 0x87ff-0x8800']);
});

test('the MSR bitmap tells reads and writes apart, with the names of MSRs', async () => {
  const session = await stopped();
  const field = itemAt(session, 'VMCS', 'Execution controls', 'MSR_BITMAP');
  expect(words(field)).toMatchObject({ 'reads that exit': '0x3a', 'writes that exit': '0xc0000080-0xc0000081' });
  const reads = field.children?.().find(({ name }) => name === 'reads that exit');
  expect(words(reads)).toEqual({ '0x3a': 'IA32_FEATURE_CONTROL' });
});

test('an MSR area is told entry by entry, with the values that were stored', async () => {
  const session = await stopped();
  const rows = itemAt(session, 'VMCS', 'Exit controls', 'VM_EXIT_MSR_STORE_ADDR').children?.() ?? [];
  expect(rows.slice(0, 2)).toMatchObject([
    { name: 'entry 1', bits: 0x0007_0406_0007_0406n, meaning: 'for IA32_PAT (0x277)' },
    { name: 'entry 2', meaning: 'for IA32_LSTAR (0xc0000082)' },
  ]);
  const none = words(itemAt(session, 'VMCS', 'Entry controls', 'VM_ENTRY_MSR_LOAD_ADDR'));
  expect(none).toMatchObject({ nothing: 'VM_ENTRY_MSR_LOAD_COUNT is 0' });
});

test('the EPT is a list of ranges with rights, memory type and where they lead', async () => {
  const session = await stopped();
  const field = itemAt(session, 'VMCS', 'Execution controls', 'EPT_POINTER');
  expect(field.meaning).toBe(`table at ${at(pages.spare)}, write-back, 4 levels`);
  expect(words(itemAt(session, 'VMCS', 'Execution controls', 'EPT_POINTER', 'maps'))).toEqual({
    '0x0-0x3fffff': '4 MiB, RWX, WB, physical 0x0 (the same)',
    '0x600000-0x7fffff': '2 MiB, R--, UC, physical 0x800000',
    '0x800000-0x9fffff': '2 MiB, misconfigured: write-only',
  });
});

test('runs of ones are found at both ends', () => {
  expect(bitRanges(Uint8Array.of(0x81, 0xff, 0x01))).toEqual([
    { first: 0, last: 0 },
    { first: 7, last: 16 },
  ]);
  expect(bitRanges(Uint8Array.of(0, 0xff), 0x100)).toEqual([{ first: 0x108, last: 0x10f }]);
});
