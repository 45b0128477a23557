/** `pte:ADDRESS`: writes to entries that translate an address, at any level, in whichever tables are in force. */

import { expect, test } from 'vitest';
import type { Pause } from '../../../src/debugger/run-control';
import { debug } from '../guest-session';

/** 64-bit mode starts with tables of its own: these are new ones at 0x200000, which map 2 MiB from 0 as one page and 4 MiB on as small ones. */
const tables = `
bits 64
        mov edi, 0x200000
        mov ecx, 0x1000
        xor eax, eax
        rep stosd
        mov dword [0x200000], 0x201003          ; PML4E
        mov dword [0x201000], 0x202003          ; PDPTE
        mov dword [0x202000], 0x83              ; PDE of the code: 2 MiB
        mov dword [0x202008], 0x200083          ; PDE of the tables
        mov dword [0x202010], 0x203003          ; PDE of 0x400000
        mov dword [0x203000], 0x400003          ; PTE of 0x400000
        mov dword [0x203008], 0x401003          ; PTE of 0x401000
`;
const enter = `
        mov eax, 0x200000
        mov cr3, rax
`;

const written = (pause: Pause) => (pause.reason === 'event' && pause.event.kind === 'pte' ? pause.event : undefined);

test('a write at each level stops, with the entry before and after', async () => {
  const { session } = await debug(`${tables}${enter}
        mov dword [0x203008], 0x402003          ; the neighbour's
        mov dword [0x203000], 0x405003
        mov dword [0x202010], 0
        mov dword [0x201004], 0x0
        hlt`);
  const { id } = session.events.break('pte:0x400123');
  const first = await session.continue();
  expect(first).toMatchObject({ reason: 'event', ids: [id] });
  expect(written(first)).toMatchObject({
    level: 'PTE',
    entryAddress: 0x20_3000n,
    before: 0x40_0003n,
    after: 0x40_5003n,
    address: 0x40_0123n,
  });
  expect(written(await session.continue())).toMatchObject({ level: 'PDE', entryAddress: 0x20_2010n, after: 0n });
  // The upper half of the entry is written with what it holds.
  expect(await session.continue()).toMatchObject({ reason: 'ending' });
});

test('entries are followed where they lead, and into the tables that CR3 names', async () => {
  const { session } = await debug(`${tables}
        mov dword [0x203000], 0x406003          ; no tables of ours are in force yet
${enter}
        mov dword [0x204000], 0x407003          ; not yet on the way
        mov dword [0x202010], 0x204003          ; another page table
        mov dword [0x203000], 0                 ; not on the way any more
        mov dword [0x204000], 0x408003
        hlt`);
  session.events.break('pte:0x400000');
  const events: unknown[] = [];
  for (let pause = await session.continue(); pause.reason === 'event'; pause = await session.continue())
    events.push(written(pause));
  expect(events).toMatchObject([
    { level: 'PDE', before: 0x20_3003n, after: 0x20_4003n },
    { level: 'PTE', entryAddress: 0x20_4000n, before: 0x40_7003n, after: 0x40_8003n },
  ]);
});

test('the accessed and dirty bits that the processor sets do not count', async () => {
  const { session } = await debug(`${tables}${enter}
        mov byte [0x400000], 1
        mov dword [0x203000], 0x405003
        mov rax, cr3
        mov cr3, rax
        mov byte [0x400000], 1
        hlt`);
  session.events.break('pte:0x400000');
  expect(written(await session.continue())).toMatchObject({ before: 0x40_0063n, after: 0x40_5003n });
  expect(await session.continue()).toMatchObject({ reason: 'ending' });
});

test('a write by another vCPU stops, and names it', async () => {
  const { session } = await debug(
    `
bits 64
LAPIC   equ 0xfee00000
        cli
        mov edi, 0x20000
        mov ecx, 0x4000
        xor eax, eax
        rep stosd
        mov dword [0x20000], 0x21003
        mov dword [0x21000], 0x22003
        mov dword [0x21018], 0xc0000083         ; 1 GiB with the local APIC
        mov dword [0x22000], 0x83
        mov dword [0x22010], 0x30003            ; PDE of 0x400000
        mov dword [0x30000], 0x400003
        mov eax, 0x20000
        mov cr3, rax
        lea rsi, [second]
        mov edi, 0x8000
        mov ecx, 64
        rep movsb
        mov ebx, LAPIC
        mov dword [rbx + 0xf0], 0x1ff
        mov dword [rbx + 0x300], 0xc4500      ; INIT to all others
        mov dword [rbx + 0x300], 0xc4608      ; start at 0x8000
wait:   cmp dword [0x30000], 0x400003
        je wait
        hlt
bits 16
second: mov ax, 0x3000
        mov ds, ax
        mov dword [0], 0x405003
        hlt
        times 64 nop
`,
    { cpus: 2 },
  );
  session.events.break('pte:0x400000');
  const pause = await session.continue();
  expect(pause).toMatchObject({ reason: 'event', vcpu: 1 });
  expect(written(pause)).toMatchObject({ vcpu: 1, level: 'PTE', before: 0x40_0003n, after: 0x40_5003n, at: 0x8005n });
  expect(await session.continue()).toMatchObject({ reason: 'ending' });
});
