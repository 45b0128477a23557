/**
 * `npm start`: a debugging session on an example in the terminal; `npm start -- FILE` takes another program. Without a
 * terminal, as in a script, a short session plays by itself.
 */

import { spawnSync } from 'node:child_process';
import { dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';

const root = dirname(dirname(fileURLToPath(import.meta.url)));
const words = process.argv.slice(2);
const scripted = words.length === 0 && !process.stdin.isTTY;
const { status, error } = spawnSync(
  process.execPath,
  [
    join(root, 'dist/cli.js'),
    'debug',
    ...(words.length === 0 ? ['examples/hello.asm'] : words),
    ...(scripted ? ['-x', 'scripts/session.txt'] : []),
  ],
  { stdio: 'inherit', cwd: words.length === 0 ? root : (process.env.INIT_CWD ?? process.cwd()) },
);
if (error) throw error;
process.exitCode = status ?? 1;
