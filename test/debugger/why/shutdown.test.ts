/** A VMX abort and a guest's triple fault in words: which entry of which area, and which faults. */

import { readFileSync } from 'node:fs';
import { expect, test } from 'vitest';
import { whyItems } from '../../../src/debugger/inspect/why';
import { pauseText } from '../../../src/debugger/pause-text';
import { eventReport } from '../../../src/debugger/why/event-report';
import { debug } from '../guest-session';

const minimal = readFileSync(new URL('../../../examples/vmx/minimal.asm', import.meta.url), 'utf8');

/** The example with an MSR area of one entry. */
const withArea = (count: number, address: number, entry: string): string =>
  minimal
    .replace('fields_end:', `    dq ${count}, 1\n    dq ${address}, area\nfields_end:`)
    .replace('align 4096\n', `align 16\narea: ${entry}\nalign 4096\n`);

test.each([
  [
    withArea(0x4010, 0x2008, 'dd 0xc0000100, 0\n dq 0'),
    /^VMX abort 4 \(loading host MSRs\): entry 1 of the VM-exit MSR-load area, MSR 0xc0000100 \(IA32_FS_BASE\): the bases of FS and GS/,
  ],
  [withArea(0x4010, 0x2008, 'dd 0x12345, 0\n dq 0'), /MSR 0x12345: WRMSR of this value would be a #GP$/],
  [
    withArea(0x400e, 0x2006, 'dd 0x12345, 0\n dq 0'),
    /^VMX abort 1 \(saving guest MSRs\): entry 1 of the VM-exit MSR-store area, MSR 0x12345: RDMSR of it would be a #GP$/,
  ],
  [withArea(0x400e, 0x2006, 'dd 0x10, 1\n dq 0'), /MSR-store area, MSR 0x10 \(IA32_TIME_STAMP_COUNTER\): bits 63:32/],
])('%#', async (source, words) => {
  const { session } = await debug(source);
  expect(pauseText(await session.continue())).toMatch(words);
});

/** The example with another guest, stopped at its first exit. */
const exitOf = async (guest: string, more: string) => {
  const source = minimal
    .replace('    xor eax, eax\n    cpuid', `    ${guest}`)
    .replace('fields_end:', `${more}\nfields_end:`);
  const { session } = await debug(source);
  session.events.break('vmexit');
  const pause = await session.continue();
  return { session, lines: pause.reason === 'event' ? eventReport(session, pause.event) : [] };
};

test('an exit by an exception tells what raised it', async () => {
  const { session, lines } = await exitOf('mov rbx, 0xffff900000000000\n    mov rax, [rbx]', '    dq 0x4004, 1 << 14');
  expect(lines).toEqual([expect.stringMatching(/^1\. #PF .* at 0x[0-9a-f]+: .*PML4E 0x0 .*\[walk\.present\]$/)]);
  expect(whyItems(session).find(({ name }) => name === 'raised by')?.meaning).toMatch(/^#PF .*PML4E 0x0/);
});

test("a guest's triple fault tells its chain", async () => {
  const { session, lines } = await exitOf('ud2', '');
  expect(lines.map((line) => line.slice(0, 6))).toEqual(['1. #UD', '2. no ']);
  const faults = whyItems(session).filter(({ name }) => name.startsWith('fault '));
  expect(faults.map(({ meaning }) => meaning?.slice(0, 3))).toEqual(['#UD', '#GP', '#GP', '#DF', '#GP']);
});
