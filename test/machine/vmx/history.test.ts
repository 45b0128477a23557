/** Snapshots, exact positions and replays with VMX guests, and what only this machine's board can bring about. */

import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import type { Machine } from '../../../src/machine/pc';
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
    expect(guest.run(200_000)).toMatchObject({ reason: 'triple-fault' });
    expect(guest.memory(pages.vmcs + 4, 4)).toBe(4n);
  });
});
