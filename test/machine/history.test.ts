import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { assemble, Guest } from '../guest';

/** One line of a random guest: arithmetic, memory, strings, ports, time, and code that changes itself. */
const line = fc.oneof(
  fc.constantFrom('add rax, rbx', 'xor rdx, rax', 'imul rbx, rax', 'ror rdx, 7', 'lea rbx, [rax+rdx*2+1]', 'not rax'),
  fc.integer({ min: 0, max: 511 }).map((n) => `mov [r8+${n * 8}], rax`),
  fc.integer({ min: 0, max: 511 }).map((n) => `add rdx, [r8+${n * 8}]`),
  fc.integer({ min: 0, max: 4000 }).map((n) => `add word [r8+${n}], dx`),
  fc.constantFrom('pushfq\n pop rax', 'push rdx\n pop rbx', 'rdtsc', 'rdrand rax', 'cpuid\n xor ecx, ecx'),
  fc.constant('lea rsi, [r8+16]\n lea rdi, [r8+4090]\n mov ecx, 40\n rep movsb'),
  fc.constant('mov rdi, r8\n mov ecx, 17\n repne scasb'),
  fc.constant('xor eax, eax\n out 0x43, al\n in al, 0x40\n add rdx, rax'),
  fc.constant('mov al, dl\n mov dx, 0x3f8\n out dx, al'),
  fc.integer({ min: 0, max: 1 }).map((n) => `mov [patch${n}+1], dl`),
  fc.constantFrom('sti\n nop', 'cli\n nop\n sti', 'int 0x30'),
  fc.constant('patchable'),
);

const program = (lines: readonly string[]): string => {
  let patches = 0;
  const body = lines.map((text) => {
    if (text !== 'patchable') return ` ${text}`;
    return patches < 2 ? `patch${patches++}: mov bl, 1` : ' mov bl, 2';
  });
  while (patches < 2) body.push(`patch${patches++}: mov bl, 3`);
  return `
bits 64
org 0x100000
start:  mov rax, idt
        mov rdi, rax
        mov ecx, 256
.gate:  mov rax, tick
        cmp ecx, 256 - 0x30
        jne .set
        mov rax, soft
.set:   mov [rdi], ax
        mov word [rdi+2], 8
        mov word [rdi+4], 0x8e00
        shr rax, 16
        mov [rdi+6], ax
        mov dword [rdi+8], 0
        add rdi, 16
        dec ecx
        jnz .gate
        lidt [idtr]
        mov al, 0x34
        out 0x43, al
        mov al, 3
        out 0x40, al
        xor eax, eax
        out 0x40, al
        mov al, 0xfe
        out 0x21, al
        mov r8, 0x200000
        sti
again:
${body.join('\n')}
        inc qword [r8+8192]
        jmp again
tick:   push rax
        inc qword [0x210000]
        mov al, 0x20
        out 0x20, al
        pop rax
        iretq
soft:   inc qword [0x210008]
        iretq
idtr:   dw 4095
        dq idt
        align 16
idt:    resb 4096
`;
};

const lines = fc.array(line, { minLength: 3, maxLength: 25 });
const make = (text: readonly string[]) => new Guest(assemble(program(text)));
const step = fc.integer({ min: 1, max: 12_000 });

describe('a run is repeatable', () => {
  test('two runs from the start are the same', () => {
    fc.assert(
      fc.property(lines, step, (text, steps) => {
        const [a, b] = [make(text), make(text)];
        a.run(steps);
        b.run(steps);
        expect(b.machine.stateHash()).toBe(a.machine.stateHash());
      }),
      { numRuns: 8 },
    );
  });

  test('slices change nothing, and runTo stops at the exact step', () => {
    fc.assert(
      fc.property(
        lines,
        fc.array(fc.integer({ min: 1, max: 1500 }), { minLength: 3, maxLength: 15 }),
        (text, slices) => {
          const [a, b] = [make(text), make(text)];
          let total = 0;
          for (const slice of slices) {
            total += slice;
            a.machine.runTo(total);
            expect(a.machine.counters.step).toBe(total);
          }
          b.run(total);
          expect(a.machine.counters).toEqual(b.machine.counters);
          expect(a.machine.stateHash()).toBe(b.machine.stateHash());
        },
      ),
      { numRuns: 8 },
    );
  });

  test('single steps reach the same state as running', () => {
    fc.assert(
      fc.property(lines, fc.integer({ min: 1, max: 3000 }), (text, steps) => {
        const [a, b] = [make(text), make(text)];
        for (let n = 0; n < steps; n++) a.machine.singleStep();
        b.run(steps);
        expect(a.machine.stateHash()).toBe(b.machine.stateHash());
      }),
      { numRuns: 6 },
    );
  });

  test('after a snapshot is restored the same future follows, inputs included', () => {
    fc.assert(
      fc.property(lines, step, step, (text, before, after) => {
        const { machine } = make(text);
        machine.run(before);
        const snapshot = machine.snapshot();
        const there = machine.stateHash();
        machine.run(Math.ceil(after / 2));
        machine.input({ kind: 'serial', bytes: [1, 2, 3] });
        machine.input({ kind: 'register', vcpu: 0, name: 'rdx', value: 0x1234n });
        machine.run(after);
        const hash = machine.stateHash();
        const end = machine.counters.step;
        machine.restore(snapshot);
        expect(machine.stateHash()).toBe(there);
        machine.runTo(end);
        expect(machine.stateHash()).toBe(hash);
      }),
      { numRuns: 8 },
    );
  });

  test('dropping everything derived at random changes nothing', () => {
    fc.assert(
      fc.property(
        lines,
        fc.array(fc.integer({ min: 1, max: 1000 }), { minLength: 5, maxLength: 20 }),
        (text, slices) => {
          const [a, b] = [make(text), make(text)];
          let total = 0;
          for (const [n, slice] of slices.entries()) {
            total += slice;
            a.machine.runTo(total);
            if (n % 3 !== 0) a.machine.cpus[0]?.engine.translationsDropped();
            if (n % 3 === 2) a.machine.cpus[0]?.engine.code.dropAll();
          }
          b.run(total);
          expect(a.machine.stateHash()).toBe(b.machine.stateHash());
        },
      ),
      { numRuns: 8 },
    );
  });
});

test('a snapshot costs what changed', () => {
  const guest = make(['mov [r8+8], rax']);
  guest.run(20_000);
  guest.machine.snapshot();
  guest.run(20_000);
  const { memory } = guest.machine.snapshot();
  // The page of the data, the one beyond it with the counter, the ticks, the stack.
  expect(memory.pages.size).toBeLessThanOrEqual(4);
});

test('any snapshot can be restored from any other', () => {
  const { machine } = make(['mov [r8+8], rax', 'add rax, rbx', 'mov [patch0+1], al', 'patchable']);
  const taken = [0, 1, 2, 3].map(() => {
    machine.run(5000);
    return { snapshot: machine.snapshot(), hash: machine.stateHash() };
  });
  for (const n of [3, 0, 2, 1, 3, 1, 0]) {
    machine.restore(taken[n]!.snapshot);
    expect(machine.stateHash()).toBe(taken[n]!.hash);
    machine.run(777);
  }
});
