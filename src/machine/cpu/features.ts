/**
 * What this machine has: the features of x86/cpuid.ts that have behaviour here. CPUID advertises no other, whatever a
 * preset's data says. CRC32, the fences and CLFLUSH execute, but the bits they belong to stand for more and stay off.
 */

export const machineFeatures: ReadonlySet<string> = new Set([
  'de',
  'pse',
  'tsc',
  'msr',
  'pae',
  'mce',
  'cx8',
  'apic',
  'sep',
  'mtrr',
  'pge',
  'mca',
  'cmov',
  'pat',
  'pse36',
  'monitor',
  'cx16',
  'vmx',
  'pcid',
  'x2apic',
  'movbe',
  'popcnt',
  'tsc_deadline_timer',
  'rdrand',
  'arat',
  'fsgsbase',
  'tsc_adjust',
  'bmi1',
  'smep',
  'bmi2',
  'erms',
  'invpcid',
  'rdseed',
  'adx',
  'smap',
  'umip',
  'lahf_lm',
  'abm',
  '3dnowprefetch',
  'syscall',
  'nx',
  'pdpe1gb',
  'rdtscp',
  'lm',
  'constant_tsc',
]);

/** Leaves that describe a feature: without it they read as zeros. */
export const leafFeature: Readonly<Record<number, string>> = {
  5: 'monitor',
  // No feature bit; the machine has neither direct cache access nor performance counters.
  8: 'dca',
  10: 'arch_perfmon',
  11: 'x2apic',
  13: 'xsave',
  20: 'intel_pt',
};
