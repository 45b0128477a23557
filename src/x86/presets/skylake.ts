/**
 * Intel Core i5-6600K (Skylake, 06_5EH, stepping 3), from the dump in libcpuid's test data (skylake-i5.test), SYSCALL
 * added as in haswell.ts. The VMX capability MSRs are those of a Core i7-6700K of the same stepping. The TSC runs at 24 MHz (Intel SDM vol. 3, "Nominal Core Crystal Clock Frequency") times leaf 15H.
 */

import type { CpuidRow, Preset } from '../cpuid';
import type { CapabilityValues } from '../vmx/capabilities';

/** Without the brand string, which `max` does not share. */
export const skylakeLeaves: readonly CpuidRow[] = [
  [0x0, 0, 0x00000016, 0x756e6547, 0x6c65746e, 0x49656e69],
  [0x1, 0, 0x000506e3, 0x00100800, 0x7ffafbbf, 0xbfebfbff],
  [0x2, 0, 0x76036301, 0x00f0b6ff, 0x00000000, 0x00c30000],
  [0x4, 0, 0x1c004121, 0x01c0003f, 0x0000003f, 0x00000000],
  [0x4, 1, 0x1c004122, 0x01c0003f, 0x0000003f, 0x00000000],
  [0x4, 2, 0x1c004143, 0x00c0003f, 0x000003ff, 0x00000000],
  [0x4, 3, 0x1c03c163, 0x02c0003f, 0x00001fff, 0x00000006],
  [0x5, 0, 0x00000040, 0x00000040, 0x00000003, 0x00142120],
  [0x6, 0, 0x000027f7, 0x00000002, 0x00000009, 0x00000000],
  [0x7, 0, 0x00000000, 0x029c6fbb, 0x00000000, 0x00000000],
  [0xa, 0, 0x07300804, 0x00000000, 0x00000000, 0x00000603],
  [0xb, 0, 0x00000001, 0x00000001, 0x00000100, 0x00000000],
  [0xd, 0, 0x0000001f, 0x00000340, 0x00000440, 0x00000000],
  [0x14, 0, 0x00000001, 0x0000000f, 0x00000007, 0x00000000],
  [0x15, 0, 0x00000002, 0x00000124, 0x00000000, 0x00000000],
  [0x16, 0, 0x00000dac, 0x00000f3c, 0x00000064, 0x00000000],
  [0x80000000, 0, 0x80000008, 0x00000000, 0x00000000, 0x00000000],
  [0x80000001, 0, 0x00000000, 0x00000000, 0x00000121, 0x2c100800],
  [0x80000006, 0, 0x00000000, 0x00000000, 0x01006040, 0x00000000],
  [0x80000007, 0, 0x00000000, 0x00000000, 0x00000000, 0x00000100],
  [0x80000008, 0, 0x00003027, 0x00000000, 0x00000000, 0x00000000],
];

export const skylakeVmx = {
  IA32_VMX_BASIC: 0x00da_0400_0000_0004n,
  IA32_VMX_PINBASED_CTLS: 0x0000_007f_0000_0016n,
  IA32_VMX_PROCBASED_CTLS: 0xfff9_fffe_0401_e172n,
  IA32_VMX_EXIT_CTLS: 0x01ff_ffff_0003_6dffn,
  IA32_VMX_ENTRY_CTLS: 0x0003_ffff_0000_11ffn,
  IA32_VMX_MISC: 0x0000_0000_7004_c1e7n,
  IA32_VMX_CR0_FIXED0: 0x8000_0021n,
  IA32_VMX_CR0_FIXED1: 0xffff_ffffn,
  IA32_VMX_CR4_FIXED0: 0x2000n,
  IA32_VMX_CR4_FIXED1: 0x0037_27ffn,
  IA32_VMX_VMCS_ENUM: 0x2en,
  IA32_VMX_PROCBASED_CTLS2: 0x001f_fcff_0000_0000n,
  IA32_VMX_EPT_VPID_CAP: 0x0000_0f01_0633_4141n,
  IA32_VMX_TRUE_PINBASED_CTLS: 0x0000_007f_0000_0016n,
  IA32_VMX_TRUE_PROCBASED_CTLS: 0xfff9_fffe_0400_6172n,
  IA32_VMX_TRUE_EXIT_CTLS: 0x01ff_ffff_0003_6dfbn,
  IA32_VMX_TRUE_ENTRY_CTLS: 0x0003_ffff_0000_11fbn,
  IA32_VMX_VMFUNC: 1n,
} as const satisfies CapabilityValues;

export const skylake: Preset = {
  name: 'skylake',
  title: 'Intel Core i5-6600K (Skylake, 2015)',
  source: 'libcpuid tests skylake-i5.test',
  vmxSource: "VirtualBox's CPU database, Intel_Core_i7_6700K.h (Core i7-6700K, 06_5EH, stepping 3)",
  vmx: skylakeVmx,
  frequency: 3_504_000_000,
  ratio: 35,
  microcode: 0xf0,
  leaves: [
    ...skylakeLeaves,
    // "Intel(R) Core(TM) i5-6600K CPU @ 3.50GHz"
    [0x80000002, 0, 0x65746e49, 0x2952286c, 0x726f4320, 0x4d542865],
    [0x80000003, 0, 0x35692029, 0x3036362d, 0x43204b30, 0x40205550],
    [0x80000004, 0, 0x352e3320, 0x7a484730, 0x00000000, 0x00000000],
  ],
};
