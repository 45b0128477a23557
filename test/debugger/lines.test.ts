/** Stepping by the lines of real kernels: what gcc, nasm and ld have built. */

import { describe, expect, test } from 'vitest';
import { bodyOf } from '../../src/debugger/function-body';
import { linear } from '../../src/x86/address';
import { type BuiltGuest, debugBuilt, gcc, hasTools, nasm } from './c-guest';

const source = `typedef unsigned long word;
static volatile word total;

static inline word half(word n) {
  return n / 2;
}

word fact(word n) {
  if (n < 2)
    return 1;
  return n * fact(n - 1);
}

static word sum(word n) {
  word result = 0;
  for (word i = 1; i <= n; i++)
    result += half(i) + 1;
  return result;
}

int one(int x) { return x + 1; }

void _start(void) {
  total = fact(4);
  total += sum(3);
  total += one(1); total += one(2);
  for (;;)
    __asm__ volatile("hlt");
}
`;

/** Steps, and where each has ended. */
const steps = async (guest: BuiltGuest, depth: 'into' | 'over', count: number): Promise<string[]> => {
  const seen: string[] = [];
  for (let n = 0; n < count; n++) {
    expect(await guest.session.step(0, depth, 'line')).toEqual({ reason: 'step', vcpu: 0 });
    seen.push(guest.at().replace('main.c:', ''));
  }
  return seen;
};

const breakAt = async (guest: BuiltGuest, line: number): Promise<void> => {
  const { id } = guest.session.breakpoints.add([guest.line('main.c', line)]);
  expect(await guest.session.continue()).toMatchObject({ reason: 'breakpoint', ids: [id] });
  guest.session.breakpoints.remove(id);
  expect(guest.at()).toBe(`main.c:${line}`);
};

describe.skipIf(!hasTools)('a kernel in C', () => {
  test('steps over go from statement to statement', async () => {
    const guest = await debugBuilt(gcc({ 'main.c': source }, ['-O0']));
    await breakAt(guest, 24);
    expect(await steps(guest, 'over', 3)).toEqual(['25', '26', '28']);
    expect(guest.session.environment(0).name('total', true)?.bits).toBe(
      guest.session.info.symbols.named('total')?.address,
    );
  });

  test('a step into a function stands behind its prologue; a step out in the line that called', async () => {
    const guest = await debugBuilt(gcc({ 'main.c': source }, ['-O0']));
    await breakAt(guest, 24);
    expect(await steps(guest, 'into', 2)).toEqual(['9', '11']);
    // Recursion: the same line, one frame further in.
    expect(await steps(guest, 'into', 2)).toEqual(['9', '11']);
    await guest.session.stepOut(0);
    expect(guest.at()).toBe('main.c:11');
    await guest.session.stepOut(0);
    expect(guest.at()).toBe('main.c:24');
    expect(await steps(guest, 'over', 1)).toEqual(['25']);
  });

  test('a step over a recursive call does not stop in another frame of the same function', async () => {
    const guest = await debugBuilt(gcc({ 'main.c': source }, ['-O0']));
    await breakAt(guest, 11);
    const { rbp } = { rbp: guest.session.vcpu(0).state.gpr(5) };
    expect(await steps(guest, 'over', 1)).toEqual(['12']);
    expect(guest.session.vcpu(0).state.gpr(5)).toBe(rbp);
  });

  test('a loop goes round by its lines; at the end of a function the caller goes on', async () => {
    const guest = await debugBuilt(gcc({ 'main.c': source }, ['-O0']));
    await breakAt(guest, 15);
    expect(await steps(guest, 'over', 9)).toEqual(['16', '17', '16', '17', '16', '17', '16', '18', '19']);
    expect(await steps(guest, 'over', 2)).toEqual(['25', '26']);
  });

  test('a function of one line is entered and left', async () => {
    const guest = await debugBuilt(gcc({ 'main.c': source }, ['-O0']));
    await breakAt(guest, 26);
    expect(await steps(guest, 'into', 1)).toEqual(['21']);
    expect(guest.session.info.functionAt(linear(guest.session.vcpu(0).state.rip))).toBe('one');
  });

  test.each(['-O1', '-O2', '-Os', '-O3'])(
    '%s: steps end, only where statements begin, and never stand still',
    async (level) => {
      const guest = await debugBuilt(
        gcc({ 'main.c': source }, [level, '-fno-omit-frame-pointer', '-fno-tree-vectorize']),
      );
      guest.session.breakpoints.add([guest.session.info.symbols.named('_start')?.address ?? linear(0n)]);
      let before = -1;
      for (let n = 0; n < 60; n++) {
        const pause = await guest.session.step(0, n % 3 === 0 ? 'over' : 'into', 'line');
        if (pause.reason !== 'step') break;
        const { retired } = guest.session.machine.counters;
        expect(retired).toBeGreaterThan(before);
        before = retired;
        expect(guest.at()).toMatch(/^main\.c:\d+$/);
      }
      expect(guest.at()).toMatch(/^main\.c:2[78]$/);
    },
  );

  test('a breakpoint on a function goes behind its prologue, as compiled', async () => {
    for (const [level, line] of [
      ['-O0', 9],
      ['-O2', 9],
    ] as const) {
      const guest = await debugBuilt(gcc({ 'main.c': source }, [level]));
      const { info } = guest.session;
      const start = info.symbols.named('fact')?.address ?? linear(0n);
      const body = bodyOf(guest.session.codeView(0), start);
      expect(info.lines.at(body)?.line).toBe(line);
      expect(body > start).toBe(level === '-O0');
    }
  });
});

const long = `
        extern main
        global start
section .text
bits 32
        align 4
        dd 0x1badb002, 0, -0x1badb002
start:  mov esp, stack_top
        mov edi, tables
        mov eax, tables + 0x1003
        mov [tables], eax
        mov eax, tables + 0x2003
        mov [tables + 0x1000], eax
        mov dword [tables + 0x2000], 0x83
        mov eax, cr4
        or eax, 1 << 5
        mov cr4, eax
        mov eax, tables
        mov cr3, eax
        mov ecx, 0xc0000080
        rdmsr
        or eax, 1 << 8
        wrmsr
        mov eax, cr0
        or eax, 1 << 31
        mov cr0, eax
        lgdt [gdtr]
        jmp 0x08:wide
bits 64
wide:   mov ax, 0x10
        mov ss, ax
        call main
.stop:  hlt
        jmp .stop
section .data
align 8
gdt:    dq 0, 0x00af9b000000ffff, 0x00cf93000000ffff
gdtr:   dw gdtr - gdt - 1
        dq gdt
section .bss
align 4096
tables: resb 0x3000
        resb 4096
stack_top:
`;
const script = `ENTRY(start)
SECTIONS { . = 0x100000; .text : { *(.text) } .data : { *(.data) } .bss : { *(.bss) } }
`;

describe.skipIf(!hasTools)('a kernel in assembly', () => {
  test('nasm and ld: from 32 to 64 bits, line by line', async () => {
    const more =
      'bits 64\nglobal main\nmain:\n        mov eax, 1\n        call twice\n        ret\ntwice:  add eax, eax\n        ret\n';
    const guest = await debugBuilt(nasm({ 'boot.asm': long, 'more.asm': more }, 'elf64', script));
    expect(guest.at()).toBe('boot.asm:8');
    const seen: string[] = [];
    for (let n = 0; n < 28; n++) {
      await guest.session.step(0, 'into', 'line');
      seen.push(guest.at());
    }
    const boot = [...Array.from({ length: 20 }, (_, n) => n + 9), 30, 31, 32].map((line) => `boot.asm:${line}`);
    expect(seen).toEqual([...boot, ...[4, 5, 7, 8, 6].map((line) => `more.asm:${line}`)]);
    await guest.session.step(0, 'over', 'line');
    expect(guest.at()).toBe('boot.asm:33');
  });
});
