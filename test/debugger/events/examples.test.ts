/** Each kind of event as a breakpoint, on the example programs and on small guests. */

import { readFileSync } from 'node:fs';
import { expect, test } from 'vitest';
import type { MachineEvent } from '../../../src/machine/core/event';
import { debug } from '../guest-session';

const example = (name: string): string => readFileSync(new URL(`../../../examples/${name}`, import.meta.url), 'utf8');

/** What stops, one after the other, until the guest is at its end or enough were seen. */
const stops = async (source: string, text: string, most = 20): Promise<MachineEvent[]> => {
  const { session } = await debug(source);
  session.events.break(text);
  const seen: MachineEvent[] = [];
  for (let pause = await session.continue(); pause.reason === 'event' && seen.length < most; ) {
    seen.push(pause.event);
    pause = await session.continue();
  }
  return seen;
};

test('interrupts by their line and by their vector', async () => {
  const timer = example('timer.asm');
  const ticks = await stops(timer, 'irq:0');
  expect(ticks).toHaveLength(10);
  expect(ticks[0]).toMatchObject({ kind: 'irq', line: 0, vector: 0x20 });
  expect(await stops(timer, 'irq:vector=0x20 hits % 5')).toHaveLength(2);
  expect(await stops(timer, 'irq:1')).toEqual([]);
  expect(await stops(timer, 'irq if line == 4')).toEqual([]);
});

test('changes of ring, software interrupts and system calls', async () => {
  const rings = example('rings.asm');
  expect(await stops(rings, 'ring:3', 1)).toMatchObject([{ kind: 'ring', from: 0, to: 3 }]);
  const system = (await stops(rings, 'syscall')).map((event) => (event.kind === 'syscall' ? event.direction : ''));
  expect(system.slice(0, 3)).toEqual(['in', 'out', 'in']);
  expect(await stops(rings, 'int:0x80')).toMatchObject([{ vector: 0x80 }]);
  expect((await stops(rings, 'ring if from == 3 && to == 0')).length).toBeGreaterThanOrEqual(3);
});

test('a change of mode, by its name', async () => {
  const source = 'bits 32\nmov eax, cr0\nand al, 0xfe\nmov cr0, eax\nhlt\n';
  expect(await stops(source, 'mode:real')).toMatchObject([{ kind: 'mode', from: 'protected', to: 'real' }]);
  expect(await stops(source, 'mode:64-bit')).toEqual([]);
});

test('a stale translation, at its use', async () => {
  const source = `
bits 64
        mov edi, 0x200000
        mov ecx, 0x1000
        xor eax, eax
        rep stosd
        mov dword [0x200000], 0x201003
        mov dword [0x201000], 0x202003
        mov dword [0x202000], 0x83
        mov dword [0x202008], 0x200083
        mov dword [0x202010], 0x203003
        mov dword [0x203000], 0x400003
        mov eax, 0x200000
        mov cr3, rax
        mov eax, [0x400000]
        mov dword [0x203000], 0x401003
use:    mov eax, [0x400000]
        invlpg [0x400000]
        mov eax, [0x400000]
        hlt`;
  expect(await stops(source, 'stale')).toMatchObject([{ linear: 0x40_0000n, cached: 0x40_0000n, fresh: 0x40_1000n }]);
  expect(await stops(source, 'tlb-fill:0x400000 if physical == 0x401000')).toHaveLength(1);
});

test('an NMI that a processor sends to itself', async () => {
  const source = `
bits 64
        lea rax, [handler]
        mov [idt + 32], ax
        mov word [idt + 34], cs
        mov word [idt + 36], 0x8e00
        shr eax, 16
        mov [idt + 38], ax
        lidt [idtr]
        mov ebx, 0xfee00000
        mov dword [rbx + 0xf0], 0x1ff
        mov dword [rbx + 0x300], 0x40400
        nop
        hlt
handler: iretq
align 16
idt:    times 4096 db 0
idtr:   dw 4095
        dq idt
`;
  expect(await stops(source, 'nmi')).toMatchObject([{ kind: 'nmi' }]);
});

test('a repeated instruction that touches a device stops at each of its iterations', async () => {
  const source = 'bits 64\nmov edi, 0xb8000\nmov ecx, 3\nmov ax, 0x741\nrep stosw\nhlt\n';
  const seen = await stops(source, 'mmio:0xb8000-0xb8fff:w');
  expect(seen.map((event) => (event.kind === 'mmio' ? event.address : 0n))).toEqual([0xb8000n, 0xb8002n, 0xb8004n]);
});
