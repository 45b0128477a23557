/** Breakpoints of the engine: several at a place, counts, slices, repetitions; and what they cost. */

import { expect, test } from 'vitest';
import { BadInput } from '../../src/program/program';
import { linear } from '../../src/x86/address';
import { debug } from './guest-session';

const loop = 'bits 64\nmov ecx, 1000000\nagain: inc rbx\ndec ecx\njnz again\nhlt\n';
const AGAIN = linear(0x10_0005n);

test('several at one place have each their own condition; those that hit are named', async () => {
  const { session } = await debug(loop);
  const first = session.breakpoints.add([AGAIN], { condition: 'rbx == 10' });
  const second = session.breakpoints.add([AGAIN], { condition: 'rbx >= 5' });
  expect(await session.continue()).toEqual({ reason: 'breakpoint', vcpu: 0, ids: [second.id] });
  session.breakpoints.remove(second.id);
  const third = session.breakpoints.add([AGAIN], { condition: 'rbx % 5 == 0' });
  expect(await session.continue()).toEqual({ reason: 'breakpoint', vcpu: 0, ids: [first.id, third.id] });
});

test('a breakpoint that is left stops again at the next arrival, not before', async () => {
  const { session } = await debug(loop);
  session.breakpoints.add([AGAIN]);
  for (let n = 0; n < 3; n++) {
    await session.continue();
    expect(session.vcpu(0).state.gpr(3)).toBe(BigInt(n));
  }
});

test('hits are counted where the condition holds', async () => {
  const { session } = await debug(loop);
  const breakpoint = session.breakpoints.add([AGAIN], { condition: 'rbx & 1', hitCondition: '% 4' });
  await session.continue();
  expect(session.vcpu(0).state.gpr(3)).toBe(7n);
  await session.continue();
  expect(session.vcpu(0).state.gpr(3)).toBe(15n);
  expect(breakpoint.hits).toBe(8);
});

test('no arrival is lost where a slice ends', async () => {
  const { session } = await debug(loop);
  const breakpoint = session.breakpoints.add([AGAIN], { logMessage: '', hitCondition: '== 1000000' });
  expect(await session.continue()).toMatchObject({ reason: 'breakpoint' });
  expect(breakpoint.hits).toBe(1_000_000);
  expect(session.vcpu(0).state.gpr(3)).toBe(999_999n);
});

test('a repeated instruction is arrived at once', async () => {
  const { session } = await debug('bits 64\nmov edi, 0x200000\nmov ecx, 50\nrep stosb\nnop\nhlt\n');
  const rep = session.info.lines.addresses('guest.asm', 4)?.addresses ?? [];
  const breakpoint = session.breakpoints.add(rep);
  expect(await session.continue()).toMatchObject({ reason: 'breakpoint' });
  for (let n = 0; n < 5; n++) await session.step(0, 'into', 'instruction');
  expect(session.vcpu(0).state.gpr(1)).toBe(45n);
  expect(await session.continue()).toMatchObject({ reason: 'ending' });
  expect(breakpoint.hits).toBe(1);
});

test('a temporary one goes when it hits', async () => {
  const { session } = await debug(loop);
  session.breakpoints.add([AGAIN], { temporary: true, condition: 'rbx == 3' });
  await session.continue();
  expect(session.breakpoints.list()).toEqual([]);
  expect(await session.continue()).toMatchObject({ reason: 'ending', ending: { outcome: 'halted' } });
});

test('what cannot be read is refused in one line', async () => {
  const { session } = await debug(loop);
  const add = (options: object) => () => session.breakpoints.add([AGAIN], options);
  expect(add({ condition: '1 +' })).toThrow(
    new BadInput('condition `1 +`: a value is missing before the end (column 4)'),
  );
  expect(add({ hitCondition: 'x' })).toThrow(new BadInput('hit count `x`: write 5, >= 5, == 5 or % 5'));
  expect(add({ logMessage: 'rbx {rbx' })).not.toThrow();
  expect(add({ logMessage: '{rbx +}' })).toThrow(
    new BadInput('log message, expression `rbx +`: a value is missing before the end (column 6)'),
  );
  expect(session.breakpoints.list()).toHaveLength(1);
});
