/**
 * VM exits by reason: how often, and how much virtual time passed from each to the next VM entry. As the table of
 * `perf kvm stat` has it.
 */

import type { Machine } from '../../machine/pc';
import { exitReasonName } from '../../x86/vmx/exit-reasons';

interface Times {
  total: number;
  least: number;
  most: number;
  /** Exits that a VM entry followed. */
  count: number;
}

/** Name as in `vmexit:NAME`. */
const nameOf = (reason: number): string => exitReasonName(reason) ?? `reason ${reason}`;

/** How often for each reason, by number. */
export const exitCounts = (machine: Machine): [name: string, count: number][] =>
  [...(machine.events.counts.get('vmexit') ?? [])]
    .sort(([a], [b]) => a - b)
    .map(([reason, count]) => [nameOf(reason), count]);

/** Listens to exits and entries from the moment it is made. */
class ExitTimes {
  readonly byReason = new Map<string, Times>();

  constructor(machine: Machine) {
    /** By vCPU: the exit that is being handled. */
    const open = new Map<number, { readonly reason: number; readonly since: number }>();
    machine.events.overhear(['vmexit', 'vmentry'], (event) => {
      const now = machine.counters.vtime;
      const before = open.get(event.vcpu);
      open.delete(event.vcpu);
      if (event.kind === 'vmexit') open.set(event.vcpu, { reason: event.reason, since: now });
      else if (before !== undefined) this.add(nameOf(before.reason), now - before.since);
    });
  }

  private add(name: string, ticks: number): void {
    const known = this.byReason.get(name);
    if (known === undefined) this.byReason.set(name, { total: ticks, least: ticks, most: ticks, count: 1 });
    else {
      known.total += ticks;
      known.least = Math.min(known.least, ticks);
      known.most = Math.max(known.most, ticks);
      known.count++;
    }
  }
}

const measured = new WeakMap<Machine, ExitTimes>();

/** Measures from now on what handlers take. */
export const measureExits = (machine: Machine): void => {
  if (machine.model.vmx !== undefined && !measured.has(machine)) measured.set(machine, new ExitTimes(machine));
};

const percent = (part: number, whole: number): string => `${(whole === 0 ? 0 : (part / whole) * 100).toFixed(2)}%`;

const head = ['VM-EXIT', 'Samples', 'Samples%', 'Time%', 'Min Time', 'Max Time', 'Avg time'];

/** One line a reason, the most frequent first; nothing where there was no exit. Times are ticks of the time-stamp counter. */
export const exitTable = (machine: Machine): string[] => {
  const counts = exitCounts(machine).sort(([, a], [, b]) => b - a);
  if (counts.length === 0) return [];
  const times = measured.get(machine)?.byReason ?? new Map<string, Times>();
  const samples = counts.reduce((sum, [, count]) => sum + count, 0);
  const ticks = [...times.values()].reduce((sum, { total }) => sum + total, 0);
  const rows = counts.map(([name, count]) => {
    const own = times.get(name);
    const known = own === undefined ? ['-', '-', '-', '-'] : timesOf(own, ticks);
    return [name, String(count), percent(count, samples), ...known];
  });
  const all = [head, ...rows];
  const widths = head.map((_, column) => Math.max(...all.map((row) => (row[column] ?? '').length)));
  const line = (row: readonly string[]): string =>
    row.map((cell, column) => cell.padStart(widths[column] ?? 0)).join('  ');
  return [...all.map(line), `Total samples: ${samples}, total time handling exits: ${ticks} ticks`];
};

const timesOf = ({ total, least, most, count }: Times, ticks: number): string[] => [
  percent(total, ticks),
  String(least),
  String(most),
  (total / count).toFixed(2),
];
