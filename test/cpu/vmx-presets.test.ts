/** The VMX capability MSRs of the presets: consistent in themselves, masked to what the machine has, and different. */

import { readFileSync } from 'node:fs';
import { describe, expect, test } from 'vitest';
import { makeModel } from '../../src/machine/cpu/model';
import { presets } from '../../src/x86/presets';
import type { CapabilityMsr, CapabilityValues } from '../../src/x86/vmx/capabilities';
import { controlWords } from '../../src/x86/vmx/controls';
import { boot } from '../guest';

const LOW = 0xffff_ffffn;
const withVmx = presets.flatMap(({ name, vmx }) => (vmx === undefined ? [] : [{ name, real: vmx }]));
const shownBy = (name: string): CapabilityValues => makeModel(name).vmx as CapabilityValues;

test('at least four generations and a guest hypervisor under KVM have VT-x', () => {
  expect(withVmx.map(({ name }) => name)).toEqual([
    'haswell',
    'max',
    'nehalem',
    'skylake',
    'skylake-sp',
    'icelake-sp',
    'kvm-nested',
  ]);
});

describe.each(withVmx)('$name', ({ name, real }) => {
  const shown = shownBy(name);
  test.each([
    ['as dumped', real],
    ['as masked', shown],
  ])('%s: what must be 1 may be 1, and the TRUE MSRs differ in default1 bits only', (_, values) => {
    for (const [word, { capability, trueCapability, default1, allowed1Only }] of Object.entries(controlWords)) {
      const value = values[capability as CapabilityMsr];
      if (value === undefined || allowed1Only) continue;
      const must = value & LOW;
      expect([word, must & ~(value >> 32n)]).toEqual([word, 0n]);
      expect([word, BigInt(default1) & ~must]).toEqual([word, 0n]);
      if (trueCapability === undefined) continue;
      const precise = values[trueCapability as CapabilityMsr] as bigint;
      expect([word, precise >> 32n]).toEqual([word, value >> 32n]);
      expect([word, (must ^ (precise & LOW)) & ~BigInt(default1)]).toEqual([word, 0n]);
    }
    for (const register of ['CR0', 'CR4'] as const) {
      const zero = values[`IA32_VMX_${register}_FIXED0`] as bigint;
      expect([register, zero & ~(values[`IA32_VMX_${register}_FIXED1`] as bigint)]).toEqual([register, 0n]);
    }
  });

  test('masking takes away and never adds', () => {
    for (const msr of Object.keys(real) as CapabilityMsr[])
      expect([msr, (shown[msr] as bigint) & ~(real[msr] as bigint)]).toEqual([msr, 0n]);
  });

  test('the first example enters, exits and is resumed', async () => {
    const text = readFileSync('examples/vmx/minimal.asm', 'utf8');
    const guest = await boot(text, { cpu: name }, ['vmentry', 'vmexit', 'vmfail', 'vmentry-failure']);
    expect(guest.run()).toMatchObject({ reason: 'guest-exit', value: 0 });
    expect(guest.events.map(({ kind }) => kind)).toEqual(['vmentry', 'vmexit', 'vmentry', 'vmexit']);
  });
});

test('the generations differ in controls, in capabilities of EPT, and in physical-address width', () => {
  const bit = (name: string, msr: CapabilityMsr, number: number) =>
    Number(((shownBy(name)[msr] as bigint) >> BigInt(number)) & 1n);
  const row = (name: string) => ({
    width: makeModel(name).physicalBits,
    unrestricted: bit(name, 'IA32_VMX_PROCBASED_CTLS2', 32 + 7),
    invpcid: bit(name, 'IA32_VMX_PROCBASED_CTLS2', 32 + 12),
    rdseed: bit(name, 'IA32_VMX_PROCBASED_CTLS2', 32 + 16),
    pages1g: bit(name, 'IA32_VMX_EPT_VPID_CAP', 17),
    accessedDirty: bit(name, 'IA32_VMX_EPT_VPID_CAP', 21),
    umip: bit(name, 'IA32_VMX_CR4_FIXED1', 11),
    zeroLength: bit(name, 'IA32_VMX_MISC', 30),
    regionBytes: Number(((shownBy(name).IA32_VMX_BASIC as bigint) >> 32n) & 0x1fffn),
    cr3Targets: Number(((shownBy(name).IA32_VMX_MISC as bigint) >> 16n) & 0x1ffn),
  });
  const early = { unrestricted: 0, invpcid: 0, pages1g: 0, accessedDirty: 0, umip: 0, rdseed: 0 };
  const common = { ...early, unrestricted: 1, invpcid: 1, pages1g: 1, accessedDirty: 1 };
  const old = { zeroLength: 0, cr3Targets: 4, regionBytes: 0x400 };
  const later = { ...common, rdseed: 1, zeroLength: 1, cr3Targets: 4, regionBytes: 0x400 };
  expect(row('nehalem')).toEqual({ ...early, ...old, width: 36 });
  expect(row('haswell')).toEqual({ ...common, ...old, width: 39 });
  expect(row('skylake')).toEqual({ ...later, width: 39 });
  expect(row('skylake-sp')).toEqual({ ...later, width: 46 });
  expect(row('icelake-sp')).toEqual({ ...later, width: 46, umip: 1, regionBytes: 0x500 });
  expect(row('kvm-nested')).toEqual({ ...common, ...old, width: 40, cr3Targets: 0, regionBytes: 0x1000 });
});

test('what only the later server parts have is in their own values, and masked', () => {
  const real = (name: string, msr: CapabilityMsr, number: number) =>
    Number(((withVmx.find((one) => one.name === name)?.real[msr] as bigint) >> BigInt(number)) & 1n);
  const rows = [
    ['IA32_VMX_EPT_VPID_CAP', 7, 'EPT page-walk length 5'],
    ['IA32_VMX_CR4_FIXED1', 12, 'LA57'],
    ['IA32_VMX_PROCBASED_CTLS2', 32 + 23, 'sub-page write permissions'],
    ['IA32_VMX_PROCBASED_CTLS2', 32 + 30, 'bus-lock detection'],
    ['IA32_VMX_ENTRY_CTLS', 32 + 18, 'load IA32_RTIT_CTL'],
  ] as const;
  for (const [msr, number, what] of rows) {
    expect([what, real('skylake-sp', msr, number), real('icelake-sp', msr, number)]).toEqual([what, 0, 1]);
    expect([what, ((shownBy('icelake-sp')[msr] as bigint) >> BigInt(number)) & 1n]).toEqual([what, 0n]);
  }
  // Gone again: MPX.
  expect([real('skylake-sp', 'IA32_VMX_EXIT_CTLS', 55), real('icelake-sp', 'IA32_VMX_EXIT_CTLS', 55)]).toEqual([1, 0]);
});

test('each value has an origin: a dump, or what stands for it', () => {
  for (const { name, vmx, vmxSource, assumed = {} } of presets) {
    expect([name, vmxSource !== undefined]).toEqual([name, vmx !== undefined]);
    for (const msr of Object.keys(assumed)) expect(Object.keys(vmx ?? {})).toContain(msr);
  }
});
