/** Numbers of a rule's tree in words: fields, their named bits, capability MSRs, memory; with their values where known. */

import { type Facts, termValue } from '../../machine/vmx/checks/evaluate';
import type { Operator, ProcessorFact, Term } from '../../machine/vmx/checks/tree';
import { hex } from '../../x86/address';
import { basicParts, eptVpidParts, miscParts } from '../../x86/vmx/capabilities';
import { fieldBits } from '../../x86/vmx/field-bits';

interface Part {
  readonly bit: number;
  readonly width?: number;
}

/** A value behind what it is the value of; nothing for a rule that is told without a VMCS. */
const valued = (words: string, term: Term, facts: Facts | undefined, decimal = false): string => {
  const value = facts === undefined ? undefined : termValue(term, facts);
  return value === undefined ? words : `${words} (${decimal ? value : hex(value)})`;
};

const processorWords: Readonly<Record<ProcessorFact, string>> = {
  'physical-address-width': 'the physical-address width',
  'linear-address-width': 'the linear-address width',
  'host-ia-32e-mode': "the processor's IA32_EFER.LMA",
  smm: 'system-management mode',
  'efer-bits': 'the bits of IA32_EFER that this processor has',
  'debugctl-bits': 'the bits of IA32_DEBUGCTL that this processor has',
  'perf-global-ctrl-bits': 'the bits of IA32_PERF_GLOBAL_CTRL that this processor has',
  'rtit-ctl-bits': 'the bits of IA32_RTIT_CTL that this processor has',
  'lbr-ctl-bits': 'the bits of IA32_LBR_CTL that this processor has',
  'spec-ctrl-bits': 'the bits of IA32_SPEC_CTRL that this processor has',
  tracing: 'IA32_RTIT_CTL.TraceEn',
  sgx: 'SGX of this processor',
  rtm: 'RTM of this processor',
  'current-vmcs': 'the address of the current VMCS',
  'vmcs-revision': 'the VMCS revision identifier',
};
const counts: ReadonlySet<ProcessorFact> = new Set(['physical-address-width', 'linear-address-width']);

const capabilityParts: Readonly<Record<string, Readonly<Record<string, Part>>>> = {
  IA32_VMX_BASIC: basicParts,
  IA32_VMX_MISC: miscParts,
  IA32_VMX_EPT_VPID_CAP: eptVpidParts,
};

const operators: Readonly<Record<Operator, string>> = {
  '+': 'plus',
  '-': 'minus',
  '*': 'times',
  '&': 'masked with',
  '|': 'or',
  '<<': 'shifted left by',
  '>>': 'shifted right by',
};

const named = (parts: Readonly<Record<string, Part>> | undefined, low: number, width: number): string | undefined =>
  Object.entries(parts ?? {}).find(([, row]) => row.bit === low && (row.width ?? 1) === width)?.[0];

const bitsWords = (low: number, width: number): string =>
  width === 1 ? `bit ${low}` : `bits ${low + width - 1}:${low}`;

const partWords = (term: Term & { readonly kind: 'part' }): string => {
  const { of, low, width } = term;
  if (of.kind === 'field') {
    const name = named(fieldBits[of.name], low, width);
    return name === undefined ? `${bitsWords(low, width)} of ${of.name}` : `${of.name}.${name}`;
  }
  if (of.kind === 'capability') {
    if (low === 0 && width === 32) return `the required bits in ${of.name}`;
    if (low === 32 && width === 32) return `the allowed bits in ${of.name}`;
    const name = named(capabilityParts[of.name], low, width);
    return `${of.name} ${bitsWords(low, width)}${name === undefined ? '' : ` (${name})`}`;
  }
  // A bit of the allowed controls, which are the upper half of their MSR.
  if (of.kind === 'part' && of.of.kind === 'capability') return `${of.of.name} ${bitsWords(of.low + low, width)}`;
  return `${bitsWords(low, width)} of ${plainWords(of)}`;
};

const plainWords = (term: Term): string => {
  switch (term.kind) {
    case 'constant':
      return term.value < 10n ? String(term.value) : hex(term.value);
    case 'field':
      return term.name;
    case 'capability':
      return term.name;
    case 'processor':
      return processorWords[term.fact];
    case 'part':
      return partWords(term);
    case 'memory':
      return `the ${term.bytes === 1 ? 'byte' : `${term.bytes} bytes`} at ${plainWords(term.address)}`;
    case 'operation':
      return `${plainWords(term.left)} ${operators[term.operator]} ${plainWords(term.right)}`;
  }
};

/** With its value in parentheses, where the facts tell it and the words do not. */
export const termWords = (term: Term, facts: Facts | undefined): string => {
  if (term.kind === 'constant') return plainWords(term);
  const decimal = (term.kind === 'processor' && counts.has(term.fact)) || (term.kind === 'part' && term.width <= 8);
  return valued(plainWords(term), term, facts, decimal);
};
