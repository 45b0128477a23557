/** What `npm start` shows, and that the README shows no other. */

import { spawnSync } from 'node:child_process';
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { expect, test } from 'vitest';
import { useBundle } from './bundle';

const bundle = useBundle();
const root = join(import.meta.dirname, '../..');

const start = (): string => {
  const { status, stdout, stderr } = spawnSync(process.execPath, [join(root, 'scripts/start.mjs')], {
    env: { ...process.env, RINGSIDE_COMMAND: bundle.command },
    input: '',
    encoding: 'utf8',
  });
  expect({ status, stderr }).toEqual({ status: 0, stderr: '' });
  return stdout;
};

test('npm start stops at a VM exit, tells why, and without a terminal goes on to the end', async () => {
  await expect(start()).toMatchFileSnapshot('transcripts/start.txt');
});

test('the transcript in the README is what npm start prints, shortened where it says so', () => {
  const readme = readFileSync(join(root, 'README.md'), 'utf8');
  const [, shown] = /```\n\$ npm start\n([\s\S]*?)```/.exec(readme) ?? [];
  expect(shown).toBeDefined();
  const printed = start();
  let from = 0;
  for (const part of (shown as string).split(/^…\n/m)) {
    const at = printed.indexOf(part, from);
    expect(at, `${part}\nis not printed, or not there`).not.toBe(-1);
    from = at + part.length;
  }
});
