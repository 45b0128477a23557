/**
 * Intel Xeon Silver 4108 (Skylake-SP, 06_55H, stepping 4): a server part with 46 physical bits, posted interrupts and APIC
 * virtualization, mode-based execute control and TSC scaling, and advanced exit information of EPT violations. Leaves and
 * MSRs from one dump; SYSCALL added as in haswell.ts. The TSC runs at 25 MHz (Intel SDM vol. 3, "Nominal Core Crystal Clock
 * Frequency") times leaf 15H.
 */

import type { Preset } from '../cpuid';

const DUMP = 'InstLatx64 GenuineIntel0050654_SkylakeXeon_CPUID8.txt (Xeon Silver 4108)';

export const skylakeSp: Preset = {
  name: 'skylake-sp',
  title: 'Intel Xeon Silver 4108 (Skylake-SP, 2017)',
  source: DUMP,
  vmxSource: `${DUMP}, MSRs 480H to 490H`,
  assumed: { IA32_VMX_VMFUNC: "the dump ends at 490H; 1 (EPTP switching) as in QEMU's model Skylake-Server" },
  frequency: 1_800_000_000,
  ratio: 18,
  microcode: 0x200_0016,
  vmx: {
    IA32_VMX_BASIC: 0x00da_0400_0000_0004n,
    IA32_VMX_PINBASED_CTLS: 0x0000_00ff_0000_0016n,
    IA32_VMX_PROCBASED_CTLS: 0xfff9_fffe_0401_e172n,
    IA32_VMX_EXIT_CTLS: 0x01ff_ffff_0003_6dffn,
    IA32_VMX_ENTRY_CTLS: 0x0003_ffff_0000_11ffn,
    IA32_VMX_MISC: 0x0000_0000_7004_c1e7n,
    IA32_VMX_CR0_FIXED0: 0x8000_0021n,
    IA32_VMX_CR0_FIXED1: 0xffff_ffffn,
    IA32_VMX_CR4_FIXED0: 0x2000n,
    IA32_VMX_CR4_FIXED1: 0x0077_67ffn,
    IA32_VMX_VMCS_ENUM: 0x2en,
    IA32_VMX_PROCBASED_CTLS2: 0x025f_7fff_0000_0000n,
    IA32_VMX_EPT_VPID_CAP: 0x0000_0f01_0673_4141n,
    IA32_VMX_TRUE_PINBASED_CTLS: 0x0000_00ff_0000_0016n,
    IA32_VMX_TRUE_PROCBASED_CTLS: 0xfff9_fffe_0400_6172n,
    IA32_VMX_TRUE_EXIT_CTLS: 0x01ff_ffff_0003_6dfbn,
    IA32_VMX_TRUE_ENTRY_CTLS: 0x0003_ffff_0000_11fbn,
    IA32_VMX_VMFUNC: 1n,
  },
  leaves: [
    [0x0, 0, 0x00000016, 0x756e6547, 0x6c65746e, 0x49656e69],
    [0x1, 0, 0x00050654, 0x00100800, 0x7ffefbff, 0xbfebfbff],
    [0x2, 0, 0x76036301, 0x00f0b5ff, 0x00000000, 0x00c30000],
    [0x4, 0, 0x1c004121, 0x01c0003f, 0x0000003f, 0x00000000],
    [0x4, 1, 0x1c004122, 0x01c0003f, 0x0000003f, 0x00000000],
    [0x4, 2, 0x1c004143, 0x03c0003f, 0x000003ff, 0x00000000],
    [0x4, 3, 0x1c03c163, 0x0280003f, 0x00003fff, 0x00000004],
    [0x5, 0, 0x00000040, 0x00000040, 0x00000003, 0x00002020],
    [0x6, 0, 0x00000077, 0x00000002, 0x00000009, 0x00000000],
    [0x7, 0, 0x00000000, 0xd39ffffb, 0x00000008, 0x00000000],
    [0xa, 0, 0x07300404, 0x00000000, 0x00000000, 0x00000603],
    [0xb, 0, 0x00000001, 0x00000002, 0x00000100, 0x00000000],
    [0xd, 0, 0x000002ff, 0x00000a80, 0x00000a88, 0x00000000],
    [0xf, 0, 0x00000000, 0x0000003f, 0x00000000, 0x00000002],
    [0x10, 0, 0x00000000, 0x0000000a, 0x00000000, 0x00000000],
    [0x14, 0, 0x00000001, 0x0000000f, 0x00000007, 0x00000000],
    [0x15, 0, 0x00000002, 0x00000090, 0x00000000, 0x00000000],
    [0x16, 0, 0x00000708, 0x00000bb8, 0x00000064, 0x00000000],
    [0x80000000, 0, 0x80000008, 0x00000000, 0x00000000, 0x00000000],
    [0x80000001, 0, 0x00000000, 0x00000000, 0x00000121, 0x2c100800],
    // "Intel(R) Xeon(R) Silver 4108 CPU @ 1.80GHz"
    [0x80000002, 0, 0x65746e49, 0x2952286c, 0x6f655820, 0x2952286e],
    [0x80000003, 0, 0x6c695320, 0x20726576, 0x38303134, 0x55504320],
    [0x80000004, 0, 0x31204020, 0x4730382e, 0x00007a48, 0x00000000],
    [0x80000006, 0, 0x00000000, 0x00000000, 0x01006040, 0x00000000],
    [0x80000007, 0, 0x00000000, 0x00000000, 0x00000000, 0x00000100],
    [0x80000008, 0, 0x0000302e, 0x00000000, 0x00000000, 0x00000000],
  ],
};
