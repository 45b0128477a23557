/**
 * The machine's physical memory as firmware tells it to programs: the E820 map of the BIOS and the map of Multiboot.
 * Type numbers are those of ACPI, "System Address Map Interfaces".
 */

export interface MemoryRange {
  readonly base: number;
  readonly size: number;
  readonly type: typeof USABLE | typeof RESERVED;
}

export const USABLE = 1;
export const RESERVED = 2;

export const MIB = 0x10_0000;
export const SMALLEST_MEMORY = MIB;
export const LARGEST_MEMORY = 2048 * MIB;

/** The last KiB below 640 KiB is the extended BIOS data area. */
export const EXTENDED_BIOS_DATA = 0x9_fc00;
/** Video memory, adapters' ROMs and firmware: no RAM for programs from here to 1 MiB. */
export const LOW_MEMORY_END = 0xa_0000;

export function memoryMap(memoryBytes: number): MemoryRange[] {
  const ranges: MemoryRange[] = [
    { base: 0, size: EXTENDED_BIOS_DATA, type: USABLE },
    { base: EXTENDED_BIOS_DATA, size: LOW_MEMORY_END - EXTENDED_BIOS_DATA, type: RESERVED },
    { base: 0xe_0000, size: 0x2_0000, type: RESERVED },
    { base: MIB, size: memoryBytes - MIB, type: USABLE },
    { base: 0xfec0_0000, size: 0x1000, type: RESERVED },
    { base: 0xfee0_0000, size: 0x1000, type: RESERVED },
    { base: 0xfffc_0000, size: 0x4_0000, type: RESERVED },
  ];
  return ranges.filter((range) => range.size > 0);
}
