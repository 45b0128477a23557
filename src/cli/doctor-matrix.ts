/**
 * `ringside doctor PROGRAM --matrix`: launches a program on every processor model, and says where its VM entries succeed,
 * where they fail, and by which rules; and why it did not come so far.
 */

import { diagnose } from '../debugger/doctor/report';
import { endingOf } from '../debugger/endings';
import { flagOf, readSettings } from '../debugger/machine-options';
import { Session } from '../debugger/session';
import { Slices, yieldToHost } from '../debugger/slices';
import { explainFailure } from '../debugger/why/failure';
import { ENTRY_AREA, refusalText } from '../debugger/why/msr-area';
import { shutdownLines } from '../debugger/why/shutdown';
import type { MachineEvent } from '../machine/core/event';
import type { Machine } from '../machine/pc';
import type { Stop } from '../machine/stop';
import { factsOf } from '../machine/vmx/facts';
import { presets } from '../x86/presets';
import { isOfEntryRules } from '../x86/vmx/instruction-errors';
import { DiskFiles } from './files-node';
import type { Arguments } from './options';
import { writeOrComplain } from './result';

/** A program that has not come to an end by then is stopped. */
const MOST_INSTRUCTIONS = 20_000_000;
const BROKEN = 1;

interface Launch {
  readonly cpu: string;
  readonly vmx: boolean;
  readonly entries: number;
  /** VM-instruction errors of other instructions than entries, by number; 0 where there was no current VMCS. */
  readonly errors: readonly number[];
  /** The same in words, each where it came first, and the first cause of a shutdown. */
  readonly causes: readonly string[];
  /** Stage of the first failed entry, and all rules that its VMCS breaks. */
  readonly failed?: { readonly stage: string; readonly rules: readonly string[]; readonly lines: readonly string[] };
  readonly outcome: string;
}

/** Exit status: 1 where an entry fails on some model, or on the one that `--cpu` names, else 0. @throws BadInput */
export const matrix = async (path: string, given: Arguments): Promise<number> => {
  const launches: Launch[] = [];
  const chosen = given.values.get('--cpu');
  for (const cpu of chosen === undefined ? presets.map(({ name }) => name) : [chosen])
    launches.push(await launch(path, cpu));
  const json = given.values.get('--json');
  if (json !== '-') process.stdout.write(`${matrixLines(launches).join('\n')}\n`);
  if (json !== undefined) {
    const rows = launches.map(({ failed, ...rest }) => ({
      ...rest,
      ...(failed === undefined ? {} : { failed: { stage: failed.stage, rules: failed.rules } }),
    }));
    const text = `${JSON.stringify(rows, null, 2)}\n`;
    if (json === '-') process.stdout.write(text);
    else writeOrComplain(json, text);
  }
  return launches.some(({ failed }) => failed !== undefined) ? BROKEN : 0;
};

const launch = async (path: string, cpu: string): Promise<Launch> => {
  const ignore = (): void => {};
  const settings = readSettings({ cpu }, flagOf);
  const sinks = { serial: ignore, console: ignore };
  const session = await Session.start({ files: new DiskFiles(), program: path, settings, sinks, note: ignore });
  const { machine } = session;
  let entries = 0;
  let failed: Launch['failed'];
  const errors = new Map<number, string>();
  machine.events.on(['vmentry', 'vmentry-failure', 'vmfail'], (event) => {
    if (event.kind === 'vmentry') entries++;
    else if (event.kind === 'vmentry-failure') failed ??= failureOf(machine, event);
    else if (event.kind === 'vmfail' && !isOfEntryRules(event.error) && !errors.has(event.error))
      errors.set(event.error, explainFailure(session, event).text);
  });
  const { outcome, stop } = await run(machine);
  return {
    cpu,
    vmx: machine.model.vmx !== undefined,
    entries,
    errors: [...errors.keys()],
    causes: [...errors.values(), ...(stop?.reason === 'triple-fault' ? shutdownLines(stop).slice(0, 1) : [])],
    ...(failed === undefined ? {} : { failed }),
    outcome,
  };
};

type Failure = MachineEvent & { readonly kind: 'vmentry-failure' };

const failureOf = (machine: Machine, { stage, rule, refused, vcpu: index }: Failure): NonNullable<Launch['failed']> => {
  const vcpu = machine.cpus[index];
  const vmcs = vcpu?.vmx?.current;
  if (vcpu === undefined || vmcs === undefined) return { stage, rules: [rule], lines: [rule] };
  if (refused !== undefined) return { stage, rules: [rule], lines: [`${rule}: ${refusalText(ENTRY_AREA, refused)}`] };
  const { findings } = diagnose(factsOf(vcpu.cpu, vmcs));
  return {
    stage,
    rules: findings.map((finding) => finding.rule.id),
    lines: findings.map((finding) => `${finding.rule.id}: ${finding.says}`),
  };
};

const run = async (machine: Machine): Promise<{ readonly outcome: string; readonly stop?: Stop }> => {
  const slices = new Slices();
  for (;;) {
    const stop = slices.run(machine, MOST_INSTRUCTIONS);
    const end = endingOf(stop, true);
    if (end !== undefined) return { outcome: end.outcome, stop };
    if (machine.counters.retired >= MOST_INSTRUCTIONS) return { outcome: 'budget' };
    await yieldToHost();
  }
};

/** Models of which the same is to be said stand together. */
const matrixLines = (launches: readonly Launch[]): string[] => {
  const groups = new Map<string, { readonly cpus: string[]; readonly lines: readonly string[] }>();
  for (const one of launches) {
    const lines = launchLines(one);
    const key = lines.join('\n');
    const group = groups.get(key) ?? { cpus: [], lines };
    group.cpus.push(one.cpu);
    groups.set(key, group);
  }
  return [...groups.values()].flatMap(({ cpus, lines: [verdict, ...rules] }) => [
    `${cpus.join(', ')}: ${verdict}`,
    ...rules,
  ]);
};

const launchLines = ({ vmx, entries, causes, failed, outcome }: Launch): string[] => {
  const counted = `${entries} ${entries === 1 ? 'entry' : 'entries'}`;
  const verdict = !vmx
    ? `no VT-x, ${outcome}`
    : failed === undefined
      ? `${counted}, ${outcome}`
      : `${counted}, then one fails (${failed.stage}), ${outcome}`;
  return [verdict, ...[...causes, ...(failed?.lines ?? [])].map((line) => `    ${line}`)];
};
