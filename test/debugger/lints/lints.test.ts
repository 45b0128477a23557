/** Every lint: a hypervisor that it is about, and one that differs in the one thing that is right. */

import { describe, expect, test } from 'vitest';
import { lintIds, lintText } from '../../../src/debugger/lints/lints';
import { watchLints } from '../../../src/debugger/lints/watch';
import { shutdownLinesOf } from '../../../src/debugger/session';
import { control } from '../../../src/machine/vmx/control-bits';
import { boot } from '../../guest';
import { hypervisor, type Spec } from '../../machine/vmx/hypervisor';
import { debug } from '../guest-session';

test('what was found is told as what it is', () => {
  expect(lintText('fault-with-advanced-rip', 13n)).toMatch(/^the entry injects the fault #GP, but/);
  expect(lintText('root-exception-without-handler', 6n)).toMatch(/^exception #UD in VMX root/);
  expect(lintText('same-exit-again', 0x1000n)).toContain('at guest RIP 0x1000 with');
});

/** Exceptions end the guest. */
const handled = 'mov qword [resume], done';
/** Exceptions of the host end the test. */
const hostHandled = 'mov qword [resume], passed';

const inject = (information: number): string => `mov edx, 0x4016
        mov eax, ${information}
        vmwrite rdx, rax
        mov edx, 0x4018
        xor eax, eax
        vmwrite rdx, rax`;
const onReason = (reason: number, text: string): string => `cmp ebx, ${reason}
        jne .other
        ${text}
.other:`;
const GP = 0x80000b0d;
const PF = 0x80000b0e;
const idtRepaired = `mov edx, 0x6818
        mov eax, idt_long
        vmwrite rdx, rax`;
const nmi = `mov edx, 0xfee00000
        mov dword [rdx + 0xf0], 0x1ff
        mov dword [rdx + 0x310], 0
        mov dword [rdx + 0x300], 0x4400
        nop
        nop`;
/** Zeros. */
const NO_TABLE = 0x20a000;

const cpuid = `${handled}\n xor eax, eax\n cpuid`;
const lostDelivery: Pick<Spec, 'fields' | 'guest'> = {
  fields: { EXCEPTION_BITMAP: 1 << 14 },
  guest: `${handled}\n lidt [unmapped]\n ud2\nunmapped: dw 1023\n dq 0x140000000\n`,
};
const outside = { primary: control.msrBitmaps, guest: `${handled}\n mov ecx, 0x40000000\n rdmsr` };

const cases: Readonly<Record<string, { readonly wrong: Spec; readonly right: Spec; readonly value: bigint }>> = {
  'fault-with-advanced-rip': {
    wrong: { guest: cpuid, onExit: onReason(10, inject(GP)) },
    right: { guest: cpuid, onExit: onReason(10, `${inject(GP)}\n jmp .again`) },
    value: 13n,
  },
  'page-fault-without-cr2': {
    wrong: { guest: cpuid, onExit: onReason(10, `${inject(PF)}\n jmp .again`) },
    right: { guest: cpuid, onExit: onReason(10, `mov eax, 0x1234\n mov cr2, rax\n ${inject(PF)}\n jmp .again`) },
    value: 0n,
  },
  'event-lost': {
    wrong: { ...lostDelivery, onExit: onReason(0, `${idtRepaired}\n jmp .again`) },
    right: {
      ...lostDelivery,
      onExit: onReason(
        0,
        `${idtRepaired}\n mov edx, 0x4408\n vmread rax, rdx\n mov edx, 0x4016\n vmwrite rdx, rax\n jmp .again`,
      ),
    },
    value: 0x80000306n,
  },
  'same-exit-again': {
    wrong: { guest: 'xor eax, eax\n.here: cpuid', exits: 1003, quiet: true, onExit: onReason(10, 'jmp .again') },
    right: { guest: 'mov r8d, 1003\n.here: cpuid\n dec r8d\n jnz .here', exits: 1003, quiet: true },
    value: -1n,
  },
  'msr-outside-bitmap': {
    wrong: { ...outside, onExit: onReason(31, `${hostHandled}\n mov rcx, [registers + 8]\n rdmsr`) },
    right: { ...outside, onExit: onReason(31, `${inject(GP)}\n jmp .again`) },
    value: 0x40000000n,
  },
  'root-exception-without-handler': {
    wrong: { guest: cpuid, fields: { HOST_IDTR_BASE: NO_TABLE }, onExit: onReason(10, 'ud2') },
    right: { guest: cpuid, onExit: onReason(10, `${hostHandled}\n ud2`) },
    value: 6n,
  },
  'root-nmi-without-handler': {
    wrong: { guest: cpuid, fields: { HOST_IDTR_BASE: NO_TABLE }, onExit: onReason(10, nmi) },
    right: { guest: cpuid, onExit: onReason(10, `${hostHandled}\n ${nmi}`) },
    value: 2n,
  },
  'misaligned-call': {
    wrong: { guest: cpuid, fields: { HOST_RSP: 0x90008 } },
    right: { guest: cpuid, fields: { HOST_RSP: 0x90000 } },
    value: 0x90008n,
  },
};

const run = (spec: Spec): readonly { readonly id: string; readonly value: bigint }[] => {
  const guest = boot(hypervisor(spec), { memoryBytes: 16 * 1024 * 1024 }, ['lint', 'vmexit']);
  const end = watchLints(guest.machine);
  guest.run(5_000_000);
  end();
  expect(guest.events.some(({ kind }) => kind === 'vmexit')).toBe(true);
  return guest.events.flatMap((event) => (event.kind === 'lint' ? [{ id: event.id, value: event.value }] : []));
};

test('every lint has its guests', () => expect(Object.keys(cases).sort()).toEqual([...lintIds].sort()));

describe.each(Object.entries(cases))('%s', (id, { wrong, right, value }) => {
  test('is told', () => {
    const found = run(wrong).filter((one) => one.id === id);
    expect(found.length).toBeGreaterThan(0);
    if (value >= 0n) expect(found[0]?.value).toBe(value);
  });
  test('is not told where it is done right', () => expect(run(right).filter((one) => one.id === id)).toEqual([]));
});

test('while nobody listens nothing is heard', () => {
  const { machine } = boot(hypervisor({ guest: cpuid }));
  expect(machine.events.wanted('vmexit')).toBe(false);
  const [one, other] = [watchLints(machine), watchLints(machine)];
  one();
  expect(machine.events.wanted('vmexit')).toBe(true);
  other();
  expect(machine.events.wanted('vmexit')).toBe(false);
});

test('a session stops at a lint with its words', async () => {
  const { session } = await debug(hypervisor({ guest: cpuid, fields: { HOST_RSP: 0x90008 } }));
  session.events.break('lint:misaligned-call');
  const pause = await session.continue();
  expect(pause).toMatchObject({ reason: 'event', event: { kind: 'lint', id: 'misaligned-call' } });
});

test('a lint told in the step that ends the machine is told with the end', async () => {
  const fields = { HOST_IDTR_BASE: NO_TABLE };
  const { session } = await debug(hypervisor({ guest: cpuid, fields, onExit: onReason(10, nmi) }));
  const { id } = session.events.break('lint');
  const pause = await session.continue();
  expect(pause).toMatchObject({ reason: 'ending', ending: { outcome: 'triple-fault' }, ids: [id] });
  expect(shutdownLinesOf(pause).at(-1)).toMatch(/^lint root-nmi-without-handler: an NMI in VMX root operation/);
});

describe('a lint about a fault in the host', () => {
  const noTable = { HOST_IDTR_BASE: NO_TABLE };
  const undelivered = { onExit: onReason(10, '.host_fault: ud2'), guest: cpuid, fields: noTable };
  const refusedMsr = {
    ...outside,
    fields: noTable,
    onExit: onReason(31, 'mov rcx, [registers + 8]\n.host_fault: rdmsr'),
  };

  test.each([
    ['root-exception-without-handler', undelivered, 6n],
    ['msr-outside-bitmap', refusedMsr, 0x40000000n],
  ] as const)('%s stops before the delivery that would end the machine', async (id, spec, value) => {
    const { session } = await debug(hypervisor(spec));
    const { machine } = session;
    const lint = session.events.break(`lint:${id}`);
    expect(await session.continue()).toMatchObject({
      reason: 'event',
      event: { kind: 'lint', id, value },
      ids: [lint.id],
    });
    const { step } = machine.counters;
    expect([machine.cpus[0]?.state.rip, machine.cpus[0]?.vmx?.nonRoot]).toEqual([
      session.info.symbols.named('vm_exit.host_fault')?.address,
      false,
    ]);
    expect(machine.events.counts.get('lint')).toBeUndefined();
    // Told once, whatever comes of it.
    expect(await session.continue()).toMatchObject({ reason: 'ending', ending: { outcome: 'triple-fault' }, ids: [] });
    expect([lint.hits, machine.counters.step - step]).toEqual([1, 1]);
  });

  test('obeys a condition, and stops together with a breakpoint on the exception', async () => {
    const { session } = await debug(hypervisor(undelivered));
    session.events.break('lint if value == 13');
    const exception = session.events.break('trap:#UD');
    const both = session.events.break('lint if value == 6');
    const pause = await session.continue();
    expect(pause).toMatchObject({ reason: 'fault', ids: [exception.id, both.id] });
  });

  test('that is handled stops neither before the delivery nor after it', async () => {
    const { session } = await debug(hypervisor({ guest: cpuid, onExit: onReason(10, `${hostHandled}\n ud2`) }));
    session.events.break('lint:root-exception-without-handler');
    expect(await session.continue()).toMatchObject({ reason: 'ending', ending: { outcome: 'guest-exit' } });
  });

  test('who follows lints hears it once, at the delivery', async () => {
    const { session } = await debug(hypervisor(undelivered));
    const heard: string[] = [];
    session.events.follow('lint', (event) => heard.push(event.kind === 'lint' ? event.id : ''));
    session.events.break('lint if value == 1');
    await session.continue();
    expect(heard.filter((id) => id.startsWith('root'))).toEqual(['root-exception-without-handler']);
  });
});
