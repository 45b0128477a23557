/** Where Bochs and QEMU of the distribution do otherwise than these guests ask, and why: docs/second-opinion.md. */

export type Peer = 'qemu' | 'bochs';

const limits = 'TCG checks no segment limits, types and null selectors at accesses';
const reserved = 'it reports reserved bits without bit 0 of the error code';
const long = 'in long mode it takes vector * 16 + 2 for the error code of an IDT entry';

export const differences: Readonly<Record<Peer, Readonly<Record<string, string>>>> = {
  qemu: {
    'INT3, INT n and INT1 are traps, in 64-bit mode': 'INT1 is not delivered as a trap with the next RIP',
    'LOCK is #UD where it is not allowed': 'LOCK before MOV is executed',
    'a selector beyond the GDT is #GP(selector)': 'LTR with a null selector is not refused',
    'a limit is #GP(0), through SS #SS(0)': limits,
    'a stack fault without a stack ends in a triple fault': limits,
    'a null selector is loaded, and refuses when it is used': limits,
    'code is not written, and read only when it is readable': limits,
    'a noncanonical address is #GP(0), through the stack #SS(0)': 'always #GP',
    'a jump to a noncanonical address is #GP(0)': 'the fetch at the target faults',
    'alignment is checked in ring 3 with CR0.AM and EFLAGS.AC': 'TCG has no alignment checks',
    'INT n in ring 3 needs a gate that is open to it: #GP(vector * 8 + 2)': long,
    'a vector beyond the IDT is #GP(vector * 8 + 2)': long,
    'XD forbids fetches once EFER.NXE is set, and is reserved before': reserved,
    'reserved bits of entries': reserved,
    'a page of 1 GiB': reserved,
    '32-bit paging: pages of 4 MiB need CR4.PSE': reserved,
    'PAE paging: 2 MiB pages, XD, reserved bits': reserved,
    'without a TLB every access walks': 'it has a TLB',
    'global translations survive MOV to CR3, and go with CR4.PGE': 'it drops global translations too, as it may',
    'PCIDs keep translations apart, and bit 63 of CR3 keeps them': 'TCG of this version has no PCIDs',
    'PDPTEs are loaded by MOV to CR3, with their reserved bits checked': 'TCG reads them at each walk',
    'MOV to CR0, CR3 and CR4 refuse what is reserved': 'it checks few of them',
    'a segment keeps its limit in real mode': limits,
    'virtual-8086 mode: sensitive instructions need IOPL 3': limits,
    'long mode is entered and left by its conditions': 'it does not refuse CR0.PG without CR4.PAE',
    'expand-down segments begin above their limit': limits,
    'the first and the last byte of a segment': limits,
    'SYSCALL needs EFER.SCE, SYSRET ring 0 and a canonical RCX': 'SYSRET does not look at RCX',
    'SYSENTER and SYSEXIT': 'as on AMD processors, SYSENTER is #UD or needs another setting in long mode',
    'an unknown MSR is #GP(0)': 'TCG ignores unknown MSRs',
    'SWAPGS and the bases of FS and GS': 'WRFSBASE takes non-canonical addresses',
    'what CPUID does not advertise is #UD': 'it has x87 and SSE',
    'an instruction whose feature a preset lacks is #UD': 'it has them',
    'a port breakpoint needs CR4.DE': 'it ignores what CR4.DE says',
    'DR7.GD refuses MOV DR, and is off in the handler': 'it has no general detection',
    'RIP wraps at 64 KiB in real mode only with a fault': limits,
    'MOV SS holds interrupts back for one instruction': 'a MOV SS in the shadow of STI does not make another',
    'CR8 holds back interrupts of lower priority': 'MOV to CR8 takes reserved bits',
    'a new task whose LDT is no LDT is #TS(selector), before it has a stack': 'the stack of the old task is used',
    'PCIDs and the bits of CR0, CR3 and CR4 that go together': 'TCG of this version has no PCIDs',
  },
  bochs: {
    'without a TLB every access walks': 'it has a TLB',
    'PCIDs keep translations apart, and bit 63 of CR3 keeps them': 'it drops more than it must, as it may',
    'an instruction across two pages faults at the second': 'it keeps the decoded instruction when its page goes',
    'an unknown MSR is #GP(0)': 'the configuration of the distribution ignores unknown MSRs',
    'what CPUID does not advertise is #UD': 'its models have x87 and SSE',
    'an instruction whose feature a preset lacks is #UD': 'its model has them',
    'UMIP: SGDT, SIDT and SMSW in ring 3': 'its model of a Skylake has no UMIP',
    'SYSCALL with TF: the mask decides whether the kernel is traced': 'it looks at TF before the mask is applied',
  },
};
