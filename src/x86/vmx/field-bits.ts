/**
 * Named bits of VMCS fields, by field. Intel SDM vol. 3, "Guest-State Area", "VM-Execution Control Fields", "VM-Exit
 * Information Fields", "VM-Entry Controls for Event Injection". What the exit qualification and the instruction
 * information mean depends on the exit: see exit-information.ts.
 */

import { cr0Bits, cr4Bits, dr7Bits, eferBits, type RegisterBit, type RegisterBits } from '../control-registers';
import { exceptions } from '../exceptions';
import { msrBits } from '../msr-bits';
import { flagBits } from '../registers';
import { controlWords } from './controls';
import { type FieldName, fieldNames } from './fields';

export const bit = (at: number, meaning: string, width = 1): RegisterBit => ({ bit: at, width, meaning });

/** `hlt-exiting` as a name in expressions: `hlt_exiting`. */
export const controlWord = (id: string): string => id.replaceAll('-', '_');

const controlBits: readonly [FieldName, RegisterBits][] = Object.values(controlWords).map(({ field, bits }) => [
  field,
  Object.fromEntries(Object.entries(bits).map(([id, { bit: at, title }]) => [controlWord(id), bit(at, title)])),
]);

/** Intel SDM vol. 3, "Format of Access Rights". */
const accessRights: RegisterBits = {
  type: bit(0, 'type', 4),
  s: bit(4, 'code or data'),
  dpl: bit(5, 'privilege level', 2),
  p: bit(7, 'present'),
  avl: bit(12, 'for software'),
  l: bit(13, '64-bit code'),
  db: bit(14, '32-bit'),
  g: bit(15, 'limit in pages'),
  unusable: bit(16, 'unusable'),
};

const selector: RegisterBits = {
  rpl: bit(0, 'requested privilege level', 2),
  ti: bit(2, 'LDT'),
  index: bit(3, 'entry', 13),
};

const rflags: RegisterBits = Object.fromEntries(
  Object.entries(flagBits).map(([name, bits]) => [
    name.toLowerCase(),
    bit(31 - Math.clz32(bits & -bits), name, name === 'IOPL' ? 2 : 1),
  ]),
);

const exceptionBits: RegisterBits = Object.fromEntries(
  exceptions
    .filter(({ mnemonic }) => mnemonic !== 'NMI')
    .map(({ mnemonic, vector, name }) => [mnemonic.slice(1).toLowerCase(), bit(vector, name)]),
);

/** Intel SDM vol. 3, "Interruptibility State". */
const interruptibility: RegisterBits = {
  sti: bit(0, 'blocking by STI'),
  mov_ss: bit(1, 'blocking by MOV SS'),
  smi: bit(2, 'blocking by SMI'),
  nmi: bit(3, 'blocking by NMI'),
  enclave: bit(4, 'enclave interruption'),
};

/** Intel SDM vol. 3, "Pending Debug Exceptions". */
const pendingDebug: RegisterBits = {
  b0: bit(0, 'breakpoint 0 met'),
  b1: bit(1, 'breakpoint 1 met'),
  b2: bit(2, 'breakpoint 2 met'),
  b3: bit(3, 'breakpoint 3 met'),
  enabled: bit(12, 'an enabled breakpoint was met'),
  bs: bit(14, 'single step'),
  rtm: bit(16, 'within a transactional region'),
};

/** Intel SDM vol. 3, "Format of the VM-Exit Interruption-Information Field"; the others differ in bit 12. */
const eventInformation = (bit12?: string): RegisterBits => ({
  vector: bit(0, 'vector', 8),
  type: bit(8, 'interruption type', 3),
  error_code: bit(11, 'has an error code'),
  ...(bit12 === undefined ? {} : { nmi_unblocking: bit(12, bit12) }),
  valid: bit(31, 'valid'),
});

const debugControl: RegisterBits = {
  lbr: bit(0, 'last-branch records'),
  btf: bit(1, 'single step on branches'),
  tr: bit(6, 'trace messages'),
  bts: bit(7, 'branch trace store'),
  btint: bit(8, 'interrupt when the store is full'),
  bts_off_os: bit(9, 'no branch trace store at CPL 0'),
  bts_off_usr: bit(10, 'no branch trace store above CPL 0'),
  freeze_lbrs: bit(11, 'LBRs freeze at a PMI'),
  freeze_perfmon: bit(12, 'counters freeze at a PMI'),
};

const lowered = (bits: RegisterBits): RegisterBits =>
  Object.fromEntries(Object.entries(bits).map(([name, row]) => [name.toLowerCase(), row]));

const ofEach = (pattern: RegExp, bits: RegisterBits): [FieldName, RegisterBits][] =>
  fieldNames.filter((name) => pattern.test(name)).map((name) => [name, bits]);

const page = (meaning: string): RegisterBit => bit(12, meaning, 40);

export const fieldBits: Readonly<Partial<Record<FieldName, RegisterBits>>> = Object.fromEntries([
  ...controlBits,
  ...ofEach(/_AR_BYTES$/, accessRights),
  ...ofEach(/_SELECTOR$/, selector),
  ...ofEach(/^((GUEST|HOST)_CR0|CR0_(GUEST_HOST_MASK|READ_SHADOW))$/, lowered(cr0Bits)),
  ...ofEach(/^((GUEST|HOST)_CR4|CR4_(GUEST_HOST_MASK|READ_SHADOW))$/, lowered(cr4Bits)),
  ...ofEach(/_IA32_EFER$/, lowered(eferBits)),
  ...ofEach(/_IA32_PAT$/, lowered(msrBits.IA32_PAT ?? {})),
  ...ofEach(/^GUEST_IA32_DEBUGCTL$/, debugControl),
  ...ofEach(/^GUEST_DR7$/, lowered(dr7Bits)),
  ...ofEach(/^GUEST_RFLAGS$/, rflags),
  ...ofEach(/^GUEST_INTERRUPTIBILITY_STATE$/, interruptibility),
  ...ofEach(/^GUEST_PENDING_DBG_EXCEPTIONS$/, pendingDebug),
  ...ofEach(/^EXCEPTION_BITMAP$/, exceptionBits),
  ...ofEach(/^VM_ENTRY_INTR_INFO_FIELD$/, eventInformation()),
  ...ofEach(/^VM_EXIT_INTR_INFO$/, eventInformation('NMIs unblocked by IRET')),
  ...ofEach(/^IDT_VECTORING_INFO_FIELD$/, eventInformation()),
  [
    'VM_EXIT_REASON',
    {
      basic: bit(0, 'basic exit reason', 16),
      enclave: bit(27, 'in enclave mode'),
      pending_mtf: bit(28, 'an MTF exit is pending'),
      from_root: bit(29, 'from VMX root operation'),
      entry_failure: bit(31, 'the VM entry failed'),
    },
  ],
  [
    'EPT_POINTER',
    {
      memory_type: bit(0, 'memory type of the paging structures', 3),
      walk: bit(3, 'page-walk length less 1', 3),
      ad: bit(6, 'accessed and dirty flags'),
      sss: bit(7, 'supervisor shadow-stack control'),
      page: page('page of the EPT PML4 table'),
    },
  ],
  ['TPR_THRESHOLD', { threshold: bit(0, 'task priority below which an exit comes', 4) }],
  ['VM_FUNCTION_CONTROL', { eptp_switching: bit(0, 'EPTP switching') }],
  [
    'PAGE_FAULT_ERROR_CODE_MASK',
    { p: bit(0, 'present'), w: bit(1, 'write'), u: bit(2, 'user'), rsvd: bit(3, 'reserved bit'), i: bit(4, 'fetch') },
  ],
  [
    'PAGE_FAULT_ERROR_CODE_MATCH',
    { p: bit(0, 'present'), w: bit(1, 'write'), u: bit(2, 'user'), rsvd: bit(3, 'reserved bit'), i: bit(4, 'fetch') },
  ],
] as [FieldName, RegisterBits][]);

/** By number. Intel SDM vol. 3, "Guest Non-Register State". */
export const activityStates = ['active', 'HLT', 'shutdown', 'wait-for-SIPI'] as const;

/** Interruption types of event information. Intel SDM vol. 3, "VM-Entry Controls for Event Injection". */
export const interruptionTypes: readonly string[] = [
  'external interrupt',
  'reserved type',
  'NMI',
  'hardware exception',
  'software interrupt',
  'privileged software exception',
  'software exception',
  'other event',
];
