/** docs/expressions.md names all that the language has: no function, type, format or operator is left out. */

import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { expect, test } from 'vitest';
import { formats } from '../../src/debugger/expression/format';
import { parseQuery, spaces, types } from '../../src/debugger/expression/parser';
import { debug } from './guest-session';

const page = readFileSync(join(import.meta.dirname, '../../docs/expressions.md'), 'utf8');

test('every function, type, space and format has its place on the page', async () => {
  const { session } = await debug('bits 64\nhlt\n');
  for (const name of session.environment(0).functions.keys()) expect(page).toContain(`| \`${name}(`);
  for (const name of Object.keys(types)) expect(page).toContain(`\`:${name}\``);
  for (const name of Object.keys(spaces)) expect(page).toContain(`\`${name}[`);
  for (const [letter, meaning] of Object.entries(formats))
    expect(page).toMatch(new RegExp(`,${letter}\` \\| ${meaning}`));
});

test('every example in its tables of formats is an expression', () => {
  const [, section = ''] = page.split('## Formats\n');
  const examples = [...(section.split('\n## ')[0] ?? '').matchAll(/^\| `([^`]+)`/gm)].map(([, text = '']) => text);
  expect(examples.length).toBeGreaterThan(8);
  for (const text of examples) expect(() => parseQuery(text), text).not.toThrow();
});
