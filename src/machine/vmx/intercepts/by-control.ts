/**
 * Instructions that exit always, or by one control bit. Intel SDM vol. 3, "Instructions That Cause VM Exits
 * Unconditionally" and "Instructions That Cause VM Exits Conditionally".
 */

import { type Instruction, Mnemonic } from 'iced-x86';
import { exception } from '../../../x86/exceptions';
import type { ExitReasonName } from '../../../x86/vmx/exit-reasons';
import { registerBytes } from '../../cpu/operands';
import { requireCpl0 } from '../../cpu/privilege';
import { refuse } from '../../cpu/refusal';
import { control } from '../control-bits';
import { displacement, operandInformation, registerNumber, tableInformation } from '../instruction-information';
import type { Vmx } from '../vmx';
import { exitOf, type Intercept } from './intercept';

interface Row {
  readonly reason: ExitReasonName;
  /** The instruction is refused at CPL above 0 before it exits. */
  readonly privileged?: true;
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
  const { reason, privileged, word, bit = 0, by, enabled, qualification, information } = row;
  const rule = by === undefined ? `always.${reason}` : by;
  return (vmx, instruction) => {
    if (enabled !== undefined && !(vmx.controls.secondary & enabled.bit))
      refuse(exception.UD, 'vmx.control-absent', undefined, { instruction: name(instruction), register: enabled.id });
    if (privileged) requireCpl0(vmx.cpu, name(instruction));
    if (word !== undefined && !(vmx.controls[word] & bit)) return undefined;
    return exitOf(reason, { rule, ...(by === undefined ? {} : { control: by }) }, instruction, {
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
const withAddress = {
  qualification: (_: Vmx, instruction: Instruction) => displacement(instruction),
  information: (instruction: Instruction) => operandInformation(instruction, 0),
} as const;
/** VMREAD and VMWRITE: the field's register is `reg2`. */
const read = (instruction: Instruction): number => operandInformation(instruction, 0, instruction.op1Register);
const write = (instruction: Instruction): number => operandInformation(instruction, 1, instruction.op0Register);
/** INVEPT, INVVPID, INVPCID: the type's register is `reg2`, the descriptor in memory. */
const invalidation = {
  qualification: withAddress.qualification,
  information: (instruction: Instruction) => operandInformation(instruction, 1, instruction.op0Register),
} as const;
/** RDRAND and RDSEED: the destination in bits 6:3, the operand size in bits 12:11. */
const destination = (instruction: Instruction): number => {
  const size = { 2: 0, 4: 1, 8: 2 }[registerBytes(instruction.op0Register) as 2] ?? 0;
  return (registerNumber(instruction.op0Register) << 3) | (size << 11);
};

const table = (identity: number): Partial<Row> => ({
  qualification: withAddress.qualification,
  information: (instruction) => tableInformation(instruction, identity, true),
});

const descriptorTables = (reason: ExitReasonName, identity: number, more: Partial<Row> = {}): Row =>
  secondary(reason, control.descriptorTable, 'descriptor-table-exiting', { ...table(identity), ...more });

const rows = new Map<Mnemonic, Row>([
  [Mnemonic.Cpuid, { reason: 'CPUID' }],
  [Mnemonic.Getsec, { reason: 'GETSEC' }],
  [Mnemonic.Invd, { reason: 'INVD', ...privileged }],
  [Mnemonic.Xsetbv, { reason: 'XSETBV', ...privileged }],
  [Mnemonic.Vmcall, { reason: 'VMCALL' }],
  [Mnemonic.Vmclear, { reason: 'VMCLEAR', ...withAddress }],
  [Mnemonic.Vmlaunch, { reason: 'VMLAUNCH' }],
  [Mnemonic.Vmptrld, { reason: 'VMPTRLD', ...withAddress }],
  [Mnemonic.Vmptrst, { reason: 'VMPTRST', ...withAddress }],
  [Mnemonic.Vmread, { reason: 'VMREAD', qualification: withAddress.qualification, information: read }],
  [Mnemonic.Vmresume, { reason: 'VMRESUME' }],
  [Mnemonic.Vmwrite, { reason: 'VMWRITE', qualification: withAddress.qualification, information: write }],
  [Mnemonic.Vmxoff, { reason: 'VMXOFF' }],
  [Mnemonic.Vmxon, { reason: 'VMXON', ...withAddress }],
  [Mnemonic.Invept, { reason: 'INVEPT', ...invalidation }],
  [Mnemonic.Invvpid, { reason: 'INVVPID', ...invalidation }],
  [Mnemonic.Vmfunc, { reason: 'VMFUNC', enabled: { bit: control.enableVmfunc, id: 'secondary.enable-vm-functions' } }],

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
      ...privileged,
      ...invalidation,
    }),
  ],
  [Mnemonic.Mwait, primary('MWAIT', control.mwait, 'mwait-exiting', privileged)],
  [Mnemonic.Monitor, primary('MONITOR', control.monitor, 'monitor-exiting', privileged)],
  [Mnemonic.Rdpmc, primary('RDPMC', control.rdpmc, 'rdpmc-exiting')],
  [Mnemonic.Rdtsc, primary('RDTSC', control.rdtsc, 'rdtsc-exiting')],
  [
    Mnemonic.Rdtscp,
    primary('RDTSCP', control.rdtsc, 'rdtsc-exiting', {
      enabled: { bit: control.enableRdtscp, id: 'secondary.enable-rdtscp' },
    }),
  ],
  [Mnemonic.Wbinvd, secondary('WBINVD', control.wbinvd, 'wbinvd-exiting', privileged)],
  [Mnemonic.Rdrand, secondary('RDRAND', control.rdrand, 'rdrand-exiting', { information: destination })],
  [Mnemonic.Rdseed, secondary('RDSEED', control.rdseed, 'rdseed-exiting', { information: destination })],

  [Mnemonic.Sgdt, descriptorTables('GDTR_IDTR_ACCESS', 0)],
  [Mnemonic.Sidt, descriptorTables('GDTR_IDTR_ACCESS', 1)],
  [Mnemonic.Lgdt, descriptorTables('GDTR_IDTR_ACCESS', 2, privileged)],
  [Mnemonic.Lidt, descriptorTables('GDTR_IDTR_ACCESS', 3, privileged)],
  [Mnemonic.Sldt, descriptorTables('LDTR_TR_ACCESS', 0)],
  [Mnemonic.Str, descriptorTables('LDTR_TR_ACCESS', 1)],
  [Mnemonic.Lldt, descriptorTables('LDTR_TR_ACCESS', 2, privileged)],
  [Mnemonic.Ltr, descriptorTables('LDTR_TR_ACCESS', 3, privileged)],
]);

export const controlIntercepts: ReadonlyMap<Mnemonic, Intercept> = new Map(
  [...rows].map(([mnemonic, row]) => [mnemonic, rowIntercept(row)]),
);
