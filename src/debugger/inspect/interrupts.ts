/**
 * Interrupts: what is asserted, requested, in service and masked in each controller, and what the processor would take
 * next or what holds it back.
 */

import { state as layout } from '../../machine/core/layout';
import { deliveryModes } from '../../machine/devices/apic-bus';
import { hasVector } from '../../machine/devices/vector-set';
import { hex } from '../../x86/address';
import { flagBits } from '../../x86/registers';
import { type NamedDevice, namedDevices } from '../fields/devices';
import type { Item } from '../item';
import { activityName } from '../vcpu-view';
import { deviceItem, registerItem } from './devices';
import type { Subject } from './scope';

export const interruptItems = (subject: Subject): Item[] => {
  const { machine, vcpu } = subject;
  const { state, index } = vcpu;
  const named = namedDevices(machine);
  const find = (head: string): NamedDevice | undefined => named.find((one) => one.head === head);
  const [pic, ioApic, apic] = [find('pic'), find('ioapic'), find(`lapic${index}`)];
  return [
    { name: 'next', meaning: nextText(subject) },
    {
      name: 'if',
      bits: state.rflags & flagBits.IF ? 1n : 0n,
      width: 1,
      meaning: state.rflags & flagBits.IF ? 'interrupts enabled' : 'interrupts disabled',
      expression: 'if',
      settable: true,
    },
    { name: 'shadow', meaning: shadowText(subject) },
    { name: 'nmi', meaning: nmiText(subject) },
    { name: 'init', meaning: state.getU32(layout.pendingInit) ? 'pending' : 'not pending' },
    ...(apic === undefined ? [] : [localItem(subject, apic)]),
    ...(ioApic === undefined ? [] : [ioApicItem(ioApic)]),
    ...(pic === undefined ? [] : [picItem(subject, pic)]),
  ];
};

/** Intel SDM vol. 3, "Interruptibility State": bits as the VMCS field has them. */
const blockings: readonly string[] = ['STI', 'MOV SS', 'SMI', 'NMI'];
const NMI = 3;

const shadowText = ({ vcpu: { state } }: Subject): string => {
  const shadow = state.getU32(layout.interruptibility);
  const by = blockings.filter((_, bit) => bit !== NMI && shadow & (1 << bit));
  return by.length === 0 ? 'none' : `blocked by ${by.join(', ')} until the next instruction is done`;
};

const nmiText = ({ vcpu: { state } }: Subject): string => {
  const pending = state.getU32(layout.pendingNmi) ? 'pending' : 'not pending';
  return state.getU32(layout.interruptibility) & (1 << NMI) ? `${pending}, blocked until IRET` : pending;
};

/** The maskable interrupt that waits, and what keeps it from being taken. */
const nextText = (subject: Subject): string => {
  const { machine, vcpu } = subject;
  const { state, index } = vcpu;
  const shadow = state.getU32(layout.interruptibility);
  const held = [
    ...(activityName(state) === 'shutdown' || activityName(state) === 'waiting for SIPI'
      ? [`the processor is ${activityName(state) === 'shutdown' ? 'shut down' : activityName(state)}`]
      : []),
    ...(shadow & 1 ? ['STI was the last instruction'] : []),
    ...(shadow & 2 ? ['SS was loaded by the last instruction'] : []),
  ];
  if (state.getU32(layout.pendingNmi) && !(shadow & (1 << NMI)))
    return held.length === 0 ? 'NMI' : `NMI, held back: ${held.join(', ')}`;
  const { pic } = machine.devices;
  const apic = machine.devices.localApics[index];
  if (apic === undefined) return 'nothing';
  const vector = apic.highestPending();
  if (vector < 0 && !apic.externalPending) return blockedText(subject) ?? 'nothing is requested';
  const what =
    vector >= 0
      ? `vector ${hex(vector)} of the local APIC`
      : `vector ${hex(pic.line(Math.max(0, pic.next())).vector)} of the 8259, line ${pic.next()}`;
  const why = state.rflags & flagBits.IF ? held : ['IF is 0', ...held];
  return why.length === 0 ? what : `${what}, held back: ${why.join(', ')}`;
};

/** A request that does not even reach the processor. */
const blockedText = ({ machine, vcpu }: Subject): string | undefined => {
  const { pic, localApics } = machine.devices;
  const apic = localApics[vcpu.index];
  if (apic !== undefined) {
    const requested = vectors(apic.state.irr).at(-1);
    if (requested !== undefined)
      return `nothing: vector ${hex(requested)} of the local APIC is not above the processor priority ${hex(apic.priority())}`;
  }
  const waiting = Array.from({ length: 16 }, (_, line) => ({ line, ...pic.line(line) })).find(
    ({ line, requested }) => requested && line !== 2,
  );
  if (waiting === undefined) return undefined;
  const { line, masked } = waiting;
  if (masked) return `nothing: line ${line} of the 8259 is masked`;
  if (pic.pending()) return `nothing: line ${line} of the 8259 waits, but LINT0 of the local APIC does not pass it`;
  return `nothing: line ${line} of the 8259 waits for the end of one of higher priority in service`;
};

const vectors = (set: readonly number[]): number[] =>
  Array.from({ length: 256 }, (_, vector) => vector).filter((vector) => hasVector(set, vector));
const list = (set: readonly number[]): string => vectors(set).map(hex).join(' ');

const localItem = ({ machine, vcpu }: Subject, named: NamedDevice): Item => {
  const apic = machine.devices.localApics[vcpu.index];
  const { enabled = false, x2 = false, irr = [], isr = [], tmr = [], svr = 0 } = apic?.state ?? {};
  const mode = !enabled ? 'switched off' : x2 ? 'x2APIC mode' : 'xAPIC mode';
  const software = enabled && !(svr & 0x100) ? ', disabled by software' : '';
  const requests = vectors(irr);
  const inService = vectors(isr);
  const summary = [
    mode + software,
    requests.length === 0 ? 'nothing requested' : `requested ${requests.map(hex).join(' ')}`,
    ...(inService.length === 0 ? [] : [`in service ${inService.map(hex).join(' ')}`]),
    `priority ${hex(apic?.priority() ?? 0)}`,
  ];
  const words = (name: string, set: readonly number[]): Item => ({
    name,
    meaning: list(set) === '' ? 'none' : list(set),
  });
  return {
    ...deviceItem(named),
    meaning: summary.join(', '),
    children: () => [
      words('requested', irr),
      words('in service', isr),
      words('level-triggered', tmr),
      ...named.registers
        .filter(({ name }) => !/^[IT]?[SRM]{1,2}R\d$/.test(name))
        .map((register) => registerItem(named, register)),
    ],
  };
};

const ioApicItem = (named: NamedDevice): Item => {
  const pins = named.registers.filter(({ name }) => /^pin \d+$/.test(name));
  const open = pins.filter(({ peek }) => !(peek() & 0x1_0000));
  return {
    ...deviceItem(named),
    meaning: open.length === 0 ? 'all pins masked' : `${open.map(({ name }) => name).join(', ')} not masked`,
    children: () =>
      named.registers.map((register) => {
        const item = registerItem(named, register);
        return pins.includes(register) ? { ...item, meaning: redirectionText(register.peek()) } : item;
      }),
  };
};

const redirectionText = (entry: number): string => {
  const mode = deliveryModes[(entry >> 8) & 7] ?? '';
  return [
    `vector ${hex(entry & 0xff)}`,
    mode,
    entry & 0x8000 ? 'level' : 'edge',
    ...(entry & 0x2000 ? ['active low'] : []),
    ...(entry & 0x4000 ? ['being served'] : []),
    ...(entry & 0x1_0000 ? ['masked'] : []),
  ].join(', ');
};

const cascade = 2;

const picItem = ({ machine }: Subject, named: NamedDevice): Item => {
  const { pic } = machine.devices;
  const next = pic.next();
  return {
    ...deviceItem(named),
    meaning: next < 0 ? 'INTR low' : `INTR high for line ${next}, vector ${hex(pic.line(next).vector)}`,
    children: () => [
      ...Array.from({ length: 16 }, (_, line): Item => {
        const { vector, asserted, requested, inService, masked, level } = pic.line(line);
        const says = [
          `vector ${hex(vector)}`,
          ...(asserted ? ['high'] : []),
          ...(requested ? ['requested'] : []),
          ...(inService ? ['in service'] : []),
          ...(masked ? ['masked'] : []),
          ...(level ? ['level'] : []),
          ...(line === cascade ? ['cascade'] : []),
        ];
        const chip = line < 8 ? 1 : 2;
        return {
          name: `line ${line}`,
          meaning: says.join(', '),
          children: () => [
            {
              name: 'masked',
              bits: masked ? 1n : 0n,
              width: 1,
              expression: `pic.mask_${chip}.irq${line}`,
              settable: true,
            },
            { name: 'requested', bits: requested ? 1n : 0n, width: 1, expression: `pic.irr_${chip}.irq${line}` },
            { name: 'in service', bits: inService ? 1n : 0n, width: 1, expression: `pic.isr_${chip}.irq${line}` },
          ],
        };
      }),
      ...named.registers.map((register) => registerItem(named, register)),
    ],
  };
};
