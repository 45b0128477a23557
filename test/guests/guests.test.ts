/** Every trial on the machine: with its faults, vector, error code, CR2 and rule, and again while nobody listens. */

import { describe, expect, test } from 'vitest';
import { groups } from './groups';
import { runTrial } from './run-trial';

describe.each(Object.entries(groups))('%s', (_, trials) => {
  test.each(trials.map((trial) => [trial.name, trial] as const))('%s', (_name, trial) => {
    const heard = runTrial(trial, true);
    const end = trial.ends === 'exit' ? { reason: 'guest-exit', value: 0 } : { reason: trial.ends };
    expect({ stop: heard.stop, faults: heard.faults }).toMatchObject({ stop: end, faults: trial.faults });
    const unheard = runTrial(trial, false);
    expect(unheard.stop).toEqual(heard.stop);
    expect(unheard.steps).toBe(heard.steps);
  });
});

test('an instruction that does not exist here is told by an event', () => {
  const trial = groups.long?.find(({ name }) => name.startsWith('what CPUID does not advertise'));
  if (!trial) throw new Error('the trial has another name');
  const told = runTrial(trial, true).events.filter(({ kind }) => kind === 'not-implemented');
  expect(told).toMatchObject([{ instruction: 'pxor' }, { instruction: 'fninit' }, { instruction: 'fxsave' }]);
});
