import { describe, expect, test } from 'vitest';
import { eventKinds, eventText, traceLine } from '../../../src/debugger/events/kinds';
import { isEventSpec, readEventSpec, readEventSpecs, splitRequest } from '../../../src/debugger/events/spec';
import type { MachineEvent } from '../../../src/machine/core/event';
import type { Machine } from '../../../src/machine/pc';
import { BadInput } from '../../../src/program/program';

/** These specifications ask the event alone. */
const NO_MACHINE = {} as Machine;

const position = { step: 12, vcpu: 1, rip: 0xffff_ffff_8000_0000n, at: 0xffff_ffff_8000_0000n };
const events: readonly (readonly [MachineEvent, string])[] = [
  [{ ...position, kind: 'int', vector: 0x80 }, 'vector 0x80'],
  [{ ...position, kind: 'irq', vector: 0x20, line: 0 }, 'vector 0x20, line 0'],
  [{ ...position, kind: 'nmi' }, 'delivered'],
  [{ ...position, kind: 'ring', from: 3, to: 0 }, '3 -> 0'],
  [{ ...position, kind: 'mode', from: 'real', to: 'protected' }, 'real -> protected'],
  [{ ...position, kind: 'cr', register: 3, access: 'w', value: 0x9_1000n }, 'write cr3 <- 0x91000'],
  [{ ...position, kind: 'msr', register: 0xc000_0082, access: 'r', value: 5n }, 'read IA32_LSTAR (0xc0000082) -> 0x5'],
  [{ ...position, kind: 'msr', register: 0x1234, access: 'w', value: 5n }, 'write 0x1234 (0x1234) <- 0x5'],
  [{ ...position, kind: 'port', port: 0x3f8, size: 1, access: 'w', value: 0x41 }, 'write 0x3f8, 1 byte <- 0x41'],
  [
    { ...position, kind: 'mmio', address: 0xfee0_00b0n, size: 4, access: 'r', value: 0n },
    'read 0xfee000b0, 4 bytes -> 0x0',
  ],
  [{ ...position, kind: 'cpuid', leaf: 0x8000_0001, subleaf: 0 }, 'leaf 0x80000001, subleaf 0x0'],
  [{ ...position, kind: 'task-switch', from: 0x28, to: 0x30 }, 'TSS 0x28 -> 0x30'],
  [{ ...position, kind: 'syscall', direction: 'in' }, 'entry'],
  [{ ...position, kind: 'tlb-fill', linear: 0x1000n, physical: 0x5000n }, '0x1000 -> 0x5000'],
  [
    { ...position, kind: 'stale', linear: 0x1000n, cached: 0x5000n, cachedRights: 3, fresh: null, freshRights: null },
    '0x1000 used as 0x5000, the tables say nothing',
  ],
  [
    {
      ...position,
      kind: 'stale',
      linear: 0x1000n,
      cached: 0x5000n,
      cachedRights: 11,
      fresh: 0x5000n,
      freshRights: 0x103,
    },
    '0x1000 used as 0x5000, the tables say R/W user EPT r-x, the TLB R/W user D',
  ],
  [
    {
      ...position,
      kind: 'triple-fault',
      chain: [
        { vector: 13, rip: 0n, why: { rule: 'opcode.undefined' } },
        { vector: 8, rip: 0n, why: { rule: 'opcode.undefined' } },
      ],
    },
    '#GP, then #DF',
  ],
  [{ ...position, kind: 'not-implemented', instruction: 'addps' }, 'addps: this version does not implement it'],
  [{ ...position, kind: 'reset', by: 'port 0x92' }, 'by port 0x92'],
  [
    { ...position, kind: 'pte', address: 0x40_0000n, level: 'PDE', entryAddress: 0x3010n, before: 0n, after: 0x4007n },
    'PDE of 0x400000 at phys:0x3010, 0x0 -> 0x4007',
  ],
  [
    { ...position, kind: 'vmexit', vmcs: 0x5000n, reason: 10, cause: { rule: 'cpuid' } },
    '10 CPUID: CPUID was executed; it always exits: no control decides',
  ],
  [{ ...position, kind: 'vmentry', vmcs: 0x5000n, launch: true, to: 0x1000n }, 'VMLAUNCH to 0x1000'],
  [
    { ...position, kind: 'vmentry-failure', vmcs: 0x5000n, stage: 'controls', rule: 'control.pin' },
    'controls: control.pin',
  ],
  [{ ...position, kind: 'vmfail', error: 7, valid: true }, 'VMfailValid 7: VM entry with invalid control field(s)'],
  [{ ...position, kind: 'vmfail', error: 0, valid: false }, 'VMfailInvalid'],
  [{ ...position, kind: 'hypercall', number: 5n }, '0x5'],
  [
    { ...position, kind: 'vmcs', field: 'GUEST_RIP', encoding: 0x681e, access: 'w', value: 5n },
    'write GUEST_RIP <- 0x5',
  ],
  [
    { ...position, kind: 'vmcs-memory', vmcs: 0x5000n, address: 0x5040n, size: 8, access: 'r' },
    'read of 8 bytes at offset 0x40 of the active VMCS 0x5000: memory holds what VMCLEAR wrote last, its fields are in the processor',
  ],
];

describe('events', () => {
  test.each(events.map(([event, text]) => [event.kind, event, text] as const))('%s', (_kind, event, text) =>
    expect(eventText(event)).toBe(text),
  );

  // What lints say is told by theirs: test/debugger/lints.
  test('every kind of the processor is among these', () =>
    expect([...new Set(['trap', ...events.map(([{ kind }]) => kind)])].sort()).toEqual(
      eventKinds.filter((kind) => kind !== 'lint').sort(),
    ));

  test('a line of a trace names the vCPU where there are several', () => {
    const [event] = events[0] as (typeof events)[0];
    expect(traceLine(event, 1)).toBe('12 0xffffffff80000000 int vector 0x80');
    expect(traceLine(event, 2)).toBe('12 vcpu 1 0xffffffff80000000 int vector 0x80');
  });
});

describe('specifications', () => {
  const matching = (text: string): string[] => {
    const spec = readEventSpec(text);
    const trap: MachineEvent = { ...position, kind: 'trap', vector: 14, why: { rule: 'walk.present' } };
    return [trap, ...events.map(([event]) => event)]
      .filter((event) => spec.matches(event, NO_MACHINE))
      .map((event) => eventText(event).split(' ')[0] ?? '');
  };
  test.each([
    ['trap', ['#PF']],
    ['trap:#PF', ['#PF']],
    ['trap:pf', ['#PF']],
    ['trap:14', ['#PF']],
    ['trap:0xd', []],
    ['port:0x3f8', ['write']],
    ['port:0x3f8:w', ['write']],
    ['port:r', []],
    ['msr:IA32_LSTAR', ['read']],
    ['msr:w', ['write']],
    ['cr:cr3:w', ['write']],
    ['cr3', ['write']],
    ['cr3:w', ['write']],
    ['cr3:r', []],
    ['cr0', []],
    ['port:0x3f0-0x3ff', ['write']],
    ['port:0x3f9-0x3ff', []],
    ['port:size=1:value=0x41', ['write']],
    ['port:size=2', []],
    ['irq:0', ['vector']],
    ['irq:1', []],
    ['irq:vector=0x20', ['vector']],
    ['ring:from=3', ['3']],
    ['trap:rule=walk.present', ['#PF']],
    ['trap:rule=walk.user', []],
    ['trap:during=8', []],
    ['stale:0x1000', ['0x1000', '0x1000']],
    ['pte:0x400000', ['PDE']],
    ['pte:0x400000:PTE', []],
    ['reset:by=port 0x92', ['by']],
    ['cr:0', []],
    ['ring:0', ['3']],
    ['mode:protected', ['real']],
    ['mode:64-bit', []],
    ['syscall:in', ['entry']],
    ['cpuid:0x80000001', ['leaf']],
    ['reset:', ['by']],
  ])('%s', (text, expected) => expect(matching(text)).toEqual(expected));

  test.each([
    ['traps', /^traps: no kind of event; one of trap, .*; did you mean trap\?$/],
    ['', /^'': no kind of event/],
    ['trap:#ZZ', /^trap:#ZZ: `#ZZ` says nothing about trap; write for example trap:#PF, and its names are #DE, #DB, /],
    ['vmexit:CPIUD', /^vmexit:CPIUD: `CPIUD` says nothing about vmexit; did you mean CPUID\?$/],
    ['vmexit:reason=HTL', /^vmexit:reason=HTL: HTL is no value of reason: .*; did you mean HLT\?$/],
    ['vmexit:99', /^vmexit:99: `99` says nothing about vmexit; /],
    ['vmexit:reason=0x1000-0x1001', /is no value of reason: /],
    ['vmcs:GUEST_RIP:x', /`x` says nothing about vmcs; write for example vmcs:GUEST_RIP:w$/],
    ['vmcs:GEST_RIP:w', /did you mean GUEST_RIP\?$/],
    ['vmexit:', /^vmexit:: a detail is missing at a colon; write vmexit for all, or for example vmexit:CPUID$/],
    ['vmcs:GUEST_RIP:', /a detail is missing at a colon/],
    ['nmi::', /a detail is missing at a colon/],
    ['vmcs:0x9999', /^vmcs:0x9999: `0x9999` says nothing about vmcs; write for example vmcs:GUEST_RIP:w$/],
    ['vmfail:seven', /^vmfail:seven: `seven` says nothing about vmfail; write for example vmfail:7$/],
    ['vmentry-failure:bogus', /and its names are controls, host-state, guest-state, msr-loading$/],
    ['nmi:5', /^nmi:5: events of kind nmi have no details to choose by$/],
    ['port:0x3f8:x', /`x` says nothing about port/],
    ['port:0x3ff-0x3f8', /`0x3ff-0x3f8` says nothing about port/],
    [
      'port:colour=3',
      /^port:colour=3: port has no field colour; it has port, size, access, write, value, step, vcpu, at$/,
    ],
    ['port:access=x', /^port:access=x: x is no value of access: read or write$/],
    ['pte', /^pte: an address is missing; write for example pte:0x400000$/],
    ['pte:there', /^pte:there: there is no address/],
  ])('%s is refused', (text, message) => expect(() => readEventSpecs(text)).toThrow(message));

  test('the refusal is bad input', () => expect(() => readEventSpecs('trap,x')).toThrow(BadInput));
});

describe('requests', () => {
  test.each([
    ['trap:#PF', { spec: 'trap:#PF', logs: false, options: {} }],
    ['trap:#PF if cr2 < 0x1000', { spec: 'trap:#PF', logs: false, options: { condition: 'cr2 < 0x1000' } }],
    [
      'port:0x3f8:w if value == 10 hits % 100 log {value} at {at}',
      {
        spec: 'port:0x3f8:w',
        logs: true,
        options: { condition: 'value == 10', hitCondition: '% 100', logMessage: '{value} at {at}' },
      },
    ],
    ['cpuid log leaf {leaf} if any', { spec: 'cpuid', logs: true, options: { logMessage: 'leaf {leaf} if any' } }],
    ['cr3:w log', { spec: 'cr3:w', logs: true, options: {} }],
    ['nmi hits 3', { spec: 'nmi', logs: false, options: { hitCondition: '3' } }],
  ])('%s', (text, expected) => expect(splitRequest(text)).toEqual(expected));

  test('events are told from symbols', () => {
    expect(['trap', 'cr3:w', 'ring if cpl == 3', 'reset:', 'triple-fault'].every(isEventSpec)).toBe(true);
    expect(
      ['start', 'trapped', 'start.ring', '0x1000', 'mode2', 'ring_3', 'ring == 3', 'reset + 4'].some(isEventSpec),
    ).toBe(false);
  });
});
