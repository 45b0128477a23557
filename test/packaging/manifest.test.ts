/** package.json says again what the sources say; here they are held together. */

import { existsSync, readFileSync } from 'node:fs';
import { expect, test } from 'vitest';
import manifest from '../../package.json';
import { attachAttributes, launchAttributes } from '../../src/dap/launch-attributes';

const [debuggerOf] = manifest.contributes.debuggers;

test('the launch attributes are those of the table of options; `npm run manifest` writes them', () => {
  const { properties } = debuggerOf?.configurationAttributes.launch ?? {};
  expect(properties).toEqual(JSON.parse(JSON.stringify(launchAttributes())));
  const { attach } = debuggerOf?.configurationAttributes ?? {};
  expect(attach?.properties).toEqual(JSON.parse(JSON.stringify(attachAttributes())));
});

test('every launch attribute has a type, a description, and a default or none that could be meant', () => {
  for (const [name, attribute] of Object.entries(launchAttributes())) {
    expect(attribute, name).toHaveProperty('description');
    expect('type' in attribute || 'enum' in attribute, name).toBe(true);
  }
});

test('configurations and snippets use only attributes that exist', () => {
  const known = {
    launch: new Set(['type', 'request', 'name', ...Object.keys(launchAttributes())]),
    attach: new Set(['type', 'request', 'name', ...Object.keys(attachAttributes())]),
  };
  const bodies = [
    ...(debuggerOf?.initialConfigurations ?? []),
    ...(debuggerOf?.configurationSnippets.map(({ body }) => body) ?? []),
  ];
  expect(bodies.length).toBeGreaterThan(2);
  for (const body of bodies) {
    const names = known[body.request as keyof typeof known];
    expect(Object.keys(body).filter((name) => !names.has(name))).toEqual([]);
  }
});

test('breakpoints can be set in every language in which F5 offers the debugger', () => {
  const withBreakpoints = manifest.contributes.breakpoints.map(({ language }) => language);
  expect(withBreakpoints).toEqual(expect.arrayContaining([...(debuggerOf?.languages ?? []), 'c', 'cpp', 'rust']));
});

test('files that the manifest names exist', () => {
  const { languages, grammars } = manifest.contributes;
  const configurations = languages.flatMap(({ configuration }) => configuration ?? []);
  const named = [...configurations, ...grammars.map(({ path }) => path)];
  expect(named.filter((path) => !existsSync(path))).toEqual([]);
});

test('the lock files hold no download addresses', () => {
  for (const file of ['package-lock.json', 'test/e2e/package-lock.json']) {
    expect(readFileSync(file, 'utf8')).not.toMatch(/"resolved"|https?:\/\/registry/);
  }
});

test('the lock files name the packages of every system, without which `npm ci` refuses them', () => {
  for (const file of ['package-lock.json', 'test/e2e/package-lock.json']) {
    const packages: Record<string, { optionalDependencies?: object }> = JSON.parse(readFileSync(file, 'utf8')).packages;
    const paths = Object.keys(packages);
    const wanted = Object.values(packages).flatMap((entry) => Object.keys(entry.optionalDependencies ?? {}));
    expect(wanted.filter((name) => !paths.some((path) => path.endsWith(`node_modules/${name}`)))).toEqual([]);
  }
});
