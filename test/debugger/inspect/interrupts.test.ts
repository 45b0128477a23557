/** What would be delivered next, and what holds it back. */

import { describe, expect, test } from 'vitest';
import type { Session } from '../../../src/debugger/session';
import { debug } from '../guest-session';
import { itemAt } from './tree';

const OPEN = 'mov al, 0xef\nout 0x21, al\n';

const at = async (source: string, steps: number): Promise<Session> => {
  const { session } = await debug(`bits 64\n${source}\nhere: jmp here\n`);
  session.machine.runTo(steps);
  return session;
};

const next = (session: Session): string | undefined => itemAt(session, 'Interrupts', 'next').meaning;
const line4 = (session: Session): string | undefined => itemAt(session, 'Interrupts', 'pic', 'line 4').meaning;

describe('the 8259', () => {
  test('a line that is masked does not reach the processor', async () => {
    const session = await at('mov al, 0xff\nout 0x21, al', 4);
    expect(next(session)).toBe('nothing is requested');
    session.machine.input({ kind: 'interrupt', line: 4 });
    expect(next(session)).toBe('nothing: line 4 of the 8259 is masked');
    expect(line4(session)).toMatch(/high, requested, masked/);
    session.environment(0).setName('pic.mask_1.irq4', 0n);
    expect(next(session)).toMatch(/^vector 0x[0-9a-f]+ of the 8259, line 4, held back: IF is 0$/);
  });

  test('a line waits for the end of one of higher priority', async () => {
    const session = await at(`${OPEN}mov al, 0xed\nout 0x21, al\nmov al, 0x0c\nout 0x20, al\nin al, 0x20`, 0);
    session.machine.runTo(4);
    session.machine.input({ kind: 'interrupt', line: 1 });
    session.machine.runTo(7);
    expect(itemAt(session, 'Interrupts', 'pic', 'line 1').meaning).toMatch(/in service/);
    session.machine.input({ kind: 'interrupt', line: 4 });
    expect(next(session)).toBe('nothing: line 4 of the 8259 waits for the end of one of higher priority in service');
  });

  test('STI holds interrupts back for one instruction', async () => {
    const session = await at(`${OPEN}sti\nnop`, 3);
    session.machine.input({ kind: 'interrupt', line: 4 });
    expect(itemAt(session, 'Interrupts', 'shadow').meaning).toBe('blocked by STI until the next instruction is done');
    expect(next(session)).toMatch(/line 4, held back: STI was the last instruction$/);
    session.machine.runTo(4);
    expect(next(session)).toMatch(/line 4$/);
  });
});

describe('the local APIC', () => {
  test('a vector below the processor priority is held back by it', async () => {
    const session = await at('sti\nnop', 3);
    const environment = session.environment(0);
    environment.setName('lapic0.svr', 0x1ffn);
    environment.setName('lapic0.tpr', 0x50n);
    environment.setName('lapic0.icr', 0x4_0045n);
    expect(next(session)).toBe('nothing: vector 0x45 of the local APIC is not above the processor priority 0x50');
    expect(itemAt(session, 'Interrupts', 'lapic0').meaning).toBe('xAPIC mode, requested 0x45, priority 0x50');
    expect(itemAt(session, 'Interrupts', 'lapic0', 'requested').meaning).toBe('0x45');
    environment.setName('cr8', 0n);
    expect(next(session)).toBe('vector 0x45 of the local APIC');
  });

  test('an entry of the I/O APIC is decoded, and set field by field', async () => {
    const session = await at('nop', 1);
    session.environment(0).setName('ioapic.pin_4', 0x8031n);
    expect(itemAt(session, 'Interrupts', 'ioapic', 'pin 4')).toMatchObject({
      bits: 0x8031n,
      meaning: 'vector 0x31, fixed, level',
    });
    expect(itemAt(session, 'Interrupts', 'ioapic').meaning).toBe('pin 4 not masked');
  });
});

test('an NMI waits for the IRET that ends the one before', async () => {
  const session = await at(
    'lidt [rel idtr]\njmp here\nhandler: nop\nnop\niretq\nidtr: dw 47\ndq idt\nalign 16\nidt: dq 0,0,0,0\ndw handler - $$, 8, 0x8e00, 0x10, 0, 0, 0, 0',
    2,
  );
  const nmi = () => itemAt(session, 'Interrupts', 'nmi').meaning;
  expect(nmi()).toBe('not pending');
  session.machine.input({ kind: 'nmi', vcpu: 0 });
  expect([nmi(), next(session)]).toEqual(['pending', 'NMI']);
  session.machine.run(1);
  session.machine.input({ kind: 'nmi', vcpu: 0 });
  expect(nmi()).toBe('pending, blocked until IRET');
  session.machine.run(3);
  expect(nmi()).toBe('pending');
});
