/** The commands `vmcs` and `exits`. */

import { readFileSync } from 'node:fs';
import { expect, test } from 'vitest';
import { Console } from '../../../src/debugger/console/console';
import type { Pause } from '../../../src/debugger/run-control';
import type { Session } from '../../../src/debugger/session';
import { readVmcsText } from '../../../src/debugger/vmcs/text';
import { debug } from '../guest-session';

const minimal = readFileSync(new URL('../../../examples/vmx/minimal.asm', import.meta.url), 'utf8');

interface Talk {
  readonly session: Session;
  readonly files: Map<string, string>;
  readonly say: (line: string) => Promise<readonly string[]>;
}

const talk = async (source = minimal): Promise<Talk> => {
  const { session } = await debug(source);
  const files = new Map<string, string>();
  const console = new Console({
    session,
    radix: 'hex',
    move: async (motion: (session: Session) => Promise<Pause>) => ({ lines: [(await motion(session)).reason] }),
    restart: async () => ({ lines: [] }),
    source: async (file) => files.get(file)?.split('\n'),
    write: async (file, text) => void files.set(file, text),
  });
  return { session, files, say: async (line) => (await console.execute(line)).lines };
};

const atExit = async (): Promise<Talk> => {
  const found = await talk();
  found.session.events.break('vmexit');
  await found.session.continue();
  return found;
};

test('vmcs writes text that is read back with every field that the processor has', async () => {
  const { session, say, files } = await atExit();
  const text = (await say('vmcs')).join('\n');
  const { fields, problems } = readVmcsText(text);
  expect(problems).toEqual([]);
  expect(text).toMatch(/^# VMCS 0x\w+ \(current, launched\), step \d+\n# processor haswell\n/);
  const current = session.vcpu(0).vmx?.current;
  expect(fields.size).toBeGreaterThan(120);
  for (const [name, value] of fields) expect(current?.get(name)).toBe(value);
  expect(fields.has('PML_ADDRESS')).toBe(false);
  await say('vmcs write state.vmcs');
  expect(readVmcsText(files.get('state.vmcs') ?? '').fields).toEqual(fields);
});

test('vmcs diff tells what changed since the last stop, and what is not as in a file', async () => {
  const { session, say, files } = await atExit();
  await say('vmcs write then');
  expect(await say('vmcs diff then')).toEqual(['from then to the current VMCS: nothing differs']);
  await session.continue();
  const since = await say('vmcs diff');
  expect(since[0]).toBe('since the last stop');
  expect(since.join('\n')).toMatch(/VM_EXIT_REASON +0xa -> 0xc \(basic 10 -> 12\)/);
  expect((await say('vmcs diff then')).slice(1)).toEqual(since.slice(1));
  files.set('wrong', 'GUEST_RIPP = 0\nHOST_CR3 = 1');
  const wrong = await say('vmcs diff wrong');
  expect(wrong[0]).toBe('wrong:1: GUEST_RIPP: no field of a VMCS; did you mean GUEST_RIP?');
  expect(wrong.at(-1)).toMatch(/HOST_CR3 +0x1 -> 0x/);
});

const two = minimal
  .replace(
    '    vmptrld [vmcs_pointer]\n    jbe failed\n',
    `    vmptrld [vmcs_pointer]
    jbe failed
    mov edx, GUEST_RIP
    mov eax, 0x111
    vmwrite rdx, rax
    mov ecx, 0x480
    rdmsr
    mov [second_region], eax
    vmclear [second_pointer]
    vmptrld [second_pointer]
    mov edx, GUEST_RIP
    mov eax, 0x222
    vmwrite rdx, rax
    vmptrld [vmcs_pointer]
here:
    vmclear [second_pointer]
`,
  )
  .replace('vmcs_pointer: dq', 'second_pointer: dq second_region\nvmcs_pointer: dq')
  .replace('vmcs_region: times', 'second_region: times 4096 db 0\nvmcs_region: times');

test('two VMCSs: both are listed with their state, and compared, also when one was cleared', async () => {
  const { session, say } = await talk(two);
  const second = `0x${(session.environment(0).name('second_region', true)?.bits ?? 0n).toString(16)}`;
  await say('break here');
  await session.continue();
  expect(await say('vmcs list')).toContain(`${second} active, clear`);
  expect((await say(`vmcs diff ${second}`)).join('\n')).toMatch(/GUEST_RIP +0x111 -> 0x222/);
  await session.step(0, 'into', 'instruction');
  expect(await say('vmcs list')).toContain(`${second} in memory, clear`);
  expect((await say(`vmcs ${second}`)).join('\n')).toMatch(/GUEST_RIP +(= 0x222)/);
  await say(`vmcs.${second}.GUEST_RIP = 0x333`);
  expect((await say(`vmcs diff vmcs_region second_region`)).join('\n')).toMatch(/GUEST_RIP +0x111 -> 0x333/);
  await expect(say('vmcs 0x1000')).rejects.toThrow('0x1000: no VMCS is there; there are');
});

test('a region that was cleared without its revision identifier is listed as what it is', async () => {
  const { session, say } = await talk(minimal.replace('    mov [vmcs_region], eax\n', ''));
  expect(await say('vmcs list')).toEqual(['the program has used no VMCS']);
  session.events.break('vmfail:11');
  await session.continue();
  expect(await say('vmcs list')).toEqual([
    expect.stringMatching(/^0x[0-9a-f]+ was cleared, and begins with 0x0, not with the revision identifier 0x12: /),
  ]);
});

test('groups that begin with the same word are both shown', async () => {
  const { say } = await atExit();
  const shown = await say('info vmcs exit');
  expect(shown.filter((line) => /^\S/.test(line)).map((line) => line.replace(/ +\d+ fields$/, ''))).toEqual([
    'Exit controls',
    'Exit information',
  ]);
  expect((await say('info vmcs exit information')).filter((line) => /^\S/.test(line))).toHaveLength(1);
});

test('exit reasons and fields are completed where events are written', async () => {
  const { session } = await talk();
  const console = new Console({
    session,
    radix: 'hex',
    move: async () => ({ lines: [] }),
    restart: async () => ({ lines: [] }),
    source: async () => undefined,
  });
  const labels = (text: string): string[] => console.complete(text).map(({ label }) => label);
  expect(labels('break vmexit:CP')).toEqual(['CPUID']);
  expect(labels('break vmcs:GUEST_RS')).toEqual(['GUEST_RSP']);
  expect(labels('break trap:#P')).toEqual(['#PF']);
  expect(labels('break vmexit if reason == EPT_V')).toContain('EPT_VIOLATION');
  expect(labels('break vmexit if qual')).toContain('qualification');
});

test('exits is a table by reason, with the time that the host took', async () => {
  const { say } = await talk();
  expect(await say('exits')).toEqual(['there was no VM exit']);
  await say('continue');
  const [head, ...rows] = await say('exits');
  expect(head).toMatch(/VM-EXIT +Samples +Samples% +Time% +Min Time +Max Time +Avg time/);
  expect(rows[0]).toMatch(/^ *CPUID +1 +50.00% +100.00% +(\d+) +\1 +\1\.00$/);
  expect(rows[1]).toMatch(/^ *HLT +1 +50.00% +- +- +- +-$/);
  expect(rows[2]).toMatch(/^Total samples: 2, total time handling exits: \d+ ticks$/);
});

test.each([
  ['vmcs bogus', 'bogus: no address of a VMCS, no file that can be read, and none of list, write, diff'],
  ['vmcs lst', 'and none of list, write, diff; did you mean list?'],
  ['vmcs diff /nonexist', '/nonexist: no address of a VMCS, no file that can be read'],
  ['vmcs diff 0x5000', '0x5000: no VMCS is there; there are 0x'],
])('%s is refused in one line', async (line, message) => {
  const { say } = await atExit();
  await expect(say(line)).rejects.toThrow(message);
});
