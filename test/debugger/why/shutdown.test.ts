/** A VMX abort in words: which entry of which area, and what is wrong with it. */

import { readFileSync } from 'node:fs';
import { expect, test } from 'vitest';
import { pauseText } from '../../../src/debugger/pause-text';
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
