/** Faults as they are kept: with reasons, the chain of a triple fault, beyond a reset; and why the machine stopped. */

import { expect, test } from 'vitest';
import { whyItems } from '../../../src/debugger/inspect/why';
import { debug } from '../guest-session';
import { itemAt } from './tree';

/** An IDT whose gates for #GP and #DF are not present. */
const source = `
bits 64
        lidt [rel idtr]
start:  mov rax, 0x4000000000
fails:  mov [rax], al
        hlt
idtr:   dw 14 * 16 + 15
        dq idt
        align 16
idt:    times 15 dq 0, 0
`;

test('a triple fault shows the first cause, what was being delivered, and why each delivery failed', async () => {
  const { session } = await debug(source);
  await session.continue();
  const chain = itemAt(session, 'Faults', 'triple fault');
  expect(chain.meaning).toMatch(/^vCPU 0 at step 2: #PF → #GP → #DF → #GP$/);
  const links = chain.children?.() ?? [];
  expect(links.map(({ meaning }) => meaning)).toEqual([
    '#PF Page Fault (error code 0x2: supervisor write, page not present): the first cause',
    '#GP General Protection (error code 0x73: entry 0xe of the IDT, external): while #PF was being delivered',
    '#DF Double Fault (error code 0x0): instead of delivering #GP',
    '#GP General Protection (error code 0x43: entry 0x8 of the IDT, external): while #DF was being delivered',
  ]);
  const first = links[0]?.children?.() ?? [];
  expect(first.find(({ name }) => name === 'rip')).toMatchObject({ meaning: 'fails' });
  expect(first.find(({ name }) => name === 'rule')).toMatchObject({ meaning: 'walk.present' });
  expect(first.find(({ name }) => name === 'PDPTE')).toBeDefined();
  const why = whyItems(session);
  expect(why[0]?.meaning).toMatch(/^triple fault: 1\. #PF/);
  expect(why).toHaveLength(5);
});

test('the chain stays after a reset', async () => {
  const { session } = await debug(source);
  session.machine.run(1000);
  const before = itemAt(session, 'Faults', 'triple fault').meaning;
  session.machine.input({ kind: 'reset' });
  session.machine.runTo(session.machine.counters.step + 1);
  expect(itemAt(session, 'Faults', 'triple fault').meaning).toBe(before);
  expect(itemAt(session, 'Registers', 'rsp').bits).toBe(0x9_0000n);
});

/** Divides by zero again and again; the handler skips the instruction. */
const dividing = `
bits 64
        lidt [rel idtr]
        xor ebx, ebx
again:  div bl
        inc rcx
        jmp again
handler: add qword [rsp], 2
        iretq
idtr:   dw 15
        dq idt
        align 16
idt:    dw handler - $$, 8, 0x8e00, 0x10, 0, 0, 0, 0
`;

test('the last faults are kept, the newest first, also those that the core delivers by itself', async () => {
  const { session } = await debug(dividing);
  const { machine } = session;
  machine.run(2000);
  const count = machine.events.counts.get('trap')?.get(0) ?? 0;
  expect(count).toBeGreaterThan(200);
  const last = itemAt(session, 'Faults', 'last');
  expect(last.meaning).toMatch(/^#DE Divide Error, at again \(vCPU 0, step \d+\)$/);
  expect(itemAt(session, 'Faults', 'last', 'rule').meaning).toBe('divide.zero');
  const step = (name: string): number => Number(/step (\d+)/.exec(itemAt(session, 'Faults', name).meaning ?? '')?.[1]);
  expect(step('last') - step('31 before')).toBe(31 * 5);
  expect(() => itemAt(session, 'Faults', '32 before')).toThrow();
});

test('a fault during the delivery of another says so', async () => {
  const { session } = await debug(source);
  session.machine.run(1000);
  expect(itemAt(session, 'Faults', '1 before').meaning).toMatch(/^#DF Double Fault/);
  expect(itemAt(session, 'Faults', '2 before').meaning ?? '').toMatch(/^#PF Page Fault/);
});
