/** What `ringside cpu` tells of a processor: what the machine shows of it, and what of the real one is masked. */

import { featureBits, type Preset } from '../../x86/cpuid';
import {
  basicParts,
  type CapabilityMsr,
  capabilityMsrs,
  eptVpidParts,
  miscParts,
  type Part,
} from '../../x86/vmx/capabilities';
import { type ControlWordName, controlWords } from '../../x86/vmx/controls';
import { makeModel, presetOf, presetValue } from './model';

interface Masked {
  readonly name: string;
  readonly meaning: string;
  readonly place: string;
}

export interface CapabilityDescription {
  readonly name: CapabilityMsr;
  readonly address: number;
  /** The processor's own value. */
  readonly real: bigint;
  /** What RDMSR reads here. */
  readonly shown: bigint;
  /** Where the value is from, if not from the dump. */
  readonly assumed?: string;
}

export interface PresetDescription {
  readonly name: string;
  readonly title: string;
  readonly source: string;
  readonly physicalBits: number;
  readonly frequency: number;
  /** Advertised features, by name. */
  readonly features: readonly string[];
  /** Features of the real processor that this machine does not have. */
  readonly masked: readonly Masked[];
  /** Features that the real processor lacks. */
  readonly added: readonly string[];
  readonly vmx?: {
    readonly source: string;
    readonly capabilities: readonly CapabilityDescription[];
    /** Controls and capabilities of VT-x that the real processor has and this machine has not. */
    readonly masked: readonly Masked[];
  };
}

const partTables: Readonly<Partial<Record<CapabilityMsr, Readonly<Record<string, Part>>>>> = {
  IA32_VMX_BASIC: basicParts,
  IA32_VMX_MISC: miscParts,
  IA32_VMX_EPT_VPID_CAP: eptVpidParts,
};

const isSet = (value: bigint, bit: number): boolean => ((value >> BigInt(bit)) & 1n) === 1n;

const ALLOWED_1 = 32;

/** Bits of a capability MSR that the mask took away, by name. */
const maskedIn = ({ name, real, shown }: CapabilityDescription): Masked[] => {
  const gone = real & ~shown;
  const ofParts = Object.entries(partTables[name] ?? {})
    .filter(([, { bit, width = 1 }]) => ((gone >> BigInt(bit)) & ((1n << BigInt(width)) - 1n)) !== 0n)
    .map(([part, { bit, meaning }]) => ({ name: part, meaning, place: `${name}[${bit}]` }));
  const ofWords = (Object.keys(controlWords) as ControlWordName[])
    .filter((word) => controlWords[word].capability === name)
    .flatMap((word) => {
      const { bits, title, allowed1Only } = controlWords[word];
      const shift = allowed1Only ? 0 : ALLOWED_1;
      return Object.entries(bits)
        .filter(([, { bit }]) => isSet(gone, bit + shift))
        .map(([control, { bit, title: meaning }]) => ({ name: control, meaning, place: `${title} ${bit}` }));
    });
  return [...ofParts, ...ofWords];
};

const describeVmx = (preset: Preset): PresetDescription['vmx'] => {
  const { vmx: real, vmxSource = preset.source, assumed = {} } = preset;
  const shown = makeModel(preset).vmx;
  if (real === undefined || shown === undefined) return undefined;
  const capabilities = (Object.keys(capabilityMsrs) as CapabilityMsr[]).flatMap((name): CapabilityDescription[] => {
    const [value, origin] = [real[name], assumed[name]];
    if (value === undefined) return [];
    const row = { name, address: capabilityMsrs[name], real: value, shown: shown[name] ?? 0n };
    return [origin === undefined ? row : { ...row, assumed: origin }];
  });
  return { source: vmxSource, capabilities, masked: capabilities.flatMap(maskedIn) };
};

/** @throws RangeError for a name that is no preset */
export const describePreset = (which: string | Preset): PresetDescription => {
  const preset = typeof which === 'string' ? presetOf(which) : which;
  const model = makeModel(preset);
  const real = [...featureBits].filter(
    ([, { leaf, register, bit }]) => (presetValue(preset, leaf, register) >>> bit) & 1,
  );
  const features = [...featureBits.keys()].filter((feature) => model.has(feature));
  const vmx = describeVmx(preset);
  return {
    name: preset.name,
    title: preset.title,
    source: preset.source,
    physicalBits: model.physicalBits,
    frequency: model.frequency,
    features,
    masked: real
      .filter(([feature]) => !model.has(feature) && feature !== 'osxsave' && feature !== 'ht')
      .map(([feature, { leaf, register, bit, meaning }]) => ({
        name: feature,
        meaning,
        place: `CPUID.${leaf.toString(16).toUpperCase()}H:${register.toUpperCase()}[${bit}]`,
      })),
    added: features.filter((feature) => !real.some(([one]) => one === feature)),
    ...(vmx === undefined ? {} : { vmx }),
  };
};
