/** Flat binaries: bytes that say nothing about themselves, placed where the user says. */

import { hex, linear, physical } from '../x86/address';
import { BadInput, type Program } from './program';

export interface FlatOptions {
  readonly load: bigint;
  /** Without it, the first byte. */
  readonly entry?: bigint;
  readonly bits?: 16 | 32 | 64;
}

/** What a flat binary is taken for when nobody says. */
const DEFAULT_BITS = 64;

/** @throws BadInput when it would reach beyond 4 GiB. */
export function flatProgram(name: string, bytes: Uint8Array, options: FlatOptions): Program {
  const { load } = options;
  if (load < 0n || load + BigInt(bytes.length) > 1n << 32n) {
    throw new BadInput(
      `${name}: --load ${hex(load)} with ${hex(bytes.length)} bytes does not end below 4 GiB; 0x100000 is usual`,
    );
  }
  return {
    name,
    segments: [{ physical: physical(load), bytes, size: bytes.length }],
    start: { kind: 'direct', bits: options.bits ?? DEFAULT_BITS, entry: linear(options.entry ?? load) },
    symbols: [],
    lines: [],
  };
}
