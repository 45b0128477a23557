/**
 * `ringside run`: the program at full speed. stdout is the guest's alone; every line of ours goes to stderr; the exit
 * status says how it ended.
 */

import { bootMachine } from '../debugger/boot';
import { type Ending, ending, endingOf } from '../debugger/endings';
import { parseEventFilters } from '../debugger/event-filter';
import { explainChain } from '../debugger/explain';
import type { MachineSettings } from '../debugger/machine-options';
import { Slices, yieldToHost } from '../debugger/slices';
import type { Machine, Stop } from '../machine/pc';
import { BadInput } from '../program/program';
import { hex } from '../x86/address';
import type { Run } from './dispatch';
import { DiskFiles } from './files-node';
import { GuestOutput } from './guest-output';
import { settingsOf } from './options';
import { writeJson } from './result';
import { Trace } from './trace';

const STDERR = 2;

export const run: Run = async (given) => {
  const json = given.values.get('--json');
  const output = new GuestOutput(json === '-' ? STDERR : undefined);
  let started = performance.now();
  let machine: Machine | undefined;
  const finish = (end: Ending): number => {
    output.flush();
    if (json !== undefined) writeJson(json, end, machine, (performance.now() - started) / 1000);
    return end.exitCode;
  };
  try {
    const [path] = given.operands;
    const settings = settingsOf(given);
    if (path === undefined && settings.bios === undefined) throw new BadInput('run: which program? ringside run FILE');
    const kinds = given.values.get('--trace');
    const filters = kinds === undefined ? [] : parseEventFilters(kinds);
    if (filters.length === 0 && given.values.has('-o'))
      throw new BadInput('-o: says where a --trace goes; there is none');
    const sinks = { serial: output.put, console: output.put };
    ({ machine } = await bootMachine(new DiskFiles(), path ?? null, settings, sinks));
    started = performance.now();
    const trace = filters.length === 0 ? undefined : new Trace(machine, filters, given.values.get('-o'));
    try {
      const { end, stop } = await runMachine(machine, settings, () => {
        output.flush();
        trace?.flush();
      });
      output.flush();
      report(machine, end, stop, output.last);
      return finish(end);
    } finally {
      trace?.close();
    }
  } catch (error) {
    if (!(error instanceof BadInput)) {
      if (json !== undefined) finish(ending('internal-error'));
      throw error;
    }
    process.stderr.write(`ringside: ${error.message}\n`);
    return finish(ending('bad-input'));
  }
};

interface Ran {
  readonly end: Ending;
  readonly stop: Stop | undefined;
}

const runMachine = async (
  machine: Machine,
  { maxInstructions, noReboot }: MachineSettings,
  afterSlice: () => void,
): Promise<Ran> => {
  const interrupted = { yes: false };
  const interrupt = (): void => {
    interrupted.yes = true;
  };
  process.on('SIGINT', interrupt);
  try {
    const slices = new Slices();
    for (;;) {
      if (machine.counters.retired >= (maxInstructions ?? Number.POSITIVE_INFINITY))
        return { end: ending('budget'), stop: undefined };
      const stop = slices.run(machine, maxInstructions);
      afterSlice();
      const end = endingOf(stop, noReboot);
      if (end !== undefined) return { end, stop };
      if (stop.reason === 'reset') machine.reset();
      await yieldToHost();
      if (interrupted.yes) return { end: ending('interrupted'), stop };
    }
  } finally {
    process.off('SIGINT', interrupt);
  }
};

/** What is to be said about an ending that is not simply the guest's wish. */
const report = (machine: Machine, end: Ending, stop: Stop | undefined, lastByte: number): void => {
  const lines = endingLines(machine, end, stop);
  if (lines.length === 0) return;
  // On a terminal our line begins below an unfinished one of the guest.
  const gap = lastByte !== 0x0a && process.stdout.isTTY ? '\n' : '';
  process.stderr.write(`${gap}${lines.join('\n')}\n`);
};

const endingLines = (machine: Machine, { outcome }: Ending, stop: Stop | undefined): string[] => {
  const { retired } = machine.counters;
  const where = (vcpu: number): string => hex(machine.cpus[vcpu]?.state.rip ?? 0n);
  switch (outcome) {
    case 'triple-fault':
      return stop?.reason === 'triple-fault'
        ? [
            `ringside: triple fault after ${retired} instructions: the processor shut down`,
            ...explainChain(stop.chain).map((line) => `  ${line}`),
          ]
        : [];
    case 'budget':
      return [
        `ringside: stopped after ${retired} instructions, as --max-instructions says, at ${where(machine.current)}`,
      ];
    case 'no-progress': {
      const vcpu = stop?.reason === 'no-progress' ? stop.vcpu : machine.current;
      return [`ringside: no progress: a million steps without a completed instruction, at ${where(vcpu)}`];
    }
    case 'reset':
      return [`ringside: reset${stop?.reason === 'reset' ? ` by ${stop.by}` : ''}; --no-reboot ends here`];
    case 'interrupted':
      return [`ringside: interrupted after ${retired} instructions at ${where(machine.current)}`];
    default:
      return [];
  }
};
