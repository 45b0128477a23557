import { beforeEach, describe, expect, test } from 'vitest';
import { AcpiPm } from '../../src/machine/devices/acpi-pm';
import { acpiTables } from '../../src/machine/devices/acpi-tables';
import { IoBus } from '../../src/machine/devices/bus';
import { mpTables } from '../../src/machine/devices/mp-tables';
import { TestBoard } from './test-board';

const sum = (bytes: Uint8Array): number => bytes.reduce((total, byte) => total + byte, 0) & 0xff;
const text = (bytes: Uint8Array, at: number, size: number): string =>
  String.fromCharCode(...bytes.subarray(at, at + size));
const view = (bytes: Uint8Array): DataView => new DataView(bytes.buffer, bytes.byteOffset, bytes.length);

describe('ACPI tables', () => {
  const placed = acpiTables({ cpus: 2, rsdp: 0xf_5a00, tables: 0x3fe_0001 });
  const at = (address: number | bigint): Uint8Array => {
    const found = placed.find((each) => each.address === Number(address));
    if (!found) throw new Error(`nothing at ${address.toString(16)}`);
    return found.bytes;
  };
  const rsdp = at(0xf_5a00);
  const find = (signature: string): Uint8Array => {
    const table = placed.find(({ bytes }) => text(bytes, 0, 4) === signature);
    if (!table) throw new Error(`no ${signature}`);
    return table.bytes;
  };

  test('do not overlap, and lie on boundaries of 16 bytes', () => {
    const [, ...tables] = placed;
    for (const [index, { address, bytes }] of tables.entries()) {
      expect(address % 16).toBe(0);
      expect(tables[index + 1]?.address ?? Infinity).toBeGreaterThanOrEqual(address + bytes.length);
    }
  });

  test('RSDP: signature, two checksums, both roots', () => {
    expect([text(rsdp, 0, 8), rsdp.length, rsdp[15]]).toEqual(['RSD PTR ', 36, 2]);
    expect([sum(rsdp.subarray(0, 20)), sum(rsdp)]).toEqual([0, 0]);
    expect(text(at(view(rsdp).getUint32(16, true)), 0, 4)).toBe('RSDT');
    expect(text(at(view(rsdp).getBigUint64(24, true)), 0, 4)).toBe('XSDT');
  });

  test('every table has its length and sums to zero', () => {
    for (const signature of ['RSDT', 'XSDT', 'FACP', 'APIC', 'DSDT']) {
      const bytes = find(signature);
      expect([signature, view(bytes).getUint32(4, true), sum(bytes)]).toEqual([signature, bytes.length, 0]);
    }
  });

  test('RSDT and XSDT point to the same tables', () => {
    const [rsdt, xsdt] = [view(find('RSDT')), view(find('XSDT'))];
    for (const [index, signature] of ['FACP', 'APIC'].entries()) {
      expect(text(at(rsdt.getUint32(36 + 4 * index, true)), 0, 4)).toBe(signature);
      expect(text(at(xsdt.getBigUint64(36 + 8 * index, true)), 0, 4)).toBe(signature);
    }
  });

  test('FADT: the fields of revision 4 at their offsets', () => {
    const fadt = view(find('FACP'));
    expect(fadt.byteLength).toBe(244);
    expect(text(at(fadt.getUint32(36, true)), 0, 4)).toBe('FACS');
    expect(text(at(fadt.getUint32(40, true)), 0, 4)).toBe('DSDT');
    expect([fadt.getUint16(46, true), fadt.getUint32(48, true)]).toEqual([9, 0]);
    expect([56, 64, 76].map((offset) => fadt.getUint32(offset, true))).toEqual([0x600, 0x604, 0x608]);
    expect([88, 89, 91, 108].map((offset) => fadt.getUint8(offset))).toEqual([4, 2, 4, 0x32]);
    expect([fadt.getUint16(109, true), fadt.getUint32(112, true)]).toEqual([3, 0x435]);
    expect([fadt.getUint8(116), fadt.getBigUint64(120, true), fadt.getUint8(128)]).toEqual([1, 0x64n, 0xfe]);
    expect([fadt.getBigUint64(132, true), fadt.getBigUint64(140, true)]).toEqual([
      BigInt(fadt.getUint32(36, true)),
      BigInt(fadt.getUint32(40, true)),
    ]);
    expect([152, 176, 212].map((offset) => fadt.getBigUint64(offset, true))).toEqual([0x600n, 0x604n, 0x608n]);
  });

  test('FACS: 64 bytes on a boundary of 64', () => {
    const facs = placed.find(({ bytes }) => text(bytes, 0, 4) === 'FACS');
    expect([facs?.bytes.length, (facs?.address ?? 1) % 64]).toEqual([64, 0]);
  });

  test('DSDT names \\_S5, as kernels look for it without an AML interpreter', () => {
    const dsdt = find('DSDT');
    const s5 = text(dsdt, 0, dsdt.length).indexOf('_S5_');
    expect([...dsdt.subarray(s5 - 2, s5)]).toEqual([0x08, 0x5c]);
    // PackageOp, a package of one length byte that covers the rest, 4 elements, BytePrefix and SLP_TYPa.
    expect([...dsdt.subarray(s5 + 4)]).toEqual([0x12, 0x0a, 0x04, 0x0a, 0, 0x0a, 0, 0x0a, 0, 0x0a, 0]);
  });

  test('MADT lists processors, the I/O APIC and where the timer is', () => {
    const madt = find('APIC');
    expect([view(madt).getUint32(36, true), view(madt).getUint32(40, true)]).toEqual([0xfee0_0000, 1]);
    const entries: number[][] = [];
    for (let offset = 44; offset < madt.length; offset += madt[offset + 1] ?? 1) {
      entries.push([...madt.subarray(offset, offset + (madt[offset + 1] ?? 0))]);
    }
    expect(entries).toEqual([
      [0, 8, 0, 0, 1, 0, 0, 0],
      [0, 8, 1, 1, 1, 0, 0, 0],
      [1, 12, 2, 0, 0x00, 0x00, 0xc0, 0xfe, 0, 0, 0, 0],
      [2, 10, 0, 0, 2, 0, 0, 0, 0, 0],
      [2, 10, 0, 9, 9, 0, 0, 0, 0x0d, 0],
      [4, 6, 0xff, 0, 0, 1],
    ]);
  });
});

describe('MP tables', () => {
  const [pointer, table] = mpTables({
    cpus: 2,
    pointer: 0xf_6000,
    table: 0xf_6010,
    signature: 0x306c3,
    features: 0x201,
  });
  const bytes = table?.bytes ?? new Uint8Array();

  test('the floating pointer leads to the configuration table', () => {
    expect(pointer?.address).toBe(0xf_6000);
    const found = pointer?.bytes ?? new Uint8Array();
    expect([text(found, 0, 4), found.length, sum(found), view(found).getUint32(4, true)]).toEqual([
      '_MP_',
      16,
      0,
      0xf_6010,
    ]);
    expect([found[8], found[9], found[11]]).toEqual([1, 4, 0]);
  });

  test('the configuration table counts its entries and sums to zero', () => {
    expect([text(bytes, 0, 4), view(bytes).getUint16(4, true), sum(bytes)]).toEqual(['PCMP', bytes.length, 0]);
    const kinds = new Map<number, number>();
    let offset = 44;
    for (let i = 0; i < view(bytes).getUint16(34, true); i++) {
      const kind = bytes[offset] ?? -1;
      kinds.set(kind, (kinds.get(kind) ?? 0) + 1);
      offset += kind === 0 ? 20 : 8;
    }
    expect(offset).toBe(bytes.length);
    expect([...kinds]).toEqual([
      [0, 2],
      [1, 1],
      [2, 1],
      [3, 15],
      [4, 2],
    ]);
  });

  test('processors: the first is the bootstrap one; the timer is at pin 2', () => {
    expect([...bytes.subarray(44, 52)]).toEqual([0, 0, 0x15, 3, 0xc3, 0x06, 0x03, 0]);
    expect([...bytes.subarray(64, 68)]).toEqual([0, 1, 0x15, 1]);
    expect([...bytes.subarray(100, 108)]).toEqual([3, 0, 0, 0, 0, 0, 2, 2]);
  });
});

describe('power management', () => {
  let board: TestBoard;
  let pm: AcpiPm;
  let io: IoBus;
  let off: number;

  beforeEach(() => {
    board = new TestBoard(3_579_545);
    off = 0;
    pm = new AcpiPm(board, () => off++);
    io = new IoBus([pm]);
  });

  test('SCI_EN is always set; S5 switches off', () => {
    expect(io.read(0x604, 2)).toBe(1);
    io.write(0x604, 2, 0x0000);
    io.write(0x604, 2, 0x2400);
    expect([off, io.read(0x604, 2)]).toEqual([0, 0x0401]);
    io.write(0x604, 2, 0x2000);
    expect(off).toBe(1);
  });

  test('the timer has 24 bits at 3.579545 MHz', () => {
    board.time = 0xff_fff0;
    expect(io.read(0x608, 4)).toBe(0xff_fff0);
    board.time += 0x20;
    expect(io.read(0x608, 4)).toBe(0x10);
  });

  test('its status comes up when the highest bit changes, and is cleared by writing it', () => {
    board.time = 0x80_0000 - 1;
    expect(io.read(0x600, 2)).toBe(0);
    board.time++;
    expect(io.read(0x600, 2)).toBe(1);
    io.write(0x600, 2, 1);
    expect(io.read(0x600, 2)).toBe(0);
    board.time = 0x100_0000;
    expect(io.read(0x600, 2)).toBe(1);
  });

  test('reset takes the SCI back; reserved bits read zero', () => {
    io.write(0x602, 2, 0xffff);
    io.write(0x604, 2, 0xdfff);
    expect([io.read(0x602, 2), io.read(0x604, 2)]).toEqual([0x0721, 0x1c01]);
    board.time = 0x80_0000;
    pm.advance(board.time);
    pm.reset();
    expect([board.lines.get(9), io.read(0x602, 2), io.read(0x600, 2), pm.nextEvent()]).toEqual([false, 0, 0, Infinity]);
  });

  test('enabled, it raises the SCI', () => {
    io.write(0x602, 2, 1);
    expect(pm.nextEvent()).toBe(0x80_0000);
    board.time = 0x80_0000;
    pm.advance(board.time);
    expect([board.lines.get(9), pm.nextEvent()]).toEqual([true, Infinity]);
    io.write(0x600, 2, 1);
    expect([board.lines.get(9), pm.nextEvent()]).toEqual([false, 0x100_0000]);
  });
});
