/** Breakpoints on events, on guests: where the machine stands when it stops, what is counted, and what is told. */

import { expect, test } from 'vitest';
import type { MachineEvent } from '../../../src/machine/core/event';
import { BadInput } from '../../../src/program/program';
import { linear } from '../../../src/x86/address';
import { debug } from '../guest-session';

/** Ring 0 in 64-bit mode with an IDT whose gates all lead to `handler`. */
const withIdt = (body: string, more = ''): string => `
bits 64
        lea rdi, [idt]
        lea rax, [handler]
        mov ecx, 256
fill:   mov [rdi], ax
        mov word [rdi + 2], cs
        mov word [rdi + 4], 0x8e00
        mov rdx, rax
        shr rdx, 16
        mov [rdi + 6], dx
        mov qword [rdi + 8], 0
        add rdi, 16
        dec ecx
        jnz fill
        lidt [idtr]
${body}
handler:
        inc r15
        iretq
${more}
idtr:   dw 4095
        dq idt
align 16
idt:    times 4096 db 0
`;

const at = async (source: string, text: string, options = {}) => {
  const found = await debug(source);
  const breakpoint = found.session.events.break(text, options);
  return { ...found, breakpoint };
};
const symbol = (session: { info: { symbols: { named(name: string): { address: bigint } | null } } }, name: string) =>
  session.info.symbols.named(name)?.address;

test('a fault stops before its delivery, anything else after the instruction', async () => {
  const source = withIdt(`
here:   ud2
        hlt`);
  const { session, breakpoint } = await at(source, 'trap:#UD');
  expect(await session.continue()).toMatchObject({ reason: 'fault', ids: [breakpoint.id], fault: { vector: 6 } });
  expect(session.vcpu(0).state.rip).toBe(symbol(session, 'here'));
  expect(session.vcpu(0).state.gpr(15)).toBe(0n);

  for (const [text, instruction] of [
    ['int:0x80', 'int 0x80'],
    ['port:0x80:w', 'out 0x80, al'],
    ['cr3:w', 'mov rax, cr3\nmov cr3, rax'],
    ['msr:IA32_LSTAR:w', 'mov ecx, 0xc0000082\nwrmsr'],
    ['cpuid', 'cpuid'],
    ['mmio:0xfee00000-0xfee00fff:r', 'mov ebx, 0xfee00030\nmov eax, [rbx]'],
  ] as const) {
    const { session: other, breakpoint: one } = await at(
      withIdt(`        cli\n        ${instruction}\nnext:   nop\n        hlt`),
      text,
    );
    const pause = await other.continue();
    expect(pause, text).toMatchObject({ reason: 'event', ids: [one.id] });
    const event = (pause as { event: MachineEvent }).event;
    const expected = text === 'int:0x80' ? symbol(other, 'handler') : symbol(other, 'next');
    expect(other.vcpu(0).state.rip, text).toBe(expected);
    // The event's own position is that before its step, of the instruction that did it.
    expect(event.step, text).toBe(other.machine.counters.step - 1);
    expect(event.at, text).toBeLessThan(symbol(other, 'next') as bigint);
  }
});

test('int3, into and int1 stop before they are executed, and go on', async () => {
  const source = withIdt(`
here:   int3
        hlt`);
  const { session } = await at(source, 'trap:#BP');
  expect(await session.continue()).toMatchObject({ reason: 'fault', fault: { vector: 3 } });
  expect(session.vcpu(0).state.rip).toBe(symbol(session, 'here'));
  expect(await session.continue()).toMatchObject({ reason: 'ending' });
  expect(session.vcpu(0).state.gpr(15)).toBe(1n);
});

test('a single-step trap of the guest stops before its delivery, once', async () => {
  const source = withIdt(`
        pushfq
        or qword [rsp], 0x100
        popfq
        nop
        pushfq
        and qword [rsp], ~0x100
        popfq
        hlt`);
  const { session, breakpoint } = await at(source, 'trap:#DB');
  let stops = 0;
  for (; (await session.continue()).reason === 'fault'; stops++)
    expect(session.vcpu(0).state.gpr(15)).toBe(BigInt(stops));
  expect(stops).toBe(4);
  expect(breakpoint.hits).toBe(4);
});

test('a breakpoint at an instruction that faults does not hide its fault', async () => {
  const { session, breakpoint } = await at(withIdt('here:   ud2\n        hlt'), 'trap:#UD');
  session.breakpoints.add([linear(symbol(session, 'here') as bigint)]);
  expect(await session.continue()).toMatchObject({ reason: 'breakpoint' });
  expect(await session.continue()).toMatchObject({ reason: 'fault', ids: [breakpoint.id] });
});

test("the event's fields are names in conditions, hit counts and messages", async () => {
  const source = withIdt(`
        mov ecx, 20
again:  mov eax, ecx
        out 0x80, al
        loop again
        hlt`);
  const { session, notes } = await at(source, 'port:0x80 if value & 1 && write hits == 3');
  const log = session.events.log('port:0x80:w if value == 17', {
    logMessage: 'value {value} of {size} at {at} in {ecx}',
  });
  expect(await session.continue()).toMatchObject({ reason: 'event', event: { value: 15 } });
  const here = (symbol(session, 'again') as bigint) + 2n;
  expect(notes).toEqual([`value 0x11 of 0x1 at 0x${here.toString(16)} in 0x11`]);
  expect(log).toMatchObject({ hits: 1, logs: true });
  expect(await session.continue()).toMatchObject({ reason: 'ending' });
});

test('an event is logged as one line each, and nothing stops', async () => {
  const { session, notes } = await at('bits 64\nmov eax, 1\ncpuid\nmov eax, 2\nmov ecx, 3\ncpuid\nhlt\n', 'cpuid log');
  expect(await session.continue()).toMatchObject({ reason: 'ending' });
  expect(notes).toHaveLength(2);
  const other = await debug('bits 64\nmov eax, 1\ncpuid\nmov eax, 2\nmov ecx, 3\ncpuid\nhlt\n');
  other.session.events.log('cpuid');
  await other.session.continue();
  expect(other.notes).toEqual(['1 0x100005 cpuid leaf 0x1, subleaf 0x0', '4 0x100011 cpuid leaf 0x2, subleaf 0x3']);
});

test('conditions that do not hold change no position and no state', async () => {
  const source = withIdt(`
        mov ecx, 1000
again:  out 0x80, al
        int 0x40
        mov ebx, 0xfee00030
        mov eax, [rbx]
        loop again
        hlt`);
  const plain = await debug(source);
  await plain.session.continue();
  const { session } = await at(source, 'port if value == 1000');
  for (const text of ['int if rax == 12345', 'mmio if value == 12345', 'trap if vector == 99', 'ring', 'stale', 'cr3'])
    session.events.break(text);
  await session.continue();
  expect(session.machine.counters).toEqual(plain.session.machine.counters);
  expect(session.machine.stateHash()).toBe(plain.session.machine.stateHash());
});

test('faults are told apart by whether the guest has a handler', async () => {
  const source = `
bits 64
        ud2
        hlt`;
  const { session } = await at(source, 'trap if handled == 0');
  expect(await session.continue()).toMatchObject({ reason: 'fault', fault: { vector: 6 } });
  const { session: other } = await at(withIdt('        int3\n        hlt'), 'trap if handled == 0');
  expect(await other.continue()).toMatchObject({ reason: 'ending' });
});

test('a triple fault stops with its chain, named by the breakpoints that want it', async () => {
  const { session, breakpoint, notes } = await at('bits 64\nlidt [none]\nud2\nnone: dw 0\ndq 0\n', 'triple-fault');
  session.events.log('trap if during != 0xffffffffffffffff', { logMessage: 'trap {vector} during {during}' });
  expect(await session.continue()).toMatchObject({
    reason: 'ending',
    ending: { outcome: 'triple-fault' },
    ids: [breakpoint.id],
    stop: { chain: [6, 13, 13, 8, 13].map((vector) => ({ vector })) },
  });
  expect(notes).toEqual(['trap 0xd during 0x6', 'trap 0x8 during 0xd']);
});

test('a reset stops before it; going on starts the machine again', async () => {
  const { session } = await at('bits 64\ninc r8\nmov al, 0xfe\nout 0x64, al\nhlt\n', 'reset');
  expect(await session.continue()).toMatchObject({ reason: 'event', event: { kind: 'reset', by: '8042' } });
  expect(session.vcpu(0).state.gpr(8)).toBe(1n);
  expect(await session.step(0, 'into', 'instruction')).toMatchObject({ reason: 'step' });
  expect(session.vcpu(0).state.rip).toBe(0x10_0003n);
});

test('a temporary one goes when it hits; one removed is not asked any more', async () => {
  const source = 'bits 64\ncpuid\ncpuid\ncpuid\nhlt\n';
  const { session, breakpoint } = await at(source, 'cpuid', { temporary: true });
  const gone: number[] = [];
  session.events.onRemoved = ({ id }) => gone.push(id);
  expect(await session.continue()).toMatchObject({ reason: 'event' });
  expect(gone).toEqual([breakpoint.id]);
  const other = session.events.break('cpuid');
  expect(session.events.list().map(({ id }) => id)).toEqual([other.id]);
  expect(session.events.remove(other.id)).toBe(true);
  expect(session.events.remove(other.id)).toBe(false);
  expect(await session.continue()).toMatchObject({ reason: 'ending' });
});

test('steps stop at events too', async () => {
  const { session, breakpoint } = await at('bits 64\nnop\ncpuid\nhlt\n', 'cpuid');
  expect(await session.step(0, 'over', 'instruction')).toMatchObject({ reason: 'step' });
  expect(await session.step(0, 'over', 'instruction')).toMatchObject({ reason: 'event', ids: [breakpoint.id] });
});

test('a watch and an event of one instruction are one stop, with both numbers', async () => {
  const { session, breakpoint } = await at('bits 64\nmov edi, 0x200000\nmov dx, 0x80\ninsb\nhlt\n', 'port:0x80:r');
  const watch = session.breakpoints.watch(0x20_0000n, 1, 'write');
  expect(await session.continue()).toMatchObject({ reason: 'event', ids: [breakpoint.id, watch] });
  expect(await session.continue()).toMatchObject({ reason: 'ending' });
});

test('what cannot be read is one line', async () => {
  const { session } = await debug('bits 64\nhlt\n');
  for (const text of ['trap:#XX', 'bogus', 'port:0x3f8 if value ==', 'cpuid hits maybe', 'pte:nowhere'])
    expect(() => session.events.break(text), text).toThrow(BadInput);
  expect(session.events.list()).toEqual([]);
});

test.each([
  ['an event', 'out 0x80, al'],
  ['a watch', 'mov [0x200000], al'],
])('breakpoints and messages where %s stops the machine first are not lost', async (_, instruction) => {
  const { session, notes } = await debug(`bits 64\nmov al, 1\n${instruction}\nthere: inc ecx\njmp $\n`, {
    maxInstructions: 10,
  });
  const there = session.info.resolve('there', linear(0n)) ?? linear(0n);
  const { id } = session.breakpoints.add([there], { hitCondition: '1' });
  session.breakpoints.add([there], { condition: 'ecx == 99' });
  const message = session.breakpoints.add([there], { logMessage: 'al is {al}' });
  session.events.break('port:0x80');
  session.breakpoints.watch(0x200000n, 1, 'write');
  const pause = await session.continue();
  expect(['event', 'watchpoint']).toContain(pause.reason);
  expect('ids' in pause && pause.ids).toContain(id);
  expect(notes).toEqual(['al is 0x1']);
  expect(await session.continue()).toMatchObject({ ending: { outcome: 'budget' } });
  expect(message.hits).toBe(1);
  expect(notes).toHaveLength(1);
});
