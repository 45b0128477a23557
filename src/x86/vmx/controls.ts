/**
 * The control words of a VMCS, bit by bit: the field that holds each, the capability MSRs that tell which settings a
 * processor allows, and the name of every bit. Intel SDM vol. 3, "VM-Execution Control Fields", "VM-Exit Controls",
 * "VM-Entry Controls", and "Reserved Controls and Default Settings".
 */

import type { FieldName } from './fields';

export interface ControlBit {
  readonly bit: number;
  /** The manual's name. */
  readonly title: string;
}

export interface ControlWord {
  readonly title: string;
  readonly field: FieldName;
  /** Allowed settings: the low half tells what must be 1, the high half what may be. */
  readonly capability: string;
  /** The same when IA32_VMX_BASIC bit 55 is set: default1 bits that may be 0 are told only there. */
  readonly trueCapability?: string;
  /** All 64 bits are "may be 1" bits: there is no low half. */
  readonly allowed1Only?: true;
  /** Bits of the default1 class: 1 on every processor that has no "true" capability. */
  readonly default1: number;
  /** The control that must be 1 for this word to count; without it all its bits are taken as 0. */
  readonly activatedBy?: string;
  readonly bits: Readonly<Record<string, ControlBit>>;
}

const bits = (rows: Readonly<Record<string, readonly [number, string]>>): Readonly<Record<string, ControlBit>> =>
  Object.fromEntries(Object.entries(rows).map(([name, [bit, title]]) => [name, { bit, title }]));

const pin: ControlWord = {
  title: 'pin-based VM-execution control',
  field: 'PIN_BASED_VM_EXEC_CONTROL',
  capability: 'IA32_VMX_PINBASED_CTLS',
  trueCapability: 'IA32_VMX_TRUE_PINBASED_CTLS',
  default1: 0x16,
  bits: bits({
    'external-interrupt-exiting': [0, 'external-interrupt exiting'],
    'nmi-exiting': [3, 'NMI exiting'],
    'virtual-nmis': [5, 'virtual NMIs'],
    'activate-vmx-preemption-timer': [6, 'activate VMX-preemption timer'],
    'process-posted-interrupts': [7, 'process posted interrupts'],
  }),
};

const primary: ControlWord = {
  title: 'primary processor-based VM-execution control',
  field: 'CPU_BASED_VM_EXEC_CONTROL',
  capability: 'IA32_VMX_PROCBASED_CTLS',
  trueCapability: 'IA32_VMX_TRUE_PROCBASED_CTLS',
  default1: 0x0401_e172,
  bits: bits({
    'interrupt-window-exiting': [2, 'interrupt-window exiting'],
    'use-tsc-offsetting': [3, 'use TSC offsetting'],
    'hlt-exiting': [7, 'HLT exiting'],
    'invlpg-exiting': [9, 'INVLPG exiting'],
    'mwait-exiting': [10, 'MWAIT exiting'],
    'rdpmc-exiting': [11, 'RDPMC exiting'],
    'rdtsc-exiting': [12, 'RDTSC exiting'],
    'cr3-load-exiting': [15, 'CR3-load exiting'],
    'cr3-store-exiting': [16, 'CR3-store exiting'],
    'activate-tertiary-controls': [17, 'activate tertiary controls'],
    'cr8-load-exiting': [19, 'CR8-load exiting'],
    'cr8-store-exiting': [20, 'CR8-store exiting'],
    'use-tpr-shadow': [21, 'use TPR shadow'],
    'nmi-window-exiting': [22, 'NMI-window exiting'],
    'mov-dr-exiting': [23, 'MOV-DR exiting'],
    'unconditional-io-exiting': [24, 'unconditional I/O exiting'],
    'use-io-bitmaps': [25, 'use I/O bitmaps'],
    'monitor-trap-flag': [27, 'monitor trap flag'],
    'use-msr-bitmaps': [28, 'use MSR bitmaps'],
    'monitor-exiting': [29, 'MONITOR exiting'],
    'pause-exiting': [30, 'PAUSE exiting'],
    'activate-secondary-controls': [31, 'activate secondary controls'],
  }),
};

const secondary: ControlWord = {
  title: 'secondary processor-based VM-execution control',
  field: 'SECONDARY_VM_EXEC_CONTROL',
  capability: 'IA32_VMX_PROCBASED_CTLS2',
  default1: 0,
  activatedBy: 'primary.activate-secondary-controls',
  bits: bits({
    'virtualize-apic-accesses': [0, 'virtualize APIC accesses'],
    'enable-ept': [1, 'enable EPT'],
    'descriptor-table-exiting': [2, 'descriptor-table exiting'],
    'enable-rdtscp': [3, 'enable RDTSCP'],
    'virtualize-x2apic-mode': [4, 'virtualize x2APIC mode'],
    'enable-vpid': [5, 'enable VPID'],
    'wbinvd-exiting': [6, 'WBINVD exiting'],
    'unrestricted-guest': [7, 'unrestricted guest'],
    'apic-register-virtualization': [8, 'APIC-register virtualization'],
    'virtual-interrupt-delivery': [9, 'virtual-interrupt delivery'],
    'pause-loop-exiting': [10, 'PAUSE-loop exiting'],
    'rdrand-exiting': [11, 'RDRAND exiting'],
    'enable-invpcid': [12, 'enable INVPCID'],
    'enable-vm-functions': [13, 'enable VM functions'],
    'vmcs-shadowing': [14, 'VMCS shadowing'],
    'enable-encls-exiting': [15, 'enable ENCLS exiting'],
    'rdseed-exiting': [16, 'RDSEED exiting'],
    'enable-pml': [17, 'enable PML'],
    'ept-violation-ve': [18, 'EPT-violation #VE'],
    'conceal-vmx-from-pt': [19, 'conceal VMX from PT'],
    'enable-xsaves-xrstors': [20, 'enable XSAVES/XRSTORS'],
    'pasid-translation': [21, 'PASID translation'],
    'mode-based-execute-control': [22, 'mode-based execute control for EPT'],
    'sub-page-write-permissions': [23, 'sub-page write permissions for EPT'],
    'pt-uses-guest-physical-addresses': [24, 'Intel PT uses guest physical addresses'],
    'use-tsc-scaling': [25, 'use TSC scaling'],
    'enable-user-wait-and-pause': [26, 'enable user wait and pause'],
    'enable-pconfig': [27, 'enable PCONFIG'],
    'enable-enclv-exiting': [28, 'enable ENCLV exiting'],
    'vmm-bus-lock-detection': [30, 'VMM bus-lock detection'],
    'instruction-timeout': [31, 'instruction timeout'],
  }),
};

const tertiary: ControlWord = {
  title: 'tertiary processor-based VM-execution control',
  field: 'TERTIARY_VM_EXEC_CONTROL',
  capability: 'IA32_VMX_PROCBASED_CTLS3',
  allowed1Only: true,
  default1: 0,
  activatedBy: 'primary.activate-tertiary-controls',
  bits: bits({
    'loadiwkey-exiting': [0, 'LOADIWKEY exiting'],
    'enable-hlat': [1, 'enable HLAT'],
    'ept-paging-write-control': [2, 'EPT paging-write control'],
    'guest-paging-verification': [3, 'guest-paging verification'],
    'ipi-virtualization': [4, 'IPI virtualization'],
    'seam-guest-physical-address-width': [5, 'SEAM guest-physical address width'],
    'enable-msr-list-instructions': [6, 'enable MSR-list instructions'],
    'virtualize-ia32-spec-ctrl': [7, 'virtualize IA32_SPEC_CTRL'],
    'apic-timer-virtualization': [8, 'APIC-timer virtualization'],
    'enable-pbndkb': [9, 'enable PBNDKB'],
    'pebs-uses-guest-physical-addresses': [12, 'PEBS uses guest physical addresses'],
  }),
};

const exit: ControlWord = {
  title: 'VM-exit control',
  field: 'VM_EXIT_CONTROLS',
  capability: 'IA32_VMX_EXIT_CTLS',
  trueCapability: 'IA32_VMX_TRUE_EXIT_CTLS',
  default1: 0x0003_6dff,
  bits: bits({
    'save-debug-controls': [2, 'save debug controls'],
    'host-address-space-size': [9, 'host address-space size'],
    'load-ia32-perf-global-ctrl': [12, 'load IA32_PERF_GLOBAL_CTRL'],
    'acknowledge-interrupt-on-exit': [15, 'acknowledge interrupt on exit'],
    'save-ia32-pat': [18, 'save IA32_PAT'],
    'load-ia32-pat': [19, 'load IA32_PAT'],
    'save-ia32-efer': [20, 'save IA32_EFER'],
    'load-ia32-efer': [21, 'load IA32_EFER'],
    'save-vmx-preemption-timer-value': [22, 'save VMX-preemption timer value'],
    'clear-ia32-bndcfgs': [23, 'clear IA32_BNDCFGS'],
    'conceal-vmx-from-pt': [24, 'conceal VMX from PT'],
    'clear-ia32-rtit-ctl': [25, 'clear IA32_RTIT_CTL'],
    'clear-ia32-lbr-ctl': [26, 'clear IA32_LBR_CTL'],
    'clear-uinv': [27, 'clear UINV'],
    'load-cet-state': [28, 'load CET state'],
    'load-pkrs': [29, 'load PKRS'],
    'save-ia32-perf-global-ctrl': [30, 'save IA32_PERF_GLOBAL_CTL'],
    'activate-secondary-controls': [31, 'activate secondary controls'],
  }),
};

const secondaryExit: ControlWord = {
  title: 'secondary VM-exit control',
  field: 'SECONDARY_VM_EXIT_CONTROLS',
  capability: 'IA32_VMX_EXIT_CTLS2',
  allowed1Only: true,
  default1: 0,
  activatedBy: 'exit.activate-secondary-controls',
  bits: bits({
    'save-fred': [0, 'save FRED'],
    'load-fred': [1, 'load FRED'],
    'load-ia32-spec-ctrl': [2, 'load IA32_SPEC_CTRL'],
    'prematurely-busy-shadow-stack': [3, 'prematurely busy shadow stack'],
  }),
};

const entry: ControlWord = {
  title: 'VM-entry control',
  field: 'VM_ENTRY_CONTROLS',
  capability: 'IA32_VMX_ENTRY_CTLS',
  trueCapability: 'IA32_VMX_TRUE_ENTRY_CTLS',
  default1: 0x11ff,
  bits: bits({
    'load-debug-controls': [2, 'load debug controls'],
    'ia-32e-mode-guest': [9, 'IA-32e mode guest'],
    'entry-to-smm': [10, 'entry to SMM'],
    'deactivate-dual-monitor-treatment': [11, 'deactivate dual-monitor treatment'],
    'load-ia32-perf-global-ctrl': [13, 'load IA32_PERF_GLOBAL_CTRL'],
    'load-ia32-pat': [14, 'load IA32_PAT'],
    'load-ia32-efer': [15, 'load IA32_EFER'],
    'load-ia32-bndcfgs': [16, 'load IA32_BNDCFGS'],
    'conceal-vmx-from-pt': [17, 'conceal VMX from PT'],
    'load-ia32-rtit-ctl': [18, 'load IA32_RTIT_CTL'],
    'load-uinv': [19, 'load UINV'],
    'load-cet-state': [20, 'load CET state'],
    'load-guest-ia32-lbr-ctl': [21, 'load guest IA32_LBR_CTL'],
    'load-pkrs': [22, 'load PKRS'],
    'load-ia32-fred': [23, 'load FRED'],
    'load-ia32-spec-ctrl': [24, 'load IA32_SPEC_CTRL'],
    'allow-seam-guest-telemetry': [25, 'allow SEAM-guest telemetry'],
  }),
};

export const controlWords = { pin, primary, secondary, tertiary, exit, secondaryExit, entry } as const;
export type ControlWordName = keyof typeof controlWords;

export interface Control extends ControlBit {
  readonly word: ControlWordName;
}

/** `secondary.enable-ept` as word and bit; undefined when there is no such control. */
export const controlOf = (id: string): Control | undefined => {
  const dot = id.indexOf('.');
  const word = id.slice(0, dot);
  if (!Object.hasOwn(controlWords, word)) return undefined;
  const row = controlWords[word as ControlWordName].bits[id.slice(dot + 1)];
  return row === undefined ? undefined : { ...row, word: word as ControlWordName };
};
