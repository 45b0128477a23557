/** What a task-state segment holds and where. Intel SDM vol. 3, "Task-State Segment (TSS)", "Task Management in 64-bit Mode". */

export interface TssField {
  readonly at: number;
  readonly size: 2 | 4 | 8;
  readonly meaning?: string;
}
export type TssFields = Readonly<Record<string, TssField>>;

const stacks = (from: number, step: number, size: 2 | 4 | 8, name: string): [string, TssField][] =>
  [0, 1, 2].map((ring) => [
    `${name}${ring}`,
    { at: from + ring * step, size, meaning: `stack pointer for ring ${ring}` },
  ]);
const selectors = (from: number, step: number): [string, TssField][] =>
  [0, 1, 2].map((ring) => [
    `ss${ring}`,
    { at: from + ring * step, size: 2, meaning: `stack segment for ring ${ring}` },
  ]);
const run = (names: readonly string[], from: number, step: number, size: 2 | 4): [string, TssField][] =>
  names.map((name, n) => [name, { at: from + n * step, size }]);

const registers = ['ax', 'cx', 'dx', 'bx', 'sp', 'bp', 'si', 'di'];
const iomap: TssField = { at: 0x66, size: 2, meaning: 'offset of the I/O permission bit map' };

export const tssFields: Readonly<Record<16 | 32 | 64, TssFields>> = {
  64: Object.fromEntries([
    ...stacks(4, 8, 8, 'rsp'),
    ...[1, 2, 3, 4, 5, 6, 7].map((n): [string, TssField] => [
      `ist${n}`,
      { at: 0x1c + n * 8, size: 8, meaning: `interrupt stack ${n}` },
    ]),
    ['iomap', iomap],
  ]),
  32: Object.fromEntries([
    ['link', { at: 0, size: 2, meaning: 'TSS of the previous task' }],
    ...stacks(4, 8, 4, 'esp'),
    ...selectors(8, 8),
    ['cr3', { at: 0x1c, size: 4 }],
    ['eip', { at: 0x20, size: 4 }],
    ['eflags', { at: 0x24, size: 4 }],
    ...run(
      registers.map((name) => `e${name}`),
      0x28,
      4,
      4,
    ),
    ...run(['es', 'cs', 'ss', 'ds', 'fs', 'gs', 'ldtr'], 0x48, 4, 2),
    ['trap', { at: 0x64, size: 2, meaning: 'bit 0: a switch to this task raises #DB' }],
    ['iomap', iomap],
  ]),
  16: Object.fromEntries([
    ['link', { at: 0, size: 2, meaning: 'TSS of the previous task' }],
    ...stacks(2, 4, 2, 'sp'),
    ...selectors(4, 4),
    ['ip', { at: 0x0e, size: 2 }],
    ['flags', { at: 0x10, size: 2 }],
    ...run(registers, 0x12, 2, 2),
    ...run(['es', 'cs', 'ss', 'ds', 'ldtr'], 0x22, 2, 2),
  ]),
};
