/** Runs the tests' hypervisor on the machine. */

import type { MachineOptions } from '../../../src/machine/pc';
import { boot, type Guest } from '../../guest';
import { hypervisor, type PrintedExit, recordsOf, type Spec } from './hypervisor';

export interface Run {
  readonly guest: Guest;
  readonly exits: readonly PrintedExit[];
  readonly end: string;
}

const QUIET = ['vmexit', 'vmentry', 'vmentry-failure', 'vmfail', 'trap'] as const;

export const runHypervisor = (spec: Spec, options: Partial<MachineOptions> = {}): Run => {
  const guest = boot(hypervisor(spec), options, QUIET);
  const stop = guest.run(400_000);
  const { exits, end } = recordsOf(guest.output.replaceAll('\0', ''));
  if (stop.reason !== 'guest-exit')
    throw new Error(
      `${JSON.stringify(stop, (_, value) => (typeof value === 'bigint' ? `0x${value.toString(16)}` : value))} after ${exits.length} exits: ${guest.output}`,
    );
  return { guest, exits, end };
};
