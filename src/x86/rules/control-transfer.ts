/** Rules of far transfers, gates, event delivery, returns from events, and the fast system calls. */

import type { RuleTable } from './rule';

const FAR = 'Intel SDM vol. 2, "CALL", "JMP"';
const GATE = 'Intel SDM vol. 3, "Call Gates"';
const RETURN = 'Intel SDM vol. 3, "Returning from a Called Procedure"';
const SWITCH = 'Intel SDM vol. 3, "Stack Switching"';
const IDT = 'Intel SDM vol. 2, "INT n/INTO/INT3/INT1"';
const V86 = 'Intel SDM vol. 3, "Interrupt and Exception Handling in Virtual-8086 Mode"';

export const controlTransferRules = {
  'transfer.type': {
    section: FAR,
    says: 'a far JMP or CALL names a code segment, a call gate, a task gate or a TSS; in IA-32e mode the first two',
  },
  'gate.rpl': { section: GATE, says: 'the RPL of the selector of a gate is not above the DPL of the gate' },
  'gate.dpl': { section: GATE, says: 'the CPL is not above the DPL of the gate' },
  'gate.not-present': { section: GATE, says: 'the gate is present' },
  'gate.code-type': { section: GATE, says: 'the selector in a gate names a code segment' },
  'gate.code-dpl': { section: GATE, says: 'the DPL of the code segment that a gate names is not above the CPL' },
  'gate.jump-dpl': {
    section: GATE,
    says: 'a JMP through a call gate needs a conforming code segment, or one whose DPL equals the CPL',
  },
  'gate.code-not-64-bit': {
    section: 'Intel SDM vol. 3, "IA-32e Mode Call Gates"',
    says: 'in IA-32e mode the code segment that a gate names is a 64-bit one (L set, D clear)',
  },

  'tss.stack-beyond-limit': {
    section: SWITCH,
    says: 'the stack pointer for the new privilege level lies within the limit of the TSS',
  },

  'return.rpl': { section: RETURN, says: 'a far return or IRET does not go to a more privileged ring' },
  'return.dpl': {
    section: RETURN,
    says: 'a return to a nonconforming code segment needs a DPL that equals the RPL of its selector',
  },
  'return.conforming-dpl': {
    section: RETURN,
    says: 'a return to a conforming code segment needs a DPL not above the RPL of its selector',
  },

  'idt.beyond-limit': { section: IDT, says: 'the entry of the vector lies within the limit of the IDT' },
  'idt.type': {
    section: IDT,
    says: 'an entry of the IDT is an interrupt or trap gate, a 64-bit one in IA-32e mode, or elsewhere a task gate',
  },
  'idt.dpl': { section: IDT, says: 'INT n, INT3 and INTO need a CPL not above the DPL of the gate' },
  'idt.not-present': { section: IDT, says: 'the gate in the IDT is present' },
  'v86.handler-dpl': { section: V86, says: 'a handler that interrupts virtual-8086 mode runs at privilege level 0' },
  'v86.iopl': { section: V86, says: 'in virtual-8086 mode INT n and IRET need an IOPL of 3' },
  'double-fault': {
    section: 'Intel SDM vol. 3, "Interrupt 8—Double Fault Exception (#DF)"',
    says: 'a second contributory exception or page fault during the delivery of such a one makes a double fault',
  },

  'iret.nested-task': {
    section: 'Intel SDM vol. 2, "IRET/IRETD/IRETQ"',
    says: 'in IA-32e mode IRET needs EFLAGS.NT clear: there are no nested tasks',
  },

  'syscall.disabled': {
    section: 'Intel SDM vol. 2, "SYSCALL", "SYSRET"',
    says: 'SYSCALL and SYSRET need IA32_EFER.SCE',
  },
  'sysret.noncanonical': {
    section: 'Intel SDM vol. 2, "SYSRET"',
    says: 'SYSRET with 64-bit operand size needs a canonical address in RCX; the fault comes at CPL 0',
  },
  'sysenter.real-mode': {
    section: 'Intel SDM vol. 2, "SYSENTER", "SYSEXIT"',
    says: 'SYSENTER and SYSEXIT need protected mode',
  },
  'sysenter.unset': {
    section: 'Intel SDM vol. 2, "SYSENTER", "SYSEXIT"',
    says: 'IA32_SYSENTER_CS does not hold a null selector',
  },
  'sysexit.noncanonical': {
    section: 'Intel SDM vol. 2, "SYSEXIT"',
    says: 'SYSEXIT with 64-bit operand size needs canonical addresses in RDX and RCX',
  },
} as const satisfies RuleTable;
