/** The VM-instruction errors that software can reach, each by a guest, and VMfailInvalid. docs/vmx.md lists the others with reasons. */

import { describe, expect, test } from 'vitest';
import { makeModel } from '../../../src/machine/cpu/model';
import { instructionErrors } from '../../../src/x86/vmx/instruction-errors';
import { errorRows, invalidRows, root } from './error-rows';
import type { Spec } from './hypervisor';
import { runHypervisor } from './run-hypervisor';

/** VMX instruction errors that no instruction of this machine gives; docs/vmx.md says why. */
const unreachable = [6, 16, 17, 18, 19, 20, 22, 23, 24, 25] as const;

describe.each(Object.entries(errorRows))('error %s', (number, specs) => {
  test.each((specs as readonly Spec[]).map((spec, n) => [n + 1, spec] as const))('by guest %i', (_, spec) => {
    const run = runHypervisor(spec);
    expect(run.end).toBe(`E${Number(number).toString(16)}`);
    expect(run.guest.events.filter(({ kind }) => kind === 'vmfail').at(-1)).toMatchObject({
      error: Number(number),
      valid: true,
    });
  });
});

test('error 13 by a processor that cannot write exit information', () => {
  const spec = root('mov eax, 0x4402\n vmwrite rax, rbx');
  // Haswell can, by bit 29 of IA32_VMX_MISC; this one is the same without that bit.
  const haswell = makeModel('haswell');
  const IA32_VMX_MISC = (haswell.vmx?.IA32_VMX_MISC ?? 0n) & ~(1n << 29n);
  const run = runHypervisor(spec, { cpu: { ...haswell, vmx: { ...haswell.vmx, IA32_VMX_MISC } } });
  expect(run.end).toBe('Ed');
});

test('the errors with a guest and those without are all there are', () => {
  const known = [...Object.keys(errorRows).map(Number), 13, ...unreachable];
  expect(known.sort((a, b) => a - b)).toEqual(Object.keys(instructionErrors).map(Number));
});

describe('VMfailInvalid', () => {
  test.each(invalidRows)('%s', (_, spec) => {
    const run = runHypervisor(spec);
    expect(run.end).toBe('I');
    expect(run.guest.events.filter(({ kind }) => kind === 'vmfail').at(-1)).toMatchObject({ valid: false });
  });
});
