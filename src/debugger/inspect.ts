/**
 * The state of a vCPU as trees of plain data: a name, a value that reads `0x…` first, and parts that are made when
 * somebody opens them. Whoever shows them knows nothing of registers.
 */

import { state as layout } from '../machine/core/layout';
import type { CpuState, SegmentIndex } from '../machine/core/state';
import { isIa32e } from '../machine/cpu/mode';
import { listMsrs } from '../machine/cpu/msrs';
import { pagingMode } from '../machine/cpu/page-walk';
import type { Machine } from '../machine/pc';
import type { VirtualCpu } from '../machine/virtual-cpu';
import { hex, linear } from '../x86/address';
import type { RegisterBits } from '../x86/control-registers';
import { dplOf, access as rights, systemTypes } from '../x86/descriptors';
import { gprNames64, segmentNames } from '../x86/registers';
import type { ProgramInfo } from './program-info';
import { decodedRegisters, flags } from './registers';
import { activityName, modeAndRing } from './vcpu-view';

export interface Item {
  readonly name: string;
  /** `0x` and digits first; what they mean after a space. */
  readonly value: string;
  /** The expression that gives this value; when `settable`, assigning to it changes it. */
  readonly expression?: string;
  readonly settable?: boolean;
  /** The value as an address that memory can be looked at. */
  readonly address?: bigint;
  readonly type?: string;
  readonly children?: () => Item[];
}

export interface Scope {
  readonly name: string;
  /** Costs more than a look: not to be opened by itself. */
  readonly expensive: boolean;
  readonly items: () => Item[];
}

/** `0x3 RW0 LEN0=1`: the names of the bits that are set, with the values of fields of several bits. */
const decodeBits = (value: bigint, bits: RegisterBits): string =>
  Object.entries(bits)
    .map(([name, { bit, width = 1 }]) => {
      const part = (value >> BigInt(bit)) & ((1n << BigInt(width)) - 1n);
      return part === 0n ? '' : width === 1 ? name : `${name}=${part}`;
    })
    .filter((text) => text !== '')
    .join(' ');

const withMeaning = (value: bigint, meaning: string | undefined): string =>
  meaning === undefined || meaning === '' ? hex(value) : `${hex(value)} ${meaning}`;

export const scopesOf = (machine: Machine, vcpu: VirtualCpu, info: ProgramInfo): Scope[] => {
  const { state } = vcpu;
  return [
    { name: 'Registers', expensive: false, items: () => generalRegisters(state, info) },
    { name: 'Flags', expensive: false, items: () => flagItems(state) },
    { name: 'Segments', expensive: false, items: () => segmentItems(state) },
    { name: 'Control registers & MSRs', expensive: false, items: () => controlItems(vcpu) },
    { name: 'Machine', expensive: false, items: () => machineItems(machine, vcpu) },
  ];
};

const register = (name: string, value: bigint, meaning?: string, children?: () => Item[]): Item => ({
  name,
  value: withMeaning(value, meaning),
  expression: name,
  settable: true,
  ...(children === undefined ? {} : { children }),
});

const generalRegisters = (state: CpuState, info: ProgramInfo): Item[] => {
  const pointer = (name: string, value: bigint): Item => ({
    ...register(name, value, info.nameOf(linear(value))),
    address: value,
  });
  return [
    ...gprNames64.map((name, index) => pointer(name, state.gpr(index))),
    pointer('rip', state.rip),
    register('rflags', BigInt(state.rflags), flagsText(state.rflags)),
  ];
};

/** The flags that are set: `CF ZF IOPL=3`. */
const flagsText = (value: number): string =>
  flags
    .map(({ name, bit, width }) => {
      const part = (value >>> bit) & (2 ** width - 1);
      return part === 0 ? '' : width === 1 ? name : `${name}=${part}`;
    })
    .filter((text) => text !== '')
    .join(' ');

const flagItems = (state: CpuState): Item[] =>
  flags.map(({ name, bit, width }) => ({
    name: name.toLowerCase(),
    value: hex((state.rflags >>> bit) & (2 ** width - 1)),
    expression: name.toLowerCase(),
    settable: true,
    type: flagMeanings[name] ?? '',
  }));

/** Intel SDM vol. 1, "EFLAGS Register". */
const flagMeanings: Readonly<Record<string, string>> = {
  CF: 'carry',
  PF: 'parity',
  AF: 'auxiliary carry',
  ZF: 'zero',
  SF: 'sign',
  TF: 'trap',
  IF: 'interrupt enable',
  DF: 'direction',
  OF: 'overflow',
  IOPL: 'I/O privilege level',
  NT: 'nested task',
  RF: 'resume',
  VM: 'virtual-8086 mode',
  AC: 'alignment check',
  VIF: 'virtual interrupt',
  VIP: 'virtual interrupt pending',
  ID: 'identification',
};

/** `code, 64-bit, readable, ring 0`: access rights as a segment register keeps them. */
export const rightsText = (access: number, long: boolean): string => {
  if (access & rights.unusable) return 'unusable';
  const ring = `ring ${dplOf(access)}`;
  const absent = access & rights.present ? '' : ', not present';
  if (!(access & rights.segment)) {
    const row = systemTypes.find(({ type }) => type === (access & 15));
    return `${(long ? row?.long?.name : row?.name) ?? `type ${access & 15}`}, ${ring}${absent}`;
  }
  const width = access & rights.big ? '32-bit' : '16-bit';
  if (!(access & rights.code)) {
    const down = access & rights.expandDown ? ', expand-down' : '';
    return `data, ${width}, ${access & rights.writable ? 'writable' : 'read-only'}${down}, ${ring}${absent}`;
  }
  const kind = access & rights.long ? '64-bit' : width;
  const readable = access & rights.readable ? ', readable' : ', execute-only';
  const conforming = access & rights.conforming ? ', conforming' : '';
  return `code, ${kind}${readable}${conforming}, ${ring}${absent}`;
};

const segmentItems = (state: CpuState): Item[] => {
  const segments = segmentNames.map((name, index): Item => {
    const { selector, base, limit, access } = state.segment(index as SegmentIndex);
    return {
      name,
      value: `${hex(selector)} base ${hex(base)} limit ${hex(limit)} ${rightsText(access, isIa32e(state))}`,
      expression: name,
      settable: true,
      children: () => segmentParts(state, name, index as SegmentIndex),
    };
  });
  const tables = (['gdtr', 'idtr'] as const).map((name): Item => {
    const { base, limit } = state[name];
    return {
      name,
      value: `${hex(base)} limit ${hex(limit)}`,
      expression: name,
      address: base,
      children: () => tableParts(name, state[name]),
    };
  });
  return [...segments, ...tables];
};

/** The hidden part of a segment register too: what the processor uses, whatever the table says by now. */
const segmentParts = (state: CpuState, name: string, index: SegmentIndex): Item[] => {
  const { selector, base, limit, access } = state.segment(index);
  return [
    register(`${name}.selector`, BigInt(selector), selectorText(selector)),
    { ...register(`${name}.base`, base), address: base },
    register(`${name}.limit`, BigInt(limit)),
    register(`${name}.access`, BigInt(access), rightsText(access, isIa32e(state))),
  ];
};

const tableParts = (name: string, { base, limit }: { readonly base: bigint; readonly limit: number }): Item[] => [
  { ...register(`${name}.base`, base), address: base },
  register(`${name}.limit`, BigInt(limit)),
];

/** Intel SDM vol. 3, "Segment Selectors". */
const selectorText = (selector: number): string =>
  selector < 4 ? 'null' : `entry ${selector >>> 3} of the ${selector & 4 ? 'LDT' : 'GDT'}, RPL ${selector & 3}`;

const bitItems = (name: string, value: bigint): Item[] =>
  Object.entries(decodedRegisters[name] ?? {}).map(([bitName, { bit, width = 1, meaning }]) => ({
    name: bitName,
    value: `${hex((value >> BigInt(bit)) & ((1n << BigInt(width)) - 1n))} ${meaning}`,
    expression: `${name}.${bitName.toLowerCase()}`,
    settable: true,
  }));

const decoded = (name: string, read: () => bigint): Item =>
  register(name, read(), decodeBits(read(), decodedRegisters[name] ?? {}), () => bitItems(name, read()));

const controlItems = (vcpu: VirtualCpu): Item[] => {
  const { state, cpu } = vcpu;
  const directory = state.cr3 & 0x000f_ffff_ffff_f000n;
  return [
    decoded('cr0', () => state.cr0),
    { ...register('cr2', state.cr2), address: state.cr2 },
    register('cr3', state.cr3, pagingMode(state) === 'none' ? 'paging off' : `tables at ${hex(directory)}`),
    decoded('cr4', () => state.cr4),
    { name: 'cr8', value: hex(cpu.surroundings.apic.taskPriority()), expression: 'cr8', settable: true },
    decoded('efer', () => state.efer),
    ...[0, 1, 2, 3].map((n) => ({ ...register(`dr${n}`, state.dr(n)), address: state.dr(n) })),
    decoded('dr6', () => state.dr(6)),
    decoded('dr7', () => state.dr(7)),
    ...listMsrs(cpu).map(({ name, address, value, meaning }) => ({
      name: name.toLowerCase(),
      value: `${hex(value)} ${meaning} (${hex(address)})`,
      expression: `msr[${hex(address)}]`,
      settable: true,
    })),
  ];
};

const shadows: readonly string[] = ['by STI', 'by MOV SS', 'by SMI', 'by NMI'];

const machineItems = (machine: Machine, vcpu: VirtualCpu): Item[] => {
  const { state } = vcpu;
  const { step, retired, vtime } = machine.counters;
  const blocking = state.getU32(layout.interruptibility);
  const blocked = shadows.filter((_, bit) => blocking & (1 << bit)).join(', ');
  const count = (name: string, value: number): Item => ({
    name,
    value: withMeaning(BigInt(value), String(value)),
    expression: name,
  });
  return [
    { name: 'mode', value: modeAndRing(state) },
    { name: 'cpl', value: hex(state.cpl), expression: 'cpl' },
    { name: 'activity', value: activityName(state) },
    { name: 'interrupts', value: blocked === '' ? 'not blocked' : `blocked ${blocked}` },
    count('step', step),
    count('retired', retired),
    count('vtime', vtime),
  ];
};
