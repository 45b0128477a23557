/** Events of VT-x: one row each, as in kinds.ts. */

import { hex } from '../../x86/address';
import { exitReasonName, exitReasons } from '../../x86/vmx/exit-reasons';
import { fieldNames, vmcsFields } from '../../x86/vmx/fields';
import { instructionErrors } from '../../x86/vmx/instruction-errors';
import { exitText } from '../why/explain-exit';
import { ENTRY_AREA, refusalText } from '../why/msr-area';
import { accessOf, type EventOf, type NumberField, vectorNames, writeOf } from './fields';
import type { EventRow } from './kinds';

type Kind = 'vmexit' | 'vmentry' | 'vmentry-failure' | 'vmfail' | 'hypercall' | 'vmcs' | 'vmcs-memory';

const vmcsOf = <Event extends { readonly vmcs: bigint }>(): NumberField<Event> => ({
  name: 'vmcs',
  size: 8,
  read: ({ vmcs }) => vmcs,
  space: 'phys',
  help: 'physical address of the VMCS',
});

const reasonText = (reason: number): string => exitReasonName(reason) ?? `reason ${reason}`;
const errorText = (error: number): string =>
  (instructionErrors as Readonly<Record<number, string>>)[error] ?? `error ${error}`;

const encodings: ReadonlyMap<string, bigint> = new Map(
  fieldNames.map((name) => [name.toLowerCase(), BigInt(vmcsFields[name].encoding)]),
);

export const virtualizationRows: { readonly [One in Kind]: EventRow<EventOf<One>> } = {
  vmexit: {
    summary: 'a VM exit, to the first instruction of the host',
    stops: 'in its handler',
    subject: 'reason',
    fields: [
      {
        name: 'reason',
        size: 2,
        read: ({ reason }) => reason,
        named: (text) => {
          const row = Object.entries(exitReasons).find(([name]) => name.toLowerCase() === text.toLowerCase());
          return row === undefined ? undefined : BigInt(row[1].number);
        },
        names: () => Object.keys(exitReasons),
        allNamed: true,
        constants: true,
        meaning: (value) => exitReasonName(Number(value)),
        help: 'basic exit reason, by name or number',
      },
      { name: 'qualification', size: 8, read: ({ qualification }) => qualification ?? 0n, help: 'exit qualification' },
      {
        name: 'guest_physical',
        size: 8,
        read: ({ guestPhysical }) => guestPhysical ?? 0n,
        help: 'guest-physical address, of EPT violations',
      },
      {
        name: 'guest_linear',
        size: 8,
        read: ({ guestLinear }) => guestLinear ?? 0n,
        help: 'guest-linear address, of EPT violations, INS and OUTS',
      },
      {
        ...vectorNames,
        read: ({ interruption }) => (interruption === undefined ? undefined : interruption & 0xff),
        absent: 0xffff_ffff_ffff_ffffn,
        help: 'vector of the exception or interrupt that exits; all ones where there is none',
      },
      vmcsOf(),
    ],
    example: 'vmexit:CPUID',
    // The kind stands before it.
    text: (event) => exitText(event).replace(/^VM exit /, ''),
    title: ({ reason }) => `VM exit: ${reasonText(reason)}`,
  },
  vmentry: {
    summary: 'a VM entry, to the next instruction of the guest',
    stops: 'in its handler',
    fields: [
      { name: 'launch', size: 1, read: ({ launch }) => (launch ? 1 : 0), help: '1 for VMLAUNCH, 0 for VMRESUME' },
      { name: 'to', size: 8, read: ({ to }) => to, help: "the guest's RIP" },
      vmcsOf(),
    ],
    example: 'vmentry',
    text: ({ launch, to }) => `${launch ? 'VMLAUNCH' : 'VMRESUME'} to ${hex(to)}`,
    title: ({ to }) => `VM entry to ${hex(to)}`,
  },
  'vmentry-failure': {
    summary: 'a VM entry that a check refused',
    stops: 'after the instruction',
    subject: 'stage',
    fields: [
      {
        name: 'stage',
        word: ({ stage }) => stage,
        words: [['controls'], ['host-state'], ['guest-state'], ['msr-loading']],
        help: 'what was checked',
      },
      { name: 'rule', word: ({ rule }) => rule, help: 'id of the first broken rule' },
      vmcsOf(),
    ],
    example: 'vmentry-failure',
    text: ({ stage, rule, refused }) =>
      `${stage}: ${rule}${refused === undefined ? '' : `: ${refusalText(ENTRY_AREA, refused)}`}`,
    title: ({ rule }) => `VM entry refused by ${rule}`,
  },
  vmfail: {
    summary: 'a VMX instruction that fails with CF or ZF',
    stops: 'after the instruction',
    subject: 'error',
    fields: [
      {
        name: 'error',
        size: 1,
        read: ({ error }) => error,
        meaning: (value) => (value === 0n ? undefined : errorText(Number(value))),
        help: 'VM-instruction error number; 0 where there is none',
      },
      { name: 'valid', size: 1, read: ({ valid }) => (valid ? 1 : 0), help: '1 for VMfailValid, 0 for VMfailInvalid' },
    ],
    example: 'vmfail:7',
    text: ({ error, valid }) => (valid ? `VMfailValid ${error}: ${errorText(error)}` : 'VMfailInvalid'),
    title: ({ error, valid }) => (valid ? `VM-instruction error ${error}: ${errorText(error)}` : 'VMfailInvalid'),
  },
  hypercall: {
    summary: "a guest's VMCALL",
    stops: 'in its handler',
    subject: 'number',
    fields: [{ name: 'number', size: 8, read: ({ number }) => number, help: "the guest's RAX" }],
    example: 'hypercall:1',
    text: ({ number }) => hex(number),
    title: ({ number }) => `hypercall ${hex(number)}`,
  },
  vmcs: {
    summary: 'VMREAD and VMWRITE',
    stops: 'after the instruction',
    subject: 'field',
    fields: [
      {
        name: 'field',
        size: 4,
        // The upper half of a field has the next encoding.
        read: ({ encoding }) => encoding & ~1,
        named: (text) => encodings.get(text.toLowerCase()),
        names: () => [...fieldNames],
        allNamed: true,
        meaning: (value) => fieldNames.find((name) => BigInt(vmcsFields[name].encoding) === value),
        help: 'encoding of the field, or its name',
      },
      accessOf(),
      writeOf(),
      { name: 'value', size: 8, read: ({ value }) => value, help: 'what was read or written' },
    ],
    example: 'vmcs:GUEST_RIP:w',
    text: ({ field, access, value }) =>
      `${access === 'r' ? 'read' : 'write'} ${field} ${access === 'r' ? '->' : '<-'} ${hex(value)}`,
    title: ({ field, access }) => `${field} ${access === 'r' ? 'read' : 'written'}`,
  },
  'vmcs-memory': {
    summary: 'access to the region in memory of an active VMCS, where its fields are not',
    stops: 'after the instruction',
    subject: 'vmcs',
    fields: [
      vmcsOf(),
      { name: 'address', size: 8, read: ({ address }) => address, space: 'phys', help: 'physical address' },
      { name: 'size', size: 1, read: ({ size }) => size, help: 'bytes' },
      accessOf(),
      writeOf(),
    ],
    example: 'vmcs-memory',
    text: ({ vmcs, address, size, access }) =>
      `${access === 'r' ? 'read' : 'write'} of ${size === 1 ? '1 byte' : `${size} bytes`} at offset ${hex(address - vmcs)} of the active VMCS ${hex(vmcs)}: ${
        access === 'r'
          ? 'memory holds what VMCLEAR wrote last, its fields are in the processor'
          : 'the next VMCLEAR overwrites it'
      }`,
    title: ({ vmcs, access }) => `region of the active VMCS ${hex(vmcs)} ${access === 'r' ? 'read' : 'written'}`,
  },
};
