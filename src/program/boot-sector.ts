/**
 * Boot sectors: the first 512 bytes of a disk image, which the BIOS puts at 0x7c00 when they end in its signature. The
 * whole image stays as the disk that int 13h reads.
 */

import { physical } from '../x86/address';
import type { Program } from './program';

const SECTOR = 512;
export const BOOT_ADDRESS = 0x7c00;
/** The drive number of the first hard disk; DL at the start. */
export const BOOT_DRIVE = 0x80;

export interface DiskGeometry {
  readonly cylinders: number;
  readonly heads: number;
  /** Per track, counted from 1. */
  readonly sectors: number;
}

/** Images of exactly these sizes are diskettes, whose boot sectors often have the geometry built in. */
const disketteGeometries: readonly DiskGeometry[] = [
  { cylinders: 40, heads: 2, sectors: 9 },
  { cylinders: 80, heads: 2, sectors: 9 },
  { cylinders: 80, heads: 2, sectors: 15 },
  { cylinders: 80, heads: 2, sectors: 18 },
  { cylinders: 80, heads: 2, sectors: 36 },
];

export function bootSectorProgram(name: string, image: Uint8Array): Program {
  return {
    name,
    segments: [{ physical: physical(BOOT_ADDRESS), bytes: image.subarray(0, SECTOR), size: SECTOR }],
    start: { kind: 'boot-sector', image: wholeSectors(image) },
    symbols: [],
    lines: [],
  };
}

/** Cylinders, heads and sectors as int 13h reports them for an image of this many bytes. */
export function diskGeometry(bytes: number): DiskGeometry {
  const total = Math.ceil(bytes / SECTOR);
  const diskette = disketteGeometries.find(({ cylinders, heads, sectors }) => cylinders * heads * sectors === total);
  if (diskette !== undefined) return diskette;
  const heads = 16;
  const sectors = 63;
  return { cylinders: Math.min(1024, Math.max(1, Math.ceil(total / (heads * sectors)))), heads, sectors };
}

function wholeSectors(image: Uint8Array): Uint8Array {
  if (image.length % SECTOR === 0) return image;
  const padded = new Uint8Array(Math.ceil(image.length / SECTOR) * SECTOR);
  padded.set(image);
  return padded;
}
