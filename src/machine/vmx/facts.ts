/** What the checks at VM entry are evaluated on: the current VMCS, the processor's capabilities, and memory. */

import { EFER, eferBits, implemented } from '../../x86/control-registers';
import { type CapabilityMsr, type CapabilityValues, capabilityMsrs } from '../../x86/vmx/capabilities';
import { controlWords } from '../../x86/vmx/controls';
import type { Cpu } from '../cpu/cpu';
import type { Facts } from './checks/evaluate';
import type { ProcessorFact } from './checks/tree';
import type { Vmcs } from './vmcs';

const TRUE_CONTROLS = 1n << 55n;

const plainOf: ReadonlyMap<string, CapabilityMsr> = new Map(
  Object.values(controlWords).flatMap(({ capability, trueCapability }) =>
    trueCapability === undefined ? [] : [[trueCapability, capability as CapabilityMsr] as const],
  ),
);

/** A capability MSR as the rules ask for it: the "true" one is the plain one where the processor has no other. */
export const capabilityValue = (values: CapabilityValues, name: string): bigint => {
  const plain = plainOf.get(name);
  const known = Object.hasOwn(capabilityMsrs, name) ? values[name as CapabilityMsr] : undefined;
  if (plain === undefined) return known ?? 0n;
  const hasTrue = ((values.IA32_VMX_BASIC ?? 0n) & TRUE_CONTROLS) !== 0n;
  return (hasTrue ? known : undefined) ?? values[plain] ?? 0n;
};

/** What rules know of this processor. */
const processorFacts = (cpu: Cpu, vmcs: Pick<Vmcs, 'address'>): Readonly<Record<ProcessorFact, () => bigint>> => ({
  'physical-address-width': () => BigInt(cpu.model.physicalBits),
  'linear-address-width': () => 48n,
  'host-ia-32e-mode': () => (cpu.state.efer & BigInt(EFER.LMA) ? 1n : 0n),
  smm: () => 0n,
  'efer-bits': () => BigInt(implemented(eferBits, (feature) => cpu.model.has(feature))),
  // Branch records and tracing, performance counters, speculation control, SGX and RTM are not there.
  'debugctl-bits': () => 0n,
  'perf-global-ctrl-bits': () => 0n,
  'rtit-ctl-bits': () => 0n,
  'lbr-ctl-bits': () => 0n,
  'spec-ctrl-bits': () => 0n,
  tracing: () => 0n,
  sgx: () => 0n,
  rtm: () => 0n,
  'current-vmcs': () => vmcs.address,
  'vmcs-revision': () => (cpu.model.vmx?.IA32_VMX_BASIC ?? 0n) & 0x7fff_ffffn,
});

export const factsOf = (cpu: Cpu, vmcs: Pick<Vmcs, 'address' | 'get'>): Facts => {
  const facts = processorFacts(cpu, vmcs);
  const capabilities = cpu.model.vmx ?? {};
  return {
    field: (name) => vmcs.get(name),
    capability: (name) => capabilityValue(capabilities, name),
    processor: (fact) => facts[fact](),
    memory: (address, bytes) => cpu.physical.peek(cpu.physical.gate(Number(address)), bytes),
  };
};
