/** Data breakpoints: what is read, written or changed, through any mapping; registers; and what they are judged by. */

import { expect, test } from 'vitest';
import { pauseText } from '../../src/debugger/pause-text';
import type { Pause } from '../../src/debugger/run-control';
import type { Session } from '../../src/debugger/session';
import { BadInput } from '../../src/program/program';
import { debug } from './guest-session';

const writes = `
bits 64
        mov edi, 0x200000
        mov ecx, 6
        xor eax, eax
again:  mov [rdi], eax
        mov [rdi+8], ecx
        test cl, 1
        jz .even
        inc eax
.even:  mov rdx, [rdi]
        dec ecx
        jnz again
        hlt
`;

const hitsOf = (pause: Pause) =>
  pause.reason === 'watchpoint' ? pause.hits.map(({ id, access, old, now }) => [id, access, old, now]) : pause.reason;

const run = async (session: Session, times: number) => {
  const found = [];
  for (let n = 0; n < times; n++) found.push(hitsOf(await session.continue()));
  return found;
};

test('a write stops after it, with the value before and after', async () => {
  const { session } = await debug(writes);
  const id = session.breakpoints.watch(0x20_0008n, 4, 'write');
  const pause = await session.continue();
  expect(pauseText(pause)).toBe('watched memory written at 0x200008: 0x0 -> 0x6');
  expect(session.vcpu(0).state.rip).toBe((session.info.resolve('again', 0n as never) ?? 0n) + 5n);
  expect(await run(session, 2)).toEqual([[[id, 'write', 6n, 5n]], [[id, 'write', 5n, 4n]]]);
});

test('what counts as a change is another value, not every write', async () => {
  const { session } = await debug(writes);
  const id = session.breakpoints.watch(0x20_0000n, 4, 'change');
  expect(await run(session, 4)).toEqual([[[id, 'change', 0n, 1n]], [[id, 'change', 1n, 2n]], 'ending', 'ending']);
});

test('a read names what was read', async () => {
  const { session } = await debug(writes);
  const id = session.breakpoints.watch(0x20_0000n, 8, 'read', { hitCondition: '== 4' });
  expect(await run(session, 1)).toEqual([[[id, 'read', 1n, 1n]]]);
});

test('all that one access touches are judged, each by its own condition', async () => {
  const { session } = await debug(writes);
  const never = session.breakpoints.watch(0x20_0008n, 1, 'write', { condition: 'new == 100' });
  const third = session.breakpoints.watch(0x20_0008n, 8, 'write', { condition: 'new == 3' });
  const counted = session.breakpoints.watch(0x20_000an, 2, 'both', { hitCondition: '% 2' });
  expect(await run(session, 3)).toEqual([
    [[counted, 'write', 0n, 0n]],
    [
      [third, 'write', 4n, 3n],
      [counted, 'write', 0n, 0n],
    ],
    [[counted, 'write', 0n, 0n]],
  ]);
  expect(session.breakpoints.listWatches().map(({ id, hits }) => [id, hits])).toEqual([
    [never, 0],
    [third, 1],
    [counted, 6],
  ]);
});

test('a range stops for any of its bytes, and shows those that were touched', async () => {
  const { session } = await debug(
    'bits 64\nmov edi, 0x200ffc\nmov rax, 0x1122334455667788\nmov [rdi+0x100], rax\nhlt\n',
  );
  const id = session.breakpoints.watch(0x20_1000n, 4096, 'write');
  expect(await session.continue()).toMatchObject({
    hits: [{ id, place: { space: 'linear', address: 0x20_10fcn }, now: 0x1122_3344_5566_7788n }],
  });
});

test('a message is logged instead of a stop', async () => {
  const { session, notes } = await debug(writes);
  session.breakpoints.watch(0x20_0000n, 4, 'change', { logMessage: '{old,d} to {new,d} at ecx {ecx,d}' });
  expect(await session.continue()).toMatchObject({ reason: 'ending' });
  expect(notes).toEqual(['0 to 1 at ecx 4', '1 to 2 at ecx 2']);
});

test('physical bytes are watched through any mapping', async () => {
  const { session } = await debug(`
bits 64
        mov rax, cr3
        mov rax, [rax]
        and rax, -4096
        mov rax, [rax]
        and rax, -4096
        mov rbx, [rax+8]                ; the entry of 2 MiB, for 32 MiB too
        mov [rax+8*16], rbx
        mov dword [0x200100], 1
        mov dword [0x2000100], 2
        mov dword [0x200104], 3
        mov ebx, [0x2000100]
        push rbx
        hlt
`);
  const id = session.breakpoints.watch({ space: 'phys', address: 0x20_0100n }, 4, 'both');
  expect(await run(session, 4)).toEqual([
    [[id, 'write', 0n, 1n]],
    [[id, 'write', 1n, 2n]],
    [[id, 'read', 2n, 2n]],
    'ending',
  ]);
});

test('what the processor itself pushes is written', async () => {
  const { session } = await debug(`
bits 64
        mov rsp, 0x210000
        mov rax, handler
        mov rdi, idt + 0x30*16
        mov [rdi], ax
        mov [rdi+2], cs
        mov word [rdi+4], 0x8e00
        shr rax, 16
        mov [rdi+6], ax
        lidt [idtr]
        mov ecx, 3
again:  int 0x30
        dec ecx
        jnz again
        hlt
handler: iretq
idtr:   dw 0xfff
        dq idt
align 16
idt:    times 4096 db 0
`);
  const id = session.breakpoints.watch({ space: 'phys', address: 0x20_fff0n }, 8, 'write');
  expect((await run(session, 4)).map((hits) => (typeof hits === 'string' ? hits : hits[0]?.slice(0, 2)))).toEqual([
    [id, 'write'],
    [id, 'write'],
    [id, 'write'],
    'ending',
  ]);
});

test("a page table's entry that the processor marks is written", async () => {
  const { session } = await debug(`
bits 64
        mov rax, cr3
        mov rax, [rax]
        and rax, -4096
        mov rax, [rax]
        and rax, -4096
        and byte [rax+8*3], 0x9f        ; neither accessed nor dirty
        invlpg [0x600000]
marked: mov byte [0x600000], 1
        hlt
`);
  const { machine } = session;
  const physical = (at: number) => Number(machine.physical.peek(at, 8)) & ~0xfff;
  const directory = physical(physical(Number(session.vcpu(0).state.cr3)));
  await session.runUntil(0, session.info.resolve('marked', 0n as never) as never);
  const id = session.breakpoints.watch({ space: 'phys', address: BigInt(directory + 24) }, 1, 'change');
  expect(await run(session, 1)).toEqual([[[id, 'change', 0x83n, 0xe3n]]]);
});

const registers = `
bits 64
        mov eax, 5
        mov ecx, 3
.loop:  add eax, 0
        dec ecx
        jnz .loop
        mov rax, cr4
        mov cr4, rax            ; the same value
        or rax, 0x80
        mov cr4, rax
        mov ecx, 0xc0000082
        mov eax, 0x1234
        xor edx, edx
        wrmsr
        cmp ecx, ecx
        stc
        hlt
`;

test('a register stops after the instruction that changed it', async () => {
  const { session, line } = await debug(registers);
  const watch = session.breakpoints.watchRegister('ecx', { condition: 'new < old && old <= 3' });
  expect(watch.stepping).toBe(true);
  const pause = await session.continue();
  expect([hitsOf(pause), line(), pauseText(pause)]).toEqual([
    [[watch.id, 'change', 3n, 2n]],
    7,
    'ecx changed: 0x3 -> 0x2',
  ]);
  expect(await run(session, 3)).toEqual([[[watch.id, 'change', 2n, 1n]], [[watch.id, 'change', 1n, 0n]], 'ending']);
});

test('flags are registers', async () => {
  const { session, line } = await debug(registers);
  session.breakpoints.watchRegister('cf', { condition: 'new' });
  await session.continue();
  expect(line()).toBe(18);
});

test('control and model-specific registers are watched at full speed', async () => {
  const { session, line } = await debug(registers);
  const cr4 = session.breakpoints.watchRegister('cr4');
  const lstar = session.breakpoints.watchRegister('ia32_lstar');
  expect([cr4.stepping, lstar.stepping, session.machine.watches.mustStep]).toEqual([false, false, false]);
  expect(await session.continue()).toMatchObject({ hits: [{ id: cr4.id }] });
  expect(line()).toBe(12);
  expect(await run(session, 2)).toEqual([[[lstar.id, 'change', 0n, 0x1234n]], 'ending']);
});

test('what is done at a stop is no change', async () => {
  const { session } = await debug(registers);
  session.breakpoints.watchRegister('rbx');
  const id = session.breakpoints.watch(0x20_0000n, 8, 'change');
  session.machine.input({ kind: 'register', vcpu: 0, name: 'rbx', value: 77n });
  session.machine.input({ kind: 'memory', physical: 0x20_0000, bytes: [1] });
  expect(await session.continue()).toMatchObject({ reason: 'ending' });
  expect(session.breakpoints.unwatch(id)).toBe(true);
});

test('a watch outlives a reset', async () => {
  const { session } = await debug(
    'bits 64\nmov eax, [0x210000]\ninc dword [0x200000]\nmov al, 0xfe\nout 0x64, al\nhlt\n',
  );
  const id = session.breakpoints.watch({ space: 'phys', address: 0x20_0000n }, 4, 'write');
  expect(await run(session, 2)).toEqual([[[id, 'write', 0n, 1n]], [[id, 'write', 0n, 1n]]]);
});

test('what cannot be watched is refused in one line', async () => {
  const { session } = await debug(registers);
  const { breakpoints } = session;
  expect(() => breakpoints.watchRegister('raxx')).toThrow(new BadInput('there is no register `raxx` to watch'));
  expect(() => breakpoints.watch(0n, 0, 'write')).toThrow(new BadInput('0 bytes cannot be watched; 1 to 1048576 can'));
  expect(() => breakpoints.watch(0n, 4, 'write', { condition: 'old <' })).toThrow(
    new BadInput('condition `old <`: a value is missing before the end (column 6)'),
  );
  expect(breakpoints.listWatches()).toEqual([]);
});

test('a temporary one goes, and the others go on', async () => {
  const { session } = await debug('bits 64\nmov ebx, 1\nmov ebx, 2\nmov ecx, 3\nmov ebx, 4\nhlt\n');
  const once = session.breakpoints.watchRegister('rbx', { temporary: true });
  const other = session.breakpoints.watchRegister('rcx');
  expect(await run(session, 3)).toEqual([[[once.id, 'change', 0n, 1n]], [[other.id, 'change', 0n, 3n]], 'ending']);
  expect(session.breakpoints.listWatches()).toEqual([other]);
});
