/**
 * `ringside doctor PROGRAM --matrix`: launches a program on every processor model, and says where its VM entries succeed,
 * where they fail, and by which rules.
 */

import { bootMachine } from '../debugger/boot';
import { diagnose, type Report } from '../debugger/doctor/report';
import { endingOf } from '../debugger/endings';
import { flagOf, readSettings } from '../debugger/machine-options';
import { Slices, yieldToHost } from '../debugger/slices';
import type { MachineEvent } from '../machine/core/event';
import type { Machine } from '../machine/pc';
import { factsOf } from '../machine/vmx/facts';
import { presets } from '../x86/presets';
import { instructionErrors } from '../x86/vmx/instruction-errors';
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
  /** Stage of the first failed entry, and all rules that its VMCS breaks. */
  readonly failed?: { readonly stage: string; readonly rules: readonly string[]; readonly report?: Report };
  readonly outcome: string;
}

/** Exit status: 1 where an entry fails on some model, else 0. @throws BadInput */
export const matrix = async (path: string, given: Arguments): Promise<number> => {
  const launches: Launch[] = [];
  for (const { name } of presets) launches.push(await launch(path, name));
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
  const { machine } = await bootMachine(new DiskFiles(), path, settings, { serial: ignore, console: ignore });
  let entries = 0;
  let failed: Launch['failed'];
  const errors = new Set<number>();
  machine.events.on(['vmentry', 'vmentry-failure', 'vmfail'], (event) => {
    if (event.kind === 'vmentry') entries++;
    else if (event.kind === 'vmentry-failure') failed ??= failureOf(machine, event);
    else if (event.kind === 'vmfail' && event.error !== 7 && event.error !== 8) errors.add(event.error);
  });
  const outcome = await run(machine);
  const vmx = machine.model.vmx !== undefined;
  return { cpu, vmx, entries, errors: [...errors], ...(failed === undefined ? {} : { failed }), outcome };
};

type Failure = MachineEvent & { readonly kind: 'vmentry-failure' };

const failureOf = (machine: Machine, { stage, rule, vcpu: index }: Failure): NonNullable<Launch['failed']> => {
  const vcpu = machine.cpus[index];
  const vmcs = vcpu?.vmx?.current;
  if (vcpu === undefined || vmcs === undefined || stage === 'msr-loading') return { stage, rules: [rule] };
  const report = diagnose(factsOf(vcpu.cpu, vmcs));
  return { stage, rules: report.findings.map((finding) => finding.rule.id), report };
};

const run = async (machine: Machine): Promise<string> => {
  const slices = new Slices();
  for (;;) {
    const end = endingOf(slices.run(machine, MOST_INSTRUCTIONS), true);
    if (end !== undefined) return end.outcome;
    if (machine.counters.retired >= MOST_INSTRUCTIONS) return 'budget';
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

const launchLines = ({ vmx, entries, errors, failed, outcome }: Launch): string[] => {
  const counted = `${entries} ${entries === 1 ? 'entry' : 'entries'}`;
  const verdict = !vmx
    ? `no VT-x, ${outcome}`
    : failed === undefined
      ? `${counted}, ${outcome}`
      : `${counted}, then one fails (${failed.stage}), ${outcome}`;
  return [
    verdict,
    ...errors.map((error) => `    ${errorText(error)}`),
    ...(failed?.report?.findings ?? []).flatMap(({ rule, says }) => [`    ${rule.id}: ${says}`]),
    ...(failed !== undefined && failed.report === undefined ? failed.rules.map((rule) => `    ${rule}`) : []),
  ];
};

const errorText = (error: number): string => {
  const text = (instructionErrors as Readonly<Record<number, string>>)[error];
  return text === undefined ? 'VMfailInvalid' : `VM-instruction error ${error}: ${text}`;
};
