/** A VMCS that enters: a 64-bit guest under a 64-bit host, on a processor that allows every control. */

import type { Facts } from '../../../src/machine/vmx/checks/evaluate';
import type { ProcessorFact } from '../../../src/machine/vmx/checks/tree';
import { controlWords } from '../../../src/x86/vmx/controls';
import { type FieldName, fieldNames } from '../../../src/x86/vmx/fields';

const ALL_ONES = 0xffff_ffff_ffff_ffffn;
const CODE_64 = 0xa09bn;
const DATA = 0xc093n;
const UNUSABLE = 0x10000n;

const fields: Partial<Record<FieldName, bigint>> = {
  PIN_BASED_VM_EXEC_CONTROL: 0x16n,
  CPU_BASED_VM_EXEC_CONTROL: 0x0401_e172n,
  VM_EXIT_CONTROLS: 0x0003_6dffn | (1n << 9n),
  VM_ENTRY_CONTROLS: 0x11ffn | (1n << 9n),
  VMCS_LINK_POINTER: ALL_ONES,
  HOST_CR0: 0x8000_0021n,
  HOST_CR4: 0x2020n,
  HOST_IA32_EFER: 0x500n,
  HOST_CS_SELECTOR: 8n,
  HOST_SS_SELECTOR: 16n,
  HOST_TR_SELECTOR: 24n,
  GUEST_CR0: 0x8000_0021n,
  GUEST_CR4: 0x2020n,
  GUEST_CS_AR_BYTES: CODE_64,
  GUEST_CS_LIMIT: 0xffff_ffffn,
  GUEST_SS_AR_BYTES: DATA,
  GUEST_SS_LIMIT: 0xffff_ffffn,
  GUEST_DS_AR_BYTES: UNUSABLE,
  GUEST_ES_AR_BYTES: UNUSABLE,
  GUEST_FS_AR_BYTES: UNUSABLE,
  GUEST_GS_AR_BYTES: UNUSABLE,
  GUEST_LDTR_AR_BYTES: UNUSABLE,
  GUEST_TR_AR_BYTES: 0x8bn,
  GUEST_TR_LIMIT: 0x67n,
  GUEST_RFLAGS: 2n,
  GUEST_RIP: 0x1000n,
};

const capabilities: Readonly<Record<string, bigint>> = {
  IA32_VMX_BASIC: 1n << 55n,
  IA32_VMX_MISC: (4n << 16n) | (7n << 6n) | (1n << 30n),
  IA32_VMX_EPT_VPID_CAP: (1n << 6n) | (1n << 8n) | (1n << 14n),
  IA32_VMX_VMFUNC: 1n,
  IA32_VMX_CR0_FIXED0: 0x8000_0021n,
  IA32_VMX_CR0_FIXED1: 0xffff_ffffn,
  IA32_VMX_CR4_FIXED0: 0x2000n,
  IA32_VMX_CR4_FIXED1: 0xff_ffffn,
  ...Object.fromEntries(
    Object.values(controlWords).map((word): [string, bigint] => {
      const may = Object.values(word.bits)
        .filter(({ bit }) => word.allowed1Only || bit < 31 || word.title.startsWith('primary'))
        .reduce((sum, { bit }) => sum | (1n << BigInt(bit)), BigInt(word.default1));
      return [word.trueCapability ?? word.capability, word.allowed1Only ? may : (may << 32n) | BigInt(word.default1)];
    }),
  ),
};

const processorFacts: Readonly<Record<ProcessorFact, bigint>> = {
  'physical-address-width': 39n,
  'linear-address-width': 48n,
  'host-ia-32e-mode': 1n,
  smm: 0n,
  'efer-bits': 0xd01n,
  'debugctl-bits': 0x3n,
  'perf-global-ctrl-bits': 0x7_0000_000fn,
  'bndcfgs-bits': ALL_ONES,
  'rtit-ctl-bits': 0x1n,
  'current-vmcs': 0x5000n,
  'vmcs-revision': 0x12n,
};

/** The VMCS with some fields changed; `undefined` is a field that is not known. */
export const vmcs = (changed: Partial<Record<FieldName, bigint | undefined>> = {}): Facts => {
  const values = new Map<FieldName, bigint | undefined>(fieldNames.map((name) => [name, fields[name] ?? 0n]));
  for (const [name, value] of Object.entries(changed)) values.set(name as FieldName, value);
  return {
    field: (name) => values.get(name),
    capability: (name) => capabilities[name],
    processor: (fact) => processorFacts[fact],
    memory: () => 0n,
  };
};
