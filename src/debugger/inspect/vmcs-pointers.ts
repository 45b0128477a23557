/** What fields of a VMCS point to: bitmaps as ranges, MSR areas entry by entry, the EPT as ranges of guest-physical addresses. */

import { hex } from '../../x86/address';
import { msrAt } from '../../x86/msrs';
import type { FieldName } from '../../x86/vmx/fields';
import type { Place } from '../address';
import type { Item } from '../item';
import { memoryTypeText, typeDispute } from '../memory-types';
import { msrRanges, portRanges, type Range } from '../vmcs/bitmaps';
import { type EptRange, eptRanges } from '../vmcs/ept-ranges';
import type { VmcsView } from '../vmcs/view';
import type { Subject } from './scope';
import { sizeText } from './size-text';

export interface Pointed {
  readonly memory: Place;
  readonly items: () => Item[];
}

type Decode = (subject: Subject, view: VmcsView, address: bigint) => Item[];

const rangeName = ({ first, last }: Range): string => (first === last ? hex(first) : `${hex(first)}-${hex(last)}`);

const nothing = (meaning: string): Item[] => [{ name: 'nothing', meaning }];

const ports =
  (bitmap: 'A' | 'B'): Decode =>
  ({ machine }, view, address) => {
    const ranges = portRanges((at, length) => machine.physical.peekBytes(at, length), address, bitmap);
    const used = (view.get('CPU_BASED_VM_EXEC_CONTROL') >> 25n) & 1n;
    const unused = used ? [] : [{ name: 'not used', meaning: '"use I/O bitmaps" (primary control bit 25) is 0' }];
    const own = bitmap === 'A' ? 'below 0x8000' : 'from 0x8000 on';
    const rows = ranges.map((range): Item => ({ name: `ports ${rangeName(range)}`, meaning: 'exit' }));
    return [...unused, ...(rows.length === 0 ? nothing(`no port ${own} exits`) : rows)];
  };

const msrRangeText = ({ first, last }: Range): string =>
  first === last ? (msrAt(first)?.name ?? '') : `${last - first + 1} MSRs`;

const msrBitmap: Decode = ({ machine }, view, address) => {
  const peek = (at: number, length: number): Uint8Array => machine.physical.peekBytes(at, length);
  const used = (view.get('CPU_BASED_VM_EXEC_CONTROL') >> 28n) & 1n;
  const unused = used
    ? []
    : [{ name: 'not used', meaning: '"use MSR bitmaps" (primary control bit 28) is 0: all RDMSR and WRMSR exit' }];
  const accesses = (['r', 'w'] as const).map((access): Item => {
    const ranges = msrRanges(peek, address, access);
    const what = access === 'r' ? 'reads' : 'writes';
    return {
      name: `${what} that exit`,
      meaning: ranges.length === 0 ? 'none' : ranges.map(rangeName).slice(0, MOST_NAMED).join(', '),
      children: () =>
        ranges.length === 0
          ? nothing(`no ${what.slice(0, -1)} of an MSR within the bitmap's ranges exits`)
          : ranges.map((range) => ({ name: rangeName(range), meaning: msrRangeText(range) })),
    };
  });
  return [...unused, ...accesses];
};

/** Ranges that the collapsed row names. */
const MOST_NAMED = 6;

const ENTRY = 16;
/** More are an error, or damage. Intel SDM vol. 3, "VM-Exit Controls for MSRs": 512 are recommended at most. */
const MOST_ENTRIES = 512;

const msrArea =
  (count: FieldName): Decode =>
  ({ machine }, view, address) => {
    const entries = Number(view.get(count));
    if (entries === 0) return nothing(`${count} is 0`);
    return Array.from({ length: Math.min(entries, MOST_ENTRIES) }, (_, n): Item => {
      const at = Number(address) + n * ENTRY;
      const index = Number(machine.physical.peek(at, 4));
      const reserved = machine.physical.peek(at + 4, 4);
      const name = msrAt(index)?.name ?? 'an unknown MSR';
      return {
        name: `entry ${n + 1}`,
        bits: machine.physical.peek(at + 8, 8),
        size: 8,
        meaning: `for ${name} (${hex(index)})${reserved === 0n ? '' : `, reserved bits 63:32 are ${hex(reserved)}`}`,
        expression: `phys[${hex(at + 8)}]:u64`,
        settable: true,
        memory: { space: 'phys', address: BigInt(at) },
      };
    });
  };

const PAGE = 0xf_ffff_ffff_f000n;
/** MSR areas are aligned to 16 bytes, everything else to pages. */
const PARAGRAPH = 0xf_ffff_ffff_fff0n;
/** Rows before the list goes on in a row of its own. */
const ROWS = 200;

/** `R-X`, as EPT entries allow it. */
const eptRights = (rights: number): string =>
  ['R', 'W', 'X'].map((letter, bit) => ((rights >> bit) & 1 ? letter : '-')).join('');

const eptRangeItem = ({ vcpu }: Subject, range: EptRange): Item => {
  const { from, to, physical, rights, memoryType, misconfigured } = range;
  const name = `${hex(from)}-${hex(to - 1)}`;
  const bytes = sizeText(to - from);
  if (misconfigured !== undefined) return { name, meaning: `${bytes}, misconfigured: ${misconfigured}` };
  const dispute = typeDispute(vcpu.cpu, physical, to - from, memoryType);
  return {
    name,
    meaning: `${bytes}, ${eptRights(rights)}, ${memoryTypeText(memoryType)}${dispute}, physical ${hex(physical)}${from === physical ? ' (the same)' : ''}`,
    memory: { space: 'phys', address: BigInt(physical) },
    ...(dispute === '' ? {} : { mark: 'differs' }),
  };
};

const eptItems = (subject: Subject, pointer: bigint, from = 0): Item[] => {
  const items: Item[] = [];
  for (const range of eptRanges(subject.vcpu.cpu, pointer, from)) {
    if (items.length === ROWS) {
      const children = (): Item[] => eptItems(subject, pointer, range.from);
      return [...items, { name: `from ${hex(range.from)}`, meaning: 'more ranges', children }];
    }
    items.push(eptRangeItem(subject, range));
  }
  return items;
};

const ept: Decode = (subject, view, pointer) => {
  const words = Number(view.get('SECONDARY_VM_EXEC_CONTROL'));
  const activated = (view.get('CPU_BASED_VM_EXEC_CONTROL') >> 31n) & 1n;
  if (!activated || !(words & 2)) return nothing('not used: "enable EPT" (secondary control bit 1) is 0');
  const items = eptItems(subject, pointer);
  return items.length === 0 ? nothing('no guest-physical address is mapped') : [rangesItem(items)];
};

const rangesItem = (items: readonly Item[]): Item => ({
  name: 'maps',
  meaning: `${items.length > ROWS ? `more than ${ROWS}` : items.length} ${items.length === 1 ? 'range' : 'ranges'} of guest-physical addresses`,
  children: () => [...items],
});

const TPR = 0x80;
const virtualApic: Decode = ({ machine }, _, address) => {
  const at = Number(address) + TPR;
  const expression = `phys[${hex(at)}]:u32`;
  return [{ name: 'VTPR', bits: machine.physical.peek(at, 4), size: 4, expression, settable: true }];
};

const rows: Readonly<Partial<Record<FieldName, Decode>>> = {
  IO_BITMAP_A: ports('A'),
  IO_BITMAP_B: ports('B'),
  MSR_BITMAP: msrBitmap,
  VM_EXIT_MSR_STORE_ADDR: msrArea('VM_EXIT_MSR_STORE_COUNT'),
  VM_EXIT_MSR_LOAD_ADDR: msrArea('VM_EXIT_MSR_LOAD_COUNT'),
  VM_ENTRY_MSR_LOAD_ADDR: msrArea('VM_ENTRY_MSR_LOAD_COUNT'),
  EPT_POINTER: ept,
  VIRTUAL_APIC_PAGE_ADDR: virtualApic,
};

/** Undefined for fields that are no pointers. */
export const pointedOf = (subject: Subject, view: VmcsView, name: FieldName): Pointed | undefined => {
  const decode = rows[name];
  if (decode === undefined) return undefined;
  const value = view.get(name);
  const address = value & (/_MSR_/.test(name) ? PARAGRAPH : PAGE);
  return {
    memory: { space: 'phys', address },
    items: () => decode(subject, view, name === 'EPT_POINTER' ? value : address),
  };
};
