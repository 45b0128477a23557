/**
 * Int 13h: the one disk, whose contents are the program's image. Functions by cylinder, head and sector, and those of
 * the "BIOS Enhanced Disk Drive Specification", fixed disk subset. Nothing can be written.
 */

import type { BiosCall } from './call';
import { dataArea } from './data-area';
import { type Disk, type Host, type Service, service, ticks } from './host';

const SECTOR = 512;
const status = { ok: 0, badCommand: 1, notFound: 4 } as const;
const FIXED_DISK = 3;

const extensions = { ask: 0x55aa, answer: 0xaa55, version: 0x21, fixedDiskSubset: 1 } as const;
/** Of the packet that describes a transfer, and of the parameters' buffer. */
const PACKET = 16;
const PARAMETERS = 26;
const GEOMETRY_VALID = 2;
const MOST_SECTORS = 127;

type Result = (typeof status)[keyof typeof status];

/** Leaves the status in AH, CF and the data area, as every function does but `disk.status`. */
const finish = (call: BiosCall, result: Result): void => {
  call.write(dataArea.diskStatus, 1, result);
  call.setFlag('CF', result !== status.ok);
  call.set('ah', result);
};

const onDisk = (cost: number, work: (call: BiosCall, disk: Disk) => Result): Service =>
  service(cost, (call, { disk }) => {
    finish(call, disk && call.get('dl') === disk.drive ? work(call, disk) : status.badCommand);
  });

/** @returns false where the disk has not got all of them */
const read = (call: BiosCall, { image }: Disk, first: number, count: number, buffer: number): boolean => {
  if ((first + count) * SECTOR > image.length) return false;
  call.writeBytes(buffer, image.subarray(first * SECTOR, (first + count) * SECTOR));
  return true;
};

const readByGeometry = (call: BiosCall, disk: Disk): Result => {
  const { cylinders, heads, sectors } = disk.geometry;
  const count = call.get('al');
  const cylinder = call.get('ch') | ((call.get('cl') & 0xc0) << 2);
  const sector = call.get('cl') & 0x3f;
  const head = call.get('dh');
  const buffer = call.pointer('es', call.get('bx'));
  const exists = cylinder < cylinders && head < heads && sector >= 1 && sector <= sectors;
  const first = (cylinder * heads + head) * sectors + sector - 1;
  if (count > 0 && exists && read(call, disk, first, count, buffer)) return status.ok;
  call.set('al', 0);
  return count === 0 ? status.badCommand : status.notFound;
};

const readByNumber = (call: BiosCall, disk: Disk): Result => {
  const packet = call.pointer('ds', call.get('si'));
  const count = call.read(packet + 2, 2);
  if (call.read(packet, 1) < PACKET || count > MOST_SECTORS) return status.badCommand;
  const buffer = call.read(packet + 6, 2) * 16 + call.read(packet + 4, 2);
  if (read(call, disk, call.read(packet + 8, 8), count, buffer)) return status.ok;
  call.write(packet + 2, 2, 0);
  return status.notFound;
};

const tellGeometry = (call: BiosCall, { geometry }: Disk): Result => {
  const last = geometry.cylinders - 1;
  call.set('ch', last);
  call.set('cl', ((last >>> 2) & 0xc0) | geometry.sectors);
  call.set('dh', geometry.heads - 1);
  call.set('dl', call.read(dataArea.disks, 1));
  return status.ok;
};

const tellParameters = (call: BiosCall, { geometry, image }: Disk): Result => {
  const buffer = call.pointer('ds', call.get('si'));
  if (call.read(buffer, 2) < PARAMETERS) return status.badCommand;
  const bytes = new DataView(new ArrayBuffer(PARAMETERS));
  bytes.setUint16(0, PARAMETERS, true);
  bytes.setUint16(2, GEOMETRY_VALID, true);
  bytes.setUint32(4, geometry.cylinders, true);
  bytes.setUint32(8, geometry.heads, true);
  bytes.setUint32(12, geometry.sectors, true);
  bytes.setBigUint64(16, BigInt(image.length / SECTOR), true);
  bytes.setUint16(24, SECTOR, true);
  call.writeBytes(buffer, new Uint8Array(bytes.buffer));
  return status.ok;
};

const tellType = (call: BiosCall, { disk }: Host): void => {
  const present = disk && call.get('dl') === disk.drive;
  call.setFlag('CF', false);
  call.set('ah', present ? FIXED_DISK : 0);
  if (!present) return;
  const count = disk.image.length / SECTOR;
  call.set('cx', count >>> 16);
  call.set('dx', count);
};

export const diskServices: Record<string, Service> = {
  'disk.reset': onDisk(ticks.disk, () => status.ok),
  'disk.status': service(ticks.short, (call) => {
    const last = call.read(dataArea.diskStatus, 1);
    call.setFlag('CF', last !== status.ok);
    call.set('ah', last);
  }),
  'disk.read': onDisk(ticks.disk, readByGeometry),
  'disk.geometry': onDisk(ticks.short, tellGeometry),
  'disk.type': service(ticks.short, tellType),
  'disk.extensions': onDisk(ticks.short, (call) => {
    if (call.get('bx') !== extensions.ask) return status.badCommand;
    call.set('bx', extensions.answer);
    call.set('cx', extensions.fixedDiskSubset);
    return status.ok;
  }).concat(
    service(ticks.short, (call) => {
      if (call.get('ah') === status.ok) call.set('ah', extensions.version);
    }),
  ),
  'disk.read-lba': onDisk(ticks.disk, readByNumber),
  'disk.parameters-lba': onDisk(ticks.short, tellParameters),
};
