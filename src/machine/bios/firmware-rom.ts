/**
 * The board's read-only memory from 0xE0000 to 1 MiB as its own firmware fills it: ACPI and MP tables by which kernels
 * find processors and interrupt controllers, native code, and at the reset vector a few instructions that reset the board.
 */

import { acpiTables } from '../devices/acpi-tables';
import { mpTables } from '../devices/mp-tables';
import type { Natives } from '../native';

/** Where the tables are. The MP Specification wants its pointer in the upper half. */
const firmware = {
  start: 0xe0000,
  end: 0x100000,
  rsdp: 0xe0000,
  acpi: 0xe0040,
  mpTable: 0xe1000,
  mpPointer: 0xf4000,
  /** Seen once more below 4 GiB, where processors start after INIT. */
  resetVector: 0xffff0,
  resetAlias: 0xffff_f000,
} as const;

const PAGE = 4096;

/** mov al, 0xfe; out 0x64, al; hlt; jmp to the hlt: the keyboard controller pulses the reset line. */
const resetCode = [0xb0, 0xfe, 0xe6, 0x64, 0xf4, 0xeb, 0xfd] as const;

export interface FirmwareOptions {
  readonly cpus: number;
  /** CPUID leaf 1, EAX and EDX. */
  readonly signature: number;
  readonly features: number;
}

/** Read-only memory, each piece a multiple of 4 KiB. */
export const firmwareRoms = (natives: Natives, { cpus, signature, features }: FirmwareOptions) => {
  const bytes = new Uint8Array(firmware.end - firmware.start);
  const put = (address: number, content: ArrayLike<number>): void => bytes.set(content, address - firmware.start);
  for (const page of natives.pages) put(page.address, page.bytes);
  const acpi = acpiTables({ cpus, rsdp: firmware.rsdp, tables: firmware.acpi });
  const mp = mpTables({ cpus, signature, features, pointer: firmware.mpPointer, table: firmware.mpTable });
  for (const table of [...acpi, ...mp]) put(table.address, table.bytes);
  put(firmware.resetVector, resetCode);
  return [
    { physical: firmware.start, bytes },
    { physical: firmware.resetAlias, bytes: bytes.subarray(bytes.length - PAGE) },
  ];
};
