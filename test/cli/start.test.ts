/** What `npm start` shows, and that the README shows no other. */

import { spawnSync } from 'node:child_process';
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { expect, test } from 'vitest';
import { ringside, useBundle } from './bundle';

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

const readme = readFileSync(join(root, 'README.md'), 'utf8');

/** The README leaves out lines where it has `…`. */
const expectPrinted = (shown: string | undefined, printed: string): void => {
  expect(shown).toBeDefined();
  let from = 0;
  for (const part of (shown as string).split(/^…\n/m)) {
    const at = printed.indexOf(part, from);
    expect(at, `${part}\nis not printed, or not there, in\n${printed}`).not.toBe(-1);
    from = at + part.length;
  }
};

test('the transcript in the README is what npm start prints', () => {
  const [, shown] = /```\n\$ npm start\n([\s\S]*?)```/.exec(readme) ?? [];
  expectPrinted(shown, start());
});

test('the session with the doctor in the README is what its commands print', async () => {
  const [, file = '', shown = ''] = /```\n\$ ringside debug (\S+)\n([\s\S]*?)```/.exec(readme) ?? [];
  const commands = [...shown.matchAll(/^\(ringside\) (.*)$/gm)].map(([, command]) => command);
  expect(commands.length).toBeGreaterThan(1);
  const { stdout } = await ringside(bundle, ['debug', join(root, file)], { input: `${commands.join('\n')}\n` });
  expectPrinted(shown, stdout.replaceAll(`${root}/`, ''));
});
