/** Snapshots, exact positions and replays with VMX guests, and what only this machine's board can bring about. */

import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { state as layout } from '../../../src/machine/core/layout';
import type { Machine } from '../../../src/machine/pc';
import type { VirtualCpu } from '../../../src/machine/virtual-cpu';
import { control } from '../../../src/machine/vmx/control-bits';
import { boot, type Guest } from '../../guest';
import { hypervisor, pages, recordsOf, type Spec } from './hypervisor';

/** A guest with exits, faults of its own, injections, a timer and a monitored step in turn. */
const busy: Spec = {
  pin: control.preemptionTimer,
  exit: control.saveTimer,
  primary: control.tprShadow | control.msrBitmaps | control.tscOffset,
  fields: { VMX_PREEMPTION_TIMER_VALUE: 6, EXCEPTION_BITMAP: 1 << 6, TSC_OFFSET: 0x1000 },
  guest: `mov qword [resume], .next
        mov r12d, 40
.loop:  cpuid
        xor ecx, ecx
        mov eax, 1
        div ecx
.next:  rdtsc
        mov [${pages.spare}], rax
        int3
        dec r12d
        jnz .loop`,
  // INT3's handler goes on at .next, too: every third exit changes what is pending.
  onExit: `mov edx, 0x482e
        mov eax, 6
        vmwrite rdx, rax`,
  exits: 60,
};

const start = (): Guest => boot(hypervisor(busy), { memoryBytes: 4 * 2 ** 20 }, []);
const hashAt = (machine: Machine, step: number): string => {
  machine.runTo(step);
  expect(machine.counters.step).toBe(step);
  return machine.stateHash();
};
const END = 30_000;

describe('with VMX guests', () => {
  test('positions are exact, however a run is cut', () => {
    const whole = start().machine;
    whole.runTo(END);
    const expected = whole.stateHash();
    fc.assert(
      fc.property(fc.array(fc.integer({ min: 1, max: END - 1 }), { minLength: 1, maxLength: 40 }), (cuts) => {
        const { machine } = start();
        for (const cut of [...cuts].sort((a, b) => a - b)) machine.runTo(cut);
        machine.runTo(END);
        expect(machine.stateHash()).toBe(expected);
      }),
      { numRuns: 12 },
    );
  });

  test('a snapshot in the guest or the host is restored exactly', () => {
    const { machine } = start();
    fc.assert(
      fc.property(fc.integer({ min: 1, max: END - 200 }), (step) => {
        const { machine: other } = start();
        other.runTo(step);
        const snapshot = other.snapshot();
        const here = other.stateHash();
        const later = hashAt(other, step + 150);
        other.restore(snapshot);
        expect(other.stateHash()).toBe(here);
        expect(hashAt(other, step + 150)).toBe(later);
      }),
      { numRuns: 25 },
    );
    expect(machine.counters.step).toBe(0);
  });

  test('a run seen step by step is the same run', () => {
    const first = start().machine;
    first.runTo(2_000);
    const second = start().machine;
    while (second.counters.step < 2_000) second.singleStep();
    expect(second.stateHash()).toBe(first.stateHash());
    const entered = first.cpus[0]?.vmx?.on;
    expect(entered).toBe(true);
  });
});

describe('the board', () => {
  const waiting: Spec = { fields: { GUEST_ACTIVITY_STATE: 3 }, guest: 'ud2', exits: 1 };

  test('a guest that waits for a start-up IPI exits by it, with its vector', () => {
    const guest = boot(hypervisor(waiting), {}, ['vmexit']);
    expect(guest.run(200_000)).toMatchObject({ reason: 'halted' });
    guest.machine.boundaries.startUp(0, 0x12);
    guest.run(200_000);
    const { exits } = recordsOf(guest.output);
    expect(exits[0]).toMatchObject({ VM_EXIT_REASON: 4n, EXIT_QUALIFICATION: 0x12n, GUEST_ACTIVITY_STATE: 3n });
  });

  test('an MSR that cannot be loaded at an exit is a VMX abort', () => {
    const guest = boot(
      hypervisor({
        guest: 'cpuid',
        setup: `mov dword [${pages.exitMsrs}], 0xc0000100`,
        fields: { VM_EXIT_MSR_LOAD_ADDR: pages.exitMsrs, VM_EXIT_MSR_LOAD_COUNT: 1 },
      }),
      {},
      [],
    );
    expect(guest.run(200_000)).toEqual({
      reason: 'triple-fault',
      vcpu: 0,
      chain: [],
      abort: { indicator: 4, refused: { entry: 1, index: 0xc000_0100, rule: 'segment-base' } },
    });
    expect(guest.memory(pages.vmcs + 4, 4)).toBe(4n);
  });

  test('two processors have a VMX operation each, with a VMCS each', () => {
    // Both run this; what is theirs alone lies at RBP: 1 MiB apart.
    const guest = boot(
      `bits 64
      org 0x10000
        mov eax, 1
        lock xadd [count], eax
        mov ebp, eax
        shl ebp, 20
        add ebp, 0x200000
        lea rsp, [rbp + 0x8000]
        mov ecx, 0x3a
        mov eax, 5
        xor edx, edx
        wrmsr
        mov rax, cr0
        or al, 0x20
        mov cr0, rax
        mov rax, cr4
        or eax, 0x2000
        mov cr4, rax
        mov ecx, 0x480
        rdmsr
        mov [rbp], eax
        mov [rbp + 0x1000], eax
        mov [rbp + 0x2000], rbp
        lea rax, [rbp + 0x1000]
        mov [rbp + 0x2008], rax
        vmxon [rbp + 0x2000]
        jbe bad
        vmclear [rbp + 0x2008]
        jbe bad
        vmptrld [rbp + 0x2008]
        jbe bad
        mov r8d, 0x681e
        mov r9d, 1000
.again: lea rax, [rbp + r9]
        vmwrite r8, rax
        jbe bad
        vmread rbx, r8
        cmp rbx, rax
        jne bad
        dec r9d
        jnz .again
        vmptrst [rbp + 0x2010]
        mov rax, [rbp + 0x2010]
        cmp rax, [rbp + 0x2008]
        jne bad
        lock inc dword [finished]
.wait:  cmp dword [finished], 2
        jne .wait
        mov al, 0
        out 0xf4, al
bad:    mov al, 1
        out 0xf4, al
count:  dd 1
finished: dd 0`,
      { cpus: 2 },
      ['vmfail'],
    );
    const [first, second] = guest.machine.cpus as [VirtualCpu, VirtualCpu];
    const { u8 } = second.state.memory;
    u8.copyWithin(second.state.base, first.state.base, first.state.base + layout.transient);
    second.resume();
    expect(guest.run(1_000_000)).toMatchObject({ reason: 'guest-exit', value: 0 });
    expect(guest.events).toEqual([]);
    const pointers = [first, second].map(({ vmx }) => vmx?.pointer);
    expect(pointers.sort()).toEqual([0x30_1000n, 0x40_1000n]);
  });
});
