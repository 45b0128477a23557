/**
 * A session driven by a client that others wrote: Emacs with dap-mode, both packages of the distribution. What is
 * asserted is what dap-mode made of our messages.
 */

import { execFile, spawnSync } from 'node:child_process';
import { join } from 'node:path';
import { promisify } from 'node:util';
import { expect, test } from 'vitest';
import { useBundle } from '../../cli/bundle';

const bundle = useBundle();

const guest = `bits 64
start:  mov eax, 0x1234
        mov ecx, 2              ; the breakpoint
.loop:  call put
        loop .loop
        mov al, 3
        out 0xf4, al
put:    mov al, 'x'
        out 0xe9, al
        ret
`;

/** Emacs finds dap-mode: .ci/run installs both, who has no Emacs need not. */
const present =
  spawnSync('emacs', [
    '--batch',
    '-q',
    '--eval',
    '(progn (require \'package) (package-initialize) (kill-emacs (if (locate-library "dap-mode") 0 1)))',
  ]).status === 0;
const missing = 'emacs-nox and elpa-dap-mode are not installed';
if (!present && process.env.CI !== undefined) throw new Error(missing);

test.skipIf(!present)(`Emacs' dap-mode breaks, looks, steps and ends${present ? '' : ` (${missing})`}`, async () => {
  const program = bundle.write('emacs.asm', guest);
  const { stdout } = await promisify(execFile)(
    'emacs',
    ['--batch', '-q', '-l', join(import.meta.dirname, 'dap-mode.el'), process.execPath, bundle.adapter, program, '3'],
    { env: { ...process.env, HOME: bundle.folder, TERM: 'dumb' }, timeout: 60_000 },
  );
  const said = stdout
    .split('\n')
    .filter((line) => line.startsWith('{'))
    .map((line) => JSON.parse(line));
  expect(said).toMatchObject([
    { kind: 'stopped', thread: 1, why: 'breakpoint', file: 'emacs.asm', line: 3 },
    { kind: 'breakpoints', verified: [true] },
    { kind: 'registers', rows: expect.arrayContaining(['rax: 0x1234', 'rcx: 0x0']) },
    { kind: 'value', text: expect.stringMatching(/^0x1235\b/) },
    { kind: 'stopped', why: 'step', line: 4 },
    {
      kind: 'stopped',
      why: 'step',
      line: 8,
      frames: [expect.stringMatching(/^put /), expect.stringMatching(/^start/)],
    },
    { kind: 'stopped', why: 'step', line: 5 },
    { kind: 'terminated', output: expect.stringMatching(/^x\n?x/) },
  ]);
});
