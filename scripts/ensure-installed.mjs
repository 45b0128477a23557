/** Installs the packages of package-lock.json unless exactly these are there. Runs before anything is installed. */

import { execFileSync } from 'node:child_process';
import { existsSync, readFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';

const root = dirname(dirname(fileURLToPath(import.meta.url)));
const packagesOf = (file) => JSON.parse(readFileSync(join(root, file), 'utf8')).packages;

/** npm notes what it has installed in node_modules; what other systems need is in the lock file only. */
const installed = () => {
  const note = 'node_modules/.package-lock.json';
  if (!existsSync(join(root, note))) return false;
  const there = packagesOf(note);
  return Object.entries(packagesOf('package-lock.json')).every(
    ([path, { version, optional }]) => path === '' || (there[path] ? there[path].version === version : optional),
  );
};

if (!installed()) {
  console.error('Installing the packages of package-lock.json …');
  const npm = process.env.npm_execpath;
  const [program, ...words] = npm ? [process.execPath, npm] : ['npm'];
  const options = ['--no-audit', '--no-fund', '--loglevel=error'];
  execFileSync(program, [...words, 'ci', ...options], { cwd: root, stdio: 'inherit', shell: !npm });
}
