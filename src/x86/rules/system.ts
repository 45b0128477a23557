/** Rules of control and debug registers and of system instructions. */

import type { RuleTable } from './rule';

const MOV_CR = 'Intel SDM vol. 2, "MOV—Move to/from Control Registers"';
const CR = 'Intel SDM vol. 3, "Control Registers"';
const LONG = 'Intel SDM vol. 3, "Initializing IA-32e Mode"';
const PCID = 'Intel SDM vol. 3, "Process-Context Identifiers (PCIDs)"';
const DEBUG = 'Intel SDM vol. 3, "Debug Registers"';
const DEBUG_EXCEPTION = 'Intel SDM vol. 3, "Debug Exception (#DB)—Interrupt Vector 1"';
const PRIVILEGED = 'Intel SDM vol. 3, "Privileged Instructions"';

export const systemRules = {
  'privileged.cpl-0': { section: PRIVILEGED, says: 'a privileged instruction runs at CPL 0' },
  'feature.absent': {
    section: 'Intel SDM vol. 2, "CPUID"',
    says: 'an instruction whose CPUID bit is 0 raises #UD',
  },
  'mode.64-bit': {
    section: 'Intel SDM vol. 2, "Instruction Format"',
    says: 'the instruction exists in 64-bit mode only',
  },

  'cr.undefined': { section: MOV_CR, says: 'MOV names CR0, CR2, CR3, CR4 or, in 64-bit mode, CR8' },
  'cr0.reserved': { section: MOV_CR, says: 'bits 63:32 of CR0 are written as 0' },
  'cr0.pg-needs-pe': { section: CR, says: 'CR0.PG is set only together with CR0.PE' },
  'cr0.nw-needs-cd': { section: CR, says: 'CR0.NW is set only together with CR0.CD' },
  'cr0.long-mode-needs-pae': { section: LONG, says: 'paging with IA32_EFER.LME needs CR4.PAE' },
  'cr0.long-mode-needs-cs-l-0': { section: LONG, says: 'IA-32e mode is activated from code whose CS.L is 0' },
  'cr0.long-mode-needs-32-bit-tss': { section: LONG, says: 'IA-32e mode is not activated while TR holds a 16-bit TSS' },
  'cr0.pg-in-64-bit-mode': { section: MOV_CR, says: 'CR0.PG is not cleared in 64-bit mode' },
  'cr0.pg-needed-by-pcide': { section: PCID, says: 'CR0.PG is not cleared while CR4.PCIDE is 1' },
  'cr3.reserved': {
    section: MOV_CR,
    says: 'bits of CR3 from MAXPHYADDR up are written as 0; bit 63 may be 1 with CR4.PCIDE',
  },
  'cr4.reserved': { section: CR, says: 'reserved bits of CR4 are written as 0' },
  'cr4.pae-in-long-mode': { section: LONG, says: 'CR4.PAE is not cleared in IA-32e mode' },
  'cr4.pcide-needs-long-mode': { section: PCID, says: 'CR4.PCIDE is set in IA-32e mode only' },
  'cr4.pcide-needs-pcid-0': { section: PCID, says: 'CR4.PCIDE is set only while bits 11:0 of CR3 are 0' },
  'cr8.reserved': { section: MOV_CR, says: 'bits 63:4 of CR8 are written as 0' },

  'dr.undefined': { section: DEBUG, says: 'DR4 and DR5 stand for DR6 and DR7 only while CR4.DE is 0' },
  'dr.reserved': { section: DEBUG, says: 'bits 63:32 of DR6 and DR7 are written as 0' },
  'dr.general-detect': { section: DEBUG_EXCEPTION, says: 'with DR7.GD, MOV to or from a debug register raises #DB' },
  'debug.execute': {
    section: DEBUG_EXCEPTION,
    says: 'an instruction at an address in DR0 to DR3 raises #DB before it runs',
  },
  'debug.write': { section: DEBUG_EXCEPTION, says: 'a write to a range of DR0 to DR3 raises #DB' },
  'debug.access': { section: DEBUG_EXCEPTION, says: 'a read or write of a range of DR0 to DR3 raises #DB' },
  'debug.port': { section: DEBUG_EXCEPTION, says: 'with CR4.DE, access to a port in DR0 to DR3 raises #DB' },
  'debug.single-step': { section: DEBUG_EXCEPTION, says: 'with EFLAGS.TF, the end of an instruction raises #DB' },

  'umip.user': { section: CR, says: 'with CR4.UMIP, SGDT, SIDT and SMSW need CPL 0' },
  'table.canonical': {
    section: 'Intel SDM vol. 2, "LGDT/LIDT"',
    says: 'in 64-bit mode the base of GDT and IDT is canonical',
  },
  'tsc.disabled': { section: CR, says: 'with CR4.TSD, RDTSC and RDTSCP run at CPL 0' },
  'rdpmc.disabled': { section: CR, says: 'without CR4.PCE, RDPMC runs at CPL 0' },
  'rdpmc.counter': { section: 'Intel SDM vol. 2, "RDPMC"', says: 'ECX names a performance counter that exists' },
  'invpcid.type': { section: 'Intel SDM vol. 2, "INVPCID"', says: 'the type of INVPCID is 0 to 3' },
  'invpcid.reserved': { section: 'Intel SDM vol. 2, "INVPCID"', says: 'bits 63:12 of the INVPCID descriptor are 0' },
  'invpcid.pcid': {
    section: 'Intel SDM vol. 2, "INVPCID"',
    says: 'without CR4.PCIDE, types 0 and 1 of INVPCID name PCID 0',
  },
  'invpcid.canonical': { section: 'Intel SDM vol. 2, "INVPCID"', says: 'type 0 of INVPCID names a canonical address' },
  'monitor.cpl-0': {
    section: 'Intel SDM vol. 2, "MONITOR"',
    says: 'MONITOR and MWAIT run at CPL 0, elsewhere they are undefined',
  },
  'monitor.extensions': { section: 'Intel SDM vol. 2, "MONITOR"', says: 'ECX is 0 for MONITOR' },
  'mwait.extensions': { section: 'Intel SDM vol. 2, "MWAIT"', says: 'bits 31:1 of ECX are 0 for MWAIT' },
  'fsgsbase.cr4': { section: CR, says: 'RDFSBASE, RDGSBASE, WRFSBASE and WRGSBASE need CR4.FSGSBASE' },
  'fsgsbase.canonical': { section: 'Intel SDM vol. 2, "WRFSBASE/WRGSBASE"', says: 'the new base is canonical' },
  'smap.cpl-0': {
    section: 'Intel SDM vol. 2, "CLAC", "STAC"',
    says: 'CLAC and STAC run at CPL 0, elsewhere they are undefined',
  },
  'interrupt-flag.iopl': {
    section: 'Intel SDM vol. 2, "CLI", "STI"',
    says: 'CLI and STI need a CPL not above the IOPL',
  },
  'flags.v86-iopl': {
    section: 'Intel SDM vol. 2, "PUSHF", "POPF"',
    says: 'in virtual-8086 mode PUSHF, POPF, CLI and STI need an IOPL of 3',
  },
  'xcr.osxsave': { section: 'Intel SDM vol. 2, "XGETBV", "XSETBV"', says: 'XGETBV and XSETBV need CR4.OSXSAVE' },
} as const satisfies RuleTable;
