/**
 * The same guests on Bochs and QEMU of the distribution, when they are installed: a handful, or all with
 * RINGSIDE_PEERS=all. Where they differ is said in docs/second-opinion.md, by the same names.
 */

import { describe, expect, test } from 'vitest';
import { has } from '../program/qemu';
import { differences, type Peer } from './differences';
import { groups } from './groups';
import { onBochs, onQemu } from './peers';
import type { Trial } from './trial';

const peers: readonly {
  readonly name: Peer;
  readonly tools: readonly string[];
  readonly run: (trial: Trial) => unknown;
}[] = [
  { name: 'qemu', tools: ['qemu-system-x86_64'], run: onQemu },
  { name: 'bochs', tools: ['bochs', 'script'], run: onBochs },
];
const everyday = [
  'dividing by zero is a fault, #DE, in real mode',
  'a user needs U/S and R/W at every level',
  'real, 16-bit, 32-bit, 64-bit and compatibility mode, and back',
];
const all = process.env.RINGSIDE_PEERS === 'all';
const trials = Object.values(groups)
  .flat()
  .filter(({ name }) => all || everyday.includes(name));

for (const { name: peer, tools, run } of peers) {
  const installed = has(...tools);
  if (!installed) console.log(`${peer} is not installed: no second opinion of it`);
  describe.skipIf(!installed)(peer, () => {
    // QEMU's emulation has no VT-x.
    const strange = peer === 'qemu' ? groups.vmx : undefined;
    const asked = trials.filter((one) => differences[peer][one.name] === undefined && !strange?.includes(one));
    test.each(asked.map((trial) => [trial.name, trial] as const))('%s', (_, trial) => {
      expect(run(trial)).toBe(trial.ends === 'exit' ? 0 : undefined);
    });
  });
}

test('every difference is of a trial that exists', () => {
  const names = new Set(Object.values(groups).flatMap((group) => group.map(({ name }) => name)));
  for (const table of Object.values(differences))
    expect(Object.keys(table).filter((name) => !names.has(name))).toEqual([]);
});
