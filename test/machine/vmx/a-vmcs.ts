/** A VMCS that enters: a 64-bit guest under a 64-bit host, on a processor that allows every control. */

import type { Facts } from '../../../src/machine/vmx/checks/evaluate';
import type { ProcessorFact } from '../../../src/machine/vmx/checks/tree';
import { controlWords } from '../../../src/x86/vmx/controls';
import { type FieldName, fieldNames } from '../../../src/x86/vmx/fields';

const ALL_ONES = 0xffff_ffff_ffff_ffffn;
const CODE_64 = 0xa09bn;
const DATA = 0xc093n;
const UNUSABLE = 0x10000n;

const fields: Partial<Record<FieldName, bigint>> = {
  PIN_BASED_VM_EXEC_CONTROL: 0x16n,
  CPU_BASED_VM_EXEC_CONTROL: 0x0401_e172n,
  VM_EXIT_CONTROLS: 0x0003_6dffn | (1n << 9n),
  VM_ENTRY_CONTROLS: 0x11ffn | (1n << 9n),
  VMCS_LINK_POINTER: ALL_ONES,
  HOST_CR0: 0x8000_0021n,
  HOST_CR4: 0x2020n,
  HOST_IA32_EFER: 0x500n,
  HOST_CS_SELECTOR: 8n,
  HOST_SS_SELECTOR: 16n,
  HOST_TR_SELECTOR: 24n,
  GUEST_CR0: 0x8000_0021n,
  GUEST_CR4: 0x2020n,
  GUEST_CS_AR_BYTES: CODE_64,
  GUEST_CS_LIMIT: 0xffff_ffffn,
  GUEST_SS_AR_BYTES: DATA,
  GUEST_SS_LIMIT: 0xffff_ffffn,
  GUEST_DS_AR_BYTES: UNUSABLE,
  GUEST_ES_AR_BYTES: UNUSABLE,
  GUEST_FS_AR_BYTES: UNUSABLE,
  GUEST_GS_AR_BYTES: UNUSABLE,
  GUEST_LDTR_AR_BYTES: UNUSABLE,
  GUEST_TR_AR_BYTES: 0x8bn,
  GUEST_TR_LIMIT: 0x67n,
  GUEST_RFLAGS: 2n,
  GUEST_RIP: 0x1000n,
};

const capabilities: Readonly<Record<string, bigint>> = {
  IA32_VMX_BASIC: 1n << 55n,
  IA32_VMX_MISC: (4n << 16n) | (7n << 6n) | (1n << 30n),
  IA32_VMX_EPT_VPID_CAP: (1n << 6n) | (1n << 8n) | (1n << 14n),
  IA32_VMX_VMFUNC: 1n,
  IA32_VMX_CR0_FIXED0: 0x8000_0021n,
  IA32_VMX_CR0_FIXED1: 0xffff_ffffn,
  IA32_VMX_CR4_FIXED0: 0x2000n,
  IA32_VMX_CR4_FIXED1: 0xff_ffffn,
  ...Object.fromEntries(
    Object.values(controlWords).map((word): [string, bigint] => {
      const may = Object.entries(word.bits)
        .filter(([name]) => name !== 'clear-uinv')
        .map(([, row]) => row)
        .filter(
          ({ bit }) =>
            word.allowed1Only || bit < 31 || word.title.startsWith('primary') || word.title === 'VM-exit control',
        )
        .reduce((sum, { bit }) => sum | (1n << BigInt(bit)), BigInt(word.default1));
      return [word.trueCapability ?? word.capability, word.allowed1Only ? may : (may << 32n) | BigInt(word.default1)];
    }),
  ),
};

const processorFacts: Readonly<Record<ProcessorFact, bigint>> = {
  'physical-address-width': 39n,
  'linear-address-width': 48n,
  'host-ia-32e-mode': 1n,
  smm: 0n,
  'efer-bits': 0xd01n,
  'debugctl-bits': 0x3n,
  'perf-global-ctrl-bits': 0x7_0000_000fn,
  'rtit-ctl-bits': 0x1n,
  'lbr-ctl-bits': 0x7f_000fn,
  'spec-ctrl-bits': 0x7n,
  tracing: 0n,
  sgx: 1n,
  rtm: 1n,
  'current-vmcs': 0x5000n,
  'vmcs-revision': 0x12n,
};

/** What surrounds a VMCS, where it is not the usual. */
export interface Surroundings {
  readonly processor?: Partial<Record<ProcessorFact, bigint>>;
  readonly capabilities?: Readonly<Record<string, bigint>>;
  /** Little-endian numbers by physical address; elsewhere there are zeros. */
  readonly memory?: Readonly<Record<string, bigint>>;
}

/** The VMCS with some fields changed; `undefined` is a field that is not known. */
export const vmcs = (
  changed: Partial<Record<FieldName, bigint | undefined>> = {},
  { processor = {}, capabilities: others = {}, memory = {} }: Surroundings = {},
): Facts => {
  const values = new Map<FieldName, bigint | undefined>(fieldNames.map((name) => [name, fields[name] ?? 0n]));
  for (const [name, value] of Object.entries(changed)) values.set(name as FieldName, value);
  return {
    field: (name) => values.get(name),
    capability: (name) => others[name] ?? capabilities[name],
    processor: (fact) => processor[fact] ?? processorFacts[fact],
    memory: (address) => memory[`${address}`] ?? 0n,
  };
};

const HOST_64 = 1n << 9n;
const without64 = {
  VM_EXIT_CONTROLS: (fields.VM_EXIT_CONTROLS ?? 0n) & ~HOST_64,
  VM_ENTRY_CONTROLS: (fields.VM_ENTRY_CONTROLS ?? 0n) & ~HOST_64,
  HOST_IA32_EFER: 0n,
  GUEST_CS_AR_BYTES: 0xc09bn,
} as const;

const bitsOf = (...set: number[]): bigint => set.reduce((sum, bit) => sum | (1n << BigInt(bit)), 0n);
const PRIMARY = fields.CPU_BASED_VM_EXEC_CONTROL ?? 0n;
const [SECONDARY_ACTIVE, TERTIARY_ACTIVE, TPR_SHADOW] = [bitsOf(31), bitsOf(17), bitsOf(21)];
const withEpt = {
  CPU_BASED_VM_EXEC_CONTROL: PRIMARY | SECONDARY_ACTIVE,
  SECONDARY_VM_EXEC_CONTROL: bitsOf(1),
  EPT_POINTER: 0x1en,
} as const;
const interrupts = {
  PIN_BASED_VM_EXEC_CONTROL: 0x17n,
  CPU_BASED_VM_EXEC_CONTROL: PRIMARY | SECONDARY_ACTIVE | TPR_SHADOW,
  SECONDARY_VM_EXEC_CONTROL: bitsOf(9),
} as const;
const exits = fields.VM_EXIT_CONTROLS ?? 0n;
const segments = (names: readonly string[], rights: bigint, limit: bigint): Partial<Record<FieldName, bigint>> =>
  Object.fromEntries(
    names.flatMap((name) => [
      [`GUEST_${name}_AR_BYTES`, rights],
      [`GUEST_${name}_LIMIT`, limit],
    ]),
  );
const guest32 = { VM_ENTRY_CONTROLS: without64.VM_ENTRY_CONTROLS, GUEST_CS_AR_BYTES: 0xc09bn } as const;

/** Where rules can be broken that the usual VMCS and processor cannot break: all of these enter. */
export const situations: Readonly<Record<string, Facts>> = {
  'a 64-bit guest of a 64-bit host': vmcs(),
  'a 32-bit guest with PAE paging under a 32-bit host': vmcs(without64, {
    processor: { 'host-ia-32e-mode': 0n },
    memory: { [`${0x3000}`]: 0x4001n },
  }),
  'a processor that does not check which exceptions have an error code': vmcs(
    {},
    { capabilities: { IA32_VMX_BASIC: (1n << 55n) | (1n << 56n) | (1n << 58n) } },
  ),
  'a processor without SGX and RTM that traces': vmcs({}, { processor: { sgx: 0n, rtm: 0n, tracing: 1n } }),
  'a processor in system-management mode': vmcs({}, { processor: { smm: 1n } }),
  'a VMCS link pointer': vmcs({ VMCS_LINK_POINTER: 0x6000n }, { memory: { [`${0x6000}`]: 0x12n } }),
  'a processor with FRED': vmcs({}, { capabilities: { IA32_VMX_CR4_FIXED1: 0x1_00ff_ffffn } }),
  'a 32-bit host on a processor with FRED': vmcs(without64, {
    processor: { 'host-ia-32e-mode': 0n },
    capabilities: { IA32_VMX_CR4_FIXED1: 0x1_00ff_ffffn },
  }),
  'usable data segments and LDTR': vmcs({
    ...segments(['DS', 'ES', 'FS', 'GS'], DATA, 0xffff_ffffn),
    ...segments(['LDTR'], 0x82n, 0x67n),
  }),
  'a virtual-8086 guest': vmcs({
    ...guest32,
    GUEST_RFLAGS: 0x2_0002n,
    ...segments(['CS', 'SS', 'DS', 'ES', 'FS', 'GS'], 0xf3n, 0xffffn),
  }),
  'an unrestricted guest in real-address mode': vmcs({
    ...guest32,
    ...withEpt,
    SECONDARY_VM_EXEC_CONTROL: bitsOf(1, 7),
    GUEST_CR0: 0x20n,
    GUEST_CR4: 0x2000n,
    ...segments(['CS', 'SS', 'DS', 'ES', 'FS', 'GS'], 0x93n, 0xffffn),
  }),
  'an unrestricted guest in protected mode': vmcs({
    ...guest32,
    ...withEpt,
    SECONDARY_VM_EXEC_CONTROL: bitsOf(1, 7),
    GUEST_CR0: 0x21n,
  }),
  EPT: vmcs(withEpt),
  'EPT with PML and sub-page permissions': vmcs({ ...withEpt, SECONDARY_VM_EXEC_CONTROL: bitsOf(1, 17, 23) }),
  'EPTP switching': vmcs({ ...withEpt, SECONDARY_VM_EXEC_CONTROL: bitsOf(1, 13), VM_FUNCTION_CONTROL: 1n }),
  'Intel PT in guest-physical addresses': vmcs({
    ...withEpt,
    SECONDARY_VM_EXEC_CONTROL: bitsOf(1, 24),
    VM_ENTRY_CONTROLS: (fields.VM_ENTRY_CONTROLS ?? 0n) | bitsOf(18),
    VM_EXIT_CONTROLS: exits | bitsOf(25),
  }),
  'tertiary controls with EPT': vmcs({
    ...withEpt,
    CPU_BASED_VM_EXEC_CONTROL: PRIMARY | SECONDARY_ACTIVE | TERTIARY_ACTIVE,
    TERTIARY_VM_EXEC_CONTROL: bitsOf(1),
  }),
  'virtual interrupts': vmcs(interrupts),
  'posted interrupts': vmcs({
    ...interrupts,
    PIN_BASED_VM_EXEC_CONTROL: 0x97n,
    VM_EXIT_CONTROLS: exits | bitsOf(15),
  }),
  'a virtual APIC timer': vmcs({
    ...interrupts,
    CPU_BASED_VM_EXEC_CONTROL: PRIMARY | SECONDARY_ACTIVE | TERTIARY_ACTIVE | TPR_SHADOW,
    TERTIARY_VM_EXEC_CONTROL: bitsOf(8),
  }),
  'IPI virtualization': vmcs({
    CPU_BASED_VM_EXEC_CONTROL: PRIMARY | TERTIARY_ACTIVE | TPR_SHADOW,
    TERTIARY_VM_EXEC_CONTROL: bitsOf(4),
    LAST_PID_POINTER_INDEX: 3n,
  }),
  'secondary exit controls': vmcs({ VM_EXIT_CONTROLS: exits | bitsOf(31) }),
  'FRED in guest and host': vmcs(
    {
      VM_EXIT_CONTROLS: exits | bitsOf(31),
      SECONDARY_VM_EXIT_CONTROLS: 2n,
      VM_ENTRY_CONTROLS: (fields.VM_ENTRY_CONTROLS ?? 0n) | bitsOf(23),
      GUEST_CR4: 0x1_0000_2020n,
      HOST_CR4: 0x1_0000_2020n,
    },
    { capabilities: { IA32_VMX_CR4_FIXED1: 0x1_00ff_ffffn, IA32_VMX_BASIC: (1n << 55n) | (1n << 56n) | (1n << 58n) } },
  ),
  'lists of MSRs': vmcs({
    VM_EXIT_MSR_STORE_COUNT: 2n,
    VM_EXIT_MSR_LOAD_COUNT: 2n,
    VM_ENTRY_MSR_LOAD_COUNT: 2n,
  }),
  'a breakpoint that is injected': vmcs({ VM_ENTRY_INTR_INFO_FIELD: 0x8000_0603n, VM_ENTRY_INSTRUCTION_LEN: 1n }),
  'a page fault that is injected': vmcs({ VM_ENTRY_INTR_INFO_FIELD: 0x8000_0b0en }),
  'an NMI that is injected into a halted guest': vmcs({
    VM_ENTRY_INTR_INFO_FIELD: 0x8000_0202n,
    GUEST_ACTIVITY_STATE: 1n,
  }),
  'an NMI that is injected into a shut-down guest': vmcs({
    VM_ENTRY_INTR_INFO_FIELD: 0x8000_0202n,
    GUEST_ACTIVITY_STATE: 2n,
  }),
  'a guest at CPL 3': vmcs({
    GUEST_CS_SELECTOR: 0xbn,
    GUEST_SS_SELECTOR: 0x13n,
    GUEST_CS_AR_BYTES: 0xa0fbn,
    GUEST_SS_AR_BYTES: 0xc0f3n,
    ...segments(['DS', 'ES', 'FS', 'GS'], 0xc0f3n, 0xffff_ffffn),
  }),
};

const HIGH = 1n << 39n;
/** A guest that uses FRED at some privilege level. */
const fredAt = (level: bigint, more: Partial<Record<FieldName, bigint>> = {}): Facts =>
  vmcs(
    {
      GUEST_CR4: 0x1_0000_2020n,
      GUEST_CS_SELECTOR: 8n + level,
      GUEST_SS_SELECTOR: 16n + level,
      GUEST_CS_AR_BYTES: CODE_64 | (level << 5n),
      GUEST_SS_AR_BYTES: DATA | (level << 5n),
      ...more,
    },
    { capabilities: { IA32_VMX_CR4_FIXED1: 0x1_00ff_ffffn } },
  );
const paeGuest = { ...without64, VM_EXIT_CONTROLS: exits, GUEST_CR3: 0x3000n } as const;
const linked = (to: bigint, word: bigint, more: Partial<Record<FieldName, bigint>> = {}, smm = 0n): Facts =>
  vmcs({ VMCS_LINK_POINTER: to, ...more }, { memory: { [`${to}`]: word }, processor: { smm } });

/** What breaks the rules that hang on memory, or on the sum of two fields: no single field leads there. */
export const brokenByHand: Readonly<Record<string, Facts>> = {
  ...Object.fromEntries(
    [0, 1, 2, 3].map((n) => [`guest.pdpte${n}.memory`, vmcs(paeGuest, { memory: { [`${0x3000 + n * 8}`]: 0x4007n } })]),
  ),
  'guest.ss.dpl.fred': fredAt(1n),
  'guest.ss.dpl.fred-user': fredAt(3n, { GUEST_RFLAGS: 0x3002n }),
  'guest.link-pointer.aligned': linked(0x6800n, 0x12n),
  'guest.link-pointer.width': linked(HIGH, 0x12n),
  'guest.link-pointer.revision': linked(0x6000n, 0x13n),
  'guest.link-pointer.shadow': linked(0x6000n, 0x8000_0012n),
  'guest.link-pointer.not-current': linked(0x5000n, 0x12n),
  'guest.link-pointer.not-executive': linked(0x6000n, 0x12n, { EXECUTIVE_VMCS_POINTER: 0x6000n }, 1n),
  'exit.msr-store.last-byte': vmcs({ VM_EXIT_MSR_STORE_COUNT: 2n, VM_EXIT_MSR_STORE_ADDR: HIGH - 16n }),
  'exit.msr-load.last-byte': vmcs({ VM_EXIT_MSR_LOAD_COUNT: 2n, VM_EXIT_MSR_LOAD_ADDR: HIGH - 16n }),
  'entry.msr-load.last-byte': vmcs({ VM_ENTRY_MSR_LOAD_COUNT: 2n, VM_ENTRY_MSR_LOAD_ADDR: HIGH - 16n }),
  'control.pid-pointer-table.last-entry': vmcs({
    CPU_BASED_VM_EXEC_CONTROL: PRIMARY | TERTIARY_ACTIVE | TPR_SHADOW,
    TERTIARY_VM_EXEC_CONTROL: bitsOf(4),
    LAST_PID_POINTER_INDEX: 3n,
    PID_POINTER_TABLE: HIGH - 16n,
  }),
};
