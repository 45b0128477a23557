/**
 * A second walker through EPT for the property test, written from the manual with plain 64-bit arithmetic on a copy of
 * memory: Intel SDM vol. 3, "The Extended Page Table Mechanism (EPT)". Flags are set in the copy as the processor sets them.
 */

import { type ReferenceInput, referenceWalk } from '../../cpu/reference-walk';

export interface EptInput {
  readonly pointer: bigint;
  readonly physicalBits: number;
  readonly executeOnly: boolean;
  readonly oneGiB: boolean;
}

export interface Memory {
  read(address: bigint, bytes: 4 | 8): bigint;
  write(address: bigint, bytes: 4 | 8, value: bigint): void;
}

export type EptResult =
  | { readonly violation: bigint; readonly guest: bigint }
  | { readonly misconfigured: number; readonly guest: bigint };

const READ = 1n;
const WRITE = 2n;
const EXECUTE = 4n;

const bit = (value: bigint, number: number) => ((value >> BigInt(number)) & 1n) === 1n;
const field = (value: bigint, high: number, low: number) =>
  (value >> BigInt(low)) & ((1n << BigInt(high - low + 1)) - 1n);

/** The first bit, in the order of the manual's list, that makes an entry a misconfiguration. */
const badBit = (entry: bigint, level: number, input: EptInput): number | undefined => {
  if (bit(entry, 1) && !bit(entry, 0)) return 1;
  if (field(entry, 2, 0) === EXECUTE && !input.executeOnly) return 2;
  for (let n = input.physicalBits; n < 52; n++) if (bit(entry, n)) return n;
  const large = level < 4 && level > 1 && bit(entry, 7);
  const leaf = level === 1 || large;
  const zero = (from: number, to: number): number | undefined => {
    for (let n = from; n <= to; n++) if (bit(entry, n)) return n;
    return undefined;
  };
  if (level === 4) return zero(3, 7);
  if (!leaf) return zero(3, 6);
  if (level === 3 && !input.oneGiB) return 7;
  const reserved = level === 3 ? zero(12, 29) : level === 2 ? zero(12, 20) : undefined;
  if (reserved !== undefined) return reserved;
  const type = field(entry, 5, 3);
  return type === 2n || type === 3n || type === 7n ? 3 : undefined;
};

/** Physical address; throws an EptResult. */
const referenceEpt = (memory: Memory, input: EptInput, guest: bigint, access: bigint, final: boolean): bigint => {
  const flags = bit(input.pointer, 6);
  const used: { address: bigint; entry: bigint }[] = [];
  const violation = (rights: bigint): EptResult => ({
    violation: access | (rights << 3n) | 0x80n | (final ? 0x100n : 0n),
    guest,
  });
  let table = field(input.pointer, 51, 12) << 12n;
  let rights = 7n;
  for (let level = 4; ; level--) {
    const shift = 3 + level * 9;
    const address = table + field(guest, shift + 8, shift) * 8n;
    const entry = memory.read(address, 8);
    used.push({ address, entry });
    if (field(entry, 2, 0) === 0n) throw violation(0n);
    const bad = badBit(entry, level, input);
    if (bad !== undefined) throw { misconfigured: bad, guest } satisfies EptResult;
    rights &= entry;
    if (level > 1 && !(level < 4 && bit(entry, 7))) {
      table = field(entry, 51, 12) << 12n;
      continue;
    }
    if ((rights & access) !== access) throw violation(rights & 7n);
    used.forEach(({ address: at, entry: value }, n) => {
      const last = n === used.length - 1;
      if (flags) memory.write(at, 8, value | 0x100n | (last && access & WRITE ? 0x200n : 0n));
    });
    const inPage = (1n << BigInt(shift)) - 1n;
    return (field(entry, 51, 0) & ~0xfffn & ~inPage) | (guest & inPage);
  }
};

/** The guest's own walk through EPT, its accessed and dirty flags, and the access itself. */
export const referenceNested = (
  memory: Memory,
  ept: EptInput,
  guest: Omit<ReferenceInput, 'read'>,
): { readonly physical: bigint } | { readonly code: number } | EptResult => {
  const tables = bit(ept.pointer, 6) ? READ | WRITE : READ;
  const bytes = guest.mode === '32-bit' ? 4 : 8;
  const entries: { guest: bigint; at: bigint }[] = [];
  try {
    const found = referenceWalk({
      ...guest,
      read: (address, size) => {
        const at = referenceEpt(memory, ept, address, tables, false);
        entries.push({ guest: address, at });
        return memory.read(at, size);
      },
    });
    if ('code' in found) return found;
    entries.forEach((entry, n) => {
      const value = memory.read(entry.at, bytes);
      const dirty = guest.access === 'write' && n === entries.length - 1 ? 0x40n : 0n;
      const wanted = value | 0x20n | dirty;
      if (wanted === value) return;
      referenceEpt(memory, ept, entry.guest, bit(ept.pointer, 6) ? READ | WRITE : WRITE, false);
      memory.write(entry.at, bytes, wanted);
    });
    const kind = guest.access === 'read' ? READ : guest.access === 'write' ? WRITE : EXECUTE;
    return { physical: referenceEpt(memory, ept, found.physical, kind, true) };
  } catch (result) {
    return result as EptResult;
  }
};
