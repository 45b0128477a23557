/**
 * What the lines of a VMCS dump consist of, in the kernel log of KVM (`dump_vmcs`) and in Xen's (`vmcs_dump_vcpu`), by
 * section. A piece is written as the hypervisor prints it, with the field's name where the number stands: `{}` is a number
 * that is no field. Spaces and the `0x` of numbers may be there or not, as the generations of these formats differ.
 */

export type Section = 'guest' | 'host' | 'control';

const segments = ['CS', 'DS', 'SS', 'ES', 'FS', 'GS', 'LDTR', 'TR'] as const;
const tables = ['GDTR', 'IDTR'] as const;

const guest: readonly string[] = [
  'CR0: actual={GUEST_CR0}, shadow={CR0_READ_SHADOW}, gh_mask={CR0_GUEST_HOST_MASK}',
  'CR4: actual={GUEST_CR4}, shadow={CR4_READ_SHADOW}, gh_mask={CR4_GUEST_HOST_MASK}',
  'CR3: actual={GUEST_CR3}, target_count={CR3_TARGET_COUNT}',
  'target0={CR3_TARGET_VALUE0}, target1={CR3_TARGET_VALUE1}',
  'target2={CR3_TARGET_VALUE2}, target3={CR3_TARGET_VALUE3}',
  'CR3 = {GUEST_CR3}',
  ...[0, 1, 2, 3].flatMap((n) => [`PDPTR${n} = {GUEST_PDPTR${n}}`, `PDPTE${n} = {GUEST_PDPTR${n}}`]),
  'RSP = {GUEST_RSP}',
  'RIP = {GUEST_RIP}',
  'RFLAGS = {GUEST_RFLAGS}',
  'DR7 = {GUEST_DR7}',
  'Sysenter RSP = {GUEST_SYSENTER_ESP} CS:RIP = {GUEST_SYSENTER_CS}:{GUEST_SYSENTER_EIP}',
  'sel attr limit base',
  ...segments.flatMap((name) => {
    const [sel, attr, limit, base] = ['SELECTOR', 'AR_BYTES', 'LIMIT', 'BASE'].map((part) => `{GUEST_${name}_${part}}`);
    return [
      `${name}: sel=${sel}, attr=${attr}, limit=${limit}, base=${base}`,
      `${name}: ${sel} ${attr} ${limit} ${base}`,
    ];
  }),
  ...tables.flatMap((name) => [
    `${name}: limit={GUEST_${name}_LIMIT}, base={GUEST_${name}_BASE}`,
    `${name}: {GUEST_${name}_LIMIT} {GUEST_${name}_BASE}`,
  ]),
  // What the guest will have, not what the field holds: the entry does not load the field.
  'EFER = {} (autoload)',
  'EFER = {} (effective)',
  'EFER = {GUEST_IA32_EFER}',
  'Guest PAT = {GUEST_IA32_PAT}',
  'PAT = {GUEST_IA32_PAT}',
  'PreemptionTimer = {VMX_PREEMPTION_TIMER_VALUE}',
  'SM Base = {GUEST_SMBASE}',
  'DebugCtl = {GUEST_IA32_DEBUGCTL}',
  'DebugExceptions = {GUEST_PENDING_DBG_EXCEPTIONS}',
  'PerfGlobCtl = {GUEST_IA32_PERF_GLOBAL_CTRL}',
  'BndCfgS = {GUEST_BNDCFGS}',
  'Interruptibility = {GUEST_INTERRUPTIBILITY_STATE}',
  'ActivityState = {GUEST_ACTIVITY_STATE}',
  'InterruptStatus = {GUEST_INTR_STATUS}',
  'S_CET = {GUEST_S_CET}',
  'SSP = {GUEST_SSP}',
  'INTR SSP TABLE = {GUEST_INTR_SSP_TABLE}',
  'SSP TABLE = {GUEST_INTR_SSP_TABLE}',
];

const host: readonly string[] = [
  'RIP = {HOST_RIP}',
  'RSP = {HOST_RSP}',
  ...['CS', 'SS', 'DS', 'ES', 'FS', 'GS', 'TR'].map((name) => `${name} = {HOST_${name}_SELECTOR}`),
  ...['FS', 'GS', 'TR'].map((name) => `${name}Base = {HOST_${name}_BASE}`),
  'GDTBase = {HOST_GDTR_BASE}',
  'IDTBase = {HOST_IDTR_BASE}',
  ...['CR0', 'CR3', 'CR4'].map((name) => `${name} = {HOST_${name}}`),
  'Sysenter RSP = {HOST_IA32_SYSENTER_ESP} CS:RIP = {HOST_IA32_SYSENTER_CS}:{HOST_IA32_SYSENTER_EIP}',
  'EFER = {HOST_IA32_EFER}',
  'Host PAT = {HOST_IA32_PAT}',
  'PAT = {HOST_IA32_PAT}',
  'PerfGlobCtl = {HOST_IA32_PERF_GLOBAL_CTRL}',
];

const control: readonly string[] = [
  'PinBased = {PIN_BASED_VM_EXEC_CONTROL}',
  'CPUBased = {CPU_BASED_VM_EXEC_CONTROL}',
  'SecondaryExec = {SECONDARY_VM_EXEC_CONTROL}',
  'TertiaryExec = {TERTIARY_VM_EXEC_CONTROL}',
  'EntryControls = {VM_ENTRY_CONTROLS}',
  'ExitControls = {VM_EXIT_CONTROLS}',
  'ExceptionBitmap = {EXCEPTION_BITMAP}',
  'PFECmask = {PAGE_FAULT_ERROR_CODE_MASK}',
  'PFECmatch = {PAGE_FAULT_ERROR_CODE_MATCH}',
  'VMEntry: intr_info={VM_ENTRY_INTR_INFO_FIELD} errcode={VM_ENTRY_EXCEPTION_ERROR_CODE} ilen={VM_ENTRY_INSTRUCTION_LEN}',
  'VMExit: intr_info={VM_EXIT_INTR_INFO} errcode={VM_EXIT_INTR_ERROR_CODE} ilen={VM_EXIT_INSTRUCTION_LEN}',
  'reason={VM_EXIT_REASON} qualification={EXIT_QUALIFICATION}',
  'IDTVectoring: info={IDT_VECTORING_INFO_FIELD} errcode={IDT_VECTORING_ERROR_CODE}',
  'TSC Offset = {TSC_OFFSET}',
  'TSC Multiplier = {TSC_MULTIPLIER}',
  'SVI|RVI = {}|{}',
  'TPR Threshold = {TPR_THRESHOLD}',
  'APIC-access addr = {APIC_ACCESS_ADDR}',
  'virt-APIC addr = {VIRTUAL_APIC_PAGE_ADDR}',
  'PostedIntrVec = {POSTED_INTR_NV}',
  'EPT pointer = {EPT_POINTER}',
  'EPTP index = {EPTP_INDEX}',
  ...[0, 1, 2, 3].flatMap((n) => [`CR3 target${n} = {CR3_TARGET_VALUE${n}}`, `target${n} = {CR3_TARGET_VALUE${n}}`]),
  'PLE Gap = {PLE_GAP} Window = {PLE_WINDOW}',
  'Virtual processor ID = {VIRTUAL_PROCESSOR_ID}',
  'VMfunc controls = {VM_FUNCTION_CONTROL}',
  'VE info address = {VIRT_EXCEPTION_INFO}',
  've_info: {} {} {} {} {} {}',
  // KVM prints the host's behind the controls.
  'S_CET = {HOST_S_CET}',
  'SSP = {HOST_SSP}',
  'INTR SSP TABLE = {HOST_INTR_SSP_TABLE}',
  'SSP TABLE = {HOST_INTR_SSP_TABLE}',
];

/** Lists of MSRs that KVM keeps, printed in any section. */
const lists: readonly string[] = [
  'MSR guest autoload:',
  'MSR guest autostore:',
  'MSR host autoload:',
  '{}: msr={} value={}',
];

export const pieces: Readonly<Record<Section, readonly string[]>> = {
  guest: [...guest, ...lists],
  host: [...host, ...lists],
  control: [...control, ...lists],
};
