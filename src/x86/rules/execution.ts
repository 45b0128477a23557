/** Rules of ordinary instructions: operands, segments, alignment, debug exceptions of the run loop. */

import type { RuleTable } from './rule';

export const executionRules = {
  'segment.limit': { section: 'SDM vol. 3, Limit Checking', says: 'offset {linear} is beyond the limit of {register}' },
  'segment.null': {
    section: 'SDM vol. 3, Null Segment Checking',
    says: '{register} holds no segment (selector {selector})',
  },
  'segment.not-writable': {
    section: 'SDM vol. 3, Type Checking',
    says: 'the segment in {register} may not be written',
  },
  'segment.not-readable': { section: 'SDM vol. 3, Type Checking', says: 'the segment in {register} may not be read' },
  'code.limit': { section: 'SDM vol. 3, Limit Checking', says: 'the instruction is beyond the limit of CS' },
  alignment: {
    section: 'SDM vol. 3, Interrupt 17—Alignment Check Exception (#AC)',
    says: '{linear} is not aligned, and CR0.AM and EFLAGS.AC ask for it in ring 3',
  },
  'operand.alignment': {
    section: 'SDM vol. 2, CMPXCHG8B/CMPXCHG16B—Compare and Exchange Bytes',
    says: 'the memory operand of {instruction} must be aligned to 16 bytes',
  },
  'opcode.undefined': {
    section: 'SDM vol. 3, Interrupt 6—Invalid Opcode Exception (#UD)',
    says: 'the bytes at RIP are no instruction in this mode',
  },
  'opcode.length': {
    section: 'SDM vol. 2, Instruction Format',
    says: 'the instruction at RIP is longer than 15 bytes',
  },
  'opcode.not-implemented': {
    section: 'SDM vol. 3, Interrupt 6—Invalid Opcode Exception (#UD)',
    says: '{instruction} is an instruction that this version does not implement, and CPUID does not advertise it',
  },
  'opcode.feature': {
    section: 'SDM vol. 2, CPUID—CPU Identification',
    says: '{instruction} needs a feature that this processor does not have',
  },
  'device.not-available': {
    section: 'SDM vol. 3, Interrupt 7—Device Not Available Exception (#NM)',
    says: 'CR0.{register} is 1: x87 and SSE instructions are trapped',
  },
  'bound.outside': {
    section: 'SDM vol. 3, Interrupt 5—BOUND Range Exceeded Exception (#BR)',
    says: 'the index is outside the bounds',
  },
  'divide.zero': { section: 'SDM vol. 3, Interrupt 0—Divide Error Exception (#DE)', says: 'the divisor is 0' },
  'divide.overflow': {
    section: 'SDM vol. 3, Interrupt 0—Divide Error Exception (#DE)',
    says: 'the quotient does not fit its register',
  },
  'software.int3': {
    section: 'SDM vol. 3, Interrupt 3—Breakpoint Exception (#BP)',
    says: 'INT3 raises #BP',
  },
  'software.into': { section: 'SDM vol. 3, Interrupt 4—Overflow Exception (#OF)', says: 'INTO with OF raises #OF' },
  'software.int1': { section: 'SDM vol. 3, Interrupt 1—Debug Exception (#DB)', says: 'INT1 raises #DB' },
  'flags.iopl': {
    section: 'SDM vol. 2, CLI—Clear Interrupt Flag; STI—Set Interrupt Flag',
    says: 'CPL is above IOPL: IF may not be changed',
  },
  'fsgsbase.enabled': {
    section: 'SDM vol. 2, RDFSBASE/RDGSBASE—Read FS/GS Segment Base',
    says: 'CR4.FSGSBASE (bit 16) is 0',
  },
} as const satisfies RuleTable;
