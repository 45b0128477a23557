/** The example in C, debugged as its first lines propose. */

import { execFileSync } from 'node:child_process';
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, test } from 'vitest';
import { stopAtSymbol } from '../../src/debugger/function-body';
import { framesOf } from '../../src/debugger/stack';
import { linear } from '../../src/x86/address';
import { has, withFolder } from '../program/qemu';
import { type BuiltGuest, debugBuilt } from './c-guest';

const example = join(import.meta.dirname, '../../examples/long-mode-c');

const start = (): Promise<BuiltGuest> =>
  debugBuilt(
    withFolder((folder) => {
      const out = join(folder, 'kernel.elf');
      execFileSync('make', ['-s', '-C', example, `OUT=${out}`]);
      return { bytes: new Uint8Array(readFileSync(out)), folder };
    }),
  );

const stack = ({ session }: BuiltGuest): string[] =>
  framesOf(session.vcpu(0), session.info).map(
    ({ site, entered, mode }) =>
      `${session.info.functionAt(site)}:${session.info.lines.at(site)?.line} ${entered} ${mode}`,
  );

const breakOn = async (guest: BuiltGuest, name: string, condition?: string): Promise<void> => {
  const address = stopAtSymbol(guest.session.codeView(0), name) ?? linear(0n);
  const { id } = guest.session.breakpoints.add([address], { condition });
  expect(await guest.session.continue()).toMatchObject({ reason: 'breakpoint', ids: [id] });
  guest.session.breakpoints.remove(id);
};

describe.skipIf(!has('gcc', 'make'))('a 64-bit kernel that is interrupted', () => {
  test('starts in 32 bits, in assembly, and gets to C', async () => {
    const guest = await start();
    expect(guest.at()).toBe('entry.S:19');
    expect(stack(guest)).toEqual(['start:19 current protected']);
    await breakOn(guest, 'kernel');
    expect(stack(guest)).toEqual(['kernel:89 current 64-bit', 'wide:53 call 64-bit']);
  });

  test('recursion is on the stack with the lines that called', async () => {
    const guest = await start();
    await breakOn(guest, 'towers', 'edi == 2');
    expect(stack(guest)).toEqual([
      'towers:81 current 64-bit',
      'towers:83 call 64-bit',
      'towers:83 call 64-bit',
      'kernel:90 call 64-bit',
      'wide:53 call 64-bit',
    ]);
  });

  test('the handler’s frame shows whom it has interrupted; a step out goes there', async () => {
    const guest = await start();
    await breakOn(guest, 'tick');
    const [own, ...outside] = stack(guest);
    expect(own).toMatch(/^tick:5\d current 64-bit$/);
    expect(outside[0]).toMatch(/ interrupt 64-bit$/);
    expect(outside.at(-1)).toBe('wide:53 call 64-bit');
    await guest.session.stepOut(0);
    expect(stack(guest).map((one) => one.replace(/ \S+ 64-bit$/, ''))).toEqual(
      outside.map((one) => one.replace(/ \S+ 64-bit$/, '')),
    );
  });

  test('steps by line pass the timer’s handler', async () => {
    const guest = await start();
    await breakOn(guest, 'kernel');
    const seen: string[] = [];
    for (let n = 0; n < 7; n++) {
      expect((await guest.session.step(0, 'over', 'line')).reason).toBe('step');
      seen.push(guest.at());
    }
    expect(seen).toEqual([90, 91, 92, 93, 94, 95, 96].map((line) => `kernel.c:${line}`));
    const ticks = guest.session.info.symbols.named('ticks')?.address ?? 0n;
    expect(guest.session.environment(0).read('linear', ticks, 8)).toBeGreaterThanOrEqual(3n);
  });
});
