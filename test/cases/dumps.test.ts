/** What people who write hypervisors got stuck on, as the dumps that they posted: the rules, and what mends them. */

import { readFileSync } from 'node:fs';
import { expect, test } from 'vitest';
import { doctorDump } from '../../src/debugger/doctor/dump-report';
import { reportJson } from '../../src/debugger/doctor/json';
import type { Preset } from '../../src/x86/cpuid';
import { presetNamed } from '../../src/x86/presets';
import { dumpCases } from './dumps';

const sample = (name: string): string => readFileSync(new URL(`../doctor/dumps/${name}`, import.meta.url), 'utf8');

const judge = (text: string, cpu: string) => {
  const { report, dump, findings } = doctorDump(text, presetNamed(cpu) as Preset);
  return { lines: findings.join('\n'), failing: reportJson(report, dump.fields).failing };
};

test.each(['kvm-4.4-plain.txt', 'xen-4.4-serial.txt'])('%s itself breaks no rule', (name) => {
  expect(judge(sample(name), 'haswell').failing).toEqual([]);
});

test.each(dumpCases)('$dump: $name', ({ dump, changes, rules, edit, cpu = 'haswell' }) => {
  let text = sample(dump);
  for (const [from, to] of changes) {
    expect(text.split(from)).toHaveLength(2);
    text = text.replace(from, to);
  }
  const { failing, lines } = judge(text, cpu);
  expect(failing.map(({ id }) => id)).toEqual(rules);
  expect(failing[0]?.edits).toContainEqual(edit);
  for (const rule of rules) expect(lines).toContain(rule);
});
