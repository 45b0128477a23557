/** A firmware ROM of the user's: mapped so that it ends at 4 GiB, its last 128 KiB also so that it ends at 1 MiB. */

import { hex, physical } from '../x86/address';
import { BadInput, type Program, type Segment } from './program';

const PAGE = 0x1000;
const TOP = 0x1_0000_0000;
const LOW_TOP = 0x10_0000;
const LOW_WINDOW = 0x2_0000;
/** What lies between the APICs' registers and 4 GiB. */
const LARGEST = 16 * 0x10_0000;

/** @throws BadInput for a size that cannot be a ROM's. */
export function biosProgram(name: string, rom: Uint8Array): Program {
  if (rom.length === 0 || rom.length % PAGE !== 0 || rom.length > LARGEST) {
    throw new BadInput(
      `${name}: a ROM of ${hex(rom.length)} bytes; its size must be a multiple of 4 KiB, at most 16 MiB, ` +
        'with the reset vector 16 bytes before its end',
    );
  }
  return { name, segments: [], start: { kind: 'reset', rom }, symbols: [], lines: [] };
}

/** Where the ROM is seen: read-only memory, not RAM. */
export function romMappings(rom: Uint8Array): Segment[] {
  const low = rom.subarray(Math.max(0, rom.length - LOW_WINDOW));
  return [
    { physical: physical(LOW_TOP - low.length), bytes: low, size: low.length },
    { physical: physical(TOP - rom.length), bytes: rom, size: rom.length },
  ];
}
