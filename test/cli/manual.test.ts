/** The page in docs/ and package.json say what the tables say. */

import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { expect, test } from 'vitest';
import { commandHelp, overview } from '../../src/cli/help';
import { commands } from '../../src/cli/options';
import { launchProperties, machineOptions } from '../../src/debugger/machine-options';
import { manual } from './manual';

const root = join(import.meta.dirname, '../..');

test('docs/command-line.md is what the tables say', () =>
  expect(manual()).toMatchFileSnapshot(join(root, 'docs/command-line.md')));

test('package.json declares every option for launch.json', () => {
  const manifest = JSON.parse(readFileSync(join(root, 'package.json'), 'utf8'));
  expect(manifest.contributes.debuggers[0].configurationAttributes.launch.properties).toMatchObject(
    JSON.parse(JSON.stringify(launchProperties())),
  );
});

test('help names every command and option, in lines that fit a terminal', () => {
  for (const { name } of commands) expect(overview()).toContain(`\n  ${name}`);
  for (const command of commands) {
    const text = commandHelp(command);
    for (const { flag } of command.options) expect(text).toContain(flag);
    for (const line of text.split('\n')) expect(line.length).toBeLessThanOrEqual(100);
  }
  const run = commandHelp(commands[0] as (typeof commands)[0]);
  for (const { name } of machineOptions)
    expect(run).toContain(`--${name.replace(/[A-Z]/g, (letter) => `-${letter.toLowerCase()}`)}`);
});
