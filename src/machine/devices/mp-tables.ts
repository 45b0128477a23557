/**
 * The tables of Intel's MultiProcessor Specification 1.4: the floating pointer structure and the configuration table, by
 * which kernels without ACPI find processors and the I/O APIC. Pure functions from addresses to bytes.
 */

import { localApicBase, type PlacedBytes } from './acpi-tables';
import { ioApicBase } from './io-apic';
import { TableBytes } from './table-bytes';

const headerSize = 44;
const isaLines = 16;
/** Line 2 is the cascade; the timer's line 0 is wired to pin 2. */
const cascadeLine = 2;
const timerPin = 2;

const interruptType = { vectored: 0, nmi: 1, external: 3 } as const;
const apicVersion = { local: 0x15, io: 0x20 } as const;

export interface MpOptions {
  readonly cpus: number;
  /** Where the floating pointer goes: a multiple of 16 in 0xF0000–0xFFFFF or in the first KiB of the EBDA. */
  readonly pointer: number;
  /** Where the configuration table goes. */
  readonly table: number;
  /** CPUID leaf 1, EAX and EDX: what a processor entry says of its kind. */
  readonly signature: number;
  readonly features: number;
}

export function mpTables(options: MpOptions): readonly PlacedBytes[] {
  return [
    { address: options.pointer, bytes: pointerBytes(options.table) },
    { address: options.table, bytes: configuration(options) },
  ];
}

/** "MP Floating Pointer Structure". */
const pointerBytes = (table: number): Uint8Array =>
  new TableBytes().text('_MP_').number(table, 4).bytes(1, 4, 0).zeros(5).checksum(10).toArray();

/** "MP Configuration Table": header and base entries. */
function configuration({ cpus, signature, features }: MpOptions): Uint8Array {
  const rows = entries(cpus, signature, features);
  const size = headerSize + rows.reduce((sum, row) => sum + row.length, 0);
  const header = new TableBytes()
    .text('PCMP')
    .number(size, 2)
    .bytes(4, 0)
    .text('RINGSIDE', 8, 0x20)
    .text('PC', 12, 0x20)
    .number(0, 4)
    .number(0, 2)
    .number(rows.length, 2)
    .number(localApicBase, 4)
    .zeros(4);
  for (const row of rows) header.append(row);
  return header.checksum(7).toArray();
}

/** In order of their types, as the specification asks: processors, bus, I/O APIC, I/O interrupts, local interrupts. */
function entries(cpus: number, signature: number, features: number): readonly TableBytes[] {
  const ioApic = cpus & 0xf;
  const processors = Array.from({ length: cpus }, (_, cpu) =>
    new TableBytes()
      .bytes(0, cpu, apicVersion.local, cpu === 0 ? 3 : 1)
      .number(signature, 4)
      .number(features, 4)
      .zeros(8),
  );
  const lines = Array.from({ length: isaLines }, (_, line) => line).filter((line) => line !== cascadeLine);
  return [
    ...processors,
    new TableBytes().bytes(1, 0).text('ISA', 6, 0x20),
    new TableBytes().bytes(2, ioApic, apicVersion.io, 1).number(ioApicBase, 4),
    ...lines.map((line) => interrupt(3, interruptType.vectored, line, ioApic, line === 0 ? timerPin : line)),
    interrupt(4, interruptType.external, 0, 0xff, 0),
    interrupt(4, interruptType.nmi, 0, 0xff, 1),
  ];
}

/** An interrupt assignment: polarity and trigger as the ISA bus has them. */
const interrupt = (entry: 3 | 4, type: number, line: number, apic: number, pin: number): TableBytes =>
  new TableBytes().bytes(entry, type).number(0, 2).bytes(0, line, apic, pin);
