/** Results as JSON, and files written for the user. */

import { writeFileSync } from 'node:fs';
import type { Ending } from '../debugger/endings';
import { exitCounts } from '../debugger/vmcs/exit-table';
import type { Machine } from '../machine/pc';
import { BadInput } from '../program/program';
import { hex } from '../x86/address';
import { exceptionOf } from '../x86/exceptions';

/** How a run ended, to a file or with `-` to stdout. @throws BadInput when the file cannot be written */
export const writeJson = (to: string, end: Ending, machine: Machine | undefined, seconds: number): void => {
  const instructions = machine?.counters.retired ?? 0;
  const result = {
    outcome: end.outcome,
    exitCode: end.exitCode,
    instructions,
    seconds: Number(seconds.toFixed(6)),
    mips: seconds > 0 ? Number((instructions / seconds / 1e6).toFixed(3)) : 0,
    stateHash: machine?.stateHash() ?? null,
    events: machine === undefined ? {} : eventCounts(machine),
  };
  const text = `${JSON.stringify(result, null, 2)}\n`;
  if (to === '-') process.stdout.write(text);
  else writeOrComplain(to, text);
};

/** @throws BadInput */
export const writeOrComplain = (to: string, content: string | Uint8Array): void => {
  try {
    writeFileSync(to, content);
  } catch (error) {
    throw new BadInput(`${to}: cannot be written (${(error as NodeJS.ErrnoException).code ?? 'unknown error'})`);
  }
};

/** Vectors and exit reasons by name: `{"#PF": 3}`, `{"0x20": 5}`, `{"CPUID": 1}`; other kinds as one number. */
const eventCounts = (machine: Machine): Record<string, unknown> => {
  const { counts } = machine.events;
  const byVector = (kind: 'trap' | 'irq' | 'int', named: boolean): Record<string, number> =>
    Object.fromEntries(
      [...(counts.get(kind) ?? [])]
        .sort(([a], [b]) => a - b)
        .map(([vector, count]) => [(named ? exceptionOf(vector)?.mnemonic : undefined) ?? hex(vector), count]),
    );
  const others = [...counts].filter(([kind]) => !['trap', 'irq', 'int', 'vmexit'].includes(kind));
  return {
    traps: byVector('trap', true),
    interrupts: byVector('irq', false),
    softwareInterrupts: byVector('int', false),
    ...(counts.has('vmexit') ? { vmexits: Object.fromEntries(exitCounts(machine)) } : {}),
    ...Object.fromEntries(
      others.map(([kind, byDetail]) => [kind, [...byDetail.values()].reduce((sum, count) => sum + count, 0)]),
    ),
  };
};

/** What is wrong with what the user gave, on stderr; a list of places in files begins with these, as compilers do. */
export const complain = (message: string): void => {
  process.stderr.write(`${message.includes('\n') ? '' : 'ringside: '}${message}\n`);
};
