/**
 * Bits and fields of model-specific registers, by the register's name. Intel SDM vol. 4, "IA-32 Architectural MSRs"; vol. 3,
 * "Page Attribute Table (PAT)" and "Memory Type Range Registers (MTRRs)".
 */

import { eferBits, type RegisterBits } from './control-registers';
import { flagBits } from './registers';

const types = (name: string, count: number, meaning: (n: number) => string): RegisterBits =>
  Object.fromEntries(
    Array.from({ length: count }, (_, n) => [`${name}${n}`, { bit: n * 8, width: 8, meaning: meaning(n) }]),
  );

const physicalPage = { bit: 12, width: 40, meaning: 'number of the first 4 KiB page' } as const;

const variableRange = (n: number): [string, RegisterBits][] => [
  [`IA32_MTRR_PHYSBASE${n}`, { TYPE: { bit: 0, width: 8, meaning: 'memory type' }, BASE: physicalPage }],
  [
    `IA32_MTRR_PHYSMASK${n}`,
    { V: { bit: 11, meaning: 'the range counts' }, MASK: { ...physicalPage, meaning: 'bits that are compared' } },
  ],
];

const flagMask: RegisterBits = Object.fromEntries(
  Object.entries(flagBits).map(([name, bits]) => [
    name,
    { bit: 31 - Math.clz32(bits & -bits), width: name === 'IOPL' ? 2 : 1, meaning: `SYSCALL clears ${name}` },
  ]),
);

export const msrBits: Readonly<Record<string, RegisterBits>> = {
  IA32_APIC_BASE: {
    BSP: { bit: 8, meaning: 'bootstrap processor' },
    EXTD: { bit: 10, meaning: 'x2APIC mode' },
    EN: { bit: 11, meaning: 'local APIC on' },
    BASE: { ...physicalPage, meaning: 'page of its registers' },
  },
  IA32_FEATURE_CONTROL: {
    LOCK: { bit: 0, meaning: 'locked until reset' },
    SMX: { bit: 1, meaning: 'VMXON within SMX' },
    VMX: { bit: 2, meaning: 'VMXON outside SMX' },
  },
  IA32_MISC_ENABLE: {
    FAST_STRINGS: { bit: 0, meaning: 'fast strings' },
    BTS_UNAVAILABLE: { bit: 11, meaning: 'no branch trace storage' },
    PEBS_UNAVAILABLE: { bit: 12, meaning: 'no event based sampling' },
    MONITOR: { bit: 18, meaning: 'MONITOR and MWAIT' },
    LIMIT_CPUID: { bit: 22, meaning: 'CPUID has leaves up to 3 only' },
    XD_DISABLE: { bit: 34, meaning: 'no execute-disable' },
  },
  IA32_EFER: eferBits,
  IA32_STAR: {
    SYSCALL_CS: { bit: 32, width: 16, meaning: 'CS of SYSCALL; SS is 8 above' },
    SYSRET_CS: { bit: 48, width: 16, meaning: 'SYSRET: CS is 16 above, SS 8 above' },
  },
  IA32_FMASK: flagMask,
  IA32_PAT: types('PA', 8, (n) => `memory type for PAT, PCD, PWT = ${n.toString(2).padStart(3, '0')}`),
  IA32_MTRR_DEF_TYPE: {
    TYPE: { bit: 0, width: 8, meaning: 'memory type outside all ranges' },
    FE: { bit: 10, meaning: 'fixed ranges count' },
    E: { bit: 11, meaning: 'MTRRs count' },
  },
  ...Object.fromEntries(Array.from({ length: 10 }, (_, n) => variableRange(n)).flat()),
};
