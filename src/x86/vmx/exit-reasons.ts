/**
 * The basic exit reasons with the names by which they are chosen (`vmexit:CPUID`). Intel SDM vol. 3, "VMX Basic Exit
 * Reasons". 35, 38 and 42 are not used by the manual.
 */

export interface ExitReason {
  readonly number: number;
  /** What happened, as the manual describes it. */
  readonly meaning: string;
}

const reason = (number: number, meaning: string): ExitReason => ({ number, meaning });

export const exitReasons = {
  EXCEPTION_NMI: reason(0, 'an exception that the exception bitmap selects, or an NMI'),
  EXTERNAL_INTERRUPT: reason(1, 'an external interrupt arrived'),
  TRIPLE_FAULT: reason(2, 'a fault occurred while a double fault was being delivered'),
  INIT: reason(3, 'an INIT signal arrived'),
  SIPI: reason(4, 'a start-up IPI arrived in the wait-for-SIPI state'),
  IO_SMI: reason(5, 'an SMI arrived right after an I/O instruction'),
  OTHER_SMI: reason(6, 'an SMI arrived'),
  INTERRUPT_WINDOW: reason(7, 'interrupts became deliverable'),
  NMI_WINDOW: reason(8, 'NMIs became deliverable'),
  TASK_SWITCH: reason(9, 'a task switch was attempted'),
  CPUID: reason(10, 'CPUID was executed'),
  GETSEC: reason(11, 'GETSEC was executed'),
  HLT: reason(12, 'HLT was executed'),
  INVD: reason(13, 'INVD was executed'),
  INVLPG: reason(14, 'INVLPG was executed'),
  RDPMC: reason(15, 'RDPMC was executed'),
  RDTSC: reason(16, 'RDTSC was executed'),
  RSM: reason(17, 'RSM was executed in SMM'),
  VMCALL: reason(18, 'VMCALL was executed'),
  VMCLEAR: reason(19, 'VMCLEAR was executed'),
  VMLAUNCH: reason(20, 'VMLAUNCH was executed'),
  VMPTRLD: reason(21, 'VMPTRLD was executed'),
  VMPTRST: reason(22, 'VMPTRST was executed'),
  VMREAD: reason(23, 'VMREAD was executed'),
  VMRESUME: reason(24, 'VMRESUME was executed'),
  VMWRITE: reason(25, 'VMWRITE was executed'),
  VMXOFF: reason(26, 'VMXOFF was executed'),
  VMXON: reason(27, 'VMXON was executed'),
  CR_ACCESS: reason(28, 'a control register was accessed'),
  DR_ACCESS: reason(29, 'a debug register was accessed'),
  IO_INSTRUCTION: reason(30, 'an I/O instruction was executed'),
  RDMSR: reason(31, 'RDMSR was executed'),
  WRMSR: reason(32, 'WRMSR was executed'),
  ENTRY_FAILURE_GUEST_STATE: reason(33, 'VM entry failed because of the guest state'),
  ENTRY_FAILURE_MSR_LOADING: reason(34, 'VM entry failed while loading MSRs'),
  MWAIT: reason(36, 'MWAIT was executed'),
  MONITOR_TRAP_FLAG: reason(37, 'the monitor trap flag counted one instruction'),
  MONITOR: reason(39, 'MONITOR was executed'),
  PAUSE: reason(40, 'PAUSE was executed, or a loop of it'),
  ENTRY_FAILURE_MACHINE_CHECK: reason(41, 'a machine check occurred during VM entry'),
  TPR_BELOW_THRESHOLD: reason(43, 'the virtual task priority fell below the threshold'),
  APIC_ACCESS: reason(44, 'the APIC-access page was accessed'),
  VIRTUALIZED_EOI: reason(45, 'an EOI was virtualized whose vector the EOI-exit bitmap selects'),
  GDTR_IDTR_ACCESS: reason(46, 'LGDT, LIDT, SGDT or SIDT was executed'),
  LDTR_TR_ACCESS: reason(47, 'LLDT, LTR, SLDT or STR was executed'),
  EPT_VIOLATION: reason(48, 'the EPT paging structures did not allow an access'),
  EPT_MISCONFIGURATION: reason(49, 'an EPT paging-structure entry is misconfigured'),
  INVEPT: reason(50, 'INVEPT was executed'),
  RDTSCP: reason(51, 'RDTSCP was executed'),
  PREEMPTION_TIMER: reason(52, 'the VMX-preemption timer counted down to zero'),
  INVVPID: reason(53, 'INVVPID was executed'),
  WBINVD: reason(54, 'WBINVD or WBNOINVD was executed'),
  XSETBV: reason(55, 'XSETBV was executed'),
  APIC_WRITE: reason(56, 'a write to the virtual-APIC page must be emulated'),
  RDRAND: reason(57, 'RDRAND was executed'),
  INVPCID: reason(58, 'INVPCID was executed'),
  VMFUNC: reason(59, 'VMFUNC was executed'),
  ENCLS: reason(60, 'ENCLS was executed'),
  RDSEED: reason(61, 'RDSEED was executed'),
  PML_FULL: reason(62, 'the page-modification log is full'),
  XSAVES: reason(63, 'XSAVES was executed'),
  XRSTORS: reason(64, 'XRSTORS was executed'),
  PCONFIG: reason(65, 'PCONFIG was executed'),
  SPP_EVENT: reason(66, 'the sub-page-permission table was missed or misconfigured'),
  UMWAIT: reason(67, 'UMWAIT was executed'),
  TPAUSE: reason(68, 'TPAUSE was executed'),
  LOADIWKEY: reason(69, 'LOADIWKEY was executed'),
  ENCLV: reason(70, 'ENCLV was executed'),
  ENQCMD_PASID: reason(72, 'ENQCMD met a PASID translation failure'),
  ENQCMDS_PASID: reason(73, 'ENQCMDS met a PASID translation failure'),
  BUS_LOCK: reason(74, 'a bus lock was asserted'),
  INSTRUCTION_TIMEOUT: reason(75, 'no instruction boundary was reached in time'),
  SEAMCALL: reason(76, 'SEAMCALL was executed'),
  TDCALL: reason(77, 'TDCALL was executed'),
  RDMSRLIST: reason(78, 'RDMSRLIST was executed'),
  WRMSRLIST: reason(79, 'WRMSRLIST was executed'),
  URDMSR: reason(80, 'URDMSR was executed'),
  UWRMSR: reason(81, 'UWRMSR was executed'),
  RDMSR_IMMEDIATE: reason(84, 'RDMSR with an immediate operand was executed'),
  WRMSRNS_IMMEDIATE: reason(85, 'WRMSRNS with an immediate operand was executed'),
} as const satisfies Readonly<Record<string, ExitReason>>;

export type ExitReasonName = keyof typeof exitReasons;

const names: ReadonlyMap<number, ExitReasonName> = new Map(
  (Object.keys(exitReasons) as ExitReasonName[]).map((name) => [exitReasons[name].number, name]),
);

/** @param basic bits 15:0 of the exit-reason field */
export const exitReasonName = (basic: number): ExitReasonName | undefined => names.get(basic);
