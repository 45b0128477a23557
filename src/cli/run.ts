/**
 * `ringside run`: the program at full speed. stdout is the guest's alone; every line of ours goes to stderr; the exit
 * status says how it ended.
 */

import { type Booted, bootMachine } from '../debugger/boot';
import { type Ending, ending, endingOf } from '../debugger/endings';
import { readEventSpecs } from '../debugger/events/spec';
import type { MachineSettings } from '../debugger/machine-options';
import { Slices, yieldToHost } from '../debugger/slices';
import { currentAddress } from '../debugger/vcpu-view';
import { shutdownKind, shutdownLines } from '../debugger/why/shutdown';
import type { Machine } from '../machine/pc';
import type { Stop } from '../machine/stop';
import { BadInput } from '../program/program';
import type { Run } from './dispatch';
import { DiskFiles } from './files-node';
import { GuestInput } from './guest-input';
import { GuestOutput } from './guest-output';
import { settingsOf } from './options';
import { complain, writeJson } from './result';
import { Trace } from './trace';

const STDERR = 2;

export const run: Run = async (given) => {
  const json = given.values.get('--json');
  const output = new GuestOutput(json === '-' ? STDERR : undefined);
  let started = performance.now();
  let machine: Machine | undefined;
  let finished = false;
  const finish = (end: Ending): number => {
    finished = true;
    output.flush();
    if (json !== undefined) writeJson(json, end, machine, (performance.now() - started) / 1000);
    return end.exitCode;
  };
  try {
    const [path] = given.operands;
    const settings = settingsOf(given);
    if (path === undefined && settings.bios === undefined) throw new BadInput('run: which program? ringside run FILE');
    const kinds = given.values.get('--trace');
    const filters = kinds === undefined ? [] : readEventSpecs(kinds);
    if (filters.length === 0 && given.values.has('-o'))
      throw new BadInput('-o: says where a --trace goes; there is none');
    const sinks = { serial: output.put, console: output.put };
    const booted = await bootMachine(new DiskFiles(), path ?? null, settings, sinks);
    ({ machine } = booted);
    for (const warning of booted.info.program.warnings ?? []) process.stderr.write(`${warning}\n`);
    started = performance.now();
    const input = given.values.has('--stdin') ? new GuestInput(machine) : undefined;
    const trace = filters.length === 0 ? undefined : new Trace(machine, filters, given.values.get('-o'), output);
    try {
      const { end, stop } = await runMachine(machine, settings, input, () => {
        // What the guest prints waits behind the lines that were made before it.
        trace?.flush();
        output.flush();
      });
      trace?.flush();
      output.flush();
      report([...endingLines(booted, end, stop), ...screenLines(machine)], output.last);
      return finish(end);
    } finally {
      trace?.close();
      input?.close();
    }
  } catch (error) {
    // The result itself cannot be written: that is all there is to say.
    if (finished) throw error;
    if (!(error instanceof BadInput)) {
      if (json !== undefined) finish(ending('internal-error'));
      throw error;
    }
    complain(error.message);
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
  input: GuestInput | undefined,
  afterSlice: () => void,
): Promise<Ran> => {
  const interrupted = { yes: false };
  const interrupt = (): void => {
    interrupted.yes = true;
    input?.interrupt();
  };
  // For good: a second Ctrl-C is not to end us before we have told how the run ended.
  process.on('SIGINT', interrupt);
  const slices = new Slices();
  for (;;) {
    if (machine.counters.retired >= (maxInstructions ?? Number.POSITIVE_INFINITY))
      return { end: ending('budget'), stop: undefined };
    const stop = slices.run(machine, maxInstructions);
    afterSlice();
    const end = endingOf(stop, noReboot);
    if (end?.outcome === 'halted' && input?.mayWake) await input.wait();
    else if (end !== undefined) return { end, stop };
    if (stop.reason === 'reset') machine.reset();
    await yieldToHost();
    if (interrupted.yes) return { end: ending('interrupted'), stop };
  }
};

/** Lines of ours, below what the guest printed. */
const report = (lines: readonly string[], lastByte: number): void => {
  if (lines.length === 0) return;
  // On a terminal our line begins below an unfinished one of the guest.
  const gap = lastByte !== 0x0a && process.stdout.isTTY ? '\n' : '';
  process.stderr.write(`${gap}${lines.join('\n')}\n`);
};

/** What is to be said about an ending that is not simply the guest's wish. */
const endingLines = ({ machine, info }: Booted, { outcome }: Ending, stop: Stop | undefined): string[] => {
  const { retired } = machine.counters;
  const after = `after ${retired} ${retired === 1 ? 'instruction' : 'instructions'}`;
  const where = (index = machine.current): string => {
    const vcpu = machine.cpus[index];
    return vcpu === undefined ? '' : `at ${info.placeOf(currentAddress(vcpu))}`;
  };
  switch (outcome) {
    case 'triple-fault':
      return stop?.reason === 'triple-fault'
        ? [
            `ringside: ${shutdownKind(stop)} ${after} ${where(stop.vcpu)}: the processor shut down`,
            ...shutdownLines(stop).map((line) => `  ${line}`),
          ]
        : [];
    case 'budget':
      return [`ringside: stopped ${after}, as --max-instructions says, ${where()}`];
    case 'no-progress': {
      const vcpu = stop?.reason === 'no-progress' ? stop.vcpu : machine.current;
      return [`ringside: no progress: a million steps without a completed instruction, ${where(vcpu)}`];
    }
    case 'reset':
      return [`ringside: reset${stop?.reason === 'reset' ? ` by ${stop.by}` : ''}; --no-reboot ends here`];
    case 'interrupted':
      return [`ringside: interrupted ${after} ${where()}`];
    default:
      return [];
  }
};

/** What the display shows, which is nowhere else to be seen, when something is on it. */
const screenLines = (machine: Machine): string[] => {
  const text = machine
    .screen()
    .map((row) => `  ${row}`.trimEnd())
    .join('\n')
    .trimEnd();
  return text === '' ? [] : ['ringside: the screen shows', text];
};
