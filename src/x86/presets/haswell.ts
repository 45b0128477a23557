/**
 * Intel Core i7-4770 (Haswell, 06_3CH, stepping 3). Leaf 1 and leaf 7 as published in dumps of that processor; the
 * other leaves from the dump of a Core i7-4710MQ of the same stepping in libcpuid's test data (haswell-i7.test). SYSCALL
 * (80000001H EDX bit 11) is shown in 64-bit mode only and therefore missing in 32-bit dumps: set here. APIC id, counts of
 * logical processors and leaf 0BH are made by the machine.
 */

import type { Preset } from '../cpuid';

export const haswell: Preset = {
  name: 'haswell',
  title: 'Intel Core i7-4770 (Haswell, 2013)',
  source: 'libcpuid tests haswell-i7.test; InstLatx64 GenuineIntel00306C3_Haswell_CPUID.txt (Core i7-4770)',
  vmxSource: 'InstLatx64 GenuineIntel00306C3_Haswell_CPUID.txt (Core i7-4770, stepping C0, MSRs 480H to 490H)',
  assumed: {
    IA32_VMX_VMFUNC:
      "the dump ends at 490H; 1 (EPTP switching) as in QEMU's model Haswell, and in the VirtualBox log of a Haswell (minix issue 17)",
  },
  frequency: 3_400_000_000,
  ratio: 34,
  microcode: 0x28,
  vmx: {
    IA32_VMX_BASIC: 0x00da_0400_0000_0012n,
    IA32_VMX_PINBASED_CTLS: 0x0000_007f_0000_0016n,
    IA32_VMX_PROCBASED_CTLS: 0xfff9_fffe_0401_e172n,
    IA32_VMX_EXIT_CTLS: 0x007f_ffff_0003_6dffn,
    IA32_VMX_ENTRY_CTLS: 0x0000_ffff_0000_11ffn,
    IA32_VMX_MISC: 0x0000_0000_3004_81e5n,
    IA32_VMX_CR0_FIXED0: 0x8000_0021n,
    IA32_VMX_CR0_FIXED1: 0xffff_ffffn,
    IA32_VMX_CR4_FIXED0: 0x2000n,
    IA32_VMX_CR4_FIXED1: 0x0017_67ffn,
    IA32_VMX_VMCS_ENUM: 0x2an,
    IA32_VMX_PROCBASED_CTLS2: 0x0000_7cff_0000_0000n,
    IA32_VMX_EPT_VPID_CAP: 0x0000_0f01_0633_4141n,
    IA32_VMX_TRUE_PINBASED_CTLS: 0x0000_007f_0000_0016n,
    IA32_VMX_TRUE_PROCBASED_CTLS: 0xfff9_fffe_0400_6172n,
    IA32_VMX_TRUE_EXIT_CTLS: 0x007f_ffff_0003_6dfbn,
    IA32_VMX_TRUE_ENTRY_CTLS: 0x0000_ffff_0000_11fbn,
    IA32_VMX_VMFUNC: 1n,
  },
  leaves: [
    [0x0, 0, 0x0000000d, 0x756e6547, 0x6c65746e, 0x49656e69],
    [0x1, 0, 0x000306c3, 0x00100800, 0x7ffafbff, 0xbfebfbff],
    [0x2, 0, 0x76036301, 0x00f0b5ff, 0x00000000, 0x00c10000],
    [0x4, 0, 0x1c004121, 0x01c0003f, 0x0000003f, 0x00000000],
    [0x4, 1, 0x1c004122, 0x01c0003f, 0x0000003f, 0x00000000],
    [0x4, 2, 0x1c004143, 0x01c0003f, 0x000001ff, 0x00000000],
    [0x4, 3, 0x1c03c163, 0x03c0003f, 0x00001fff, 0x00000006],
    [0x5, 0, 0x00000040, 0x00000040, 0x00000003, 0x00042120],
    [0x6, 0, 0x00000077, 0x00000002, 0x00000009, 0x00000000],
    [0x7, 0, 0x00000000, 0x000027ab, 0x00000000, 0x00000000],
    [0xa, 0, 0x07300403, 0x00000000, 0x00000000, 0x00000603],
    [0xb, 0, 0x00000001, 0x00000002, 0x00000100, 0x00000000],
    [0xd, 0, 0x00000007, 0x00000340, 0x00000340, 0x00000000],
    [0x80000000, 0, 0x80000008, 0x00000000, 0x00000000, 0x00000000],
    [0x80000001, 0, 0x00000000, 0x00000000, 0x00000021, 0x2c100800],
    // "Intel(R) Core(TM) i7-4770 CPU @ 3.40GHz"
    [0x80000002, 0, 0x65746e49, 0x2952286c, 0x726f4320, 0x4d542865],
    [0x80000003, 0, 0x37692029, 0x3737342d, 0x50432030, 0x20402055],
    [0x80000004, 0, 0x30342e33, 0x007a4847, 0x00000000, 0x00000000],
    [0x80000006, 0, 0x00000000, 0x00000000, 0x01006040, 0x00000000],
    [0x80000007, 0, 0x00000000, 0x00000000, 0x00000000, 0x00000100],
    [0x80000008, 0, 0x00003027, 0x00000000, 0x00000000, 0x00000000],
  ],
};
