/** Exception filters for VT-x: each is an event, with conditions in which its fields are names. */

interface VirtualizationFilter {
  /** What it stops at, in the grammar of events; also the filter's id. */
  readonly event: string;
  readonly label: string;
  readonly description: string;
  readonly example: string;
}

export const virtualizationFilters: readonly VirtualizationFilter[] = [
  {
    event: 'vmexit',
    label: 'VM exit',
    description: "Stops at the host's first instruction after a VM exit.",
    example: 'reason == CPUID && rax == 0x40000000',
  },
  {
    event: 'vmentry',
    label: 'VM entry',
    description: "Stops at the guest's first instruction after a VM entry.",
    example: 'launch == 1',
  },
  {
    event: 'vmentry-failure',
    label: 'VM-entry failure',
    description: 'Stops where a check refused a VM entry.',
    example: 'GUEST_RIP == 0x1000',
  },
  {
    event: 'vmfail',
    label: 'VM-instruction failure',
    description: 'Stops after a VMX instruction that fails with CF or ZF.',
    example: 'error == 7',
  },
  {
    event: 'vmexit:EPT_VIOLATION',
    label: 'EPT violation',
    description: 'Stops at a VM exit because the EPT did not allow an access.',
    example: 'guest_physical >= 0xfee00000',
  },
  {
    event: 'vmexit:EPT_MISCONFIGURATION',
    label: 'EPT misconfiguration',
    description: 'Stops at a VM exit because an EPT entry is illegal.',
    example: 'guest_physical < 0x100000',
  },
  {
    event: 'lint',
    label: 'Hypervisor lint',
    description: 'Stops at a mistake of a hypervisor that no rule of the processor forbids.',
    example: 'value == 14',
  },
];
