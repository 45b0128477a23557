/**
 * Control and debug registers as data: every bit with its name, its mask and the CPUID feature that brings it. A bit
 * whose feature a processor model lacks is reserved in that model.
 */

export interface RegisterBit {
  /** Lowest bit number. */
  readonly bit: number;
  /** Width in bits, 1 unless given. */
  readonly width?: number;
  /** Feature of x86/cpuid.ts without which the bit is reserved. */
  readonly feature?: string;
  readonly meaning: string;
}

export type RegisterBits = Readonly<Record<string, RegisterBit>>;

/** Intel SDM vol. 3, "Control Registers". */
export const cr0Bits = {
  PE: { bit: 0, meaning: 'protection enable' },
  MP: { bit: 1, meaning: 'monitor coprocessor: WAIT obeys TS' },
  EM: { bit: 2, meaning: 'emulation: no x87, its instructions raise #NM' },
  TS: { bit: 3, meaning: 'task switched: x87 and SSE instructions raise #NM' },
  ET: { bit: 4, meaning: 'extension type, always 1' },
  NE: { bit: 5, meaning: 'numeric error: x87 errors raise #MF' },
  WP: { bit: 16, meaning: 'write protect: supervisor writes obey R/W' },
  AM: { bit: 18, meaning: 'alignment mask: EFLAGS.AC enables alignment checks at CPL 3' },
  NW: { bit: 29, meaning: 'not write-through' },
  CD: { bit: 30, meaning: 'cache disable' },
  PG: { bit: 31, meaning: 'paging' },
} as const satisfies RegisterBits;

/** Intel SDM vol. 3, "Control Registers". Bits of CR4 that this machine knows; all others are reserved. */
export const cr4Bits = {
  VME: { bit: 0, feature: 'vme', meaning: 'virtual-8086 mode extensions' },
  PVI: { bit: 1, feature: 'vme', meaning: 'protected-mode virtual interrupts' },
  TSD: { bit: 2, feature: 'tsc', meaning: 'time stamp disable: RDTSC needs CPL 0' },
  DE: { bit: 3, feature: 'de', meaning: 'debugging extensions: I/O breakpoints, DR4 and DR5 raise #UD' },
  PSE: { bit: 4, feature: 'pse', meaning: 'page size extensions: 4 MiB pages' },
  PAE: { bit: 5, feature: 'pae', meaning: 'physical address extension' },
  MCE: { bit: 6, feature: 'mce', meaning: 'machine-check enable' },
  PGE: { bit: 7, feature: 'pge', meaning: 'page global enable' },
  PCE: { bit: 8, meaning: 'RDPMC at any CPL' },
  OSFXSR: { bit: 9, feature: 'fxsr', meaning: 'the system supports FXSAVE and FXRSTOR' },
  OSXMMEXCPT: { bit: 10, feature: 'sse', meaning: 'the system supports #XM' },
  UMIP: { bit: 11, feature: 'umip', meaning: 'SGDT, SIDT, SLDT, SMSW and STR need CPL 0' },
  VMXE: { bit: 13, feature: 'vmx', meaning: 'VMX enable' },
  SMXE: { bit: 14, feature: 'smx', meaning: 'SMX enable' },
  FSGSBASE: { bit: 16, feature: 'fsgsbase', meaning: 'RDFSBASE, RDGSBASE, WRFSBASE and WRGSBASE' },
  PCIDE: { bit: 17, feature: 'pcid', meaning: 'process-context identifiers' },
  OSXSAVE: { bit: 18, feature: 'xsave', meaning: 'XSAVE and extended states' },
  SMEP: { bit: 20, feature: 'smep', meaning: 'supervisor mode does not execute user pages' },
  SMAP: { bit: 21, feature: 'smap', meaning: 'supervisor mode does not access user pages' },
} as const satisfies RegisterBits;

/** Intel SDM vol. 3, "Extended Feature Enable Register". */
export const eferBits = {
  SCE: { bit: 0, feature: 'syscall', meaning: 'SYSCALL enable' },
  LME: { bit: 8, feature: 'lm', meaning: 'IA-32e mode enable' },
  LMA: { bit: 10, feature: 'lm', meaning: 'IA-32e mode active (set and cleared by the processor)' },
  NXE: { bit: 11, feature: 'nx', meaning: 'execute-disable enable' },
} as const satisfies RegisterBits;

/** Intel SDM vol. 3, "Debug Status Register (DR6)". */
export const dr6Bits = {
  B0: { bit: 0, meaning: 'breakpoint 0 met' },
  B1: { bit: 1, meaning: 'breakpoint 1 met' },
  B2: { bit: 2, meaning: 'breakpoint 2 met' },
  B3: { bit: 3, meaning: 'breakpoint 3 met' },
  BD: { bit: 13, meaning: 'the next instruction accesses a debug register while DR7.GD is 1' },
  BS: { bit: 14, meaning: 'single step' },
  BT: { bit: 15, meaning: 'task switch to a TSS with its T flag set' },
} as const satisfies RegisterBits;

/** Intel SDM vol. 3, "Debug Control Register (DR7)". */
export const dr7Bits = {
  L0: { bit: 0, meaning: 'breakpoint 0 enabled until the next task switch' },
  G0: { bit: 1, meaning: 'breakpoint 0 enabled' },
  L1: { bit: 2, meaning: 'breakpoint 1 enabled until the next task switch' },
  G1: { bit: 3, meaning: 'breakpoint 1 enabled' },
  L2: { bit: 4, meaning: 'breakpoint 2 enabled until the next task switch' },
  G2: { bit: 5, meaning: 'breakpoint 2 enabled' },
  L3: { bit: 6, meaning: 'breakpoint 3 enabled until the next task switch' },
  G3: { bit: 7, meaning: 'breakpoint 3 enabled' },
  LE: { bit: 8, meaning: 'exact data breakpoints until the next task switch (no effect)' },
  GE: { bit: 9, meaning: 'exact data breakpoints (no effect)' },
  GD: { bit: 13, meaning: 'general detect: MOV DR raises #DB' },
  RW0: { bit: 16, width: 2, meaning: 'condition of breakpoint 0' },
  LEN0: { bit: 18, width: 2, meaning: 'length of breakpoint 0' },
  RW1: { bit: 20, width: 2, meaning: 'condition of breakpoint 1' },
  LEN1: { bit: 22, width: 2, meaning: 'length of breakpoint 1' },
  RW2: { bit: 24, width: 2, meaning: 'condition of breakpoint 2' },
  LEN2: { bit: 26, width: 2, meaning: 'length of breakpoint 2' },
  RW3: { bit: 28, width: 2, meaning: 'condition of breakpoint 3' },
  LEN3: { bit: 30, width: 2, meaning: 'length of breakpoint 3' },
} as const satisfies RegisterBits;

/** DR6 reads these bits as 1 and bit 12 as 0; DR7 reads bit 10 as 1 and bits 11, 12, 14 and 15 as 0. */
export const dr6Fixed = { ones: 0xffff0ff0, writable: 0xe00f } as const;
export const dr7Fixed = { ones: 0x400, writable: 0xffff23ff } as const;

const masks = <const Bits extends RegisterBits>(bits: Bits): { readonly [Name in keyof Bits]: number } =>
  Object.fromEntries(
    Object.entries(bits).map(([name, { bit, width = 1 }]) => [name, ((2 ** width - 1) * 2 ** bit) >>> 0]),
  ) as { readonly [Name in keyof Bits]: number };

/** Masks by name, unsigned 32-bit: `CR0.PG` is 0x80000000. */
export const CR0 = masks(cr0Bits);
export const CR4 = masks(cr4Bits);
export const EFER = masks(eferBits);
export const DR6 = masks(dr6Bits);
export const DR7 = masks(dr7Bits);

/** The bits of a table that a model with these features implements. */
export const implemented = (bits: RegisterBits, has: (feature: string) => boolean): number => {
  let mask = 0;
  for (const { bit, width = 1, feature } of Object.values(bits))
    if (feature === undefined || has(feature)) mask |= (2 ** width - 1) * 2 ** bit;
  return mask >>> 0;
};

/** Name of a bit of a register, for words: `SMEP`, or undefined for a reserved bit. */
export const bitName = (bits: RegisterBits, bit: number): string | undefined =>
  Object.entries(bits).find(([, row]) => bit >= row.bit && bit < row.bit + (row.width ?? 1))?.[0];
