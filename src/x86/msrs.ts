/**
 * Model-specific registers as data: address, name, feature, access and what a write may contain (Intel SDM vol. 4,
 * "IA-32 Architectural MSRs"). An address that is not here, or whose feature the model lacks, raises #GP.
 */

import { capabilityMsrs } from './vmx/capabilities';

/** What the value of a write must be. */
export type MsrFormat =
  /** Any 64 bits. */
  | 'any'
  /** Bits outside `writable` are reserved. */
  | 'bits'
  /** A canonical linear address. */
  | 'canonical'
  /** Eight memory types; PAT allows UC-, MTRRs do not. */
  | 'pat'
  | 'memory-types'
  /** Memory type and physical base, or physical mask and valid bit. */
  | 'mtrr-base'
  | 'mtrr-mask'
  | 'mtrr-default'
  /** The register has its own rules in msrs.ts of the machine. */
  | 'own';

/** Where the value is. */
export type MsrPlace =
  /** A slot of the layout. */
  | 'slot'
  /** Reads as a value of the model; writes are refused. */
  | 'constant'
  | 'tsc'
  | 'tsc-adjust'
  | 'tsc-deadline'
  | 'apic-base'
  | 'efer'
  | 'fs-base'
  | 'gs-base'
  | 'bios-sign-id';

export interface MsrRow {
  readonly address: number;
  readonly feature?: string;
  readonly access?: 'r';
  readonly format: MsrFormat;
  readonly place: MsrPlace;
  readonly writable?: bigint;
  /** After power-up. */
  readonly reset?: bigint;
  readonly meaning: string;
}

/** Bits of IA32_MISC_ENABLE that have behaviour here. */
export const miscEnable = {
  fastStrings: 1n,
  branchTraceUnavailable: 1n << 11n,
  eventSamplingUnavailable: 1n << 12n,
  monitor: 1n << 18n,
  limitCpuid: 1n << 22n,
  executeDisableOff: 1n << 34n,
} as const;

const slot = (address: number, format: MsrFormat, meaning: string, more: Partial<MsrRow> = {}): MsrRow => ({
  address,
  format,
  place: 'slot',
  meaning,
  ...more,
});

const FIXED_MTRRS = [
  [0x250, '64K_00000'],
  [0x258, '16K_80000'],
  [0x259, '16K_A0000'],
  [0x268, '4K_C0000'],
  [0x269, '4K_C8000'],
  [0x26a, '4K_D0000'],
  [0x26b, '4K_D8000'],
  [0x26c, '4K_E0000'],
  [0x26d, '4K_E8000'],
  [0x26e, '4K_F0000'],
  [0x26f, '4K_F8000'],
] as const;

/** Pairs of variable-range MTRRs. */
const VARIABLE_MTRRS = 10;

const mtrrs: Record<string, MsrRow> = {};
for (let i = 0; i < VARIABLE_MTRRS; i++) {
  mtrrs[`IA32_MTRR_PHYSBASE${i}`] = slot(0x200 + i * 2, 'mtrr-base', `variable range ${i}, base and type`, {
    feature: 'mtrr',
  });
  mtrrs[`IA32_MTRR_PHYSMASK${i}`] = slot(0x201 + i * 2, 'mtrr-mask', `variable range ${i}, mask`, { feature: 'mtrr' });
}
for (const [address, range] of FIXED_MTRRS)
  mtrrs[`IA32_MTRR_FIX${range}`] = slot(address, 'memory-types', `memory types of ${range}`, { feature: 'mtrr' });

const fixed = {
  IA32_TIME_STAMP_COUNTER: {
    address: 0x10,
    feature: 'tsc',
    format: 'any',
    place: 'tsc',
    meaning: 'time stamp counter',
  },
  IA32_PLATFORM_ID: { address: 0x17, access: 'r', format: 'any', place: 'constant', meaning: 'platform id' },
  IA32_APIC_BASE: { address: 0x1b, feature: 'apic', format: 'own', place: 'apic-base', meaning: 'local APIC base' },
  IA32_FEATURE_CONTROL: slot(0x3a, 'own', 'VMX and SMX lock', { feature: 'vmx' }),
  IA32_TSC_ADJUST: {
    address: 0x3b,
    feature: 'tsc_adjust',
    format: 'any',
    place: 'tsc-adjust',
    meaning: 'what WRMSR added to the time stamp counter',
  },
  IA32_BIOS_SIGN_ID: {
    address: 0x8b,
    format: 'any',
    place: 'bios-sign-id',
    meaning: 'microcode revision in bits 63:32',
  },
  MSR_PLATFORM_INFO: {
    address: 0xce,
    access: 'r',
    format: 'any',
    place: 'constant',
    meaning: 'base ratio in bits 15:8',
  },
  IA32_MTRRCAP: {
    address: 0xfe,
    feature: 'mtrr',
    access: 'r',
    format: 'any',
    place: 'constant',
    meaning: 'MTRR capabilities',
  },
  IA32_SYSENTER_CS: slot(0x174, 'any', 'SYSENTER code segment', { feature: 'sep' }),
  IA32_SYSENTER_ESP: slot(0x175, 'canonical', 'SYSENTER stack pointer', { feature: 'sep' }),
  IA32_SYSENTER_EIP: slot(0x176, 'canonical', 'SYSENTER entry point', { feature: 'sep' }),
  IA32_MCG_CAP: {
    address: 0x179,
    feature: 'mca',
    access: 'r',
    format: 'any',
    place: 'constant',
    meaning: 'no machine-check banks',
  },
  IA32_MCG_STATUS: slot(0x17a, 'bits', 'machine-check status', { feature: 'mca', writable: 7n }),
  IA32_MISC_ENABLE: slot(0x1a0, 'own', 'miscellaneous features'),
  IA32_DEBUGCTL: slot(0x1d9, 'bits', 'debug control: no feature of it is there', { writable: 0n }),
  IA32_PAT: slot(0x277, 'pat', 'page attribute table', { feature: 'pat', reset: 0x0007_0406_0007_0406n }),
  IA32_MTRR_DEF_TYPE: slot(0x2ff, 'mtrr-default', 'default memory type', { feature: 'mtrr' }),
  IA32_TSC_DEADLINE: {
    address: 0x6e0,
    feature: 'tsc_deadline_timer',
    format: 'any',
    place: 'tsc-deadline',
    meaning: 'TSC value at which the APIC timer fires',
  },
  IA32_EFER: { address: 0xc0000080, feature: 'lm', format: 'own', place: 'efer', meaning: 'extended features' },
  IA32_STAR: slot(0xc0000081, 'any', 'SYSCALL and SYSRET selectors', { feature: 'syscall' }),
  IA32_LSTAR: slot(0xc0000082, 'canonical', 'SYSCALL entry point, 64-bit', { feature: 'syscall' }),
  IA32_CSTAR: slot(0xc0000083, 'canonical', 'SYSCALL entry point, compatibility (not used)', { feature: 'syscall' }),
  IA32_FMASK: slot(0xc0000084, 'bits', 'flags that SYSCALL clears', { feature: 'syscall', writable: 0xffffffffn }),
  IA32_FS_BASE: { address: 0xc0000100, feature: 'lm', format: 'canonical', place: 'fs-base', meaning: 'FS base' },
  IA32_GS_BASE: { address: 0xc0000101, feature: 'lm', format: 'canonical', place: 'gs-base', meaning: 'GS base' },
  IA32_KERNEL_GS_BASE: slot(0xc0000102, 'canonical', 'what SWAPGS exchanges', { feature: 'lm' }),
  IA32_TSC_AUX: slot(0xc0000103, 'bits', 'what RDTSCP gives in ECX', { feature: 'rdtscp', writable: 0xffffffffn }),
} as const satisfies Record<string, MsrRow>;

export type MsrName = keyof typeof fixed;

const vmx: Record<string, MsrRow> = Object.fromEntries(
  Object.entries(capabilityMsrs).map(([name, address]): [string, MsrRow] => [
    name,
    { address, feature: 'vmx', access: 'r', format: 'any', place: 'constant', meaning: 'VMX capabilities' },
  ]),
);

/** All of them by name. */
export const msrs: Readonly<Record<string, MsrRow>> = { ...fixed, ...mtrrs, ...vmx };

/** Values that are kept in the layout beside those that are plain slots: the TSC's distance from virtual time. */
const kept: readonly string[] = [
  ...Object.entries(fixed)
    .filter(([, row]: [string, MsrRow]) => row.place !== 'constant')
    .map(([name]) => name),
  ...Object.keys(mtrrs),
];

/**
 * Slot numbers in the layout's `msr` array, in the order of the tables. IA32_TIME_STAMP_COUNTER's slot keeps what is added to
 * virtual time; those with a place of their own (EFER, FS and GS base, deadline) leave theirs unused.
 */
export const msrSlots = Object.fromEntries(kept.map((name, slot) => [name, slot])) as Readonly<
  Record<MsrName, number>
> &
  Readonly<Record<string, number>>;

const byAddress = new Map(Object.entries(msrs).map(([name, row]) => [row.address, { name, row }]));

export const msrAt = (address: number): { readonly name: string; readonly row: MsrRow } | undefined =>
  byAddress.get(address);

/** x2APIC registers: 800H to 8FFH, answered by the local APIC. */
export const isX2apicMsr = (address: number): boolean => address >= 0x800 && address <= 0x8ff;
