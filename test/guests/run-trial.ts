/** Runs a trial on a machine that others ran on before: restoring its first snapshot leaves nothing of them behind. */

import { coreBytes } from '../../src/machine/core/binary';
import type { MachineEvent } from '../../src/machine/core/event';
import { Machine } from '../../src/machine/pc';
import type { Stop } from '../../src/machine/stop';
import { prepare } from '../../src/program/prepare';
import { assemble } from '../guest';
import type { ExpectedFault, Trial } from './trial';

const STEPS = 1_000_000;
const MEMORY = 8 * 2 ** 20;
const module = new WebAssembly.Module(coreBytes);
const machines = new Map<string, { readonly machine: Machine; readonly fresh: ReturnType<Machine['snapshot']> }>();

const machineFor = ({ cpu, tlb }: Trial): Machine => {
  const key = `${typeof cpu === 'string' ? cpu : cpu.name} ${tlb}`;
  const known = machines.get(key);
  if (known) {
    known.machine.restore(known.fresh);
    return known.machine;
  }
  const machine = new Machine({ core: module, memoryBytes: MEMORY, cpu, tlb });
  machines.set(key, { machine, fresh: machine.snapshot() });
  return machine;
};

export interface Outcome {
  readonly stop: Stop;
  /** Empty when nobody listened. */
  readonly faults: readonly ExpectedFault[];
  readonly steps: number;
  readonly events: readonly MachineEvent[];
}

type Trap = Extract<MachineEvent, { kind: 'trap' }>;
const told = ({ vector, errorCode, cr2, why }: Trap): ExpectedFault => ({
  vector,
  ...(errorCode === undefined ? {} : { errorCode }),
  ...(cr2 === undefined || vector !== 14 ? {} : { cr2 }),
  rule: why.rule,
});

/** @param listening whether somebody subscribes to traps: the core takes other ways then */
export const runTrial = (trial: Trial, listening: boolean): Outcome => {
  const machine = machineFor(trial);
  const events: MachineEvent[] = [];
  const end = listening ? machine.events.on(['trap', 'not-implemented'], (event) => events.push(event)) : () => {};
  try {
    machine.load(prepare(assemble(trial.source), { memoryBytes: machine.memoryBytes }));
    const before = machine.counters.step;
    const stop = machine.run(STEPS);
    const faults = events.filter((event) => event.kind === 'trap').map(told);
    return { stop, faults, steps: machine.counters.step - before, events };
  } finally {
    end();
  }
};
