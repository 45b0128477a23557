/**
 * What the exit qualification and the instruction information say, by exit reason: named bits. Intel SDM vol. 3, "Basic
 * VM-Exit Information" and "Information for VM Exits Due to Instruction Execution".
 */

import type { RegisterBits } from '../control-registers';
import type { ExitReasonName } from './exit-reasons';
import { bit } from './field-bits';

type ByReason = Readonly<Partial<Record<ExitReasonName, RegisterBits>>>;

const each = (names: readonly ExitReasonName[], bits: RegisterBits): ByReason =>
  Object.fromEntries(names.map((name) => [name, bits]));

/** Qualifications that consist of bits. */
export const qualificationBits: ByReason = {
  SIPI: { vector: bit(0, 'vector of the start-up IPI', 8) },
  TASK_SWITCH: { selector: bit(0, 'selector of the new TSS', 16), source: bit(30, 'source', 2) },
  CR_ACCESS: {
    register: bit(0, 'number of the control register', 4),
    access: bit(4, 'MOV to CR, MOV from CR, CLTS, LMSW', 2),
    lmsw_memory: bit(6, 'the operand of LMSW is in memory'),
    gpr: bit(8, 'general register', 4),
    lmsw_source: bit(16, 'source of LMSW', 16),
  },
  DR_ACCESS: {
    register: bit(0, 'number of the debug register', 3),
    read: bit(4, 'MOV from DR'),
    gpr: bit(8, 'general register', 4),
  },
  IO_INSTRUCTION: {
    size: bit(0, 'bytes less 1', 3),
    in: bit(3, 'IN rather than OUT'),
    string: bit(4, 'INS or OUTS'),
    rep: bit(5, 'REP'),
    immediate: bit(6, 'the port is an immediate'),
    port: bit(16, 'port', 16),
  },
  MWAIT: { armed: bit(0, 'address-range monitoring is armed') },
  EPT_VIOLATION: {
    read: bit(0, 'data read'),
    write: bit(1, 'data write'),
    fetch: bit(2, 'instruction fetch'),
    readable: bit(3, 'EPT allows reads'),
    writable: bit(4, 'EPT allows writes'),
    executable: bit(5, 'EPT allows execution'),
    linear_valid: bit(7, 'the guest-linear address is valid'),
    translated: bit(8, 'the access to the translation, not to a paging structure'),
    user: bit(9, 'the linear address is a user one'),
    writable_linear: bit(10, 'the linear address is writable'),
    nx_linear: bit(11, 'the linear address is execute-disabled'),
    nmi_unblocking: bit(12, 'NMIs unblocked by IRET'),
  },
};

/** Exits whose qualification is the displacement of the memory operand. */
export const displacementExits: ReadonlySet<ExitReasonName> = new Set([
  'GDTR_IDTR_ACCESS',
  'LDTR_TR_ACCESS',
  'INVEPT',
  'INVPCID',
  'INVVPID',
  'VMCLEAR',
  'VMPTRLD',
  'VMPTRST',
  'VMREAD',
  'VMWRITE',
  'VMXON',
]);

/** Qualification of entry failures. Intel SDM vol. 3, "VM-Entry Failures During or After Loading Guest State". */
export const entryFailureQualifications: Readonly<Record<number, string>> = {
  2: 'loading the PDPTEs',
  3: 'NMI injection while blocked by STI',
  4: 'invalid VMCS link pointer',
};

/** #DB: bits as in DR6. */
export const debugQualification: RegisterBits = {
  b0: bit(0, 'breakpoint 0 met'),
  b1: bit(1, 'breakpoint 1 met'),
  b2: bit(2, 'breakpoint 2 met'),
  b3: bit(3, 'breakpoint 3 met'),
  bd: bit(13, 'access to a debug register'),
  bs: bit(14, 'single step'),
  rtm: bit(16, 'within a transactional region'),
};

export const controlAccesses: readonly string[] = ['MOV to', 'MOV from', 'CLTS', 'LMSW'];
export const taskSwitchSources: readonly string[] = ['CALL', 'IRET', 'JMP', 'a task gate'];

// Instruction information

const addressSize = { address_size: bit(7, 'address size: 0 16-bit, 1 32-bit, 2 64-bit', 3) };
const segment = { segment: bit(15, 'segment register', 3) };
const memory: RegisterBits = {
  scaling: bit(0, 'scale of the index, as a power of 2', 2),
  ...addressSize,
  ...segment,
  index: bit(18, 'index register', 4),
  no_index: bit(22, 'there is no index'),
  base: bit(23, 'base register', 4),
  no_base: bit(27, 'there is no base'),
};
const either: RegisterBits = {
  register: bit(3, 'register operand', 4),
  is_register: bit(10, 'the operand is a register'),
  ...memory,
};
const second = { second: bit(28, 'second register operand', 4) };
const random: RegisterBits = {
  register: bit(3, 'destination', 4),
  operand_size: bit(11, 'operand size: 0 16-bit, 1 32-bit, 2 64-bit', 2),
};

export const instructionInformationBits: ByReason = {
  ...each(['INVEPT', 'INVPCID', 'INVVPID'], { ...memory, ...second }),
  ...each(['VMCLEAR', 'VMPTRLD', 'VMPTRST', 'VMXON'], memory),
  ...each(['VMREAD', 'VMWRITE'], { ...either, ...second }),
  ...each(['RDRAND', 'RDSEED'], random),
  IO_INSTRUCTION: { ...addressSize, ...segment },
  GDTR_IDTR_ACCESS: {
    ...memory,
    operand_32: bit(11, '32-bit operand'),
    instruction: bit(28, 'SGDT, SIDT, LGDT, LIDT', 2),
  },
  LDTR_TR_ACCESS: { ...either, instruction: bit(28, 'SLDT, STR, LLDT, LTR', 2) },
};
