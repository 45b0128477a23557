/** A VM exit in one sentence: what happened, what it was about, and the control, bitmap bit or mask that decided it. */

import type { Exit, ExitCause } from '../../machine/core/exit';
import type { Machine } from '../../machine/pc';
import type { VirtualCpu } from '../../machine/virtual-cpu';
import type { Vmcs } from '../../machine/vmx/vmcs';
import { hex, linear } from '../../x86/address';
import { exitReasonName, exitReasons } from '../../x86/vmx/exit-reasons';
import { explainFault } from '../explain';
import type { Item } from '../item';
import { bitmapBitText, controlName, controlText, fieldBitText, fieldText } from './control-words';
import { pageFaultText } from './exceptions';
import { qualificationText, vectoringText } from './qualification';

/** The exception bitmap, and for page faults what its bit counts as. */
function exceptionText({ bit = 0 }: ExitCause, exit: Exit, vmcs: Vmcs | undefined): string {
  const pageFault = bit === PAGE_FAULT ? `, ${pageFaultText(exit.errorCode ?? 0, vmcs)}` : '';
  return `EXCEPTION_BITMAP bit ${bit} is ${bitOf(vmcs, bit)}${pageFault}`;
}

/** What decided, when one bit alone did not: rows by the rule's id. */
const rows: Readonly<Record<string, (cause: ExitCause, exit: Exit, vmcs: Vmcs | undefined) => string>> = {
  'exception.bitmap': exceptionText,
  'exception.page-fault': exceptionText,
  'cr3.load': ({ control = '', value = 0n }, _, vmcs) =>
    `${controlText(control, 1)} and ${hex(value)} is none of the CR3-target values (${fieldText(vmcs, 'CR3_TARGET_COUNT')})`,
  'io.bitmap': (cause) => bitmapText(cause, `for port ${hex(cause.value ?? 0n)}`),
  'io.wraps': ({ control = '' }) =>
    `${controlText(control, 1)} and the access goes past port 0xffff, which always exits`,
  'msr.bitmap': (cause) => bitmapText(cause, `for MSR ${hex(cause.value ?? 0n)}`),
  'msr.no-bitmap': ({ control = '' }) => `${controlText(control, 0)}: RDMSR and WRMSR always exit`,
  'msr.outside-bitmap': ({ control = '', value = 0n }) =>
    `${controlText(control, 1)} and MSR ${hex(value)} lies outside the bitmaps' ranges (0x0-0x1fff and 0xc0000000-0xc0001fff), which always exits`,
  'always.VMFUNC': () =>
    `${controlText('secondary.enable-vm-functions', 1)} and no VM function is allowed: it always exits`,
  'tpr.threshold': ({ control = '' }, _, vmcs) =>
    `${controlText(control, 1)} and the virtual task priority is below ${fieldText(vmcs, 'TPR_THRESHOLD')}`,
  'ept.violation': (cause) => `${entryText(cause)} does not allow it`,
  'ept.write-only': (cause) => `${entryText(cause)} allows writes (bit 1) but no reads (bit 0)`,
  'ept.execute-only': (cause) =>
    `${entryText(cause)} allows only fetches (bit 2 without bit 0), which this processor does not support`,
  'ept.reserved': (cause) => `${entryText(cause)} has reserved bit ${cause.bit} set`,
  'ept.memory-type': (cause) => `${entryText(cause)} has a reserved memory type in bits 5:3`,
};

const PAGE_FAULT = 14;

const bitOf = (vmcs: Vmcs | undefined, bit: number): number =>
  vmcs === undefined ? 1 : (vmcs.get32('EXCEPTION_BITMAP') >>> bit) & 1;

const bitmapText = ({ control, field = '', bitmapByte = 0n, bit = 0 }: ExitCause, what: string): string =>
  `${bitmapBitText(bitmapByte, bit)} is 1 (${field}, ${what}${control === undefined ? '' : `; ${controlText(control, 1)}`})`;

const entryText = ({ value, bitmapByte }: ExitCause): string =>
  value === undefined || bitmapByte === undefined
    ? 'the address has more than 48 bits, and EPT'
    : `the EPT entry ${hex(value)} at ${hex(bitmapByte)}`;

/** What decided that it exits. */
const causeText = (exit: Exit, vmcs: Vmcs | undefined): string => {
  const { cause } = exit;
  const row = rows[cause.rule];
  if (row !== undefined) return row(cause, exit, vmcs);
  const { control, field, bit } = cause;
  const parts: string[] = [];
  if (control !== undefined) parts.push(controlText(control, 1));
  if (field !== undefined && bit !== undefined) {
    const register = /^CR\d/.exec(field)?.[0];
    const differs =
      register === undefined ? '' : ` and the value differs there from ${fieldText(vmcs, `${register}_READ_SHADOW`)}`;
    parts.push(`${fieldBitText(field, bit)} is 1${differs}`);
  } else if (field !== undefined) parts.push(fieldText(vmcs, field));
  if (parts.length > 0) return parts.join(' and ');
  return exit.entryFailure ? `rule ${cause.rule}` : 'it always exits: no control decides';
};

/** `VM exit 12 HLT: HLT was executed; "HLT exiting" (primary control bit 7) is 1`. Values of fields are those of the VMCS. */
export const exitText = (exit: Exit, vmcs?: Vmcs): string => {
  const name = exitReasonName(exit.reason);
  const what = qualificationText(exit) ?? (name === undefined ? '' : exitReasons[name].meaning);
  const kind = exit.entryFailure ? 'VM entry failed, exit' : 'VM exit';
  return `${kind} ${exit.reason} ${name ?? 'unknown'}: ${what}${vectoringText(exit)}; ${causeText(exit, vmcs)}`;
};

/** The same with the values of the fields that decided. */
export const explainExit = (machine: Machine, vcpu: number, exit: Exit & { readonly vmcs?: bigint }): string =>
  exitText(exit, vmcsOf(machine.cpus[vcpu], exit.vmcs));

/** The VMCS of an exit, or the current one. */
const vmcsOf = (vcpu: VirtualCpu | undefined, address: bigint | undefined): Vmcs | undefined =>
  address === undefined ? vcpu?.vmx?.current : vcpu?.vmx?.slots.find(address);

/** The same in parts. */
export const exitItems = (machine: Machine, vcpu: number, exit: Exit & { readonly vmcs?: bigint }): Item[] => {
  const vmcs = vmcsOf(machine.cpus[vcpu], exit.vmcs);
  const name = exitReasonName(exit.reason);
  const number = (
    label: string,
    bits: bigint | number | undefined,
    size: 1 | 2 | 4 | 8,
    more: Partial<Item> = {},
  ): Item[] => (bits === undefined ? [] : [{ name: label, bits: BigInt(bits), size, ...more }]);
  const { cause } = exit;
  const qualification = qualificationText(exit);
  return [
    { name: 'exit reason', bits: BigInt(exit.reason), size: 2, meaning: name ?? 'unknown' },
    ...number('qualification', exit.qualification, 8, qualification === undefined ? {} : { meaning: qualification }),
    { name: 'decided by', meaning: causeText(exit, vmcs) },
    { name: 'rule', meaning: cause.rule },
    ...(cause.control === undefined ? [] : [{ name: 'control', meaning: controlName(cause.control) }]),
    ...(cause.bitmapByte === undefined
      ? []
      : number(cause.rule.startsWith('ept.') ? 'EPT entry at' : 'bitmap byte at', cause.bitmapByte, 8, {
          memory: { space: 'phys', address: cause.bitmapByte },
        })),
    ...number('guest-linear address', exit.guestLinear, 8),
    ...number('guest-physical address', exit.guestPhysical, 8),
    ...number('interruption information', exit.interruption, 4),
    ...number('IDT-vectoring information', exit.vectoring, 4),
    ...number('instruction length', exit.instructionLength, 1),
    ...(exit.chain ?? []).map((record, n, { length }): Item => {
      const name = length === 1 ? 'raised by' : `fault ${n + 1}`;
      return { name, meaning: explainFault(record), code: linear(record.rip) };
    }),
  ];
};
