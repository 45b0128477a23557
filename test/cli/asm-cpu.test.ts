/** `ringside asm`, `cpu`, `help` and `--version`, without a process. */

import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, afterEach, expect, test, vi } from 'vitest';
import manifest from '../../package.json';
import { dispatch } from '../../src/cli/dispatch';

const folder = mkdtempSync(join(tmpdir(), 'ringside-asm-'));
afterAll(() => rmSync(folder, { recursive: true, force: true }));
afterEach(() => vi.restoreAllMocks());

const run = async (...words: string[]): Promise<{ status: number; stdout: string; stderr: string }> => {
  const said = { stdout: '', stderr: '' };
  for (const stream of ['stdout', 'stderr'] as const)
    vi.spyOn(process[stream], 'write').mockImplementation((text) => {
      said[stream] += typeof text === 'string' ? text : Buffer.from(text).toString('latin1');
      return true;
    });
  const status = await dispatch(words);
  vi.restoreAllMocks();
  return { status, ...said };
};

const source = join(folder, 'four.asm');
writeFileSync(source, 'bits 64\norg 0x1000\nstart: mov eax, 5\n; nothing\ntext: db "hello, world"\n');

test('asm writes the flat binary beside the source', async () => {
  expect(await run('asm', source)).toEqual({ status: 0, stdout: '', stderr: '' });
  expect(readFileSync(join(folder, 'four')).toString('latin1')).toBe('\xb8\x05\x00\x00\x00hello, world');
});

test('asm -o names it, -l lists address, bytes and source', async () => {
  const { stdout } = await run('asm', source, '-o', join(folder, 'out.bin'), '-f', 'bin', '-l', '-');
  expect(readFileSync(join(folder, 'out.bin'))).toHaveLength(17);
  expect(stdout.split('\n')).toEqual([
    '    1                            bits 64',
    '    2                            org 0x1000',
    '    3 00001000 b805000000        start: mov eax, 5',
    '    4                            ; nothing',
    '    5 00001005 68656c6c6f2c2077  text: db "hello, world"',
    '    5 0000100d 6f726c64',
    '    6',
    '',
  ]);
});

test('asm tells all errors, one line each, and writes nothing', async () => {
  const wrong = join(folder, 'wrong.asm');
  writeFileSync(wrong, 'bits 64\nmov eax, \nnosuch eax\n');
  const { status, stderr, stdout } = await run('asm', wrong, '--json');
  expect(status).toBe(2);
  expect(
    stderr
      .trimEnd()
      .split('\n')
      .map((line) => line.replace(wrong, 'wrong.asm').split(': ')[0]),
  ).toEqual([expect.stringMatching(/^wrong\.asm:2:\d+$/), expect.stringMatching(/^wrong\.asm:3:\d+$/)]);
  expect(JSON.parse(stdout)).toMatchObject({ outcome: 'bad-input', exitCode: 2, errors: [{ line: 2 }, { line: 3 }] });
  expect(() => readFileSync(join(folder, 'wrong'))).toThrow();
});

test('asm never writes over its source', async () => {
  const plain = join(folder, 'plain');
  writeFileSync(plain, 'nop\n');
  await expect(run('asm', plain, '-o', plain)).rejects.toThrow('is the source itself');
});

test('cpu lists the presets, and of one the features and what is masked', async () => {
  const all = await run('cpu');
  expect(all.stdout).toMatch(/^haswell +Intel .*\(default\)$/m);
  for (const name of ['max', 'core2', 'skylake']) expect(all.stdout).toMatch(new RegExp(`^${name} `, 'm'));
  const one = await run('cpu', 'haswell');
  expect(one.stdout).toMatch(/^Masked, because this machine does not have them:$/m);
  expect(one.stdout).toMatch(/^ {2}sse +CPUID\.1H:EDX\[25\] +SSE$/m);
  expect(one.stdout).toMatch(/^ {2}480H IA32_VMX_BASIC +0x00da040000000012 0x00d8040000000012$/m);
  expect(one.stdout).toMatch(
    /^ {2}vmcs-shadowing +secondary processor-based VM-execution control 14 +VMCS shadowing$/m,
  );
  expect(one.stdout).toMatch(/^ {2}\* IA32_VMX_VMFUNC: the dump ends at 490H/m);
  const json = JSON.parse((await run('cpu', 'core2', '--json')).stdout);
  expect(json).toMatchObject({ name: 'core2' });
  expect(json.features).toContain('pae');
});

test('help and --version', async () => {
  expect((await run('--version')).stdout).toBe(`ringside ${manifest.version}\n`);
  expect((await run('help')).stdout).toBe((await run('--help')).stdout);
  expect((await run('run', '--help')).stdout).toBe((await run('help', 'run')).stdout);
  expect((await run('help', 'run')).stdout).toContain('--max-instructions N');
});
