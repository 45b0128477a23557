/** What a step can go into, and going into just that. */

import { expect, test } from 'vitest';
import { currentAddress } from '../../src/debugger/vcpu-view';
import { debug } from './guest-session';

/** The targets at the first instruction, by label. */
const targetsOf = async (source: string, steps = 0) => {
  const { session } = await debug(source);
  for (let n = 0; n < steps; n++) await session.step(0, 'into', 'instruction');
  const targets = session.stepInTargets(0);
  return {
    session,
    labels: targets.map(({ label }) => label),
    targets,
    name: () => session.info.nameOf(currentAddress(session.vcpu(0))),
  };
};

const functions = 'one: ret\ntwo: ret\nthree: ret\ntable: dq one, two, three\n';

test('each call of a line is a target; those before it are gone past', async () => {
  const source = 'bits 64\nstart: times 3 call count\nhlt\ncount: inc rbx\nret\n';
  const { labels, session, targets, name } = await targetsOf(source);
  expect(labels.map((label) => label.split(' ')[0])).toEqual(['count', 'count', 'count']);
  if (targets[1] === undefined) throw new Error('a target is missing');
  expect(await session.stepInto(0, targets[1])).toEqual({ reason: 'step', vcpu: 0 });
  expect(name()).toBe('count');
  expect(session.vcpu(0).state.gpr(3)).toBe(1n);
});

test('where the line is left before the call, the step ends', async () => {
  const leaving = 'count: add rsp, 8\njmp out\nout: hlt\n';
  const { session, targets, name } = await targetsOf(`bits 64\nstart: times 2 call count\nhlt\n${leaving}`);
  const [, second] = targets;
  const stop = session.info.symbols.named('out')?.address;
  if (second === undefined || stop === undefined) throw new Error('a target is missing');
  session.breakpoints.add([stop]);
  expect(await session.stepInto(0, second)).toMatchObject({ reason: 'breakpoint' });
  expect(name()).toBe('out');
});

test.each([
  ['a register', 'mov rax, two\ncall rax', 1, 'two'],
  ['memory relative to RIP', 'call [rel table + 8]', 0, 'two'],
  ['memory by base, index and displacement', 'mov rbx, table\nmov ecx, 1\ncall [rbx + rcx * 8 + 8]', 2, 'three'],
])('an indirect call by %s is resolved from the state at it', async (_, code, steps, expected) => {
  const { labels, targets, session, name } = await targetsOf(`bits 64\nstart: ${code}\nhlt\n${functions}`, steps);
  expect(labels.map((label) => label.split(' ')[0])).toEqual([expected]);
  if (targets[0] !== undefined) await session.stepInto(0, targets[0]);
  expect(name()).toBe(expected);
});

test('an interrupt goes to the handler in its gate, SYSCALL to LSTAR', async () => {
  const gate =
    'idt: times 0x30 dq 0, 0\n dw handler - $$, 8, 0x8e00, 0x10\n dq 0\nend:\npointer: dw end - idt - 1\n dq idt\n';
  const source = `bits 64\nstart: lidt [pointer]\nint 0x30\nhlt\nhandler: iretq\nalign 16\n${gate}`;
  const { labels } = await targetsOf(source, 1);
  expect(labels).toEqual(['handler (int 0x30)']);

  const enter = 'mov ecx, 0xc0000082\nmov eax, entry\nxor edx, edx\nwrmsr\nsyscall\nhlt\nentry: hlt\n';
  expect((await targetsOf(`bits 64\nstart: ${enter}`, 4)).labels).toEqual(['entry (syscall)']);
});

test('a 16-bit guest: far segments and the vector table', async () => {
  const source = 'bits 16\nstart: call near_by\nhlt\nnear_by: int 0x10\nhlt\n';
  const { session, labels } = await targetsOf(source);
  expect(labels[0]).toMatch(/^near_by /);
  await session.step(0, 'into', 'instruction');
  expect(session.stepInTargets(0)).toHaveLength(1);
});

test('a line without calls has none', async () => {
  expect((await targetsOf('bits 64\nstart: inc eax\nhlt\n')).labels).toEqual([]);
});
