/**
 * A second page walker for the property test, written from the manual with plain 64-bit arithmetic and nothing else in
 * mind: Intel SDM vol. 3, "32-Bit Paging", "PAE Paging", "4-Level Paging", "Access Rights", "Page-Fault Exceptions".
 */

export interface ReferenceInput {
  readonly mode: '32-bit' | 'pae' | '4-level';
  readonly physicalBits: number;
  readonly has1GiB: boolean;
  readonly hasPse36: boolean;
  readonly cr0Wp: boolean;
  readonly cr3: bigint;
  readonly pse: boolean;
  readonly pge: boolean;
  readonly smep: boolean;
  readonly smap: boolean;
  readonly nxe: boolean;
  readonly ac: boolean;
  readonly pdptes: readonly bigint[];
  readonly read: (address: bigint, bytes: 4 | 8) => bigint;
  readonly linear: bigint;
  readonly access: 'read' | 'write' | 'fetch';
  readonly who: 'user' | 'supervisor' | 'implicit';
}

export type ReferenceResult =
  | { physical: bigint; writable: boolean; user: boolean; nx: boolean; global: boolean; size: bigint }
  | { code: number };

interface Step {
  readonly name: 'PML4E' | 'PDPTE' | 'PDE' | 'PTE';
  readonly entry: bigint;
  readonly shift: bigint;
}

const bit = (value: bigint, number: number) => ((value >> BigInt(number)) & 1n) === 1n;
const field = (value: bigint, high: number, low: number) =>
  (value >> BigInt(low)) & ((1n << BigInt(high - low + 1)) - 1n);

export const referenceWalk = (input: ReferenceInput): ReferenceResult => {
  const { linear, mode } = input;
  const base: number =
    (input.access === 'write' ? 2 : 0) |
    (input.who === 'user' ? 4 : 0) |
    (input.access === 'fetch' && ((input.nxe && mode !== '32-bit') || input.smep) ? 16 : 0);
  const notPresent = { code: base };
  const violation = { code: base | 1 };
  const reserved = { code: base | 1 | 8 };
  const steps: Step[] = [];
  let table: bigint;
  const plan: { name: Step['name']; shift: number }[] = [];
  if (mode === '4-level') {
    table = field(input.cr3, 51, 12) << 12n;
    plan.push(
      { name: 'PML4E', shift: 39 },
      { name: 'PDPTE', shift: 30 },
      { name: 'PDE', shift: 21 },
      { name: 'PTE', shift: 12 },
    );
  } else if (mode === 'pae') {
    const pdpte = input.pdptes[Number(field(linear, 31, 30))] ?? 0n;
    if (!bit(pdpte, 0)) return notPresent;
    table = field(pdpte, 51, 12) << 12n;
    plan.push({ name: 'PDE', shift: 21 }, { name: 'PTE', shift: 12 });
  } else {
    table = field(input.cr3, 31, 12) << 12n;
    plan.push({ name: 'PDE', shift: 22 }, { name: 'PTE', shift: 12 });
  }
  for (const { name, shift } of plan) {
    const bytes = mode === '32-bit' ? 4 : 8;
    const width = mode === '32-bit' ? 10 : 9;
    const index = field(linear, shift + width - 1, shift);
    const entry = input.read(table + index * BigInt(bytes), bytes);
    if (!bit(entry, 0)) return notPresent;
    steps.push({ name, entry, shift: BigInt(shift) });
    const pageBit = bit(entry, 7);
    if (mode !== '32-bit') {
      if (input.physicalBits < 52 && field(entry, 51, input.physicalBits) !== 0n) return reserved;
      if (mode === 'pae' && field(entry, 62, 52) !== 0n) return reserved;
      if (!input.nxe && bit(entry, 63)) return reserved;
      if (name === 'PML4E' && pageBit) return reserved;
      if (name === 'PDPTE' && pageBit && (!input.has1GiB || field(entry, 29, 13) !== 0n)) return reserved;
      if (name === 'PDE' && pageBit && field(entry, 20, 13) !== 0n) return reserved;
    } else if (name === 'PDE' && pageBit && input.pse) {
      const m = input.hasPse36 ? Math.min(40, input.physicalBits) : 32;
      if (bit(entry, 21) || (m < 40 && field(entry, 20, m - 19) !== 0n)) return reserved;
    }
    const isPage = name === 'PTE' || (pageBit && (mode !== '32-bit' || input.pse));
    if (isPage) break;
    table = mode === '32-bit' ? field(entry, 31, 12) << 12n : field(entry, 51, 12) << 12n;
  }
  const leaf = steps[steps.length - 1] as Step;
  const size = 1n << leaf.shift;
  let frame = field(leaf.entry, mode === '32-bit' ? 31 : 51, 0) & ~(size - 1n);
  if (mode === '32-bit' && leaf.name === 'PDE' && input.hasPse36) frame |= field(leaf.entry, 20, 13) << 32n;
  const writable = steps.every(({ entry }) => bit(entry, 1));
  const user = steps.every(({ entry }) => bit(entry, 2));
  const nx = mode !== '32-bit' && input.nxe && steps.some(({ entry }) => bit(entry, 63));
  if (input.who === 'user') {
    if (!user) return violation;
    if (input.access === 'write' && !writable) return violation;
    if (input.access === 'fetch' && nx) return violation;
  } else if (input.access === 'fetch') {
    if ((user && input.smep) || nx) return violation;
  } else {
    if (user && input.smap && !(input.ac && input.who === 'supervisor')) return violation;
    if (input.access === 'write' && !writable && input.cr0Wp) return violation;
  }
  return {
    physical: frame | (linear & (size - 1n)),
    writable,
    user,
    nx,
    global: input.pge && bit(leaf.entry, 8),
    size,
  };
};
