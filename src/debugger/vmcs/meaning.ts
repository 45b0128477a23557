/** What the value of a VMCS field says, in words; from the values of a VMCS alone, so that a dump can be read as well. */

import type { Exit } from '../../machine/core/exit';
import { hex } from '../../x86/address';
import type { RegisterBits } from '../../x86/control-registers';
import { exceptionOf } from '../../x86/exceptions';
import {
  controlAccesses,
  debugQualification,
  displacementExits,
  entryFailureQualifications,
  instructionInformationBits,
  qualificationBits,
  taskSwitchSources,
} from '../../x86/vmx/exit-information';
import { type ExitReasonName, exitReasonName } from '../../x86/vmx/exit-reasons';
import { activityStates, fieldBits, interruptionTypes } from '../../x86/vmx/field-bits';
import type { FieldName } from '../../x86/vmx/fields';
import { type InstructionError, instructionErrors } from '../../x86/vmx/instruction-errors';
import { bitField, bitNames } from '../inspect/decode';
import { rightsText, selectorText } from '../inspect/rights';
import { qualificationText } from '../why/qualification';

/** Values of the same VMCS; undefined for what is not known. */
export type Values = (name: FieldName) => bigint | undefined;

const VALID = 1n << 31n;
const ALL_ONES = 0xffff_ffff_ffff_ffffn;
const LONG_GUEST = 1n << 9n;

/** `#PF, hardware exception, with error code`. Intel SDM vol. 3, "VM-Entry Controls for Event Injection". */
const eventText = (value: bigint): string => {
  if (!(value & VALID)) return value === 0n ? 'none' : 'not valid';
  const vector = Number(value & 0xffn);
  const type = Number(bitField(value, 8, 3));
  const exception = type === 3 || type === 5 || type === 6 ? exceptionOf(vector)?.mnemonic : undefined;
  const name = type === 2 ? 'NMI' : type === 7 ? 'pending MTF exit' : (exception ?? `vector ${hex(vector)}`);
  const rest = [
    type === 2 || type === 7 ? undefined : interruptionTypes[type],
    value & (1n << 11n) ? 'with error code' : undefined,
    value & (1n << 12n) ? 'NMIs unblocked by IRET' : undefined,
  ];
  return [name, ...rest.filter((part) => part !== undefined)].join(', ');
};

/** The basic reason of the exit that the information fields tell of. */
const reasonOf = (values: Values): ExitReasonName | undefined => {
  const reason = values('VM_EXIT_REASON');
  return reason === undefined ? undefined : exitReasonName(Number(reason & 0xffffn));
};

/** The information fields as the exit that wrote them. */
const exitOf = (values: Values): Exit => {
  const number = (name: FieldName): number => Number(values(name) ?? 0n);
  const interruption = number('VM_EXIT_INTR_INFO');
  return {
    reason: number('VM_EXIT_REASON') & 0xffff,
    cause: { rule: '' },
    qualification: values('EXIT_QUALIFICATION') ?? 0n,
    guestLinear: values('GUEST_LINEAR_ADDRESS') ?? 0n,
    guestPhysical: values('GUEST_PHYSICAL_ADDRESS') ?? 0n,
    ...(interruption >>> 31 ? { interruption } : {}),
    ...(interruption & 0x800 ? { errorCode: number('VM_EXIT_INTR_ERROR_CODE') } : {}),
    instructionInfo: number('VMX_INSTRUCTION_INFO'),
  };
};

const qualification = (value: bigint, values: Values): string => {
  const reason = reasonOf(values);
  if (reason === undefined) return '';
  // Also before the first exit, when all is 0.
  if (reason === 'EXCEPTION_NMI' && !((values('VM_EXIT_INTR_INFO') ?? 0n) & VALID)) return '';
  if (displacementExits.has(reason)) return `displacement ${BigInt.asIntN(64, value)}`;
  if (reason === 'ENTRY_FAILURE_GUEST_STATE') return entryFailureQualifications[Number(value)] ?? '';
  return qualificationText(exitOf((name) => (name === 'EXIT_QUALIFICATION' ? value : values(name)))) ?? '';
};

const exitReason = (value: bigint): string => {
  const name = exitReasonName(Number(value & 0xffffn)) ?? `reason ${value & 0xffffn}`;
  const failed = value & VALID ? ' (the VM entry failed)' : '';
  return `${name}${failed}`;
};

const eptPointer = (value: bigint): string => {
  const type = { 0: 'uncacheable', 6: 'write-back' }[Number(value & 7n)] ?? `memory type ${value & 7n}`;
  const flags = value & 0x40n ? ', accessed and dirty flags' : '';
  return `table at ${hex(value & 0xf_ffff_ffff_f000n)}, ${type}, ${bitField(value, 3, 3) + 1n} levels${flags}`;
};

/** All ones mean "none". */
const link = (value: bigint): string => (value === ALL_ONES ? 'none' : '');
const count = (value: bigint): string => String(value);

type Meaning = (value: bigint, values: Values) => string;

const rows: readonly (readonly [RegExp, Meaning])[] = [
  [
    /_AR_BYTES$/,
    (value, values) => rightsText(Number(value), ((values('VM_ENTRY_CONTROLS') ?? 0n) & LONG_GUEST) !== 0n),
  ],
  [/_SELECTOR$/, (value) => selectorText(Number(value))],
  [/INTR_INFO(_FIELD)?$|^IDT_VECTORING_INFO_FIELD$/, eventText],
  [/^VM_EXIT_REASON$/, exitReason],
  [/^EXIT_QUALIFICATION$/, qualification],
  [
    /^VM_INSTRUCTION_ERROR$/,
    (value) => (value === 0n ? '' : (instructionErrors[Number(value) as InstructionError] ?? '')),
  ],
  [/^GUEST_ACTIVITY_STATE$/, (value) => activityStates[Number(value)] ?? 'no such state'],
  [/^EPT_POINTER$/, eptPointer],
  [/^VMCS_LINK_POINTER$/, link],
  [/_COUNT$|_LEN$|^PLE_|^VMX_PREEMPTION_TIMER_VALUE$|^CR3_TARGET_COUNT$|^VIRTUAL_PROCESSOR_ID$|^TSC_OFFSET$/, count],
];

/** The named bits of a field; those of information fields depend on the exit. */
export const bitsOfField = (name: FieldName, values: Values): RegisterBits | undefined => {
  const reason = reasonOf(values);
  if (name === 'EXIT_QUALIFICATION') {
    const debug = reason === 'EXCEPTION_NMI' && ((values('VM_EXIT_INTR_INFO') ?? 0n) & 0xffn) === 1n;
    return debug ? debugQualification : reason && qualificationBits[reason];
  }
  if (name === 'VMX_INSTRUCTION_INFO') return reason && instructionInformationBits[reason];
  return fieldBits[name];
};

/** Empty where the number says all. */
export const fieldMeaning = (name: FieldName, value: bigint, values: Values): string => {
  const row = rows.find(([pattern]) => pattern.test(name));
  if (row !== undefined) return row[1](value, values);
  const bits = bitsOfField(name, values);
  return bits === undefined ? '' : bitNames(value, bits);
};

/** What the value of some bits says beyond its number. */
export const partMeaning = (name: FieldName, part: string, value: bigint): string | undefined => {
  if (name === 'EXIT_QUALIFICATION' && part === 'access') return controlAccesses[Number(value)];
  if (name === 'EXIT_QUALIFICATION' && part === 'source') return taskSwitchSources[Number(value)];
  if (part === 'type' && /INFO/.test(name)) return interruptionTypes[Number(value)];
  return part === 'basic' ? exitReasonName(Number(value)) : undefined;
};
