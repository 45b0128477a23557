/**
 * The feature bits of CPUID by name (Intel SDM vol. 2, "CPUID"; AMD APM vol. 3 for the extended leaves). Names are those
 * that Linux shows in /proc/cpuinfo where it has one. Every bit that a preset's data sets must be named here.
 */

import type { CapabilityMsr, CapabilityValues } from './vmx/capabilities';

export type CpuidRegister = 'eax' | 'ebx' | 'ecx' | 'edx';

export interface FeatureBit {
  readonly leaf: number;
  readonly register: CpuidRegister;
  readonly bit: number;
  readonly meaning: string;
}

const LEAF_1_EDX = [
  'fpu: x87 floating-point unit',
  'vme: virtual-8086 mode extensions',
  'de: debugging extensions',
  'pse: 4 MiB pages',
  'tsc: time stamp counter',
  'msr: RDMSR and WRMSR',
  'pae: physical address extension',
  'mce: machine check exception',
  'cx8: CMPXCHG8B',
  'apic: local APIC',
  '',
  'sep: SYSENTER and SYSEXIT',
  'mtrr: memory type range registers',
  'pge: global pages',
  'mca: machine check architecture',
  'cmov: CMOVcc',
  'pat: page attribute table',
  'pse36: 4 MiB pages above 4 GiB',
  'pn: processor serial number',
  'clflush: CLFLUSH',
  '',
  'dts: debug store',
  'acpi: thermal monitor MSRs',
  'mmx: MMX',
  'fxsr: FXSAVE and FXRSTOR',
  'sse: SSE',
  'sse2: SSE2',
  'ss: self snoop',
  'ht: several logical processors in the package',
  'tm: thermal monitor',
  'ia64: IA64 emulating x86',
  'pbe: pending break enable',
] as const;

const LEAF_1_ECX = [
  'pni: SSE3',
  'pclmulqdq: PCLMULQDQ',
  'dtes64: 64-bit debug store',
  'monitor: MONITOR and MWAIT',
  'ds_cpl: CPL-qualified debug store',
  'vmx: virtual machine extensions',
  'smx: safer mode extensions',
  'est: enhanced SpeedStep',
  'tm2: thermal monitor 2',
  'ssse3: SSSE3',
  'cid: L1 context id',
  'sdbg: silicon debug',
  'fma: fused multiply-add',
  'cx16: CMPXCHG16B',
  'xtpr: xTPR update control',
  'pdcm: performance and debug capability MSR',
  '',
  'pcid: process-context identifiers',
  'dca: direct cache access',
  'sse4_1: SSE4.1',
  'sse4_2: SSE4.2',
  'x2apic: x2APIC mode',
  'movbe: MOVBE',
  'popcnt: POPCNT',
  'tsc_deadline_timer: TSC-deadline mode of the APIC timer',
  'aes: AES instructions',
  'xsave: XSAVE and XGETBV',
  'osxsave: CR4.OSXSAVE is set',
  'avx: AVX',
  'f16c: half-precision conversions',
  'rdrand: RDRAND',
  'hypervisor: running under a hypervisor',
] as const;

const LEAF_6_EAX = [
  'dtherm: digital temperature sensor',
  'ida: Turbo Boost',
  'arat: APIC timer runs in every C-state',
  '',
  'pln: power limit notification',
  'ecmd: clock modulation duty cycle extension',
  'pts: package thermal management',
  'hwp: hardware-controlled performance states',
  'hwp_notify: HWP interrupt',
  'hwp_act_window: HWP activity window',
  'hwp_epp: HWP energy performance preference',
  '',
  '',
  'hdc: hardware duty cycling',
] as const;

const LEAF_6_ECX = ['aperfmperf: IA32_APERF and IA32_MPERF', '', '', 'epb: energy performance bias'] as const;

const LEAF_7_EBX = [
  'fsgsbase: RDFSBASE and its kin',
  'tsc_adjust: IA32_TSC_ADJUST',
  'sgx: software guard extensions',
  'bmi1: BMI1',
  'hle: hardware lock elision',
  'avx2: AVX2',
  'fdp_excptn_only: x87 data pointer updated on exceptions only',
  'smep: supervisor-mode execution prevention',
  'bmi2: BMI2',
  'erms: enhanced REP MOVSB and STOSB',
  'invpcid: INVPCID',
  'rtm: restricted transactional memory',
  'cqm: resource monitoring',
  'zero_fcs_fds: x87 CS and DS are deprecated',
  'mpx: memory protection extensions',
  'rdt_a: resource allocation',
  'avx512f: AVX-512 foundation',
  'avx512dq: AVX-512 double- and quadword',
  'rdseed: RDSEED',
  'adx: ADCX and ADOX',
  'smap: supervisor-mode access prevention',
  'avx512ifma: AVX-512 integer multiply',
  '',
  'clflushopt: CLFLUSHOPT',
  'clwb: CLWB',
  'intel_pt: processor trace',
  'avx512pf: AVX-512 prefetch',
  'avx512er: AVX-512 exponential and reciprocal',
  'avx512cd: AVX-512 conflict detection',
  'sha: SHA',
  'avx512bw: AVX-512 byte- and word',
  'avx512vl: AVX-512 vector length',
] as const;

const LEAF_7_ECX = [
  'prefetchwt1: PREFETCHWT1',
  'avx512vbmi: AVX-512 byte permutations',
  'umip: user-mode instruction prevention',
  'pku: protection keys for user pages',
  'ospke: CR4.PKE is set',
  '',
  'avx512_vbmi2: AVX-512 byte compression and shifts',
  '',
  'gfni: Galois field instructions',
  'vaes: AES instructions on wide vectors',
  'vpclmulqdq: PCLMULQDQ on wide vectors',
  'avx512_vnni: AVX-512 neural network instructions',
  'avx512_bitalg: AVX-512 bit counts',
  'tme: total memory encryption',
  'avx512_vpopcntdq: AVX-512 bit counts of words',
  '',
  'la57: 57-bit linear addresses',
  ...(Array(5).fill('') as ''[]),
  'rdpid: RDPID',
  ...(Array(7).fill('') as ''[]),
  'sgx_lc: SGX launch configuration',
] as const;

const LEAF_7_EDX: readonly string[] = Object.assign(Array(32).fill('') as string[], {
  1: 'sgx_keys: SGX attestation services',
  4: 'fsrm: fast short REP MOVSB',
  10: 'md_clear: VERW overwrites buffers',
  18: 'pconfig: PCONFIG',
  26: 'spec_ctrl: IBRS and IBPB',
  27: 'stibp: single thread indirect branch predictors',
  28: 'flush_l1d: IA32_FLUSH_CMD',
  29: 'arch_capabilities: IA32_ARCH_CAPABILITIES',
  31: 'ssbd: speculative store bypass disable',
});

const EXTENDED_1_ECX = [
  'lahf_lm: LAHF and SAHF in 64-bit mode',
  '',
  '',
  '',
  '',
  'abm: LZCNT',
  '',
  '',
  '3dnowprefetch: PREFETCHW',
] as const;

const EXTENDED_1_EDX: readonly string[] = Object.assign(Array(32).fill('') as string[], {
  11: 'syscall: SYSCALL and SYSRET',
  20: 'nx: execute disable',
  26: 'pdpe1gb: 1 GiB pages',
  27: 'rdtscp: RDTSCP and IA32_TSC_AUX',
  29: 'lm: 64-bit mode',
});

const EXTENDED_7_EDX: readonly string[] = Object.assign(Array(9).fill('') as string[], {
  8: 'constant_tsc: invariant TSC',
});

const EXTENDED_8_EBX: readonly string[] = Object.assign(Array(10).fill('') as string[], {
  9: 'wbnoinvd: WBNOINVD',
});

/** The registers whose bits are features, all in subleaf 0. */
const registers: readonly (readonly [number, CpuidRegister, readonly string[]])[] = [
  [1, 'edx', LEAF_1_EDX],
  [1, 'ecx', LEAF_1_ECX],
  [6, 'eax', LEAF_6_EAX],
  [6, 'ecx', LEAF_6_ECX],
  [7, 'ebx', LEAF_7_EBX],
  [7, 'ecx', LEAF_7_ECX],
  [7, 'edx', LEAF_7_EDX],
  [0x80000001, 'ecx', EXTENDED_1_ECX],
  [0x80000001, 'edx', EXTENDED_1_EDX],
  [0x80000007, 'edx', EXTENDED_7_EDX],
  [0x80000008, 'ebx', EXTENDED_8_EBX],
];

export const featureBits: ReadonlyMap<string, FeatureBit> = new Map(
  registers.flatMap(([leaf, register, rows]) =>
    rows.flatMap((row, bit): [string, FeatureBit][] => {
      const [name, meaning] = row.split(': ');
      return name && meaning ? [[name, { leaf, register, bit, meaning }]] : [];
    }),
  ),
);

/** Is this register of this leaf made of feature bits? */
export const isFeatureRegister = (leaf: number, register: CpuidRegister): boolean =>
  registers.some(([one, name]) => one === leaf && name === register);

/** One row of CPUID data: leaf, subleaf, EAX, EBX, ECX, EDX. */
export type CpuidRow = readonly [number, number, number, number, number, number];

/** A processor's data as its dump gives it; machine/cpu/model.ts masks it. */
export interface Preset {
  readonly name: string;
  readonly title: string;
  /** Where the leaves come from. */
  readonly source: string;
  /** Where the VMX capability MSRs come from. */
  readonly vmxSource?: string;
  /** MSRs whose value is in no dump of this processor: where it is taken from instead. */
  readonly assumed?: Readonly<Partial<Record<CapabilityMsr, string>>>;
  /** TSC ticks per second. */
  readonly frequency: number;
  /** Base frequency in units of the bus clock (100 MHz; 133.33 on Nehalem), for IA32_PLATFORM_INFO; undefined where the MSR does not exist. */
  readonly ratio?: number;
  readonly leaves: readonly CpuidRow[];
  /** The VMX capability MSRs, where the processor has VT-x. */
  readonly vmx?: CapabilityValues;
  /** Has every feature of the machine, also those that the real processor lacks. */
  readonly everything?: boolean;
  /** Revision of the microcode, as IA32_BIOS_SIGN_ID shows it. */
  readonly microcode: number;
}
