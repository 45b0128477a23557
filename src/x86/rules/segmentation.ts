/** Rules of segmentation: selectors, descriptors, the registers they are loaded into, stacks, and queries about them. */

import type { RuleTable } from './rule';

const TABLES = 'Intel SDM vol. 3, "Segment Descriptor Tables"';
const DATA = 'Intel SDM vol. 3, "Privilege Level Checking when Accessing Data Segments"';
const STACK = 'Intel SDM vol. 3, "Privilege Level Checking when Loading the SS Register"';
const CODE = 'Intel SDM vol. 3, "Privilege Level Checking when Transferring Program Control Between Code Segments"';
const LIMIT = 'Intel SDM vol. 3, "Limit Checking"';
const SYSTEM = 'Intel SDM vol. 3, "System Descriptor Types"';

export const segmentationRules = {
  'selector.beyond-limit': {
    section: TABLES,
    says: 'a selector names an entry within the limit of the GDT, or of an LDT that is loaded',
  },
  'descriptor.upper-type': {
    section: SYSTEM,
    says: 'in IA-32e mode the type field in the upper half of a system descriptor or call gate is 0',
  },

  'data-segment.type': {
    section: DATA,
    says: 'DS, ES, FS and GS are loaded with data segments or readable code segments',
  },
  'data-segment.rpl': {
    section: DATA,
    says: 'the RPL of the selector of a data or nonconforming code segment is not above the DPL',
  },
  'data-segment.cpl': {
    section: DATA,
    says: 'the CPL is not above the DPL of a data or nonconforming code segment that is loaded',
  },
  'data-segment.not-present': { section: DATA, says: 'a segment that DS, ES, FS or GS is loaded with is present' },

  'stack-segment.null': {
    section: STACK,
    says: 'SS is null only in 64-bit mode at CPL 0 to 2 and with an RPL that equals the CPL',
  },
  'stack-segment.rpl': { section: STACK, says: 'the RPL of the selector in SS equals the CPL' },
  'stack-segment.type': { section: STACK, says: 'SS is loaded with a writable data segment' },
  'stack-segment.dpl': { section: STACK, says: 'the DPL of the stack segment equals the CPL' },
  'stack-segment.not-present': { section: STACK, says: 'the stack segment is present' },
  'stack.beyond-limit': { section: LIMIT, says: 'values on the stack lie within the limit of SS' },
  'stack.noncanonical': {
    section: 'Intel SDM vol. 3, "Interrupt 12—Stack Fault Exception (#SS)"',
    says: 'in 64-bit mode values on the stack lie at canonical addresses',
  },

  'code-segment.null': { section: CODE, says: 'CS is never loaded with a null selector' },
  'code-segment.type': { section: CODE, says: 'the selector for CS names a code segment' },
  'code-segment.rpl': {
    section: CODE,
    says: 'a far JMP or CALL to a nonconforming code segment has an RPL not above the CPL',
  },
  'code-segment.dpl': {
    section: CODE,
    says: 'a far JMP or CALL to a nonconforming code segment needs a DPL that equals the CPL',
  },
  'code-segment.conforming-dpl': {
    section: CODE,
    says: 'a far JMP or CALL to a conforming code segment needs a DPL not above the CPL',
  },
  'code-segment.long-and-big': {
    section: 'Intel SDM vol. 3, "Code Segment Descriptor in 64-bit Mode"',
    says: 'in IA-32e mode a code segment does not have both L and D set',
  },
  'code-segment.not-present': { section: CODE, says: 'the code segment is present' },
  'code-segment.beyond-limit': { section: LIMIT, says: 'the target lies within the limit of its code segment' },
  'code-segment.noncanonical': {
    section: 'Intel SDM vol. 1, "Canonical Addressing"',
    says: 'the target in a 64-bit code segment is a canonical address',
  },

  'system.protected-mode-only': {
    section: 'Intel SDM vol. 3, "Interrupt 6—Invalid Opcode Exception (#UD)"',
    says: 'LLDT, LTR, SLDT, STR, LAR, LSL, VERR, VERW and ARPL exist in protected mode only',
  },
  'system.local': { section: SYSTEM, says: 'the descriptor of an LDT or a TSS lies in the GDT' },
  'system.base-noncanonical': { section: SYSTEM, says: 'the base of an LDT or a 64-bit TSS is a canonical address' },
  'lldt.type': { section: 'Intel SDM vol. 2, "LLDT"', says: 'LLDT names an LDT descriptor' },
  'lldt.not-present': { section: 'Intel SDM vol. 2, "LLDT"', says: 'the LDT that LLDT names is present' },
  'ltr.null': { section: 'Intel SDM vol. 2, "LTR"', says: 'LTR is not given a null selector' },
  'ltr.type': {
    section: 'Intel SDM vol. 2, "LTR"',
    says: 'LTR names an available TSS, a 64-bit one in IA-32e mode',
  },
  'ltr.not-present': { section: 'Intel SDM vol. 2, "LTR"', says: 'the TSS that LTR names is present' },
} as const satisfies RuleTable;
