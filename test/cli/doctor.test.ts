/** `ringside doctor`, without a process. */

import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, afterEach, expect, test, vi } from 'vitest';
import { dispatch } from '../../src/cli/dispatch';

const folder = mkdtempSync(join(tmpdir(), 'ringside-doctor-'));
afterAll(() => rmSync(folder, { recursive: true, force: true }));
afterEach(() => vi.restoreAllMocks());

const run = async (...words: string[]): Promise<{ status: number; stdout: string; stderr: string }> => {
  const said = { stdout: '', stderr: '' };
  for (const stream of ['stdout', 'stderr'] as const)
    vi.spyOn(process[stream], 'write').mockImplementation((text) => {
      said[stream] += typeof text === 'string' ? text : Buffer.from(text).toString('latin1');
      return true;
    });
  const status = await dispatch(['doctor', ...words]);
  vi.restoreAllMocks();
  return { status, ...said };
};

const sample = (name: string): string => join(import.meta.dirname, '../doctor/dumps', name);
const good = sample('kvm-4.4-plain.txt');
const bad = sample('kvm-6.12-dmesg.txt');

test('status 0 where no rule that can be decided is broken, 1 where one is', async () => {
  expect(await run(good)).toMatchObject({ status: 0, stderr: '' });
  const { status, stdout } = await run(bad);
  expect(status).toBe(1);
  expect(stdout).toContain('GUEST_TR_AR_BYTES              0x89');
  expect(stdout).toContain('1. guest.tr.type ("Checks on Guest Segment Registers")');
});

test('--strict gives status 3 where something is undecidable, but a broken rule still gives 1', async () => {
  expect((await run(good, '--strict')).status).toBe(3);
  expect((await run(bad, '--strict')).status).toBe(1);
});

test('--json writes the report alone to stdout, or to a file', async () => {
  const { stdout } = await run(bad, '--json');
  const report = JSON.parse(stdout);
  expect(Object.keys(report)).toEqual(['fields', 'decided', 'undecided', 'failing']);
  expect(Object.keys(report.failing[0])).toEqual(['id', 'section', 'edition', 'fields', 'says', 'edits']);
  const file = join(folder, 'report.json');
  await run(bad, '--json', file);
  expect(JSON.parse(readFileSync(file, 'utf8'))).toEqual(report);
});

test('--cpu chooses the processor whose data judges', async () => {
  await expect(run(good, '--cpu', 'core2')).rejects.toThrow('core2: this processor has no VT-x');
  await expect(run(good, '--cpu', 'hasvell')).rejects.toThrow(/^hasvell: no such processor/);
});

test('--cpu takes the MSRs of a file too: what one processor refuses another allows', async () => {
  const dump = join(folder, 'posted.txt');
  writeFileSync(dump, 'PIN_BASED_VM_EXEC_CONTROL = 0xbf\n');
  const own = join(folder, 'own-cpu.txt');
  writeFileSync(own, 'IA32_VMX_TRUE_PINBASED_CTLS = 0xff00000016\n');
  expect((await run(dump)).stdout).toContain('control.pin.allowed');
  expect((await run(dump, '--cpu', own)).stdout).not.toContain('control.pin.allowed');
});

test('lines that are not understood are told with file and line', async () => {
  const file = join(folder, 'own.txt');
  writeFileSync(file, '# mine\nVIRTUAL_PROCESSOR_ID = 0\nGUEST_CR9 = 1\n');
  const { status, stderr } = await run(file);
  expect(stderr).toContain(`${file}:3: GUEST_CR9: no field of a VMCS`);
  expect(status).toBe(0);
});

test('what is no dump, or is not there, is refused', async () => {
  const file = join(folder, 'nothing.txt');
  writeFileSync(file, 'nothing\n');
  await expect(run(file)).rejects.toThrow(/^.*nothing\.txt: no VMCS was found.*; a program is launched by --matrix$/);
  await expect(run(join(folder, 'missing'))).rejects.toThrow('cannot be read (ENOENT)');
});

test('--matrix launches a program on every processor model, and tells which rules break it where', async () => {
  const source = readFileSync('examples/vmx/minimal.asm', 'utf8');
  const program = join(folder, 'broken.asm');
  writeFileSync(program, source.replace('dq 0x4822, 0x8b', 'dq 0x4822, 0x89'));
  const { status, stdout } = await run(program, '--matrix');
  expect(status).toBe(1);
  // What is the same on several of them is said once.
  expect(stdout).toMatch(/^haswell, .*nehalem, .*: 0 entries, then one fails \(guest-state\)/m);
  expect(stdout.split('    guest.tr.type: ')).toHaveLength(2);
  expect(stdout).toMatch(/^core2: no VT-x/m);
  const one = await run(program, '--matrix', '--cpu', 'nehalem', '--json');
  expect(JSON.parse(one.stdout)).toMatchObject([{ cpu: 'nehalem', failed: { rules: ['guest.tr.type'] } }]);
  const fine = join(folder, 'fine.asm');
  writeFileSync(fine, source);
  const { status: entered, stdout: json } = await run(fine, '--matrix', '--json');
  expect(entered).toBe(0);
  expect(JSON.parse(json).find(({ cpu }: { cpu: string }) => cpu === 'haswell')).toMatchObject({ entries: 2 });
});

test('--matrix tells why a program did not come to a VM entry', async () => {
  const source = readFileSync('examples/vmx/minimal.asm', 'utf8');
  const launched = async (from: string, to: string): Promise<string> => {
    expect(source).toContain(from);
    const program = join(folder, 'early.asm');
    writeFileSync(program, source.replace(from, to));
    return (await run(program, '--matrix', '--cpu', 'haswell')).stdout;
  };
  expect(await launched('or rax, 1 << 13', 'or rax, 0')).toMatch(
    /^haswell: 0 entries, triple-fault\n {4}1\. #UD .*VMXON runs with CR4\.VMXE = 1/,
  );
  expect(await launched('mov [vmxon_region], eax', 'nop')).toMatch(
    /^haswell: 0 entries, guest-exit\n {4}vmxon .*must be the revision identifier 0x12/,
  );
});
