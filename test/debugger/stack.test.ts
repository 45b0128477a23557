/** The call stack: exact at every instruction of compiled code, and across every way into code. */

import { FlowControl } from 'iced-x86';
import { describe, expect, test } from 'vitest';
import { withInstruction } from '../../src/debugger/instruction';
import type { Session } from '../../src/debugger/session';
import { framesOf } from '../../src/debugger/stack';
import { currentAddress } from '../../src/debugger/vcpu-view';
import { linear } from '../../src/x86/address';
import { debugBuilt, gcc, hasTools } from './c-guest';
import { debug } from './guest-session';

const stackOf = (session: Session): string[] =>
  framesOf(session.vcpu(0), session.info).map(({ site }) => session.info.functionAt(site) ?? '?');

/** `name entered ring mode`, the innermost first. */
const shown = (session: Session): string[] =>
  framesOf(session.vcpu(0), session.info).map(
    ({ site, entered, ring, mode }) => `${session.info.functionAt(site)} ${entered} ring ${ring} ${mode}`,
  );

/** Goes on to a label. */
const reach = async (session: Session, name: string): Promise<void> => {
  const symbol = session.info.symbols.named(name);
  expect(await session.runUntil(0, symbol?.address ?? linear(0n))).toEqual({ reason: 'step', vcpu: 0 });
};

/** Executes instruction by instruction and holds the stack against the calls and returns there were. */
const follow = async (session: Session, steps: number): Promise<number> => {
  const calls: string[] = [];
  const { info } = session;
  const vcpu = session.vcpu(0);
  let deepest = 0;
  for (let n = 0; n < steps; n++) {
    const before = currentAddress(vcpu);
    const flow = withInstruction(session.codeView(0), before, (instruction) => instruction.flowControl);
    const pause = await session.step(0, 'into', 'instruction');
    if (pause.reason !== 'step') break;
    if (flow === FlowControl.Call || flow === FlowControl.IndirectCall) calls.unshift(info.functionAt(before) ?? '?');
    if (flow === FlowControl.Return) calls.shift();
    const stack = stackOf(session);
    const wanted = [info.functionAt(currentAddress(vcpu)), ...calls];
    if (stack.join() !== wanted.join()) {
      const where = info.placeOf(currentAddress(vcpu));
      expect({ n, where, stack }).toEqual({ n, where, stack: wanted });
    }
    deepest = Math.max(deepest, calls.length);
  }
  return deepest;
};

const program = `
typedef unsigned long word;
static volatile word sink;
__attribute__((noinline)) word leaf(word a, word b) { return a * 3 + b; }
__attribute__((noinline)) word fill(word n) {
  volatile word local[6];
  for (word i = 0; i < 6; i++) local[i] = leaf(i, n);
  return local[n % 6];
}
__attribute__((noinline)) word tree(word n) {
  volatile word kept[4];
  kept[n & 3] = n;
  if (n < 2) return fill(n);
  word left = tree(n - 1);
  word right = tree(n - 2);
  return left + right + kept[n & 3];
}
__attribute__((noinline)) word twice(word (*f)(word), word n) { return f(n) + f(n + 1); }
__attribute__((noreturn, noinline)) void finish(word code) {
  __asm__ volatile("outb %b0, $0xf4" : : "a"(code));
  for (;;) __asm__ volatile("hlt");
}
void _start(void) {
  sink = tree(4);
  sink += twice(fill, 3);
  finish(0);
}
`;

describe.skipIf(!hasTools)('compiled code', () => {
  const kinds = [
    ['-O0', '-m64'],
    ['-O0', '-m32'],
    ['-O2', '-m64', '-fno-omit-frame-pointer'],
    ['-O2', '-m32', '-fno-omit-frame-pointer'],
    ['-Os', '-m64', '-fno-omit-frame-pointer'],
    ['-O1', '-m64', '-fomit-frame-pointer'],
    ['-O2', '-m32', '-fomit-frame-pointer'],
  ];
  test.each(kinds.map((kind) => [kind.join(' '), kind] as const))(
    '%s: the stack is right at every instruction',
    async (_, options) => {
      const tailless = ['-fno-optimize-sibling-calls'];
      const { session } = await debugBuilt(gcc({ 'main.c': program }, [...options, ...tailless]));
      expect(await follow(session, 1200)).toBeGreaterThanOrEqual(4);
    },
  );

  test('a frame stands in its call, though that is its function’s last instruction', async () => {
    const { session, line } = await debugBuilt(gcc({ 'main.c': program }, ['-O2']));
    await reach(session, 'finish');
    const [inner, caller] = framesOf(session.vcpu(0), session.info);
    expect([inner?.name, session.info.functionAt(caller?.site ?? linear(0n))]).toEqual(['finish', '_start']);
    expect(caller?.name).toMatch(/^_start\+0x/);
    expect(session.info.lines.at(caller?.site ?? linear(0n))?.line).toBe(26);
    expect(line('main.c', 26)).toBeLessThan(caller?.address ?? 0n);
  });

  test('deep recursion has as many frames as are asked for', async () => {
    const deep =
      'int down(int n) { return n == 0 ? 0 : 1 + down(n - 1); }\nvoid _start(void) { down(300); for (;;) {} }\n';
    const { session } = await debugBuilt(gcc({ 'main.c': deep }, ['-O0']));
    session.breakpoints.add([session.info.symbols.named('down')?.address ?? linear(0n)], { condition: 'edi == 0' });
    await session.continue();
    expect(framesOf(session.vcpu(0), session.info).length).toBe(302);
    expect(framesOf(session.vcpu(0), session.info, 20).length).toBe(20);
  });
});

/** GDT of a 64-bit guest: code 0x08 and data 0x10 of ring 0, data 0x18 and code 0x20 of ring 3, TSS 0x28. */
const rings64 = `
align 16
gdt:    dq 0, 0x00af9b000000ffff, 0x00cf93000000ffff, 0x00cff3000000ffff, 0x00affb000000ffff
        dw tss_end - tss - 1, tss - $$
        db 0x10, 0x89, 0, 0
        dq 0
gdt_end:
gdtr:   dw gdt_end - gdt - 1
        dq gdt
align 16
tss:    dd 0
        dq kernel_stack
        times 96 db 0
tss_end:
        times 512 db 0
kernel_stack:
        times 512 db 0
user_stack:
`;

/** Opens the first 2 MiB to ring 3, and goes there. */
const enter3 = `
        mov rax, cr3
        or byte [rax], 4
        mov rax, [rax]
        and rax, -4096
        or byte [rax], 4
        mov rax, [rax]
        and rax, -4096
        or byte [rax], 4
        mov rax, cr3
        mov cr3, rax
        lgdt [gdtr]
        mov ax, 0x28
        ltr ax
        push 0x1b
        lea rax, [user_stack]
        push rax
        push 2
        push 0x23
        lea rax, [user]
        push rax
        iretq
`;

test('a system call leads from the kernel to the program, with its stack pointer', async () => {
  const { session } = await debug(`bits 64
        mov ecx, 0xc0000080
        rdmsr
        or eax, 1
        wrmsr
        mov ecx, 0xc0000081
        xor eax, eax
        mov edx, 0x00100008
        wrmsr
        mov ecx, 0xc0000082
        lea rax, [entry]
        xor edx, edx
        wrmsr
${enter3}
user:   call work
        jmp user
work:   mov eax, 7
        push rax
        syscall
        pop rax
        ret
entry:  mov [saved], rsp
        mov rsp, kernel_stack
.switched: push rcx
        push r11
        call serve
        pop r11
        pop rcx
        mov rsp, [saved]
.leave: o64 sysret
serve:  push rbx
        mov ecx, 99
.inner: pop rbx
        ret
saved:  dq 0
${rings64}`);
  const outside = ['work system call ring 3 64-bit', 'user call ring 3 64-bit'];
  const top = session.info.symbols.named('user_stack')?.address ?? 0n;
  for (const [label, inside] of [
    ['entry', ['entry current ring 0 64-bit']],
    ['entry.switched', ['entry current ring 0 64-bit']],
    ['serve.inner', ['serve current ring 0 64-bit', 'entry call ring 0 64-bit']],
    ['entry.leave', ['entry current ring 0 64-bit']],
  ] as const) {
    await reach(session, label);
    expect(shown(session)).toEqual([...inside, ...outside]);
    // The return address to `user` and RAX lie on the program's stack.
    expect(framesOf(session.vcpu(0), session.info)[inside.length]?.rsp).toBe(top - 16n);
  }
});

test('an interrupt from ring 3, with and without an error code, at every instruction of its handler', async () => {
  const { session } = await debug(`bits 64
        lidt [idtr]
${enter3}
user:   call work
        jmp user
work:   push rax
        int 0x30
        mov rax, [0x0deadbeef000]
.after: pop rax
        ret
handler: push rax
        sub rsp, 0x20
        call serve
        add rsp, 0x20
        pop rax
        iretq
serve:  push rbp
        mov rbp, rsp
        nop
        pop rbp
        ret
fault:  push rax
        push rcx
        call serve
        pop rcx
        pop rax
        lea rsp, [rsp + 8]
        mov qword [rsp], work.after
        iretq
align 16
idt:    times 0xe * 16 db 0
        dw fault - $$, 0x08, 0x8e00, 0x10
        dq 0
        times 0x21 * 16 db 0
        dw handler - $$, 0x08, 0xee00, 0x10
        dq 0
idtr:   dw $ - idt - 1
        dq idt
${rings64}`);
  const outside = ['work interrupt ring 3 64-bit', 'user call ring 3 64-bit'];
  const seen = new Map<string, number>();
  for (const label of ['handler', 'fault']) {
    await reach(session, label);
    for (let n = 0; n < 14; n++) {
      const stack = shown(session);
      if (!stack[0]?.endsWith('ring 0 64-bit')) break;
      expect(stack.slice(-2)).toEqual(outside);
      expect(stack.slice(0, -2).map((one) => one.split(' ')[0])).toEqual(
        stack[0]?.startsWith('serve') ? ['serve', label] : [label],
      );
      seen.set(label, n);
      await session.step(0, 'into', 'instruction');
    }
  }
  expect([...seen.values()].every((count) => count > 8)).toBe(true);
});

/** 32-bit: code and data of ring 0 (0x08, 0x10) and 3 (0x1b, 0x23), TSSs 0x28 and 0x30, a call gate 0x38, a task gate. */
const tables32 = `
align 8
gdt:    dq 0, 0x00cf9b000000ffff, 0x00cf93000000ffff, 0x00cffb000000ffff, 0x00cff3000000ffff
        dw 0x67, first - $$
        db 0x10, 0x89, 0, 0
        dw 0x67, second - $$
        db 0x10, 0x89, 0, 0
        dw gate - $$, 0x08
        db 2, 0xec
        dw 0x10
gdt_end:
gdtr:   dw gdt_end - gdt - 1
        dd gdt
align 4
first:  dd 0, kernel_stack, 0x10
        times 0x68 - 12 db 0
second: times 0x1c db 0
        dd 0, nested, 2
        times 4 dd 0
        dd nested_stack
        times 3 dd 0
        dd 0x10, 0x08, 0x10, 0x10, 0x10, 0x10
        times 0x68 - 0x60 db 0
        times 256 db 0
kernel_stack:
        times 256 db 0
nested_stack:
        times 256 db 0
user_stack:
`;

test('a call gate to ring 0 with parameters, and a nested task, lead back to who called', async () => {
  const { session } = await debug(`bits 32
start:  lgdt [gdtr]
        mov ax, 0x28
        ltr ax
        call prepare
        push 0x23
        push user_stack
        push 2
        push 0x1b
        push user
        iretd
prepare: call 0x30:0
        ret
nested: call deeper
        iretd
deeper: nop
        ret
user:   call work
        jmp user
work:   push 1
        push 2
        call 0x3b:0
        ret
gate:   push ebp
        mov ebp, esp
        call serve
served: pop ebp
        retf 8
serve:  nop
        ret
${tables32}`);
  await reach(session, 'deeper');
  expect(shown(session)).toEqual([
    'deeper current ring 0 protected',
    'nested call ring 0 protected',
    'prepare task switch ring 0 protected',
    'start call ring 0 protected',
  ]);
  await reach(session, 'serve');
  expect(shown(session)).toEqual([
    'serve current ring 0 protected',
    'gate call ring 0 protected',
    'work far call ring 3 protected',
    'user call ring 3 protected',
  ]);
  const frames = framesOf(session.vcpu(0), session.info);
  const stack = session.info.symbols.named('user_stack')?.address ?? 0n;
  // The gate's RET takes two parameters off: the return address of the call to `work` is on top again.
  expect(frames[2]?.rsp).toBe(stack - 4n);
  await reach(session, 'served');
  await session.stepOut(0);
  expect(shown(session)[0]).toBe('work current ring 3 protected');
});

test('16-bit code: near and far calls and an interrupt', async () => {
  const { session } = await debug(`bits 16
start:  xor ax, ax
        mov es, ax
        mov word [es:0x80 * 4], handler
        mov word [es:0x80 * 4 + 2], cs
        call near_one
        hlt
near_one: push bp
        mov bp, sp
        call 0:far_one
        pop bp
        ret
far_one: push ax
        int 0x80
        pop ax
        retf
handler: push bx
inside: pop bx
        iret
`);
  await reach(session, 'handler');
  expect(shown(session)).toEqual([
    'handler current ring 0 real',
    'far_one interrupt ring 0 real',
    'near_one far call ring 0 real',
    'start call ring 0 real',
  ]);
});
