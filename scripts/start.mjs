/**
 * `npm start`: a smallest hypervisor in the debugger, stopped at a VM exit of its guest; `npm start -- FILE` takes
 * another program. On a terminal the prompt is yours from there; without one, as in a script, the session plays to its end.
 * Tests name in RINGSIDE_COMMAND the command that they have built.
 */

import { spawnSync } from 'node:child_process';
import { openSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';

const root = dirname(dirname(fileURLToPath(import.meta.url)));
const words = process.argv.slice(2);
const own = words.length === 0;
const alone = own && !process.stdin.isTTY;
const { status, error } = spawnSync(
  process.execPath,
  [
    process.env.RINGSIDE_COMMAND ?? join(root, 'dist/cli.js'),
    'debug',
    ...(own ? ['examples/vmx/minimal.asm', '-x', 'scripts/first-exit.txt'] : words),
  ],
  {
    stdio: [alone ? openSync(join(root, 'scripts/to-the-end.txt')) : 'inherit', 'inherit', 'inherit'],
    cwd: own ? root : (process.env.INIT_CWD ?? process.cwd()),
  },
);
if (error) throw error;
process.exitCode = status ?? 1;
