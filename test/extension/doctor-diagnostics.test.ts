import { readFileSync } from 'node:fs';
import { expect, test } from 'vitest';
import { doctorDump } from '../../src/debugger/doctor/dump-report';
import { diagnosticsOf } from '../../src/extension/doctor-diagnostics';
import type { Preset } from '../../src/x86/cpuid';
import { presetNamed } from '../../src/x86/presets';

const marksOf = (text: string) => diagnosticsOf(doctorDump(text, presetNamed('haswell') as Preset));

test('a broken rule is marked at the line of the field that would be edited', () => {
  const text = readFileSync(new URL('../doctor/dumps/kvm-6.12-dmesg.txt', import.meta.url), 'utf8');
  const marks = marksOf(text);
  expect(marks).toHaveLength(1);
  expect(text.split('\n')[marks[0]?.line as number]).toContain('TR:   sel=');
  expect(marks[0]).toMatchObject({ broken: true });
  expect(marks[0]?.message).toMatch(/^guest\.tr\.type: .*\nTo mend it: GUEST_TR_AR_BYTES = 0x8b/);
});

test('a line that nobody understands is marked too', () => {
  expect(marksOf('GUEST_CR0 = 0x80000031\nGUEST_CR9 = 1\n')).toContainEqual(
    expect.objectContaining({ line: 1, broken: false }),
  );
});
