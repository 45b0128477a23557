/** A processor model: a preset's CPUID leaves and MSR values, masked by what this machine has. */

import { type CpuidRegister, type CpuidRow, featureBits, isFeatureRegister, type Preset } from '../../x86/cpuid';
import { presetNamed, presets } from '../../x86/presets';
import type { CapabilityValues } from '../../x86/vmx/capabilities';
import { leafFeature, machineFeatures } from './features';
import { maskCapabilities } from './vmx-features';

export interface CpuidResult {
  eax: number;
  ebx: number;
  ecx: number;
  edx: number;
}

export interface CpuModel {
  readonly name: string;
  /** Bits of a physical address (MAXPHYADDR). */
  readonly physicalBits: number;
  /** TSC ticks per second. */
  readonly frequency: number;
  /** Base frequency in units of the bus clock; undefined: no IA32_PLATFORM_INFO. */
  readonly ratio?: number;
  readonly microcode?: number;
  /** The VMX capability MSRs as this machine shows them, where the model has VT-x. */
  readonly vmx?: CapabilityValues;
  /** Is a feature of x86/cpuid.ts advertised? */
  has(feature: string): boolean;
  /** The masked leaf; bits that follow the processor's state are added by cpuid.ts. */
  cpuid(leaf: number, subleaf: number): CpuidResult;
}

/** Where the processor sits: one package, one thread per core. */
export interface Topology {
  readonly cpus: number;
  /** APIC id that the leaves show; CPUID itself puts that of the vCPU in its place. */
  readonly index: number;
}

/** Leaves with subleaves, which ECX chooses. */
const indexedLeaves: ReadonlySet<number> = new Set([4, 7, 0xd, 0x14, 0x18]);
/** Bits of a linear address without 5-level paging. */
const LINEAR = 48;
const registerNames = ['eax', 'ebx', 'ecx', 'edx'] as const;
const BASIC = 0;
const EXTENDED = 0x80000000;

/** Features that a preset has here. */
const featuresOf = (preset: Preset): ReadonlySet<string> => {
  const has = new Set<string>(preset.everything ? machineFeatures : []);
  for (const name of machineFeatures) {
    const bit = featureBits.get(name);
    if (bit && (presetValue(preset, bit.leaf, bit.register) >>> bit.bit) & 1) has.add(name);
  }
  // VT-x is nothing without the values of its capability MSRs.
  if (preset.vmx === undefined) has.delete('vmx');
  return has;
};

const rowOf = (preset: Preset, leaf: number, subleaf: number): CpuidRow | undefined =>
  preset.leaves.find((row) => row[0] === leaf && row[1] === subleaf);

export const presetValue = (preset: Preset, leaf: number, register: CpuidRegister): number =>
  rowOf(preset, leaf, 0)?.[registerNames.indexOf(register) + 2] ?? 0;

const featureMask = (has: ReadonlySet<string>, leaf: number, register: CpuidRegister): number => {
  let mask = 0;
  for (const name of has) {
    const bit = featureBits.get(name);
    if (bit?.leaf === leaf && bit.register === register) mask |= 1 << bit.bit;
  }
  return mask >>> 0;
};

/** Smallest n with 2^n >= count. */
const bitsFor = (count: number): number => 32 - Math.clz32(count - 1);

/** @throws RangeError for a name that is no preset */
export const presetOf = (name: string): Preset => {
  const preset = presetNamed(name);
  if (preset) return preset;
  throw new RangeError(`unknown CPU preset '${name}': choose one of ${presets.map((one) => one.name).join(', ')}`);
};

/** @throws RangeError for a name that is no preset */
export const makeModel = (which: string | Preset, topology: Topology = { cpus: 1, index: 0 }): CpuModel => {
  const preset = typeof which === 'string' ? presetOf(which) : which;
  const { name } = preset;
  const has = featuresOf(preset);
  const table = new Map<string, CpuidResult>();
  for (const row of preset.leaves) table.set(`${row[0]}.${row[1]}`, masked(row, has, topology));
  const largest = { basic: presetValue(preset, BASIC, 'eax'), extended: presetValue(preset, EXTENDED, 'eax') };
  const zeros: CpuidResult = { eax: 0, ebx: 0, ecx: 0, edx: 0 };
  const vmx = has.has('vmx') && preset.vmx !== undefined ? maskCapabilities(preset.vmx, has) : undefined;
  return {
    name,
    ...(vmx === undefined ? {} : { vmx }),
    physicalBits: presetValue(preset, 0x80000008, 'eax') & 0xff,
    frequency: preset.frequency,
    ...(preset.ratio === undefined ? {} : { ratio: preset.ratio }),
    microcode: preset.microcode,
    has: (feature) => has.has(feature),
    cpuid: (leaf, subleaf) => {
      const known = leaf >= EXTENDED ? leaf <= largest.extended : leaf <= largest.basic;
      // Intel processors answer a leaf beyond the last with the highest basic one.
      const asked = known ? leaf : largest.basic;
      if (asked === 0xb) return has.has('x2apic') ? topologyLeaf(subleaf, topology) : { ...zeros };
      const indexed = indexedLeaves.has(asked);
      return { ...(table.get(`${asked}.${indexed ? subleaf : 0}`) ?? zeros) };
    },
  };
};

const masked = (row: CpuidRow, has: ReadonlySet<string>, topology: Topology): CpuidResult => {
  const [leaf, , eax, ebx, ecx, edx] = row;
  const needed = leafFeature[leaf];
  if (needed !== undefined && !has.has(needed)) return { eax: 0, ebx: 0, ecx: 0, edx: 0 };
  const result: CpuidResult = { eax, ebx, ecx, edx };
  for (const register of registerNames)
    if (isFeatureRegister(leaf, register)) result[register] = featureMask(has, leaf, register);
  const { cpus, index } = topology;
  if (leaf === 1) {
    const line = has.has('clflush') ? ebx & 0xff00 : 0;
    result.ebx = ((index << 24) | ((cpus > 1 ? 2 ** bitsFor(cpus) : 1) << 16) | line) >>> 0;
    if (cpus > 1) result.edx = (result.edx | (1 << 28)) >>> 0;
  } else if (leaf === 4 && (eax & 31) !== 0) {
    const ids = 2 ** bitsFor(cpus) - 1;
    // Caches of the first two levels belong to a core, the last level to the package.
    const sharing = ((eax >>> 5) & 7) >= 3 ? ids : 0;
    result.eax = ((eax & 0x3fff) | (sharing << 14) | (ids << 26)) >>> 0;
  } else if (leaf === 6) {
    result.ebx = 0;
  } else if (leaf === 0x80000008 && !has.has('la57')) {
    result.eax = (eax & 0xff) | (Math.min((eax >>> 8) & 0xff, LINEAR) << 8);
  } else if (leaf === 0x80000000) {
    result.ebx = result.ecx = result.edx = 0;
  }
  return result;
};

/** Leaf 0BH: level 0 is the thread within its core, level 1 the core within the package. */
const topologyLeaf = (subleaf: number, { cpus, index }: Topology): CpuidResult => {
  const level = subleaf & 0xff;
  if (level === 0) return { eax: 0, ebx: 1, ecx: 0x100, edx: index };
  if (level === 1) return { eax: bitsFor(cpus), ebx: cpus, ecx: 0x201, edx: index };
  return { eax: 0, ebx: 0, ecx: level, edx: index };
};
