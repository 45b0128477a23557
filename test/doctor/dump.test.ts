import { readFileSync } from 'node:fs';
import { expect, test } from 'vitest';
import { readDump } from '../../src/debugger/doctor/dump/read';
import { doctorDump } from '../../src/debugger/doctor/dump-report';
import { reportJson } from '../../src/debugger/doctor/json';
import { entryRules } from '../../src/machine/vmx/checks';
import type { Preset } from '../../src/x86/cpuid';
import { presetNamed } from '../../src/x86/presets';

const sample = (name: string): string => readFileSync(new URL(`dumps/${name}`, import.meta.url), 'utf8');
const judged = (name: string) => doctorDump(sample(name), presetNamed('haswell') as Preset);
const ids = (name: string): string[] => judged(name).report.findings.map(({ rule }) => rule.id);

test.each([
  ['kvm-4.4-plain.txt', 'KVM', 82],
  ['kvm-4.4-journal.txt', 'KVM', 82],
  ['kvm-6.12-dmesg.txt', 'KVM', 90],
  ['kvm-in-a-mail.txt', 'KVM', 82],
  ['xen-4.13-dmesg.txt', 'Xen', 90],
  ['xen-4.4-serial.txt', 'Xen', 80],
] as const)('%s: every line of a dump is understood', (name, form, least) => {
  const dump = readDump(sample(name));
  expect(dump.form).toBe(form);
  expect(dump.problems.filter(({ text }) => !text.includes('another driver'))).toEqual([]);
  expect(dump.fields.size).toBeGreaterThanOrEqual(least);
});

test('journal, dmesg and plain text of the same dump give the same fields', () => {
  const plain = readDump(sample('kvm-4.4-plain.txt')).fields;
  const journal = readDump(sample('kvm-4.4-journal.txt')).fields;
  const differing = [...plain].filter(([name, value]) => journal.get(name) !== value).map(([name]) => name);
  expect(differing).toEqual(['GUEST_INTERRUPTIBILITY_STATE']);
});

test.each([
  ['kvm-4.4-plain.txt', []],
  ['kvm-4.4-journal.txt', ['guest.interruptibility.nmi-not-after-mov-ss']],
  ['kvm-6.12-dmesg.txt', ['guest.tr.type']],
  ['kvm-in-a-mail.txt', ['guest.tr.usable']],
  ['xen-4.13-dmesg.txt', ['guest.cr3.width', 'guest.interruptibility.sti-needs-if']],
  ['xen-4.4-serial.txt', []],
])('%s: the rules that it breaks are found, and no others', (name, expected) => {
  expect(ids(name)).toEqual(expected);
});

test('a field that a dump omits is not guessed: the rules about it are undecided', () => {
  const { report, findings } = judged('kvm-4.4-plain.txt');
  const undecided = report.undecided.map(({ id }) => id);
  expect(undecided).toContain('guest.link-pointer.aligned');
  expect(undecided).toContain('control.cr3-target-count');
  expect(findings.join('\n')).toMatch(/Not in the dump: .*VMCS_LINK_POINTER/);
  expect(report.decided + undecided.length).toBe(entryRules.length);
});

test('the EFER that KVM calls effective is no field', () => {
  const { fields } = readDump(sample('kvm-6.12-dmesg.txt'));
  expect(fields.has('GUEST_IA32_EFER')).toBe(false);
  expect(fields.get('HOST_IA32_EFER')).toBe(0xd01n);
});

test('lines that nobody understands are reported with their numbers', () => {
  const { problems } = readDump(sample('kvm-in-a-mail.txt'));
  expect(problems.map(({ says }) => says)).toEqual(['not understood: e1000e 0000:00:19.0: a line of another driver']);
  const text = readDump('GUEST_CR0 = 0x21\nGUEST_CR9 = 1\n');
  expect(text.problems).toMatchObject([{ line: 2 }]);
  const { title } = doctorDump('GUEST_CR0 = 0x21\n', presetNamed('haswell') as Preset);
  expect(title).toMatch(/^A VMCS as text, 1 field, judged for/);
});

test('a text without a VMCS is refused in one line', () => {
  const doctor = (text: string) => () => doctorDump(text, presetNamed('haswell') as Preset);
  expect(doctor('nothing\n')).toThrow(/no VMCS was found: neither a dump/);
  expect(doctor('\nGUEST_CRO = 0x31\n')).toThrow(
    'no VMCS was found: line 2: GUEST_CRO: no field of a VMCS; did you mean GUEST_CR0?',
  );
});

test('the processor decides: posted interrupts that one allows are too many for another', () => {
  const text = sample('kvm-4.4-plain.txt').replace('PinBased=0000003f', 'PinBased=000000bf');
  const found = doctorDump(text, presetNamed('haswell') as Preset).report.findings.map(({ rule }) => rule.id);
  expect(found).toContain('control.pin.allowed');
  const haswell = presetNamed('haswell') as Preset;
  const TRUE_PIN = 0x7f_0000_0016n | (0x80n << 32n);
  const server = { ...haswell, vmx: { ...haswell.vmx, IA32_VMX_TRUE_PINBASED_CTLS: TRUE_PIN } } as Preset;
  expect(doctorDump(text, server).report.findings.map(({ rule }) => rule.id)).not.toContain('control.pin.allowed');
});

test('the JSON has the numbers as text, and one object for each edit', () => {
  const { report, dump } = judged('kvm-6.12-dmesg.txt');
  const json = reportJson(report, dump.fields);
  expect(json.fields.GUEST_TR_AR_BYTES).toBe('0x89');
  expect(json.decided + json.undecided).toBe(entryRules.length);
  expect(json.failing).toHaveLength(1);
  expect(json.failing[0]).toMatchObject({
    id: 'guest.tr.type',
    section: 'Checks on Guest Segment Registers',
    fields: { GUEST_TR_AR_BYTES: '0x89', VM_ENTRY_CONTROLS: '0x53ff' },
  });
  expect(json.failing[0]?.edition).toContain('326019-092US');
  expect(json.failing[0]?.edits[0]).toEqual({ GUEST_TR_AR_BYTES: '0x8b' });
});

test('each processor judges a dump by its own values, also by what this machine masks', () => {
  // EPT with a page walk of five, and secondary controls EPT and sub-page write permissions.
  const text = [
    'CPU_BASED_VM_EXEC_CONTROL = 0x8401e172',
    'SECONDARY_VM_EXEC_CONTROL = 0x800002',
    'EPT_POINTER = 0x1000026',
    'GUEST_CR0 = 0x80000031',
  ].join('\n');
  const broken = (cpu: string) =>
    doctorDump(text, presetNamed(cpu) as Preset)
      .report.findings.map(({ rule }) => rule.id)
      .filter((id) => /eptp|secondary/.test(id));
  expect(broken('skylake-sp')).toEqual(['control.secondary.allowed', 'control.eptp.walk-length']);
  expect(broken('icelake-sp')).toEqual([]);
});

const mended = (edits: Readonly<Record<string, string>>, text = sample('kvm-4.4-plain.txt')) => {
  const fields = Object.entries(edits).map(([name, value]) => `${name} = ${value}`);
  const { fields: all } = readDump(text);
  const lines = [...all].map(([name, value]) => `${name} = ${value}`);
  return doctorDump([...lines, ...fields].join('\n'), presetNamed('haswell') as Preset).report.findings;
};

test('the edit that does what a rule demands comes before those that undo its condition', () => {
  const [finding, more] = mended({ VM_ENTRY_INTR_INFO_FIELD: '0x8000030d', GUEST_CR0: '0x80050033' });
  expect(finding?.rule.id).toBe('injection.error-code.deliver');
  expect(finding?.edits[0]).toEqual(new Map([['VM_ENTRY_INTR_INFO_FIELD', 0x8000_0b0dn]]));
  expect(more).toBeUndefined();
});

test('an edit that mends several rules comes first', () => {
  const findings = mended({ GUEST_DS_AR_BYTES: '0' });
  expect(findings.length).toBeGreaterThan(2);
  for (const { edits } of findings) expect(edits[0]).toEqual(new Map([['GUEST_DS_AR_BYTES', 0x1_0000n]]));
});

test('behind its conditions a rule says only what is not so', () => {
  const [finding] = mended({ GUEST_CR0: '0x80050013', SECONDARY_VM_EXEC_CONTROL: '0x6b' });
  expect(finding?.rule.id).toBe('guest.cr0.fixed');
  expect(finding?.says).toMatch(/^If "unrestricted guest".* is 0, GUEST_CR0 .*: bit 5 is missing\.$/);
});
