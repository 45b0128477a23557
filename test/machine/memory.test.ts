import { expect, test } from 'vitest';
import { boot } from '../guest';

const GIB = 2 ** 30;

test('2 GiB of RAM are there to the last byte, and given as touched', () => {
  const guest = boot(
    `
bits 64
        mov rdi, 0x7ffffff8
        mov rax, 0x1122334455667788
        mov [rdi], rax
        mov rbx, [rdi]
        mov ecx, [rdi-4096]             ; never written: zeros
        mov dword [rdi+8], 1            ; beyond RAM: nobody
        mov edx, [rdi+8]
        hlt
`,
    { memoryBytes: 2 * GIB },
  );
  guest.run();
  expect([guest.gpr(3), guest.gpr(1), guest.gpr(2)]).toEqual([0x1122334455667788n, 0n, 0xffffffffn]);
  expect(guest.machine.memory.u8.length).toBeLessThan(256 * 1024 * 1024);
});

test('frames beyond 2 GiB of the core memory work: code, data, stack, snapshots', () => {
  const program = `
bits 64
start:  mov ecx, 1000
        mov rdi, 0x200000
.next:  push rcx
        mov [rdi], rcx
        add rax, [rdi]
        add rdi, 4096
        pop rdx
        dec ecx
        jnz .next
        hlt
`;
  const [low, high] = [boot(program), boot(program, { unusedMemory: 2.25 * GIB })];
  for (const guest of [low, high]) {
    guest.run(3000);
    const snapshot = guest.machine.snapshot();
    guest.run();
    guest.machine.restore(snapshot);
    guest.run();
    expect(guest.gpr(0)).toBe(500500n);
  }
  expect(high.machine.memory.u8.length).toBeGreaterThan(2.25 * GIB);
  expect(high.machine.stateHash()).toBe(low.machine.stateHash());
});

/** Maps 8 MiB from 4 MiB up by 4 KiB pages and touches them in a scattered order: far more than the TLB holds. */
const scattered = `
bits 64
        mov rdi, 0xe00000
        mov eax, 0x400003
        mov ecx, 2048
.entry: mov [rdi], rax
        add rdi, 8
        add rax, 4096
        loop .entry
        mov rbx, 0x93010
        mov eax, 0xe00003
        mov ecx, 4
.table: mov [rbx], rax
        add rbx, 8
        add rax, 4096
        loop .table
        mov rax, cr3
        mov cr3, rax
        mov ecx, 20000
        xor eax, eax
.touch: imul eax, eax, 1103515245
        add eax, 12345
        mov edx, eax
        shr edx, 9
        and edx, 0x7ffff8
        add [rdx+0x400000], rcx
        add rsi, [rdx+0x400008]
        loop .touch
        hlt
`;

test('translations that the TLB evicts are forgotten page by page, and nothing else', () => {
  const [whole, dropped, none] = [boot(scattered), boot(scattered), boot(scattered, { tlb: 'none' })];
  whole.run();
  while (dropped.run(5000).reason === 'limit') dropped.machine.cpus[0]?.engine.translationsDropped();
  none.run();
  expect(dropped.machine.stateHash()).toBe(whole.machine.stateHash());
  expect(none.gpr(6)).toBe(whole.gpr(6));
  expect(whole.machine.events.total('tlb-fill')).toBeGreaterThan(10_000);
});
