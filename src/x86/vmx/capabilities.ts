/** The VMX capability MSRs. Intel SDM vol. 3, "VMX Capability Reporting Facility". */

export const capabilityMsrs = {
  IA32_VMX_BASIC: 0x480,
  IA32_VMX_PINBASED_CTLS: 0x481,
  IA32_VMX_PROCBASED_CTLS: 0x482,
  IA32_VMX_EXIT_CTLS: 0x483,
  IA32_VMX_ENTRY_CTLS: 0x484,
  IA32_VMX_MISC: 0x485,
  IA32_VMX_CR0_FIXED0: 0x486,
  IA32_VMX_CR0_FIXED1: 0x487,
  IA32_VMX_CR4_FIXED0: 0x488,
  IA32_VMX_CR4_FIXED1: 0x489,
  IA32_VMX_VMCS_ENUM: 0x48a,
  IA32_VMX_PROCBASED_CTLS2: 0x48b,
  IA32_VMX_EPT_VPID_CAP: 0x48c,
  IA32_VMX_TRUE_PINBASED_CTLS: 0x48d,
  IA32_VMX_TRUE_PROCBASED_CTLS: 0x48e,
  IA32_VMX_TRUE_EXIT_CTLS: 0x48f,
  IA32_VMX_TRUE_ENTRY_CTLS: 0x490,
  IA32_VMX_VMFUNC: 0x491,
  IA32_VMX_PROCBASED_CTLS3: 0x492,
  IA32_VMX_EXIT_CTLS2: 0x493,
} as const;

export type CapabilityMsr = keyof typeof capabilityMsrs;

/** Values of a processor; an MSR that it lacks is missing. */
export type CapabilityValues = Readonly<Partial<Record<CapabilityMsr, bigint>>>;

const names: ReadonlyMap<number, CapabilityMsr> = new Map(
  (Object.keys(capabilityMsrs) as CapabilityMsr[]).map((name) => [capabilityMsrs[name], name]),
);
export const capabilityMsrAt = (address: number): CapabilityMsr | undefined => names.get(address);

export interface Part {
  readonly bit: number;
  readonly width?: number;
  readonly meaning: string;
}

/** Intel SDM vol. 3, "Basic VMX Information". */
export const basicParts = {
  REVISION: { bit: 0, width: 31, meaning: 'VMCS revision identifier' },
  REGION_SIZE: { bit: 32, width: 13, meaning: 'bytes of a VMXON region and of a VMCS region' },
  ADDRESSES_32: { bit: 48, meaning: 'addresses of VMX structures have 32 bits' },
  DUAL_MONITOR: { bit: 49, meaning: 'dual-monitor treatment of SMIs' },
  MEMORY_TYPE: { bit: 50, width: 4, meaning: 'memory type of VMX structures' },
  INS_OUTS: { bit: 54, meaning: 'exits of INS and OUTS have instruction information' },
  TRUE_CONTROLS: { bit: 55, meaning: 'default1 controls may be 0, see the TRUE capability MSRs' },
  ANY_ERROR_CODE: { bit: 56, meaning: 'injected exceptions may have an error code or not, whatever the vector' },
  NESTED_EXCEPTION: { bit: 58, meaning: 'injected exceptions may be marked as nested' },
} as const satisfies Readonly<Record<string, Part>>;

/** Intel SDM vol. 3, "Miscellaneous Data". */
export const miscParts = {
  TIMER_RATE: { bit: 0, width: 5, meaning: 'the preemption timer counts when this bit of the TSC changes' },
  STORE_LMA: { bit: 5, meaning: 'VM exits store EFER.LMA into "IA-32e mode guest"' },
  HLT: { bit: 6, meaning: 'activity state HLT' },
  SHUTDOWN: { bit: 7, meaning: 'activity state shutdown' },
  WAIT_FOR_SIPI: { bit: 8, meaning: 'activity state wait-for-SIPI' },
  PT: { bit: 14, meaning: 'Intel PT in VMX operation' },
  SMBASE: { bit: 15, meaning: 'RDMSR reads IA32_SMBASE in SMM' },
  CR3_TARGETS: { bit: 16, width: 9, meaning: 'CR3-target values' },
  MSR_LISTS: { bit: 25, width: 3, meaning: 'recommended MSRs in a list: 512 times this plus 1' },
  SMM_MONITOR_CTL: { bit: 28, meaning: 'IA32_SMM_MONITOR_CTL bit 2' },
  VMWRITE_ANY: { bit: 29, meaning: 'VMWRITE writes every field, exit information too' },
  ZERO_LENGTH: { bit: 30, meaning: 'injection with an instruction length of 0' },
  MSEG_REVISION: { bit: 32, width: 32, meaning: 'MSEG revision identifier' },
} as const satisfies Readonly<Record<string, Part>>;

/** Intel SDM vol. 3, "VPID and EPT Capabilities". */
export const eptVpidParts = {
  EXECUTE_ONLY: { bit: 0, meaning: 'EPT entries that allow execution only' },
  WALK_4: { bit: 6, meaning: 'EPT page-walk length 4' },
  WALK_5: { bit: 7, meaning: 'EPT page-walk length 5' },
  UC: { bit: 8, meaning: 'EPT paging structures uncacheable' },
  WB: { bit: 14, meaning: 'EPT paging structures write-back' },
  PAGES_2M: { bit: 16, meaning: 'EPT pages of 2 MiB' },
  PAGES_1G: { bit: 17, meaning: 'EPT pages of 1 GiB' },
  INVEPT: { bit: 20, meaning: 'INVEPT' },
  ACCESSED_DIRTY: { bit: 21, meaning: 'accessed and dirty flags of EPT' },
  ADVANCED: { bit: 22, meaning: 'advanced exit information of EPT violations' },
  SHADOW_STACK: { bit: 23, meaning: 'supervisor shadow-stack control' },
  INVEPT_SINGLE: { bit: 25, meaning: 'INVEPT of one context' },
  INVEPT_ALL: { bit: 26, meaning: 'INVEPT of all contexts' },
  INVVPID: { bit: 32, meaning: 'INVVPID' },
  INVVPID_ADDRESS: { bit: 40, meaning: 'INVVPID of one address' },
  INVVPID_SINGLE: { bit: 41, meaning: 'INVVPID of one context' },
  INVVPID_ALL: { bit: 42, meaning: 'INVVPID of all contexts' },
  INVVPID_KEEP_GLOBALS: { bit: 43, meaning: 'INVVPID of one context without global translations' },
} as const satisfies Readonly<Record<string, Part>>;
