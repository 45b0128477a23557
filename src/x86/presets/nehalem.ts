/**
 * Intel Core i7-920 (Bloomfield, 06_1AH, stepping 4): the first processors with EPT and VPIDs, without unrestricted guest,
 * 1 GiB pages and the accessed and dirty flags of EPT. Leaves from the dump in libcpuid's test data (bloomfield.test),
 * SYSCALL added as in haswell.ts. No dump with all of its VMX capability MSRs was found: what is not in the one that was,
 * `assumed` names with its origin.
 */

import type { Preset } from '../cpuid';

/** The dump nearest to it: the generation after, the same socket and chip set, the same controls but CTLS2 bits 7 and 10. */
const WESTMERE = 'a Xeon W3670 (Westmere, 06_2CH, stepping 2; InstLatx64 GenuineIntel00206C2_Gulftown_01_CPUID.txt)';

export const nehalem: Preset = {
  name: 'nehalem',
  title: 'Intel Core i7-920 (Nehalem, 2008)',
  source: 'libcpuid tests bloomfield.test',
  vmxSource: 'comment "core i7 values" in the source of DBVM (Cheat Engine; VMCS revision 0EH, model not named)',
  assumed: {
    IA32_VMX_CR0_FIXED0: WESTMERE,
    IA32_VMX_CR0_FIXED1: WESTMERE,
    IA32_VMX_CR4_FIXED0: WESTMERE,
    IA32_VMX_CR4_FIXED1: 'Intel SDM vol. 3, "VMX-Fixed Bits in CR4": the bits that its CPUID leaves enumerate',
    IA32_VMX_VMCS_ENUM: WESTMERE,
    IA32_VMX_EPT_VPID_CAP:
      'a Core i7-2635QM (VirtualBox, Intel_Core_i7_2635QM.h), which agrees with the VMX flags that Linux shows of a Xeon W3530 (06_1AH, stepping 5)',
    IA32_VMX_TRUE_PINBASED_CTLS: `as IA32_VMX_PINBASED_CTLS, and ${WESTMERE}`,
    IA32_VMX_TRUE_PROCBASED_CTLS: WESTMERE,
    IA32_VMX_TRUE_EXIT_CTLS: WESTMERE,
    IA32_VMX_TRUE_ENTRY_CTLS: WESTMERE,
  },
  frequency: 2_666_666_667,
  ratio: 20,
  // As the Linux log of a processor with this signature shows it.
  microcode: 0xa,
  vmx: {
    IA32_VMX_BASIC: 0x00da_0400_0000_000en,
    IA32_VMX_PINBASED_CTLS: 0x0000_007f_0000_0016n,
    IA32_VMX_PROCBASED_CTLS: 0xfff9_fffe_0401_e172n,
    IA32_VMX_EXIT_CTLS: 0x007f_ffff_0003_6dffn,
    IA32_VMX_ENTRY_CTLS: 0x0000_ffff_0000_11ffn,
    IA32_VMX_MISC: 0x0000_0000_0004_01c5n,
    IA32_VMX_CR0_FIXED0: 0x8000_0021n,
    IA32_VMX_CR0_FIXED1: 0xffff_ffffn,
    IA32_VMX_CR4_FIXED0: 0x2000n,
    IA32_VMX_CR4_FIXED1: 0x27ffn,
    IA32_VMX_VMCS_ENUM: 0x2an,
    IA32_VMX_PROCBASED_CTLS2: 0x0000_007f_0000_0000n,
    IA32_VMX_EPT_VPID_CAP: 0x0000_0f01_0611_4141n,
    IA32_VMX_TRUE_PINBASED_CTLS: 0x0000_007f_0000_0016n,
    IA32_VMX_TRUE_PROCBASED_CTLS: 0xfff9_fffe_0400_6172n,
    IA32_VMX_TRUE_EXIT_CTLS: 0x007f_ffff_0003_6dfbn,
    IA32_VMX_TRUE_ENTRY_CTLS: 0x0000_ffff_0000_11fbn,
  },
  leaves: [
    [0x0, 0, 0x0000000b, 0x756e6547, 0x6c65746e, 0x49656e69],
    [0x1, 0, 0x000106a4, 0x00100800, 0x0098e3bd, 0xbfebfbff],
    [0x2, 0, 0x55035a01, 0x00f0b2e4, 0x00000000, 0x09ca212c],
    [0x4, 0, 0x1c004121, 0x01c0003f, 0x0000003f, 0x00000000],
    [0x4, 1, 0x1c004122, 0x00c0003f, 0x0000007f, 0x00000000],
    [0x4, 2, 0x1c004143, 0x01c0003f, 0x000001ff, 0x00000000],
    [0x4, 3, 0x1c03c163, 0x03c0003f, 0x00001fff, 0x00000002],
    [0x5, 0, 0x00000040, 0x00000040, 0x00000003, 0x00001120],
    [0x6, 0, 0x00000003, 0x00000002, 0x00000001, 0x00000000],
    [0xa, 0, 0x07300403, 0x00000040, 0x00000000, 0x00000603],
    [0xb, 0, 0x00000001, 0x00000002, 0x00000100, 0x00000000],
    [0x80000000, 0, 0x80000008, 0x00000000, 0x00000000, 0x00000000],
    [0x80000001, 0, 0x00000000, 0x00000000, 0x00000001, 0x28100800],
    // "Intel(R) Core(TM) i7 CPU         920  @ 2.67GHz"
    [0x80000002, 0, 0x65746e49, 0x2952286c, 0x726f4320, 0x4d542865],
    [0x80000003, 0, 0x37692029, 0x55504320, 0x20202020, 0x20202020],
    [0x80000004, 0, 0x30323920, 0x20402020, 0x37362e32, 0x007a4847],
    [0x80000006, 0, 0x00000000, 0x00000000, 0x01006040, 0x00000000],
    [0x80000007, 0, 0x00000000, 0x00000000, 0x00000000, 0x00000100],
    [0x80000008, 0, 0x00003024, 0x00000000, 0x00000000, 0x00000000],
  ],
};
