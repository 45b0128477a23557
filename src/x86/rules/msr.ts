/** Rules of model-specific registers. */

import type { RuleTable } from './rule';

const WRMSR = 'Intel SDM vol. 2, "WRMSR"';

export const msrRules = {
  'msr.known': { section: 'Intel SDM vol. 2, "RDMSR"', says: 'RDMSR and WRMSR name a register that the processor has' },
  'msr.read-only': { section: WRMSR, says: 'WRMSR names a register that can be written' },
  'msr.reserved': { section: WRMSR, says: 'reserved bits of a register are written as 0' },
  'msr.canonical': { section: WRMSR, says: 'a register that holds a linear address is written with a canonical one' },
  'msr.memory-type': {
    section: 'Intel SDM vol. 3, "Programming the PAT" and "Setting Memory Types"',
    says: 'a memory type written to the PAT or an MTRR is one that exists',
  },
  'msr.apic-transition': {
    section: 'Intel SDM vol. 3, "x2APIC State Transitions"',
    says: 'IA32_APIC_BASE goes from disabled to xAPIC, from xAPIC to x2APIC, and from anywhere to disabled',
  },
  'msr.feature-control-locked': {
    section: 'Intel SDM vol. 3, "Enabling and Entering VMX Operation"',
    says: 'IA32_FEATURE_CONTROL is not written while its lock bit (0) is 1',
  },
  'efer.reserved': { section: WRMSR, says: 'reserved bits of IA32_EFER are written as 0' },
  'efer.lme-while-paging': {
    section: 'Intel SDM vol. 3, "Initializing IA-32e Mode"',
    says: 'IA32_EFER.LME is not changed while paging is on',
  },
} as const satisfies RuleTable;
