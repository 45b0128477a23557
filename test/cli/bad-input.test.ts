/** Whatever is wrong on the command line gives one line and status 2, never a stack trace. */

import { afterEach, describe, expect, test, vi } from 'vitest';
import { dispatch } from '../../src/cli/dispatch';
import { BadInput } from '../../src/program/program';

afterEach(() => vi.restoreAllMocks());

/** As main.ts does it, without a process. */
const inProcess = async (words: readonly string[]): Promise<{ status: number; stderr: string }> => {
  let stderr = '';
  vi.spyOn(process.stderr, 'write').mockImplementation((text) => {
    stderr += String(text);
    return true;
  });
  try {
    const status = await dispatch(words);
    return { status, stderr };
  } catch (error) {
    if (!(error instanceof BadInput)) throw error;
    return { status: 2, stderr: `ringside: ${error.message}\n` };
  }
};

describe('bad options: one line and status 2', () => {
  test.each([
    [['run'], 'run: which program? ringside run FILE'],
    [
      ['run', 'a.asm', '--max-instrutions', '5'],
      '--max-instrutions: no such option of run; did you mean --max-instructions?',
    ],
    [['run', 'a.asm', '--memory', '3K'], '--memory 3K: a size from 1M to 2G is wanted, such as 64M'],
    [['run', 'a.asm', '--cpus', '99'], '--cpus 99: a number from 1 to 8 is wanted'],
    [
      ['run', 'a.asm', '--cpu', 'pentium'],
      '--cpu pentium: one of haswell, max, nehalem, skylake, skylake-sp, icelake-sp, kvm-nested, core2, or a file such as ./cpu.txt, is wanted',
    ],
    [['run', 'a.asm', '--load'], '--load: a value is missing: --load ADDRESS'],
    [['run', 'a.asm', '--no-reboot=5'], '--no-reboot takes no value'],
    [['run', 'a.asm', 'b.asm'], 'b.asm: one word too many; usage: ringside run FILE [OPTIONS]'],
    [['run', 'a.asm', '--trace', 'traps'], /^traps: no kind of event; one of trap, int, /],
    [['run', 'a.asm', '--trace', 'trap:#XX'], 'trap:#XX: `#XX` says nothing about trap; did you mean #XM?'],
    [['run', 'a.asm', '-o', 'x'], '-o: says where a --trace goes; there is none'],
    [['rnu', 'a.asm'], 'rnu: no such command; did you mean run?'],
    [['cpu', 'hasvell'], 'hasvell: no such processor model; did you mean haswell?'],
    [['asm', 'a.asm', '-f', 'elf64'], '-f elf64: there is one format, bin'],
    [['dap', '--port', 'x'], '--port x: a number from 0 to 65535 is wanted'],
  ] as const)('%j', async (words, message) => {
    const { status, stderr } = await inProcess(words);
    expect(stderr.startsWith('ringside: ')).toBe(true);
    const line = stderr.slice('ringside: '.length).trimEnd();
    if (typeof message === 'string') expect(line).toBe(message);
    else expect(line).toMatch(message);
    expect(line).not.toContain('\n');
    expect(status).toBe(2);
  });
});
