import { readFileSync } from 'node:fs';
import { expect, test } from 'vitest';
import { boot } from '../../guest';

test('a guest enters, exits by CPUID, is resumed and exits by HLT', async () => {
  const text = readFileSync('examples/vmx/minimal.asm', 'utf8');
  const guest = await boot(text, {}, ['vmentry', 'vmexit', 'vmfail', 'vmentry-failure', 'trap']);
  const stop = guest.run();
  expect(
    guest.events.map((e) => [e.kind, 'reason' in e ? e.reason : 'rule' in e ? e.rule : 'error' in e ? e.error : '']),
  ).toEqual([
    ['vmentry', ''],
    ['vmexit', 10],
    ['vmentry', ''],
    ['vmexit', 12],
  ]);
  expect(stop).toMatchObject({ reason: 'guest-exit', value: 0 });
  expect(guest.gpr(7)).toBe(0x12345678n);
});
