/**
 * What the rules are evaluated on for a dump: its fields, and the data of a real processor without what this machine masks.
 * What the dump omits is not known; memory is not known.
 */

import type { Facts } from '../../machine/vmx/checks/evaluate';
import type { ProcessorFact } from '../../machine/vmx/checks/tree';
import { control } from '../../machine/vmx/control-bits';
import { capabilityValue } from '../../machine/vmx/facts';
import { EFER } from '../../x86/control-registers';
import type { CpuidRegister, Preset } from '../../x86/cpuid';
import type { FieldName } from '../../x86/vmx/fields';

const registers = ['eax', 'ebx', 'ecx', 'edx'] as const;

/** A register of a leaf; 0 where the leaf is beyond those that the processor has, undefined where the data lacks it. */
const cpuid = ({ leaves }: Preset, leaf: number, register: CpuidRegister, subleaf = 0): bigint | undefined => {
  const row = leaves.find((one) => one[0] === leaf && one[1] === subleaf);
  if (row !== undefined) return BigInt((row[registers.indexOf(register) + 2] as number) >>> 0);
  const base = leaf >>> 31 ? 0x8000_0000 : 0;
  const last = leaves.find((one) => one[0] === base)?.[2];
  return last !== undefined && leaf > last ? 0n : undefined;
};

const flag = (value: bigint | undefined, bit: number): bigint | undefined =>
  value === undefined ? undefined : (value >> BigInt(bit)) & 1n;

/** Bits of an MSR, each with what a processor must have for it. Undefined where one cannot be told. */
const bitsWhere = (rows: readonly (readonly [bit: number, there: bigint | undefined])[]): bigint | undefined => {
  let mask = 0n;
  for (const [bit, there] of rows) {
    if (there === undefined) return undefined;
    if (there !== 0n) mask |= 1n << BigInt(bit);
  }
  return mask;
};

/** Intel SDM vol. 3, "IA32_DEBUGCTL MSR". */
const debugControl = (preset: Preset): bigint | undefined =>
  bitsWhere([
    ...[0, 1, 6, 7, 8, 9, 10, 11, 12, 14].map((bit): [number, bigint] => [bit, 1n]),
    [2, flag(cpuid(preset, 7, 'ecx'), 24)],
    [15, flag(cpuid(preset, 7, 'ebx'), 11)],
  ]);

/** Intel SDM vol. 3, "Architectural Performance Monitoring": the counters that leaf 0AH tells. */
const performanceControl = (preset: Preset): bigint | undefined => {
  const general = cpuid(preset, 0xa, 'eax');
  const fixed = cpuid(preset, 0xa, 'edx');
  if (general === undefined || fixed === undefined) return undefined;
  const count = (general >> 8n) & 0xffn;
  return ((1n << count) - 1n) | (((1n << (fixed & 31n)) - 1n) << 32n);
};

/** Intel SDM vol. 4, "IA32_SPEC_CTRL": the bits that leaf 7 enumerates. */
const speculationControl = (preset: Preset): bigint | undefined => {
  const features = cpuid(preset, 7, 'edx');
  const subleaves = cpuid(preset, 7, 'eax');
  const more = subleaves === undefined ? undefined : subleaves < 2n ? 0n : cpuid(preset, 7, 'edx', 2);
  return bitsWhere([
    [0, flag(features, 26)],
    [1, flag(features, 27)],
    [2, flag(features, 31)],
    [3, flag(more, 1)],
    [4, flag(more, 1)],
    [5, flag(more, 2)],
    [6, flag(more, 2)],
    [7, flag(more, 0)],
    [8, flag(more, 3)],
    [10, flag(more, 4)],
  ]);
};

/** Only whether there are any can be told of these. */
const noneWithout = (feature: bigint | undefined): bigint | undefined => (feature === 0n ? 0n : undefined);

/** Intel SDM vol. 3, "Extended Feature Enable Register". */
const efer = (preset: Preset): bigint | undefined => {
  const extended = cpuid(preset, 0x8000_0001, 'edx');
  // Intel processors tell of SYSCALL only in 64-bit mode, where these registers are used: it comes with Intel 64.
  return bitsWhere([
    [0, flag(extended, 29)],
    [8, flag(extended, 29)],
    [10, flag(extended, 29)],
    [11, flag(extended, 20)],
  ]);
};

const factRows = (
  preset: Preset,
  field: (name: FieldName) => bigint | undefined,
): Readonly<Record<ProcessorFact, () => bigint | undefined>> => ({
  'physical-address-width': () => {
    const sizes = cpuid(preset, 0x8000_0008, 'eax');
    return sizes === undefined ? undefined : sizes & 0xffn;
  },
  'linear-address-width': () => {
    const sizes = cpuid(preset, 0x8000_0008, 'eax');
    return sizes === undefined ? undefined : (sizes >> 8n) & 0xffn;
  },
  'host-ia-32e-mode': () => {
    // What the exit would load is what the hypervisor runs with; only a 64-bit one has code above 4 GiB.
    const host = field('HOST_IA32_EFER') ?? 0n;
    const rip = field('HOST_RIP') ?? 0n;
    if (host & BigInt(EFER.LMA) || rip >> 32n) return 1n;
    // A field that no exit loads is often left at 0.
    const loads = (field('VM_EXIT_CONTROLS') ?? 0n) & BigInt(control.loadEfer);
    return loads && field('HOST_IA32_EFER') !== undefined ? 0n : undefined;
  },
  // No hypervisor that prints a log runs in SMM.
  smm: () => 0n,
  'efer-bits': () => efer(preset),
  'debugctl-bits': () => debugControl(preset),
  'perf-global-ctrl-bits': () => performanceControl(preset),
  'rtit-ctl-bits': () => noneWithout(flag(cpuid(preset, 7, 'ebx'), 25)),
  'lbr-ctl-bits': () => noneWithout(flag(cpuid(preset, 7, 'edx'), 19)),
  'spec-ctrl-bits': () => speculationControl(preset),
  tracing: () => noneWithout(flag(cpuid(preset, 7, 'ebx'), 25)),
  sgx: () => flag(cpuid(preset, 7, 'ebx'), 2),
  rtm: () => flag(cpuid(preset, 7, 'ebx'), 11),
  'current-vmcs': () => undefined,
  'vmcs-revision': () => {
    const basic = preset.vmx?.IA32_VMX_BASIC;
    return basic === undefined ? undefined : basic & 0x7fff_ffffn;
  },
});

/** @param preset a processor that has VT-x */
export const dumpFacts = (fields: ReadonlyMap<FieldName, bigint>, preset: Preset): Facts => {
  const field = (name: FieldName): bigint | undefined => fields.get(name);
  const rows = factRows(preset, field);
  const capabilities = preset.vmx ?? {};
  return {
    field,
    capability: (name) => capabilityValue(capabilities, name),
    processor: (fact) => rows[fact](),
    memory: () => undefined,
  };
};
