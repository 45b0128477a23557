/**
 * What an exit was about, in words: the exit qualification and what else the information fields say. Intel SDM vol. 3,
 * "Information for VM Exits Due to Instruction Execution", "Exit Qualification for …" by the kind of exit.
 */

import type { Exit } from '../../machine/core/exit';
import { hex } from '../../x86/address';
import { msrAt } from '../../x86/msrs';
import { gprNames64 } from '../../x86/registers';
import { type ExitReasonName, exitReasonName } from '../../x86/vmx/exit-reasons';
import { faultTitle, vectorName } from '../explain';

const bits = (value: bigint, low: number, count: number): number =>
  Number((value >> BigInt(low)) & ((1n << BigInt(count)) - 1n));

const general = (number: number): string => (gprNames64[number] as string).toUpperCase();

const exceptionText = ({ interruption = 0, errorCode, qualification = 0n }: Exit): string => {
  const vector = interruption & 0xff;
  if (vector === 2) return 'an NMI';
  const code = errorCode === undefined ? {} : { errorCode };
  const causes = vector === 1 ? debugCauses(qualification) : '';
  return `${faultTitle({ vector, ...code, cr2: qualification, why: { rule: 'vmx.exit' } })}${causes}`;
};

/** Bits 3:0 name the matching breakpoints. */
const debugCauses = (qualification: bigint): string => {
  const found = [0, 1, 2, 3].filter((n) => bits(qualification, n, 1)).map((n) => `DR${n} matched`);
  if (bits(qualification, 13, 1)) found.push('a debug register was touched while DR7.GD is 1');
  if (bits(qualification, 14, 1)) found.push('single step');
  return found.length === 0 ? '' : ` (${found.join(', ')})`;
};

const controlAccess = (qualification: bigint): string => {
  const register = `CR${bits(qualification, 0, 4)}`;
  const other = general(bits(qualification, 8, 4));
  switch (bits(qualification, 4, 2)) {
    case 0:
      return `MOV to ${register} from ${other}`;
    case 1:
      return `MOV from ${register} to ${other}`;
    case 2:
      return 'CLTS';
    default:
      return `LMSW with ${hex(bits(qualification, 16, 16))}${bits(qualification, 6, 1) ? ' from memory' : ''}`;
  }
};

const debugAccess = (qualification: bigint): string => {
  const register = `DR${bits(qualification, 0, 3)}`;
  const other = general(bits(qualification, 8, 4));
  return bits(qualification, 4, 1) ? `MOV from ${register} to ${other}` : `MOV to ${register} from ${other}`;
};

const portAccess = (qualification: bigint): string => {
  const input = bits(qualification, 3, 1);
  const string = bits(qualification, 4, 1);
  const repeated = bits(qualification, 5, 1) ? 'REP ' : '';
  const name = string ? (input ? 'INS' : 'OUTS') : input ? 'IN' : 'OUT';
  const size = bits(qualification, 0, 3) + 1;
  const port = hex(bits(qualification, 16, 16));
  return `${repeated}${name} of ${size === 1 ? '1 byte' : `${size} bytes`} ${input ? 'from' : 'to'} port ${port}`;
};

const msrAccess = (name: string, { cause }: Exit): string => {
  if (cause.value === undefined) return name;
  const known = msrAt(Number(cause.value));
  return `${name} of ${known === undefined ? `MSR ${hex(cause.value)}` : `${known.name} (${hex(cause.value)})`}`;
};

const rights = (mask: number): string => {
  const allowed = ['read', 'write', 'execute'].filter((_, bit) => (mask >> bit) & 1);
  return allowed.length === 0 ? 'nothing' : allowed.join(', ');
};

const violation = ({ qualification = 0n, guestPhysical = 0n, guestLinear = 0n }: Exit): string => {
  const kinds = ['read', 'write', 'instruction fetch'].filter((_, bit) => bits(qualification, bit, 1));
  const linear = !bits(qualification, 7, 1)
    ? ''
    : bits(qualification, 8, 1)
      ? ` (linear address ${hex(guestLinear)})`
      : ` (a paging-structure entry for linear address ${hex(guestLinear)})`;
  return `${kinds.join(' and ')} at guest-physical ${hex(guestPhysical)}${linear}; EPT allows ${rights(bits(qualification, 3, 3))} there`;
};

const switches = ['CALL', 'IRET', 'JMP', 'a task gate in the IDT'] as const;

/** Intel SDM vol. 3, "VM-Entry Failures During or After Loading Guest State". */
const failures: Readonly<Record<string, string>> = {
  '2': 'the PDPTEs',
  '3': 'an NMI would be injected while STI blocks it',
  '4': 'the VMCS link pointer',
};

const address = ({ qualification = 0n }: Exit): string => `linear address ${hex(qualification)}`;

const rows: Partial<Record<ExitReasonName, (exit: Exit) => string | undefined>> = {
  EXCEPTION_NMI: exceptionText,
  EXTERNAL_INTERRUPT: ({ interruption }) =>
    interruption === undefined
      ? 'not acknowledged: it still waits'
      : `${vectorName(interruption & 0xff)}, acknowledged at the controller`,
  TASK_SWITCH: ({ qualification = 0n }) =>
    `to the TSS with selector ${hex(bits(qualification, 0, 16))} by ${switches[bits(qualification, 30, 2)]}`,
  INVLPG: address,
  CR_ACCESS: ({ qualification = 0n }) => controlAccess(qualification),
  DR_ACCESS: ({ qualification = 0n }) => debugAccess(qualification),
  IO_INSTRUCTION: ({ qualification = 0n }) => portAccess(qualification),
  RDMSR: (exit) => msrAccess('RDMSR', exit),
  WRMSR: (exit) => msrAccess('WRMSR', exit),
  MWAIT: ({ qualification = 0n }) => (qualification & 1n ? 'MONITOR is armed' : 'MONITOR is not armed'),
  EPT_VIOLATION: violation,
  EPT_MISCONFIGURATION: ({ guestPhysical = 0n }) => `access to guest-physical ${hex(guestPhysical)}`,
  ENTRY_FAILURE_GUEST_STATE: ({ qualification = 0n }) => failures[String(qualification)],
  ENTRY_FAILURE_MSR_LOADING: ({ qualification = 0n }) => `entry ${qualification} of the VM-entry MSR-load area`,
};

/** What the qualification says; undefined where the reason says all. */
export const qualificationText = (exit: Exit): string | undefined => {
  const name = exitReasonName(exit.reason);
  return name === undefined ? undefined : rows[name]?.(exit);
};

const types = ['external interrupt', '', 'NMI', 'exception', 'software interrupt', 'exception', 'exception'] as const;

/** What was being delivered when the exit came: ` while #PF was being delivered`. */
export const vectoringText = ({ vectoring }: Exit): string => {
  if (vectoring === undefined) return '';
  const vector = vectoring & 0xff;
  const type = types[(vectoring >>> 8) & 7] ?? '';
  const what = type === 'exception' ? vectorName(vector) : type === 'NMI' ? type : `${type} ${hex(vector)}`;
  return `, while ${what} was being delivered in the guest`;
};
