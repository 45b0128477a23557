/**
 * Instructions that exit always, or by one control bit. Intel SDM vol. 3, "Instructions That Cause VM Exits
 * Unconditionally" and "Instructions That Cause VM Exits Conditionally".
 */

import { type Instruction, Mnemonic } from 'iced-x86';
import { CR4 } from '../../../x86/control-registers';
import { exception } from '../../../x86/exceptions';
import type { ExitReasonName } from '../../../x86/vmx/exit-reasons';
import type { ExitCause } from '../../core/exit';
import { state as layout } from '../../core/layout';
import { checkUmip } from '../../cpu/control-registers';
import type { Cpu } from '../../cpu/cpu';
import { LONG, modeOf } from '../../cpu/mode';
import { registerBytes } from '../../cpu/operands';
import { requireCpl0 } from '../../cpu/privilege';
import { refuse } from '../../cpu/refusal';
import { checkMonitor, checkPerformanceCounter, checkTimeStamp } from '../../cpu/system-instructions';
import { checkProtectedMode, checkReadable } from '../../cpu/system-segments';
import { control } from '../control-bits';
import { displacement, operandInformation, registerNumber, tableInformation } from '../instruction-information';
import { checkMode } from '../instructions';
import type { Vmx } from '../vmx';
import { exitOf, type Intercept } from './intercept';

interface Row {
  readonly reason: ExitReasonName;
  /** The instruction is refused at CPL above 0 before it exits. */
  readonly privileged?: true;
  /** What else is refused before it exits: by mode, by privilege. */
  readonly before?: (cpu: Cpu, instruction: Instruction) => void;
  /** What must be so for the instruction to exist; it is executed, and refused there, where it is not. */
  readonly exists?: (cpu: Cpu) => boolean;
  /** Word and bit that make it exit; without them it always does. */
  readonly word?: 'primary' | 'secondary';
  readonly bit?: number;
  /** Id of that control. */
  readonly by?: string;
  /** A control without which the instruction does not exist: #UD. */
  readonly enabled?: { readonly bit: number; readonly id: string };
  readonly qualification?: (vmx: Vmx, instruction: Instruction) => bigint;
  readonly information?: (instruction: Instruction) => number;
}

const name = (instruction: Instruction): string => (Mnemonic[instruction.mnemonic] as string).toLowerCase();

const rowIntercept = (row: Row): Intercept => {
  const { reason, privileged, before, exists, word, bit = 0, by, enabled, qualification, information } = row;
  const cause: ExitCause = by === undefined ? { rule: `always.${reason}` } : { rule: by, control: by };
  return (vmx, instruction) => {
    if (enabled !== undefined && !(vmx.controls.secondary & enabled.bit))
      refuse(exception.UD, 'vmx.control-absent', undefined, { instruction: name(instruction), register: enabled.id });
    if (exists?.(vmx.cpu) === false) return undefined;
    before?.(vmx.cpu, instruction);
    if (privileged) requireCpl0(vmx.cpu, name(instruction));
    if (word !== undefined && !(vmx.controls[word] & bit)) return undefined;
    if (qualification === undefined && information === undefined) return exitOf(reason, cause, instruction);
    return exitOf(reason, cause, instruction, {
      ...(qualification === undefined ? {} : { qualification: qualification(vmx, instruction) }),
      ...(information === undefined ? {} : { instructionInfo: information(instruction) }),
    });
  };
};

const primary = (reason: ExitReasonName, bit: number, id: string, more: Partial<Row> = {}): Row => ({
  reason,
  word: 'primary',
  bit,
  by: `primary.${id}`,
  ...more,
});
const secondary = (reason: ExitReasonName, bit: number, id: string, more: Partial<Row> = {}): Row => ({
  reason,
  word: 'secondary',
  bit,
  by: `secondary.${id}`,
  ...more,
});

const privileged = { privileged: true } as const;
/** VMX instructions exit at any privilege level, but not in the modes in which they do not exist. */
const vmxMode = { before: checkMode } as const;
const withAddress = {
  ...vmxMode,
  qualification: ({ cpu }: Vmx, instruction: Instruction) => displacement(instruction, modeOf(cpu.state) === LONG),
  information: (instruction: Instruction) => operandInformation(instruction, 0),
} as const;
/** VMREAD and VMWRITE: the field's register is `reg2`. */
const read = (instruction: Instruction): number => operandInformation(instruction, 0, instruction.op1Register);
const write = (instruction: Instruction): number => operandInformation(instruction, 1, instruction.op0Register);
/** INVEPT, INVVPID, INVPCID: the type's register is `reg2`, the descriptor in memory. */
const invalidation = {
  ...vmxMode,
  qualification: withAddress.qualification,
  information: (instruction: Instruction) => operandInformation(instruction, 1, instruction.op0Register),
} as const;
/** RDRAND and RDSEED: the destination in bits 6:3, the operand size in bits 12:11. */
const destination = (instruction: Instruction): number => {
  const size = { 2: 0, 4: 1, 8: 2 }[registerBytes(instruction.op0Register) as 2] ?? 0;
  return (registerNumber(instruction.op0Register) << 3) | (size << 11);
};

const descriptorTables = (reason: ExitReasonName, identity: number, more: Partial<Row> = {}): Row =>
  secondary(reason, control.descriptorTable, 'descriptor-table-exiting', {
    qualification: withAddress.qualification,
    information: (instruction) => tableInformation(instruction, identity, reason === 'GDTR_IDTR_ACCESS'),
    ...more,
  });

const notByUser = { before: (cpu: Cpu, instruction: Instruction) => checkUmip(cpu, name(instruction)) } as const;
const inProtectedMode = { before: checkProtectedMode } as const;
const inProtectedModeNotByUser = { before: checkReadable } as const;
const timeStamp = { before: (cpu: Cpu, instruction: Instruction) => checkTimeStamp(cpu, name(instruction)) } as const;
const monitoring = { before: (cpu: Cpu, instruction: Instruction) => checkMonitor(cpu, name(instruction)) } as const;
/** VM functions are numbered 0 to 63; this machine has none, so that none is enabled. */
const functionNumber = ({ state }: Cpu): void => {
  const number = state.gpr32(0);
  if (number > 63) refuse(exception.UD, 'vmx.vmfunc-number', undefined, { register: 'EAX', value: BigInt(number) });
};
const UNARMED = 0xffff_ffff_ffff_ffffn;

const rows = new Map<Mnemonic, Row>([
  [Mnemonic.Cpuid, { reason: 'CPUID' }],
  [Mnemonic.Getsec, { reason: 'GETSEC', exists: ({ state }) => (state.getU32(layout.cr4) & CR4.SMXE) !== 0 }],
  [Mnemonic.Invd, { reason: 'INVD', ...privileged }],
  [
    Mnemonic.Xsetbv,
    { reason: 'XSETBV', exists: ({ state }) => (state.getU32(layout.cr4) & CR4.OSXSAVE) !== 0, ...privileged },
  ],
  [Mnemonic.Vmcall, { reason: 'VMCALL' }],
  [Mnemonic.Vmclear, { reason: 'VMCLEAR', ...withAddress }],
  [Mnemonic.Vmlaunch, { reason: 'VMLAUNCH', ...vmxMode }],
  [Mnemonic.Vmptrld, { reason: 'VMPTRLD', ...withAddress }],
  [Mnemonic.Vmptrst, { reason: 'VMPTRST', ...withAddress }],
  [Mnemonic.Vmread, { reason: 'VMREAD', ...withAddress, information: read }],
  [Mnemonic.Vmresume, { reason: 'VMRESUME', ...vmxMode }],
  [Mnemonic.Vmwrite, { reason: 'VMWRITE', ...withAddress, information: write }],
  [Mnemonic.Vmxoff, { reason: 'VMXOFF', ...vmxMode }],
  [Mnemonic.Vmxon, { reason: 'VMXON', ...withAddress }],
  [Mnemonic.Invept, { reason: 'INVEPT', ...invalidation }],
  [Mnemonic.Invvpid, { reason: 'INVVPID', ...invalidation }],
  [
    Mnemonic.Vmfunc,
    {
      reason: 'VMFUNC',
      enabled: { bit: control.enableVmfunc, id: 'secondary.enable-vm-functions' },
      before: functionNumber,
    },
  ],

  [Mnemonic.Hlt, primary('HLT', control.hlt, 'hlt-exiting', privileged)],
  [
    Mnemonic.Invlpg,
    primary('INVLPG', control.invlpg, 'invlpg-exiting', {
      ...privileged,
      qualification: (vmx, instruction) => vmx.flatAddress(instruction),
    }),
  ],
  [
    Mnemonic.Invpcid,
    primary('INVPCID', control.invlpg, 'invlpg-exiting', {
      enabled: { bit: control.enableInvpcid, id: 'secondary.enable-invpcid' },
      qualification: withAddress.qualification,
      information: invalidation.information,
      ...privileged,
    }),
  ],
  [
    Mnemonic.Mwait,
    primary('MWAIT', control.mwait, 'mwait-exiting', {
      ...monitoring,
      // Bit 0: a line is monitored.
      qualification: ({ cpu }) => (cpu.state.getU64(layout.monitor) === UNARMED ? 0n : 1n),
    }),
  ],
  [Mnemonic.Monitor, primary('MONITOR', control.monitor, 'monitor-exiting', monitoring)],
  [Mnemonic.Rdpmc, primary('RDPMC', control.rdpmc, 'rdpmc-exiting', { before: checkPerformanceCounter })],
  [Mnemonic.Rdtsc, primary('RDTSC', control.rdtsc, 'rdtsc-exiting', timeStamp)],
  [
    Mnemonic.Rdtscp,
    primary('RDTSCP', control.rdtsc, 'rdtsc-exiting', {
      enabled: { bit: control.enableRdtscp, id: 'secondary.enable-rdtscp' },
      ...timeStamp,
    }),
  ],
  [Mnemonic.Wbinvd, secondary('WBINVD', control.wbinvd, 'wbinvd-exiting', privileged)],
  [Mnemonic.Rdrand, secondary('RDRAND', control.rdrand, 'rdrand-exiting', { information: destination })],
  [Mnemonic.Rdseed, secondary('RDSEED', control.rdseed, 'rdseed-exiting', { information: destination })],

  [Mnemonic.Sgdt, descriptorTables('GDTR_IDTR_ACCESS', 0, notByUser)],
  [Mnemonic.Sidt, descriptorTables('GDTR_IDTR_ACCESS', 1, notByUser)],
  [Mnemonic.Lgdt, descriptorTables('GDTR_IDTR_ACCESS', 2, privileged)],
  [Mnemonic.Lidt, descriptorTables('GDTR_IDTR_ACCESS', 3, privileged)],
  [Mnemonic.Sldt, descriptorTables('LDTR_TR_ACCESS', 0, inProtectedModeNotByUser)],
  [Mnemonic.Str, descriptorTables('LDTR_TR_ACCESS', 1, inProtectedModeNotByUser)],
  [Mnemonic.Lldt, descriptorTables('LDTR_TR_ACCESS', 2, { ...inProtectedMode, ...privileged })],
  [Mnemonic.Ltr, descriptorTables('LDTR_TR_ACCESS', 3, { ...inProtectedMode, ...privileged })],
]);

export const controlIntercepts: ReadonlyMap<Mnemonic, Intercept> = new Map(
  [...rows].map(([mnemonic, row]) => [mnemonic, rowIntercept(row)]),
);
