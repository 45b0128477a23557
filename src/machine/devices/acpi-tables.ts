/**
 * The ACPI tables of the board, "ACPI Software Programming Model": RSDP, RSDT, XSDT, FADT, FACS, DSDT and MADT for N
 * processors. Pure functions from addresses to bytes; whoever places them says where.
 */

import { acpiPorts, sciInterrupt, sleepTypeOfS5 } from './acpi-pm';
import { ioApicBase } from './io-apic';
import { TableBytes } from './table-bytes';

export const localApicBase = 0xfee0_0000;
const headerSize = 36;
const alignment = 16;

const oem = { id: 'RINGSD', table: 'RINGSIDE', creator: 'RING' } as const;

export interface AcpiOptions {
  readonly cpus: number;
  /** Where the RSDP goes: a multiple of 16 in 0xE0000–0xFFFFF or in the first KiB of the EBDA. */
  readonly rsdp: number;
  /** Where the other tables go, one after the other; below 4 GiB. */
  readonly tables: number;
}

export interface PlacedBytes {
  readonly address: number;
  readonly bytes: Uint8Array;
}

/** The bytes to be put into memory, each with its address. */
export function acpiTables({ cpus, rsdp, tables }: AcpiOptions): readonly PlacedBytes[] {
  let next = tables;
  const place = (bytes: Uint8Array, align = alignment): PlacedBytes => {
    const address = Math.ceil(next / align) * align;
    next = address + bytes.length;
    return { address, bytes };
  };
  // The specification wants the FACS on a boundary of 64 bytes.
  const facs = place(facsBytes(), 64);
  const dsdt = place(table('DSDT', 1, dsdtCode()));
  const fadt = place(table('FACP', 4, fadtBody(facs.address, dsdt.address)));
  const madt = place(table('APIC', 3, madtBody(cpus)));
  const roots = [fadt.address, madt.address];
  const rsdt = place(table('RSDT', 1, addresses(roots, 4)));
  const xsdt = place(table('XSDT', 1, addresses(roots, 8)));
  return [{ address: rsdp, bytes: rsdpBytes(rsdt.address, xsdt.address) }, facs, dsdt, fadt, madt, rsdt, xsdt];
}

/** "Root System Description Pointer", revision 2. */
const rsdpBytes = (rsdt: number, xsdt: number): Uint8Array =>
  new TableBytes()
    .text('RSD PTR ')
    .number(0, 1)
    .text(oem.id, 6)
    .number(2, 1)
    .number(rsdt, 4)
    .number(headerSize, 4)
    .number(xsdt, 8)
    .zeros(4)
    .checksum(8, 20)
    .checksum(32)
    .toArray();

/** A table with the "System Description Table Header". */
const table = (signature: string, revision: number, body: TableBytes): Uint8Array =>
  new TableBytes()
    .text(signature)
    .number(headerSize + body.length, 4)
    .number(revision, 1)
    .number(0, 1)
    .text(oem.id, 6, 0x20)
    .text(oem.table, 8, 0x20)
    .number(1, 4)
    .text(oem.creator, 4)
    .number(1, 4)
    .append(body)
    .checksum(9)
    .toArray();

const addresses = (values: readonly number[], size: 4 | 8): TableBytes =>
  values.reduce((bytes, value) => bytes.number(value, size), new TableBytes());

/** "Firmware ACPI Control Structure": nothing in it is used, but it must be there. */
const facsBytes = (): Uint8Array =>
  new TableBytes().text('FACS').number(64, 4).zeros(24).number(1, 1).zeros(31).toArray();

/**
 * "Fixed ACPI Description Table", revision 4. No SMI command port: the board is always in ACPI mode. Power and sleep
 * button are not fixed hardware. The reset register is the keyboard controller's pulse.
 */
function fadtBody(facs: number, dsdt: number): TableBytes {
  const flags = { wbinvd: 1, procC1: 4, powerButton: 0x10, sleepButton: 0x20, resetRegister: 0x400 } as const;
  const bootArchitecture = { legacyDevices: 1, keyboardController: 2 } as const;
  const { event, control, timer } = acpiPorts;
  return (
    new TableBytes()
      .number(facs, 4)
      .number(dsdt, 4)
      // Reserved, preferred profile (unspecified), SCI, SMI command and its four values.
      .bytes(0, 0)
      .number(sciInterrupt, 2)
      .zeros(8)
      // PM1a and PM1b event, PM1a and PM1b control, PM2 control, timer, GPE 0 and 1.
      .number(event, 4)
      .zeros(4)
      .number(control, 4)
      .zeros(8)
      .number(timer, 4)
      .zeros(8)
      // Lengths of event, control, PM2, timer, GPE 0 and 1; GPE 1 base; C-state control.
      .bytes(4, 2, 0, 4, 0, 0, 0, 0)
      // C2 and C3 latencies beyond what the specification allows: not supported.
      .number(0x0fff, 2)
      .number(0x0fff, 2)
      // Flush size and stride, duty offset and width, day and month alarm, century.
      .zeros(6)
      .bytes(0, 0, 0x32)
      .number(bootArchitecture.legacyDevices | bootArchitecture.keyboardController, 2)
      .number(0, 1)
      .number(flags.wbinvd | flags.procC1 | flags.powerButton | flags.sleepButton | flags.resetRegister, 4)
      .append(ioAddress(0x64, 8))
      .number(0xfe, 1)
      .zeros(3)
      .number(facs, 8)
      .number(dsdt, 8)
      .append(ioAddress(event, 32))
      .append(noAddress())
      .append(ioAddress(control, 16))
      .append(noAddress())
      .append(noAddress())
      .append(ioAddress(timer, 32))
      .append(noAddress())
      .append(noAddress())
  );
}

/** "Generic Address Structure" of an I/O port. */
const ioAddress = (port: number, bits: 8 | 16 | 32): TableBytes =>
  new TableBytes().bytes(1, bits, 0, bits === 8 ? 1 : bits === 16 ? 2 : 3).number(port, 8);

const noAddress = (): TableBytes => new TableBytes().zeros(12);

/** AML of `Name (\_S5, Package () { type, type, 0, 0 })`. */
const dsdtCode = (): TableBytes =>
  new TableBytes()
    .bytes(0x08)
    .text('\\_S5_')
    .bytes(0x12, 0x0a, 0x04)
    .bytes(...byteConstant(sleepTypeOfS5), ...byteConstant(sleepTypeOfS5))
    .bytes(...byteConstant(0), ...byteConstant(0));

const byteConstant = (value: number): readonly number[] => [0x0a, value];

/** "Multiple APIC Description Table": the processors, the I/O APIC, the timer's override, LINT1 as NMI. */
function madtBody(cpus: number): TableBytes {
  const dualPic = 1;
  const body = new TableBytes().number(localApicBase, 4).number(dualPic, 4);
  for (let cpu = 0; cpu < cpus; cpu++) body.bytes(0, 8, cpu, cpu).number(1, 4);
  body
    .bytes(1, 12, cpus & 0xf, 0)
    .number(ioApicBase, 4)
    .number(0, 4);
  // ISA line 0 is global interrupt 2, as the bus says; the SCI is active high and level-triggered.
  body.bytes(2, 10, 0, 0).number(2, 4).number(0, 2);
  body.bytes(2, 10, 0, sciInterrupt).number(sciInterrupt, 4).number(0x000d, 2);
  return body.bytes(4, 6, 0xff).number(0, 2).bytes(1);
}
