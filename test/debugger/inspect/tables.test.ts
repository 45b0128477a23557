/** Descriptor tables decoded: entries with their fields, gates with where they lead, the TSS with its open ports. */

import { describe, expect, test } from 'vitest';
import { itemValue } from '../../../src/debugger/item';
import type { Session } from '../../../src/debugger/session';
import { debug } from '../guest-session';
import { itemAt } from './tree';

const standing = async (source: string, steps: number): Promise<Session> => {
  const { session } = await debug(source);
  session.machine.runTo(steps);
  return session;
};

const long = `
bits 64
        lgdt [rel gdtr]
        lidt [rel idtr]
        mov ax, 0x18
        ltr ax
        mov ax, 0x28
        lldt ax
here:   jmp here
fault:  iretq
        align 8
gdt:    dq 0, 0x00af9b000000ffff, 0x00cf93000000ffff
        ; A 64-bit TSS at 0x300000 with a limit of 0x77, and an LDT of two entries at 0x310000.
        dq 0x0000893000000077, 0
        dq 0x000082310000000f, 0
gdtr:   dw $ - gdt - 1
        dq gdt
idtr:   dw 16 * 16 - 1
        dq idt
        align 16
idt:    times 14 dq 0, 0
        dw fault - $$, 8, 0xee03, 0x10, 0, 0, 0, 0
        dq 0, 0
`;

const rows = (session: Session, ...path: readonly string[]): string[] =>
  (itemAt(session, 'Descriptor tables', ...path).children?.() ?? []).map((item) => `${item.name} ${itemValue(item)}`);

describe('in IA-32e mode', () => {
  test('system descriptors have 16 bytes, and the rest 8', async () => {
    const session = await standing(long, 7);
    expect(rows(session, 'gdt')).toEqual([
      '0x8 0xaf9b000000ffff base 0x0 limit 0xffffffff code, 64-bit, readable, ring 0',
      '0x10 0xcf93000000ffff base 0x0 limit 0xffffffff data, 32-bit, writable, ring 0',
      '0x18 0x8b3000000077 base 0x300000 limit 0x77 64-bit TSS (busy), ring 0',
      '0x28 0x82310000000f base 0x310000 limit 0xf LDT, ring 0',
    ]);
    session.environment(0).setName('gdt.0x18.base', 0xffff_8000_0030_0000n);
    expect(itemAt(session, 'Descriptor tables', 'gdt', '0x18').meaning).toMatch(/^base 0xffff800000300000 /);
    expect(itemAt(session, 'Segments', 'tr').meaning).toMatch(/; the table has base 0xffff800000300000$/);
  });

  test('a gate says where it leads, by which stack, and for whom', async () => {
    const session = await standing(long, 7);
    const [gate] = itemAt(session, 'Descriptor tables', 'idt').children?.() ?? [];
    expect(gate?.name).toBe('0xe #PF');
    expect(gate?.meaning).toMatch(/^64-bit interrupt gate to 0x8:0x10[0-9a-f]{4}, DPL 3, IST 3 \(fault\)$/);
    expect(session.info.nameOf(gate?.code as never)).toBe('fault');
    session.environment(0).setName('idt.0xe.ist', 0n);
    session.environment(0).setName('idt.0xe.offset', 0xffff_8000_1234_5678n);
    const fields = gate?.children?.().map((item) => `${item.name} ${itemValue(item)}`);
    expect(fields).toContain('offset 0xffff800012345678 target offset');
    expect(fields).toContain('ist 0x0 interrupt stack table entry');
  });

  test('an entry of the LDT', async () => {
    const session = await standing(long, 7);
    session.environment(0).write('linear', 0x31_0008n, 8, 0x00cf_f300_0000_ffffn);
    expect(rows(session, 'ldt')).toEqual([
      '0xc 0xcff3000000ffff base 0x0 limit 0xffffffff data, 32-bit, writable, ring 3',
    ]);
  });

  test('the TSS: stacks of rings and interrupts, and the ports that its map opens', async () => {
    const session = await standing(long, 7);
    const environment = session.environment(0);
    environment.setName('tss.rsp0', 0x9_0000n);
    environment.setName('tss.ist3', 0x8_0000n);
    expect(rows(session, 'tss').slice(0, 3)).toEqual([
      'rsp0 0x90000 stack pointer for ring 0',
      'rsp1 0x0 stack pointer for ring 1',
      'rsp2 0x0 stack pointer for ring 2',
    ]);
    expect(environment.read('linear', 0x30_0004n, 8)).toBe(0x9_0000n);
    expect(environment.read('linear', 0x30_0034n, 8)).toBe(0x8_0000n);
    environment.setName('tss.iomap', 0x78n);
    expect(itemAt(session, 'Descriptor tables', 'tss', 'ports').meaning).toBe('no port: the map lies beyond the limit');
    environment.setName('tss.iomap', 0x68n);
    environment.write('linear', 0x30_0068n, 8, 0xffff_ffff_fe00_ffffn);
    environment.write('linear', 0x30_0070n, 8, 0xffff_ffff_ffff_fffen);
    expect(itemAt(session, 'Descriptor tables', 'tss', 'ports').meaning).toBe('open above IOPL: 0x10-0x18 0x40');
  });
});

describe('in protected mode', () => {
  const gates = `
bits 32
        lgdt [gdtr]
here:   jmp here
        align 8
gdt:    dq 0, 0x00cf9b000000ffff, 0x00cf93000000ffff, 0x12348c0300085678, 0x0000e50000200000
gdtr:   dw $ - gdt - 1
        dd gdt
`;
  test('call gates copy parameters, task gates name a TSS', async () => {
    const session = await standing(gates, 2);
    expect(rows(session, 'gdt').slice(2)).toEqual([
      '0x18 0x12348c0300085678 32-bit call gate to 0x8:0x12345678, DPL 0, 3 parameters',
      '0x20 0xe50000200000 task gate to 0x20, DPL 3',
    ]);
  });
});

test('real mode has far pointers, with what the board itself provides by name', async () => {
  const session = await standing('bits 16\nmov word [0x84], 0x1234\nmov word [0x86], 0x2000\nhere: jmp here\n', 2);
  const vector = () => itemAt(session, 'Descriptor tables', 'ivt', '0x21');
  expect(vector()).toMatchObject({ meaning: '0x2000:0x1234', code: 0x2_1234n });
  session.environment(0).setName('ivt.0x21.segment', 0x3000n);
  expect(vector().meaning).toBe('0x3000:0x1234');
  expect(session.machine.physical.peek(0x84, 4)).toBe(0x3000_1234n);
});
