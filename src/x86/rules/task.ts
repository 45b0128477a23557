/** Rules of hardware task switches. Intel SDM vol. 3, "Exception Conditions Checked During a Task Switch". */

import type { RuleTable } from './rule';

const CONDITIONS = 'Intel SDM vol. 3, "Task Switching"';
const GATE = 'Intel SDM vol. 3, "Task-Gate Descriptor"';
const IO = 'Intel SDM vol. 1, "I/O Permission Bit Map"';

export const taskRules = {
  'task.local': { section: GATE, says: 'the selector of a TSS names an entry of the GDT' },
  'task.type': { section: CONDITIONS, says: 'a JMP, CALL, interrupt or exception switches to an available TSS' },
  'task.not-present': { section: CONDITIONS, says: 'the TSS of the new task is present' },
  'task.limit': {
    section: CONDITIONS,
    says: 'the limit of the TSS of the new task is at least 0x67, or 0x2b for a 16-bit TSS',
  },
  'task.old-limit': { section: CONDITIONS, says: 'the limit of the TSS of the old task has room for its state' },
  'task.return-type': { section: CONDITIONS, says: 'IRET from a nested task returns to a busy TSS in the GDT' },
  'task.ldt-local': { section: CONDITIONS, says: 'the LDT selector of the new task names an entry of the GDT' },
  'task.ldt-type': { section: CONDITIONS, says: 'the LDT selector of the new task is null or names an LDT' },
  'task.ldt-not-present': { section: CONDITIONS, says: 'the LDT of the new task is present' },
  'task.code-null': { section: CONDITIONS, says: 'CS of the new task is not null' },
  'task.code-type': { section: CONDITIONS, says: 'CS of the new task names a code segment' },
  'task.code-dpl': {
    section: CONDITIONS,
    says: 'the DPL of the code segment of the new task equals the RPL, or is not above it when it is conforming',
  },
  'task.code-not-present': { section: CONDITIONS, says: 'the code segment of the new task is present' },
  'task.stack-null': { section: CONDITIONS, says: 'SS of the new task is not null' },
  'task.trap': {
    section: 'Intel SDM vol. 3, "Task-Switch Exception Condition"',
    says: 'a switch to a TSS whose T flag is set raises #DB before the first instruction of the new task',
  },
  'io.iopl': {
    section: IO,
    says: 'port access with CPL above IOPL, or in virtual-8086 mode, needs a TSS that allows it',
  },
  'io.bitmap-limit': { section: IO, says: 'the bits of the ports lie within the limit of the TSS' },
  'io.bitmap': { section: IO, says: 'the bits of the ports in the I/O permission bit map are 0' },
} as const satisfies RuleTable;
