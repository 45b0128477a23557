/** A processor model: a preset's CPUID leaves and MSR values, masked by what this machine has. */

export interface CpuModel {
  readonly name: string;
  /** Bits of a physical address (MAXPHYADDR). */
  readonly physicalBits: number;
  /** TSC ticks per second. */
  readonly frequency: number;
  /** Is a feature of x86/cpuid.ts advertised? */
  has(feature: string): boolean;
  cpuid(leaf: number, subleaf: number): { eax: number; ebx: number; ecx: number; edx: number };
}
