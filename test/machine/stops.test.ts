import { describe, expect, test } from 'vitest';
import { boot, type Guest } from '../guest';

const loop = `
bits 64
start:  mov ecx, 5
        xor eax, eax
.next:  add rax, rcx
        sub rdx, rax
        mov [0x200000], rax
        dec ecx
        jnz .next
        sgdt [0x200100]
        xor eax, eax
        out 0xf4, al
`;

const cpu = (guest: Guest) => guest.machine.cpus[0] as NonNullable<(typeof guest.machine.cpus)[0]>;

describe('breakpoints', () => {
  test('stop before the instruction, every time, and go on past it', () => {
    const guest = boot(loop);
    const at = guest.symbol('start.next') + 3n;
    guest.machine.breakpoints.add(at);
    for (const rax of [5n, 9n, 12n, 14n, 15n]) {
      expect(guest.run()).toEqual({ reason: 'breakpoint', vcpu: 0, linear: at });
      expect(guest.rip).toBe(at);
      expect(guest.gpr(0)).toBe(rax);
    }
    expect(guest.run()).toMatchObject({ reason: 'guest-exit' });
  });

  test('set while the code runs, and removed again, change nothing in the guest', () => {
    const [watched, free] = [boot(loop), boot(loop)];
    const at = watched.symbol('start.next') + 3n;
    watched.run(4);
    watched.machine.breakpoints.add(at);
    expect(watched.run()).toMatchObject({ reason: 'breakpoint' });
    watched.machine.breakpoints.remove(at);
    expect(watched.run()).toMatchObject({ reason: 'guest-exit' });
    free.run();
    expect(watched.machine.stateHash()).toBe(free.machine.stateHash());
    expect(watched.machine.counters).toEqual(free.machine.counters);
  });

  test('at the same offset of another page are not met', () => {
    const guest = boot(loop);
    guest.machine.breakpoints.add(guest.symbol('start.next') + 0x1000n);
    expect(guest.run()).toMatchObject({ reason: 'guest-exit' });
  });
});

describe('watchpoints', () => {
  test('stop after the instruction that wrote', () => {
    const guest = boot(loop);
    const id = guest.machine.watches.add({ space: 'linear', address: 0x200002n, size: 1, read: false, write: true });
    expect(guest.run()).toEqual({
      reason: 'watchpoint',
      vcpu: 0,
      hits: [{ id, access: 'write', address: 0x200000n, size: 8 }],
    });
    expect(guest.gpr(0)).toBe(5n);
    guest.run();
    expect(guest.gpr(0)).toBe(9n);
    guest.machine.watches.remove(id);
    expect(guest.run()).toMatchObject({ reason: 'guest-exit' });
  });

  test('see what instructions outside the core write', () => {
    const guest = boot(loop);
    guest.machine.watches.add({ space: 'linear', address: 0x200104n, size: 4, read: false, write: true });
    expect(guest.run()).toMatchObject({ reason: 'watchpoint', hits: [{ address: 0x200102n }] });
  });

  test('on reads let writes pass', () => {
    const guest = boot(loop);
    guest.machine.watches.add({ space: 'linear', address: 0x200000n, size: 8, read: true, write: false });
    expect(guest.run()).toMatchObject({ reason: 'guest-exit' });
  });
});

test('a fault can be stopped at before it is delivered, and is delivered when going on', () => {
  const guest = boot(`
bits 64
        lidt [table]
        ud2
        hlt
table:  dw 0
        dq 0
`);
  guest.machine.stopOnFault = (_, fault) => fault.vector === 6;
  const stop = guest.run();
  expect(stop).toMatchObject({ reason: 'fault', fault: { vector: 6, why: { rule: 'opcode.undefined' } } });
  expect(guest.machine.counters.step).toBe(1);
  expect(guest.run()).toMatchObject({
    reason: 'triple-fault',
    chain: [6, 13, 13, 8, 13].map((vector) => ({ vector })),
  });
});

test('a listener can stop the machine after the present step', () => {
  const guest = boot(loop);
  guest.machine.events.on(['port'], () => guest.machine.requestStop('port'));
  // The guest's own end counts for more.
  expect(guest.run()).toEqual({ reason: 'guest-exit', value: 0 });
  const other = boot('bits 64\n in al, 0x61\n mov ebx, 1\n hlt');
  other.machine.events.on(['port'], () => other.machine.requestStop('port'));
  expect(other.run()).toEqual({ reason: 'requested', what: 'port' });
  expect(other.machine.counters.retired).toBe(1);
});

test('a machine that only faults makes no progress', () => {
  const guest = boot(`
bits 64
        mov rax, handler
        mov [table + 6*16], ax
        mov word [table + 6*16 + 2], 8
        mov word [table + 6*16 + 4], 0x8e00
        shr rax, 16
        mov [table + 6*16 + 6], ax
        lidt [idtr]
handler: ud2
idtr:   dw 0xfff
        dq table
align 16
table:  times 256 dq 0
`);
  const { cpus } = guest.machine;
  // The handler faults again and again; the stack is put back so that it can for ever.
  guest.machine.events.on(['trap'], () => cpus[0]?.state.setGpr(4, 0x90000n));
  expect(guest.run(5_000_000)).toEqual({ reason: 'no-progress', vcpu: 0 });
});

test('HLT without interrupts halts for ever, with a masked timer until input comes', () => {
  expect(boot('bits 64\n cli\n hlt').run()).toEqual({ reason: 'halted', never: true });
  expect(boot('bits 64\n sti\n hlt').run()).toEqual({ reason: 'halted', never: false });
});

/** All gates lead to a handler that ends no interrupt; then `set` starts a timer, and the processor waits. */
const waiting = (set: string): Guest =>
  boot(`bits 64
        mov rax, tick
        mov edi, idt
        mov ecx, 256
.gate:  mov [rdi], ax
        mov word [rdi + 2], 8
        mov word [rdi + 4], 0x8e00
        mov edx, eax
        shr edx, 16
        mov [rdi + 6], dx
        add edi, 16
        loop .gate
        lidt [idtr]
        ${set}
        sti
.wait:  hlt
        jmp .wait
tick:   inc ebx
        iretq
idtr:   dw 4095
        dq idt
align 16
idt:    resb 4096
`);

describe('HLT with a timer that runs but cannot interrupt any more halts for ever', () => {
  test.each([
    [
      'in service at the 8259',
      'mov al, 0x34\n out 0x43, al\n out 0x40, al\n out 0x40, al\n mov al, 0xfe\n out 0x21, al',
      1n,
    ],
    [
      'in service at the local APIC',
      'mov esi, 0xfee00000\n mov dword [rsi+0xf0], 0x1ff\n mov dword [rsi+0x320], 0x20040\n mov dword [rsi+0x380], 1000',
      1n,
    ],
    [
      'below the task priority',
      'mov esi, 0xfee00000\n mov dword [rsi+0xf0], 0x1ff\n mov dword [rsi+0x80], 0x40\n mov dword [rsi+0x320], 0x20040\n mov dword [rsi+0x380], 1000',
      0n,
    ],
  ])('%s', (_, set, interrupts) => {
    const guest = waiting(set);
    expect(guest.machine.run(1_000_000, after(2000))).toEqual({ reason: 'halted', never: false });
    expect(guest.gpr(3)).toBe(interrupts);
  });
});

/** Host time is over. */
const after = (milliseconds: number): (() => boolean) => {
  const end = performance.now() + milliseconds;
  return () => performance.now() >= end;
};

describe('a run ends soon after it is asked to, whatever the guest does', () => {
  const cases: readonly (readonly [string, string])[] = [
    ['an empty loop', 'again: jmp again'],
    ['a REP that never retires', 'mov ecx, -1\n mov esi, 0x200000\n a32 rep lodsb'],
    ['instructions outside the core', 'again: sidt [0x200000]\n in al, 0x61\n mov rax, cr0\n jmp again'],
    ['code that is met for the first time', 'mov rax, 0x200000\n jmp rax'],
    [
      'faults',
      'mov word [idt + 96], ud\n mov dword [idt + 98], 0x8e000008\n mov word [idt + 102], 0x10\n lidt [idtr]\n ud: mov esp, 0x80000\n ud2\nidtr: dw 4095\n dq idt\nalign 16\nidt: resb 4096',
    ],
  ];
  test.each(cases)('%s', (_, text) => {
    const guest = boot(`bits 64\n${text}`, {}, []);
    const took: number[] = [];
    for (let n = 0; n < 5; n++) {
      const started = performance.now();
      expect(guest.machine.run(Number.MAX_SAFE_INTEGER, after(5)).reason).toBe('limit');
      took.push(performance.now() - started);
    }
    // The best of five: the machine that runs the tests has other things to do as well.
    expect(Math.min(...took)).toBeLessThan(50);
  });
});

test('the core knows RIP exactly while a device is accessed in the middle of a block', () => {
  const guest = boot('bits 64\nstart: mov eax, 1\n mov ebx, 0xfee00020\nhere: mov ecx, [rbx]\n mov edx, 4\n hlt', {}, [
    'mmio',
  ]);
  guest.run();
  expect(guest.events).toMatchObject([{ kind: 'mmio', rip: guest.symbol('here'), step: 2, address: 0xfee00020n }]);
  expect(cpu(guest).state.gpr(1)).toBe(0n);
});
