/** What is seen from a frame of a guest while its hypervisor handles an exit: the registers of the VMCS, its own memory. */

import { readFileSync } from 'node:fs';
import { expect, test } from 'vitest';
import { Console } from '../../src/debugger/console/console';
import { pauseText } from '../../src/debugger/pause-text';
import { framesOf } from '../../src/debugger/stack';
import { BadInput } from '../../src/program/program';
import { debug } from './guest-session';

/** Another stack for the guest than the host's, something on it, and a flag of its own. */
const source = readFileSync('examples/vmx/minimal.asm', 'utf8').replace(
  /^ {4}xor eax, eax\n {4}cpuid$/m,
  '    push qword 0x1234\n    xor eax, eax\n    cpuid',
);

const atExit = async () => {
  const { session } = await debug(source);
  session.events.break('vmexit:CPUID');
  await session.continue();
  const console = new Console({
    session,
    radix: 'hex',
    move: async (motion) => ({ lines: [pauseText(await motion(session))] }),
    restart: async () => ({ lines: [] }),
    source: async () => undefined,
  });
  const say = async (text: string): Promise<string> => {
    try {
      return (await console.execute(text)).lines.join('\n');
    } catch (error) {
      if (error instanceof BadInput) return `refused: ${error.message}`;
      throw error;
    }
  };
  const vmcs = session.vcpu(0).vmx?.current;
  const frames = framesOf(session.vcpu(0), session.info);
  console.frame = frames.find(({ entered }) => entered === 'VM exit');
  return { session, console, say, field: (name: 'GUEST_RIP' | 'GUEST_RSP' | 'GUEST_CR4') => vmcs?.get(name) ?? 0n };
};

const hex = (value: bigint): string => `0x${value.toString(16)}`;

test('registers are those of the VMCS, in all commands', async () => {
  const { session, say, field } = await atExit();
  const hash = session.machine.stateHash();
  expect(session.vcpu(0).state.rip).not.toBe(field('GUEST_RIP'));
  expect(await say('regs rip')).toContain(hex(field('GUEST_RIP')));
  expect(await say('print rip')).toContain(hex(field('GUEST_RIP')));
  expect(await say('regs rsp')).toContain(hex(field('GUEST_RSP')));
  expect(await say('info control cr4')).toContain(hex(field('GUEST_CR4')));
  expect(await say('p cr4')).toContain(hex(field('GUEST_CR4')));
  expect(await say('[rsp]:u64')).toMatch(/^0x1234 /);
  expect(await say('x rsp, 2')).toMatch(/ {2}34 12 /);
  expect(session.machine.stateHash()).toBe(hash);
});

test('its code is what is disassembled', async () => {
  const { say, field } = await atExit();
  expect(await say('disas')).toContain(`=> ${hex(field('GUEST_RIP'))}`);
});

test('frame 0 is the hypervisor again', async () => {
  const { session, console, say } = await atExit();
  console.frame = undefined;
  expect(await say('regs rip')).toContain(hex(session.vcpu(0).state.rip));
});

test('its registers are set as fields of the VMCS, its memory as memory', async () => {
  const { session, say, field } = await atExit();
  const before = session.vcpu(0).state.rip;
  expect(await say('rip = 0x5')).toBe('refused: rip of the guest is in its VMCS: set GUEST_RIP');
  expect(await say('cs = 8')).toBe('refused: cs of the guest is in its VMCS: set GUEST_CS_SELECTOR');
  expect(await say('rax = 8')).toBe('refused: rax cannot be set from a frame of the guest');
  expect(session.machine.log.entries).toEqual([]);
  await say('GUEST_RIP = 0x100000');
  expect([field('GUEST_RIP'), session.vcpu(0).state.rip]).toEqual([0x10_0000n, before]);
  await say('[rsp]:u64 = 7');
  expect(await say('[rsp]:u64')).toMatch(/^0x7 /);
});

test('a walk in the space of the guest can be asked for from the hypervisor', async () => {
  const { console, say } = await atExit();
  const own = await say('walk rip');
  console.frame = undefined;
  expect(await say('walk guest:rip')).toBe(own);
  expect(await say('p GUEST_CR0.pee')).toContain('GUEST_CR0 has no field pee, did you mean pe?; it has pe, mp');
});
