/** CPUID leaves, presets and what is masked. */

import { describe, expect, test } from 'vitest';
import { state as layout } from '../../src/machine/core/layout';
import { CS } from '../../src/machine/core/state';
import { cr4Implemented } from '../../src/machine/cpu/control-registers';
import { cpuid, peekCpuid } from '../../src/machine/cpu/cpuid';
import { machineFeatures } from '../../src/machine/cpu/features';
import { makeModel } from '../../src/machine/cpu/model';
import { resetMsrs, writeMsr } from '../../src/machine/cpu/msrs';
import { describePreset } from '../../src/machine/cpu/preset-description';
import { CR4, cr4Bits, eferBits } from '../../src/x86/control-registers';
import { featureBits, isFeatureRegister } from '../../src/x86/cpuid';
import { msrs } from '../../src/x86/msrs';
import { presets } from '../../src/x86/presets';
import { BareCpu } from './bare-cpu';

const names = presets.map(({ name }) => name);
const bit = (value: number, number: number) => (value >>> number) & 1;

test('the first preset is haswell, and one has no VT-x in its data', () => {
  expect(names[0]).toBe('haswell');
  expect(makeModel('haswell').vmx).toBeDefined();
  expect(makeModel('core2').vmx).toBeUndefined();
  expect(() => makeModel('pentium')).toThrow(
    "unknown CPU preset 'pentium': choose one of haswell, max, nehalem, skylake, skylake-sp, icelake-sp, kvm-nested, core2",
  );
});

test.each(names)('%s: every bit of the data has a name, every advertised bit has behaviour', (name) => {
  const preset = presets.find((one) => one.name === name);
  const model = makeModel(name, { cpus: 2, index: 1 });
  for (const [leaf, subleaf, ...values] of preset?.leaves ?? [])
    (['eax', 'ebx', 'ecx', 'edx'] as const).forEach((register, i) => {
      if (!isFeatureRegister(leaf, register)) return;
      const shown = model.cpuid(leaf, subleaf)[register];
      for (let number = 0; number < 32; number++) {
        const feature = [...featureBits].find(
          ([, one]) => one.leaf === leaf && one.register === register && one.bit === number,
        )?.[0];
        if (bit(values[i] ?? 0, number)) expect([leaf, register, number, feature]).not.toContain(undefined);
        const expected = feature === 'ht' || (feature !== undefined && model.has(feature));
        expect([feature, bit(shown, number) === 1]).toEqual([feature, expected]);
        if (expected && feature !== 'ht') expect([...machineFeatures]).toContain(feature);
      }
    });
});

test('max has every feature of the machine', () => {
  const model = makeModel('max');
  expect([...machineFeatures].filter((feature) => !model.has(feature))).toEqual([]);
  expect(describePreset('max').added).toContain('umip');
  expect(bit(model.cpuid(7, 0).ecx, 2)).toBe(1);
});

test('the features that tables of registers name exist', () => {
  const named = [...Object.values(cr4Bits), ...Object.values(eferBits), ...Object.values(msrs)].flatMap((row) =>
    'feature' in row && row.feature ? [row.feature as string] : [],
  );
  expect(named.filter((feature) => !featureBits.has(feature))).toEqual([]);
  expect([...machineFeatures].filter((feature) => !featureBits.has(feature))).toEqual([]);
});

describe('haswell', () => {
  const model = makeModel('haswell');

  test('is family 6, model 3CH, stepping 3, with 39 physical bits at 3.4 GHz', () => {
    expect(model.cpuid(1, 0).eax).toBe(0x306c3);
    expect([model.physicalBits, model.frequency]).toEqual([39, 3_400_000_000]);
    expect(model.cpuid(0, 0)).toEqual({ eax: 0xd, ebx: 0x756e6547, ecx: 0x6c65746e, edx: 0x49656e69 });
    const brand = [0x80000002, 0x80000003, 0x80000004].flatMap((leaf) => Object.values(model.cpuid(leaf, 0)));
    expect(Buffer.from(Uint32Array.from(brand).buffer).toString().replace(/\0/g, '')).toBe(
      'Intel(R) Core(TM) i7-4770 CPU @ 3.40GHz',
    );
  });

  test('shows its features without x87, SSE and their kin', () => {
    const { ecx, edx } = model.cpuid(1, 0);
    // DE PSE TSC MSR PAE MCE CX8 APIC SEP MTRR PGE MCA CMOV PAT PSE-36
    expect(edx).toBe(0x3fbfc & ~(1 << 10));
    // MONITOR VMX CX16 PCID x2APIC MOVBE POPCNT TSC-deadline RDRAND
    expect(ecx).toBe(0x41e22028);
    // FSGSBASE TSC_ADJUST BMI1 SMEP BMI2 ERMS INVPCID
    expect(model.cpuid(7, 0)).toEqual({ eax: 0, ebx: 0x78b, ecx: 0, edx: 0 });
    expect(model.cpuid(0x80000001, 0)).toEqual({ eax: 0, ebx: 0, ecx: 0x21, edx: 0x2c100800 });
    expect(model.cpuid(6, 0)).toEqual({ eax: 4, ebx: 0, ecx: 0, edx: 0 });
    expect(model.cpuid(0xa, 0)).toEqual({ eax: 0, ebx: 0, ecx: 0, edx: 0 });
  });

  test('has CR4 bits to match', () => {
    expect(cr4Implemented(model)).toBe(
      CR4.TSD |
        CR4.DE |
        CR4.PSE |
        CR4.PAE |
        CR4.MCE |
        CR4.PGE |
        CR4.PCE |
        CR4.VMXE |
        CR4.FSGSBASE |
        CR4.PCIDE |
        CR4.SMEP,
    );
  });

  test('answers leaves beyond the last with the highest basic one, subleaves beyond the last with zeros', () => {
    expect(model.cpuid(0x12345, 0)).toEqual(model.cpuid(0xd, 0));
    expect(model.cpuid(0x80000009, 0)).toEqual(model.cpuid(0xd, 0));
    expect(model.cpuid(7, 1)).toEqual({ eax: 0, ebx: 0, ecx: 0, edx: 0 });
    expect(model.cpuid(4, 4).eax & 31).toBe(0);
    // Other leaves do not look at ECX.
    expect(model.cpuid(0x80000008, 9).eax).toBe(0x3027);
  });
});

test('icelake-sp shows no 57-bit addresses, no WBNOINVD and no PCONFIG, and its TLBs by subleaf', () => {
  const model = makeModel('icelake-sp');
  expect(model.cpuid(1, 0).eax).toBe(0x606a6);
  expect(model.cpuid(0x80000008, 0)).toEqual({ eax: 0x302e, ebx: 0, ecx: 0, edx: 0 });
  expect(model.cpuid(7, 0)).toMatchObject({ ecx: 1 << 2, edx: 0 });
  expect(model.cpuid(0x1b, 0)).toEqual({ eax: 0, ebx: 0, ecx: 0, edx: 0 });
  expect(model.cpuid(0x18, 3)).toEqual({ eax: 0, ebx: 0x40001, ecx: 0x10, edx: 0x4024 });
  expect(model.cpuid(0x18, 8)).toEqual({ eax: 0, ebx: 0, ecx: 0, edx: 0 });
});

describe('topology', () => {
  test('of one processor: no HTT', () => {
    const model = makeModel('haswell');
    expect(model.cpuid(1, 0).ebx).toBe(0x0001_0000);
    expect(bit(model.cpuid(1, 0).edx, 28)).toBe(0);
    expect(model.cpuid(4, 3).eax).toBe(0x163);
    expect(model.cpuid(0xb, 1)).toEqual({ eax: 0, ebx: 1, ecx: 0x201, edx: 0 });
  });

  test('of three processors, seen from the last', () => {
    const model = makeModel('haswell', { cpus: 3, index: 2 });
    expect(model.cpuid(1, 0).ebx).toBe(0x0204_0000);
    expect(bit(model.cpuid(1, 0).edx, 28)).toBe(1);
    expect(model.cpuid(4, 0).eax).toBe(0x0c00_0121);
    expect(model.cpuid(4, 3).eax).toBe(0x0c00_c163);
    expect(model.cpuid(0xb, 0)).toEqual({ eax: 0, ebx: 1, ecx: 0x100, edx: 2 });
    expect(model.cpuid(0xb, 1)).toEqual({ eax: 2, ebx: 3, ecx: 0x201, edx: 2 });
    expect(model.cpuid(0xb, 2)).toEqual({ eax: 0, ebx: 0, ecx: 2, edx: 2 });
  });
});

describe('bits that follow the state', () => {
  const boot = () => {
    const bare = new BareCpu(makeModel('haswell'));
    resetMsrs(bare.cpu, { bootstrap: true });
    return bare;
  };

  test('APIC follows IA32_APIC_BASE', () => {
    const bare = boot();
    expect(bit(peekCpuid(bare.cpu, 1, 0).edx, 9)).toBe(1);
    writeMsr(bare.cpu, 0x1b, 0xfee0_0100n);
    expect(bit(peekCpuid(bare.cpu, 1, 0).edx, 9)).toBe(0);
  });

  test('the APIC id is that of the vCPU', () => {
    const bare = new BareCpu(makeModel('haswell', { cpus: 2, index: 0 }));
    Object.assign(bare.state, { index: 1 });
    expect(peekCpuid(bare.cpu, 1, 0).ebx >>> 24).toBe(1);
    expect(peekCpuid(bare.cpu, 0xb, 1)).toEqual({ eax: 1, ebx: 2, ecx: 0x201, edx: 1 });
  });

  test('SYSCALL is shown in 64-bit mode only', () => {
    const bare = boot();
    expect(bit(peekCpuid(bare.cpu, 0x80000001, 0).edx, 11)).toBe(0);
    bare.pagingOn('4-level', 0x1000);
    bare.state.setU32(layout.segmentAccess + CS * 4, 0xa09b);
    expect(bit(peekCpuid(bare.cpu, 0x80000001, 0).edx, 11)).toBe(1);
  });

  test('IA32_MISC_ENABLE hides MONITOR, XD and the leaves above 3', () => {
    const bare = boot();
    writeMsr(bare.cpu, 0x1a0, (1n << 34n) | (1n << 22n));
    expect(bit(peekCpuid(bare.cpu, 1, 0).ecx, 3)).toBe(0);
    expect(bit(peekCpuid(bare.cpu, 0x80000001, 0).edx, 20)).toBe(0);
    expect(peekCpuid(bare.cpu, 0, 0).eax).toBe(3);
    expect(peekCpuid(bare.cpu, 7, 0)).toEqual({ eax: 0, ebx: 0, ecx: 0, edx: 0 });
  });
});

test('the instruction fills four registers and is an event', () => {
  const bare = new BareCpu(makeModel('haswell'));
  for (let register = 0; register < 4; register++) bare.state.setGpr(register, -1n);
  bare.state.setGpr(0, 0xffff_ffff_0000_0004n);
  bare.state.setGpr(1, 2n);
  cpuid(bare.cpu);
  expect([0, 3, 1, 2].map((register) => bare.state.gpr(register))).toEqual([0x143n, 0x01c0003fn, 0x1ffn, 0n]);
  expect(bare.of('cpuid')).toEqual([{ kind: 'cpuid', leaf: 4, subleaf: 2 }]);
});
