/**
 * The fields of a VMCS: names as hypervisors write them, encodings, and what a processor must have for a field to
 * exist. Width, group and access are read from the encoding. Intel SDM vol. 3, "Field Encoding in VMCS".
 */

/** What a field's existence hangs on: a control that the processor lets software set, or a capability. */
export type FieldNeed =
  | `pin.${string}`
  | `primary.${string}`
  | `secondary.${string}`
  | `tertiary.${string}`
  | `exit.${string}`
  | `secondaryExit.${string}`
  | `entry.${string}`
  | `capability.${string}`;

export interface FieldRow {
  readonly encoding: number;
  /** The manual's name. */
  readonly title: string;
  /** It exists when one of these can be set; always, when there is none. */
  readonly needs?: readonly FieldNeed[];
}

const field = (encoding: number, title: string, ...needs: FieldNeed[]): FieldRow =>
  needs.length === 0 ? { encoding, title } : { encoding, title, needs };

const control16 = {
  VIRTUAL_PROCESSOR_ID: field(0x0000, 'Virtual-processor identifier (VPID)', 'secondary.enable-vpid'),
  POSTED_INTR_NV: field(0x0002, 'Posted-interrupt notification vector', 'pin.process-posted-interrupts'),
  EPTP_INDEX: field(0x0004, 'EPTP index', 'secondary.ept-violation-ve'),
  HLAT_PREFIX_SIZE: field(0x0006, 'HLAT prefix size', 'tertiary.enable-hlat'),
  LAST_PID_POINTER_INDEX: field(0x0008, 'Last PID-pointer index', 'tertiary.ipi-virtualization'),
  VIRTUAL_TIMER_VECTOR: field(0x000a, 'Virtual timer vector', 'tertiary.apic-timer-virtualization'),
} as const;

const guest16 = {
  GUEST_ES_SELECTOR: field(0x0800, 'Guest ES selector'),
  GUEST_CS_SELECTOR: field(0x0802, 'Guest CS selector'),
  GUEST_SS_SELECTOR: field(0x0804, 'Guest SS selector'),
  GUEST_DS_SELECTOR: field(0x0806, 'Guest DS selector'),
  GUEST_FS_SELECTOR: field(0x0808, 'Guest FS selector'),
  GUEST_GS_SELECTOR: field(0x080a, 'Guest GS selector'),
  GUEST_LDTR_SELECTOR: field(0x080c, 'Guest LDTR selector'),
  GUEST_TR_SELECTOR: field(0x080e, 'Guest TR selector'),
  GUEST_INTR_STATUS: field(0x0810, 'Guest interrupt status', 'secondary.virtual-interrupt-delivery'),
  GUEST_PML_INDEX: field(0x0812, 'PML index', 'secondary.enable-pml'),
  GUEST_UINV: field(0x0814, 'Guest UINV', 'exit.clear-uinv', 'entry.load-uinv'),
} as const;

const host16 = {
  HOST_ES_SELECTOR: field(0x0c00, 'Host ES selector'),
  HOST_CS_SELECTOR: field(0x0c02, 'Host CS selector'),
  HOST_SS_SELECTOR: field(0x0c04, 'Host SS selector'),
  HOST_DS_SELECTOR: field(0x0c06, 'Host DS selector'),
  HOST_FS_SELECTOR: field(0x0c08, 'Host FS selector'),
  HOST_GS_SELECTOR: field(0x0c0a, 'Host GS selector'),
  HOST_TR_SELECTOR: field(0x0c0c, 'Host TR selector'),
} as const;

const control64 = {
  IO_BITMAP_A: field(0x2000, 'Address of I/O bitmap A'),
  IO_BITMAP_B: field(0x2002, 'Address of I/O bitmap B'),
  MSR_BITMAP: field(0x2004, 'Address of MSR bitmaps', 'primary.use-msr-bitmaps'),
  VM_EXIT_MSR_STORE_ADDR: field(0x2006, 'VM-exit MSR-store address'),
  VM_EXIT_MSR_LOAD_ADDR: field(0x2008, 'VM-exit MSR-load address'),
  VM_ENTRY_MSR_LOAD_ADDR: field(0x200a, 'VM-entry MSR-load address'),
  EXECUTIVE_VMCS_POINTER: field(0x200c, 'Executive-VMCS pointer'),
  PML_ADDRESS: field(0x200e, 'PML address', 'secondary.enable-pml'),
  TSC_OFFSET: field(0x2010, 'TSC offset'),
  VIRTUAL_APIC_PAGE_ADDR: field(0x2012, 'Virtual-APIC address', 'primary.use-tpr-shadow'),
  APIC_ACCESS_ADDR: field(0x2014, 'APIC-access address', 'secondary.virtualize-apic-accesses'),
  POSTED_INTR_DESC_ADDR: field(0x2016, 'Posted-interrupt descriptor address', 'pin.process-posted-interrupts'),
  VM_FUNCTION_CONTROL: field(0x2018, 'VM-function controls', 'secondary.enable-vm-functions'),
  EPT_POINTER: field(0x201a, 'EPT pointer (EPTP)', 'secondary.enable-ept'),
  EOI_EXIT_BITMAP0: field(0x201c, 'EOI-exit bitmap 0', 'secondary.virtual-interrupt-delivery'),
  EOI_EXIT_BITMAP1: field(0x201e, 'EOI-exit bitmap 1', 'secondary.virtual-interrupt-delivery'),
  EOI_EXIT_BITMAP2: field(0x2020, 'EOI-exit bitmap 2', 'secondary.virtual-interrupt-delivery'),
  EOI_EXIT_BITMAP3: field(0x2022, 'EOI-exit bitmap 3', 'secondary.virtual-interrupt-delivery'),
  EPTP_LIST_ADDRESS: field(0x2024, 'EPTP-list address', 'capability.eptp-switching'),
  VMREAD_BITMAP: field(0x2026, 'VMREAD-bitmap address', 'secondary.vmcs-shadowing'),
  VMWRITE_BITMAP: field(0x2028, 'VMWRITE-bitmap address', 'secondary.vmcs-shadowing'),
  VIRT_EXCEPTION_INFO: field(0x202a, 'Virtualization-exception information address', 'secondary.ept-violation-ve'),
  XSS_EXIT_BITMAP: field(0x202c, 'XSS-exiting bitmap', 'secondary.enable-xsaves-xrstors'),
  ENCLS_EXITING_BITMAP: field(0x202e, 'ENCLS-exiting bitmap', 'secondary.enable-encls-exiting'),
  SPP_TABLE_POINTER: field(0x2030, 'Sub-page-permission-table pointer', 'secondary.sub-page-write-permissions'),
  TSC_MULTIPLIER: field(0x2032, 'TSC multiplier', 'secondary.use-tsc-scaling'),
  TERTIARY_VM_EXEC_CONTROL: field(
    0x2034,
    'Tertiary processor-based VM-execution controls',
    'primary.activate-tertiary-controls',
  ),
  ENCLV_EXITING_BITMAP: field(0x2036, 'ENCLV-exiting bitmap', 'secondary.enable-enclv-exiting'),
  LOW_PASID_DIRECTORY: field(0x2038, 'Low PASID directory address', 'secondary.pasid-translation'),
  HIGH_PASID_DIRECTORY: field(0x203a, 'High PASID directory address', 'secondary.pasid-translation'),
  SHARED_EPT_POINTER: field(0x203c, 'Shared EPT pointer', 'capability.shared-ept'),
  PCONFIG_EXITING_BITMAP: field(0x203e, 'PCONFIG-exiting bitmap', 'secondary.enable-pconfig'),
  HLAT_POINTER: field(0x2040, 'Hypervisor-managed linear-address translation pointer', 'tertiary.enable-hlat'),
  PID_POINTER_TABLE: field(0x2042, 'PID-pointer table address', 'tertiary.ipi-virtualization'),
  SECONDARY_VM_EXIT_CONTROLS: field(0x2044, 'Secondary VM-exit controls', 'exit.activate-secondary-controls'),
  IA32_SPEC_CTRL_MASK: field(0x204a, 'IA32_SPEC_CTRL mask', 'tertiary.virtualize-ia32-spec-ctrl'),
  IA32_SPEC_CTRL_SHADOW: field(0x204c, 'IA32_SPEC_CTRL shadow', 'tertiary.virtualize-ia32-spec-ctrl'),
  GUEST_DEADLINE_SHADOW: field(0x204e, 'Guest deadline shadow', 'tertiary.apic-timer-virtualization'),
  INJECTED_EVENT_DATA: field(0x2052, 'Injected-event data', 'entry.load-ia32-fred'),
} as const;

const information64 = {
  GUEST_PHYSICAL_ADDRESS: field(0x2400, 'Guest-physical address', 'secondary.enable-ept'),
  ORIGINAL_EVENT_DATA: field(0x2404, 'Original-event data', 'entry.load-ia32-fred'),
} as const;

const guest64 = {
  VMCS_LINK_POINTER: field(0x2800, 'VMCS link pointer'),
  GUEST_IA32_DEBUGCTL: field(0x2802, 'Guest IA32_DEBUGCTL'),
  GUEST_IA32_PAT: field(0x2804, 'Guest IA32_PAT', 'entry.load-ia32-pat', 'exit.save-ia32-pat'),
  GUEST_IA32_EFER: field(0x2806, 'Guest IA32_EFER', 'entry.load-ia32-efer', 'exit.save-ia32-efer'),
  GUEST_IA32_PERF_GLOBAL_CTRL: field(
    0x2808,
    'Guest IA32_PERF_GLOBAL_CTRL',
    'entry.load-ia32-perf-global-ctrl',
    'exit.save-ia32-perf-global-ctrl',
  ),
  GUEST_PDPTR0: field(0x280a, 'Guest PDPTE0', 'secondary.enable-ept'),
  GUEST_PDPTR1: field(0x280c, 'Guest PDPTE1', 'secondary.enable-ept'),
  GUEST_PDPTR2: field(0x280e, 'Guest PDPTE2', 'secondary.enable-ept'),
  GUEST_PDPTR3: field(0x2810, 'Guest PDPTE3', 'secondary.enable-ept'),
  GUEST_BNDCFGS: field(0x2812, 'Guest IA32_BNDCFGS', 'entry.load-ia32-bndcfgs', 'exit.clear-ia32-bndcfgs'),
  GUEST_IA32_RTIT_CTL: field(0x2814, 'Guest IA32_RTIT_CTL', 'entry.load-ia32-rtit-ctl', 'exit.clear-ia32-rtit-ctl'),
  GUEST_IA32_LBR_CTL: field(0x2816, 'Guest IA32_LBR_CTL', 'entry.load-guest-ia32-lbr-ctl', 'exit.clear-ia32-lbr-ctl'),
  GUEST_IA32_PKRS: field(0x2818, 'Guest IA32_PKRS', 'entry.load-pkrs'),
  GUEST_IA32_FRED_CONFIG: field(0x281a, 'Guest IA32_FRED_CONFIG', 'entry.load-ia32-fred'),
  GUEST_IA32_FRED_RSP1: field(0x281c, 'Guest IA32_FRED_RSP1', 'entry.load-ia32-fred'),
  GUEST_IA32_FRED_RSP2: field(0x281e, 'Guest IA32_FRED_RSP2', 'entry.load-ia32-fred'),
  GUEST_IA32_FRED_RSP3: field(0x2820, 'Guest IA32_FRED_RSP3', 'entry.load-ia32-fred'),
  GUEST_IA32_FRED_STKLVLS: field(0x2822, 'Guest IA32_FRED_STKLVLS', 'entry.load-ia32-fred'),
  GUEST_IA32_FRED_SSP1: field(0x2824, 'Guest IA32_FRED_SSP1', 'entry.load-ia32-fred'),
  GUEST_IA32_FRED_SSP2: field(0x2826, 'Guest IA32_FRED_SSP2', 'entry.load-ia32-fred'),
  GUEST_IA32_FRED_SSP3: field(0x2828, 'Guest IA32_FRED_SSP3', 'entry.load-ia32-fred'),
  GUEST_IA32_SPEC_CTRL: field(0x282e, 'Guest IA32_SPEC_CTRL', 'entry.load-ia32-spec-ctrl'),
  GUEST_DEADLINE: field(0x2830, 'Guest deadline', 'tertiary.apic-timer-virtualization'),
} as const;

const host64 = {
  HOST_IA32_PAT: field(0x2c00, 'Host IA32_PAT', 'exit.load-ia32-pat'),
  HOST_IA32_EFER: field(0x2c02, 'Host IA32_EFER', 'exit.load-ia32-efer'),
  HOST_IA32_PERF_GLOBAL_CTRL: field(0x2c04, 'Host IA32_PERF_GLOBAL_CTRL', 'exit.load-ia32-perf-global-ctrl'),
  HOST_IA32_PKRS: field(0x2c06, 'Host IA32_PKRS', 'exit.load-pkrs'),
  HOST_IA32_FRED_CONFIG: field(0x2c08, 'Host IA32_FRED_CONFIG', 'secondaryExit.load-fred'),
  HOST_IA32_FRED_RSP1: field(0x2c0a, 'Host IA32_FRED_RSP1', 'secondaryExit.load-fred'),
  HOST_IA32_FRED_RSP2: field(0x2c0c, 'Host IA32_FRED_RSP2', 'secondaryExit.load-fred'),
  HOST_IA32_FRED_RSP3: field(0x2c0e, 'Host IA32_FRED_RSP3', 'secondaryExit.load-fred'),
  HOST_IA32_FRED_STKLVLS: field(0x2c10, 'Host IA32_FRED_STKLVLS', 'secondaryExit.load-fred'),
  HOST_IA32_FRED_SSP1: field(0x2c12, 'Host IA32_FRED_SSP1', 'secondaryExit.load-fred'),
  HOST_IA32_FRED_SSP2: field(0x2c14, 'Host IA32_FRED_SSP2', 'secondaryExit.load-fred'),
  HOST_IA32_FRED_SSP3: field(0x2c16, 'Host IA32_FRED_SSP3', 'secondaryExit.load-fred'),
  HOST_IA32_SPEC_CTRL: field(0x2c1a, 'Host IA32_SPEC_CTRL', 'secondaryExit.load-ia32-spec-ctrl'),
} as const;

const control32 = {
  PIN_BASED_VM_EXEC_CONTROL: field(0x4000, 'Pin-based VM-execution controls'),
  CPU_BASED_VM_EXEC_CONTROL: field(0x4002, 'Primary processor-based VM-execution controls'),
  EXCEPTION_BITMAP: field(0x4004, 'Exception bitmap'),
  PAGE_FAULT_ERROR_CODE_MASK: field(0x4006, 'Page-fault error-code mask'),
  PAGE_FAULT_ERROR_CODE_MATCH: field(0x4008, 'Page-fault error-code match'),
  CR3_TARGET_COUNT: field(0x400a, 'CR3-target count'),
  VM_EXIT_CONTROLS: field(0x400c, 'Primary VM-exit controls'),
  VM_EXIT_MSR_STORE_COUNT: field(0x400e, 'VM-exit MSR-store count'),
  VM_EXIT_MSR_LOAD_COUNT: field(0x4010, 'VM-exit MSR-load count'),
  VM_ENTRY_CONTROLS: field(0x4012, 'VM-entry controls'),
  VM_ENTRY_MSR_LOAD_COUNT: field(0x4014, 'VM-entry MSR-load count'),
  VM_ENTRY_INTR_INFO_FIELD: field(0x4016, 'VM-entry interruption-information field'),
  VM_ENTRY_EXCEPTION_ERROR_CODE: field(0x4018, 'VM-entry exception error code'),
  VM_ENTRY_INSTRUCTION_LEN: field(0x401a, 'VM-entry instruction length'),
  TPR_THRESHOLD: field(0x401c, 'TPR threshold', 'primary.use-tpr-shadow'),
  SECONDARY_VM_EXEC_CONTROL: field(
    0x401e,
    'Secondary processor-based VM-execution controls',
    'primary.activate-secondary-controls',
  ),
  PLE_GAP: field(0x4020, 'PLE_Gap', 'secondary.pause-loop-exiting'),
  PLE_WINDOW: field(0x4022, 'PLE_Window', 'secondary.pause-loop-exiting'),
  INSTRUCTION_TIMEOUT: field(0x4024, 'Instruction-timeout control', 'secondary.instruction-timeout'),
  SEAM_GUEST_KEYID: field(0x4026, 'SEAM-guest KeyID', 'tertiary.seam-guest-physical-address-width'),
} as const;

const information32 = {
  VM_INSTRUCTION_ERROR: field(0x4400, 'VM-instruction error'),
  VM_EXIT_REASON: field(0x4402, 'Exit reason'),
  VM_EXIT_INTR_INFO: field(0x4404, 'VM-exit interruption information'),
  VM_EXIT_INTR_ERROR_CODE: field(0x4406, 'VM-exit interruption error code'),
  IDT_VECTORING_INFO_FIELD: field(0x4408, 'IDT-vectoring information field'),
  IDT_VECTORING_ERROR_CODE: field(0x440a, 'IDT-vectoring error code'),
  VM_EXIT_INSTRUCTION_LEN: field(0x440c, 'VM-exit instruction length'),
  VMX_INSTRUCTION_INFO: field(0x440e, 'VM-exit instruction information'),
} as const;

const guest32 = {
  GUEST_ES_LIMIT: field(0x4800, 'Guest ES limit'),
  GUEST_CS_LIMIT: field(0x4802, 'Guest CS limit'),
  GUEST_SS_LIMIT: field(0x4804, 'Guest SS limit'),
  GUEST_DS_LIMIT: field(0x4806, 'Guest DS limit'),
  GUEST_FS_LIMIT: field(0x4808, 'Guest FS limit'),
  GUEST_GS_LIMIT: field(0x480a, 'Guest GS limit'),
  GUEST_LDTR_LIMIT: field(0x480c, 'Guest LDTR limit'),
  GUEST_TR_LIMIT: field(0x480e, 'Guest TR limit'),
  GUEST_GDTR_LIMIT: field(0x4810, 'Guest GDTR limit'),
  GUEST_IDTR_LIMIT: field(0x4812, 'Guest IDTR limit'),
  GUEST_ES_AR_BYTES: field(0x4814, 'Guest ES access rights'),
  GUEST_CS_AR_BYTES: field(0x4816, 'Guest CS access rights'),
  GUEST_SS_AR_BYTES: field(0x4818, 'Guest SS access rights'),
  GUEST_DS_AR_BYTES: field(0x481a, 'Guest DS access rights'),
  GUEST_FS_AR_BYTES: field(0x481c, 'Guest FS access rights'),
  GUEST_GS_AR_BYTES: field(0x481e, 'Guest GS access rights'),
  GUEST_LDTR_AR_BYTES: field(0x4820, 'Guest LDTR access rights'),
  GUEST_TR_AR_BYTES: field(0x4822, 'Guest TR access rights'),
  GUEST_INTERRUPTIBILITY_STATE: field(0x4824, 'Guest interruptibility state'),
  GUEST_ACTIVITY_STATE: field(0x4826, 'Guest activity state'),
  GUEST_SMBASE: field(0x4828, 'Guest SMBASE'),
  GUEST_SYSENTER_CS: field(0x482a, 'Guest IA32_SYSENTER_CS'),
  VMX_PREEMPTION_TIMER_VALUE: field(0x482e, 'VMX-preemption timer value', 'pin.activate-vmx-preemption-timer'),
} as const;

const host32 = {
  HOST_IA32_SYSENTER_CS: field(0x4c00, 'Host IA32_SYSENTER_CS'),
} as const;

const controlNatural = {
  CR0_GUEST_HOST_MASK: field(0x6000, 'CR0 guest/host mask'),
  CR4_GUEST_HOST_MASK: field(0x6002, 'CR4 guest/host mask'),
  CR0_READ_SHADOW: field(0x6004, 'CR0 read shadow'),
  CR4_READ_SHADOW: field(0x6006, 'CR4 read shadow'),
  CR3_TARGET_VALUE0: field(0x6008, 'CR3-target value 0'),
  CR3_TARGET_VALUE1: field(0x600a, 'CR3-target value 1'),
  CR3_TARGET_VALUE2: field(0x600c, 'CR3-target value 2'),
  CR3_TARGET_VALUE3: field(0x600e, 'CR3-target value 3'),
} as const;

const informationNatural = {
  EXIT_QUALIFICATION: field(0x6400, 'Exit qualification'),
  IO_RCX: field(0x6402, 'I/O RCX'),
  IO_RSI: field(0x6404, 'I/O RSI'),
  IO_RDI: field(0x6406, 'I/O RDI'),
  IO_RIP: field(0x6408, 'I/O RIP'),
  GUEST_LINEAR_ADDRESS: field(0x640a, 'Guest-linear address'),
} as const;

const guestNatural = {
  GUEST_CR0: field(0x6800, 'Guest CR0'),
  GUEST_CR3: field(0x6802, 'Guest CR3'),
  GUEST_CR4: field(0x6804, 'Guest CR4'),
  GUEST_ES_BASE: field(0x6806, 'Guest ES base'),
  GUEST_CS_BASE: field(0x6808, 'Guest CS base'),
  GUEST_SS_BASE: field(0x680a, 'Guest SS base'),
  GUEST_DS_BASE: field(0x680c, 'Guest DS base'),
  GUEST_FS_BASE: field(0x680e, 'Guest FS base'),
  GUEST_GS_BASE: field(0x6810, 'Guest GS base'),
  GUEST_LDTR_BASE: field(0x6812, 'Guest LDTR base'),
  GUEST_TR_BASE: field(0x6814, 'Guest TR base'),
  GUEST_GDTR_BASE: field(0x6816, 'Guest GDTR base'),
  GUEST_IDTR_BASE: field(0x6818, 'Guest IDTR base'),
  GUEST_DR7: field(0x681a, 'Guest DR7'),
  GUEST_RSP: field(0x681c, 'Guest RSP'),
  GUEST_RIP: field(0x681e, 'Guest RIP'),
  GUEST_RFLAGS: field(0x6820, 'Guest RFLAGS'),
  GUEST_PENDING_DBG_EXCEPTIONS: field(0x6822, 'Guest pending debug exceptions'),
  GUEST_SYSENTER_ESP: field(0x6824, 'Guest IA32_SYSENTER_ESP'),
  GUEST_SYSENTER_EIP: field(0x6826, 'Guest IA32_SYSENTER_EIP'),
  GUEST_S_CET: field(0x6828, 'Guest IA32_S_CET', 'entry.load-cet-state'),
  GUEST_SSP: field(0x682a, 'Guest SSP', 'entry.load-cet-state'),
  GUEST_INTR_SSP_TABLE: field(0x682c, 'Guest IA32_INTERRUPT_SSP_TABLE_ADDR', 'entry.load-cet-state'),
} as const;

const hostNatural = {
  HOST_CR0: field(0x6c00, 'Host CR0'),
  HOST_CR3: field(0x6c02, 'Host CR3'),
  HOST_CR4: field(0x6c04, 'Host CR4'),
  HOST_FS_BASE: field(0x6c06, 'Host FS base'),
  HOST_GS_BASE: field(0x6c08, 'Host GS base'),
  HOST_TR_BASE: field(0x6c0a, 'Host TR base'),
  HOST_GDTR_BASE: field(0x6c0c, 'Host GDTR base'),
  HOST_IDTR_BASE: field(0x6c0e, 'Host IDTR base'),
  HOST_IA32_SYSENTER_ESP: field(0x6c10, 'Host IA32_SYSENTER_ESP'),
  HOST_IA32_SYSENTER_EIP: field(0x6c12, 'Host IA32_SYSENTER_EIP'),
  HOST_RSP: field(0x6c14, 'Host RSP'),
  HOST_RIP: field(0x6c16, 'Host RIP'),
  HOST_S_CET: field(0x6c18, 'Host IA32_S_CET', 'exit.load-cet-state'),
  HOST_SSP: field(0x6c1a, 'Host SSP', 'exit.load-cet-state'),
  HOST_INTR_SSP_TABLE: field(0x6c1c, 'Host IA32_INTERRUPT_SSP_TABLE_ADDR', 'exit.load-cet-state'),
} as const;

export const vmcsFields = {
  ...control16,
  ...guest16,
  ...host16,
  ...control64,
  ...information64,
  ...guest64,
  ...host64,
  ...control32,
  ...information32,
  ...guest32,
  ...host32,
  ...controlNatural,
  ...informationNatural,
  ...guestNatural,
  ...hostNatural,
} as const;

export type FieldName = keyof typeof vmcsFields;
export const fieldNames = Object.keys(vmcsFields) as readonly FieldName[];

/** Number of a field: its place among them, by which machines keep it. */
export const fieldIndex = Object.fromEntries(fieldNames.map((name, index) => [name, index])) as Readonly<
  Record<FieldName, number>
>;

export type FieldWidth = 16 | 32 | 64 | 'natural';
export type FieldGroup = 'control' | 'information' | 'guest' | 'host';

const widths: readonly FieldWidth[] = [16, 64, 32, 'natural'];
const groups: readonly FieldGroup[] = ['control', 'information', 'guest', 'host'];

/** Intel SDM vol. 3, "Field Encoding in VMCS": bits 14:13 are the width, 11:10 the group, bit 0 the upper half. */
export const widthOf = (encoding: number): FieldWidth => widths[(encoding >>> 13) & 3] as FieldWidth;
export const groupOf = (encoding: number): FieldGroup => groups[(encoding >>> 10) & 3] as FieldGroup;
export const isHighAccess = (encoding: number): boolean => (encoding & 1) === 1;
/** VM-exit information can be written only where the processor says so (IA32_VMX_MISC bit 29). */
export const isReadOnly = (encoding: number): boolean => groupOf(encoding) === 'information';

const byEncoding: ReadonlyMap<number, FieldName> = new Map(fieldNames.map((name) => [vmcsFields[name].encoding, name]));

/** The field of an encoding; the upper half of a 64-bit field is the same field. */
export const fieldAt = (encoding: number): FieldName | undefined =>
  byEncoding.get(isHighAccess(encoding) && widthOf(encoding) === 64 ? encoding - 1 : encoding);
