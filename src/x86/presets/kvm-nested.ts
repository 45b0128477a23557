/**
 * What a guest hypervisor sees under KVM on a Haswell host: no CR3-target values, no dual-monitor treatment, no activity
 * states but HLT, KVM's own VMCS revision. Leaves of the haswell preset with the hypervisor bit and QEMU's standard width of
 * 40 physical bits (`phys-bits`).
 */

import type { CpuidRow, Preset } from '../cpuid';
import { haswell } from './haswell';

const HYPERVISOR = 2 ** 31;
/** Physical 40, linear 48. */
const WIDTHS = 0x3028;

const HOST_64 =
  'the dump is of a virtual CPU without long mode; bit 9 (host address-space size) is allowed as KVM does where there is one';

export const kvmNested: Preset = {
  ...haswell,
  name: 'kvm-nested',
  title: 'a guest hypervisor under KVM on Haswell',
  source: "the leaves of haswell; QEMU's standard physical-address width",
  vmxSource: 'notes of the XMHF64 project, "Support guest hypervisor setting MSR" (table of MSRs under QEMU and KVM)',
  assumed: { IA32_VMX_EXIT_CTLS: HOST_64, IA32_VMX_TRUE_EXIT_CTLS: HOST_64 },
  vmx: {
    IA32_VMX_BASIC: 0x00d8_1000_11e5_7ed0n,
    IA32_VMX_PINBASED_CTLS: 0x0000_007f_0000_0016n,
    IA32_VMX_PROCBASED_CTLS: 0xfff9_fffe_0401_e172n,
    IA32_VMX_EXIT_CTLS: 0x007f_ffff_0003_6dffn,
    IA32_VMX_ENTRY_CTLS: 0x0000_f3ff_0000_11ffn,
    IA32_VMX_MISC: 0x0000_0000_2000_0065n,
    IA32_VMX_CR0_FIXED0: 0x8000_0021n,
    IA32_VMX_CR0_FIXED1: 0xffff_ffffn,
    IA32_VMX_CR4_FIXED0: 0x2000n,
    IA32_VMX_CR4_FIXED1: 0x0017_27ffn,
    IA32_VMX_VMCS_ENUM: 0x2en,
    IA32_VMX_PROCBASED_CTLS2: 0x0000_78ff_0000_0000n,
    IA32_VMX_EPT_VPID_CAP: 0x0000_0f01_0633_4041n,
    IA32_VMX_TRUE_PINBASED_CTLS: 0x0000_007f_0000_0016n,
    IA32_VMX_TRUE_PROCBASED_CTLS: 0xfff9_fffe_0400_6172n,
    IA32_VMX_TRUE_EXIT_CTLS: 0x007f_ffff_0003_6dfbn,
    IA32_VMX_TRUE_ENTRY_CTLS: 0x0000_f3ff_0000_11fbn,
    IA32_VMX_VMFUNC: 1n,
  },
  leaves: haswell.leaves.map((row): CpuidRow => {
    const [leaf, subleaf, eax, ebx, ecx, edx] = row;
    if (leaf === 1) return [leaf, subleaf, eax, ebx, ecx + HYPERVISOR, edx];
    return leaf === 0x80000008 ? [leaf, subleaf, WIDTHS, ebx, ecx, edx] : row;
  }),
};
