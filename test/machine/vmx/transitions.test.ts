/** What entries load and inject, what exits save and tell, and which refusal comes before which exit. */

import { expect, test } from 'vitest';
import { runHypervisor } from './run-hypervisor';
import { transitionRows } from './transition-rows';

test.each(transitionRows.map((row) => [row.name, row] as const))('%s', (_, { spec, exits, end = '' }) => {
  const run = runHypervisor(spec);
  expect(run.end).toBe(end);
  expect(run.exits.slice(0, exits.length)).toMatchObject(exits);
});
