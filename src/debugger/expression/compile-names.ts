/**
 * Where the registers that expressions name lie in a vCPU's state, as generated code reads them: the same names and
 * values as `debugger/registers.ts` and `debugger/name-sources.ts` have, as far as the core alone knows them.
 */

import { state as layout } from '../../machine/core/layout';
import { isLongMode, type Site } from '../../machine/core/site';
import { CS, FS, GS } from '../../machine/core/state';
import { type Expr, i32, i64 } from '../../machine/core/wasm';
import { msrOffset } from '../../machine/cpu/msrs';
import type { RegisterBits } from '../../x86/control-registers';
import { accessBits, selectorBits } from '../../x86/descriptors';
import { type MsrRow, msrs } from '../../x86/msrs';
import { gprNames64, segmentNames } from '../../x86/registers';
import { decodedRegisters, flags } from '../registers';

/** An i64, zero-extended. */
type Read = (site: Site) => Expr;

const zero = i32.const(0);
const at64 =
  (offset: number): Read =>
  ({ base }) =>
    i64.load(zero, base + offset);
const at32 =
  (offset: number): Read =>
  ({ base }) =>
    i64.load32u(zero, base + offset);
const masked =
  (read: Read, mask: bigint): Read =>
  (site) =>
    i64.and(read(site), i64.const(mask));
const field =
  (read: Read, bit: number, width: number): Read =>
  (site) =>
    i64.and(i64.shrU(read(site), i64.const(bit)), i64.const((1n << BigInt(width)) - 1n));

/** EFLAGS bits that live in the lazy pair instead of the flags word: see `CpuState.rflags`. */
const ARITHMETIC = 0x8d5n;
const RF = 1n << 16n;

const rflags: Read = (site) => {
  const { base, left } = site;
  const result = i64.load(zero, base + layout.result);
  const aux = i64.load(zero, base + layout.aux);
  const bit = (value: Expr, from: number, to: number) =>
    i64.shl(i64.and(i64.shrU(value, i64.const(from)), i64.const(1)), i64.const(to));
  const odd = i64.popcnt(i64.and(result, i64.const(0xff)));
  const all = [
    i64.and(i64.load32u(zero, base + layout.flags), i64.const(~ARITHMETIC)),
    i64.const(2),
    bit(aux, 63, 0),
    bit(i64.xor(i64.xor(odd, i64.const(1)), i64.shrU(aux, i64.const(1))), 0, 2),
    bit(aux, 3, 4),
    i64.shl(i64.extendU(i64.eqz(result)), i64.const(6)),
    bit(i64.xor(i64.shrU(result, i64.const(63)), aux), 0, 7),
    bit(i64.xor(aux, i64.shl(aux, i64.const(1))), 63, 11),
  ];
  const loaded = all.reduce((sum, part) => i64.or(sum, part));
  if (left === undefined) return loaded;
  // While the core runs, RF is set where nothing was executed since it was loaded.
  const resumed = i32.and(
    i32.ne(i32.load(zero, base + layout.resumePending), zero),
    i32.eq(i32.load(zero, base + layout.resumeBudget), left),
  );
  return i64.or(loaded, i64.mul(i64.extendU(resumed), i64.const(RF)));
};

const rip: Read = ({ rip: value }) => value;

const generalRegisters = gprNames64.flatMap((name, n): [string, Read][] => {
  const whole = at64(layout.gpr + n * 8);
  const low = (bits: number): Read => masked(whole, (1n << BigInt(bits)) - 1n);
  if (n >= 8)
    return [
      [name, whole],
      [`${name}d`, low(32)],
      [`${name}w`, low(16)],
      [`${name}b`, low(8)],
      [`${name}l`, low(8)],
    ];
  const word = name.slice(1);
  const wide: [string, Read][] = [
    [name, whole],
    [`e${word}`, low(32)],
    [word, low(16)],
  ];
  const letter = word.charAt(0);
  // RSP, RBP, RSI and RDI have no second byte with a name.
  return n >= 4
    ? [...wide, [`${word}l`, low(8)]]
    : [...wide, [`${letter}l`, low(8)], [`${letter}h`, field(whole, 8, 8)]];
});

const fieldsOf = (name: string, read: Read, bits: RegisterBits): [string, Read][] =>
  Object.entries(bits).map(([part, { bit, width = 1 }]) => [`${name}.${part.toLowerCase()}`, field(read, bit, width)]);

const segmentParts = segmentNames.flatMap((name, n): [string, Read][] => {
  const selector = at32(layout.segmentSelector + n * 4);
  const access = at32(layout.segmentAccess + n * 4);
  return [
    [name, selector],
    [`${name}.selector`, selector],
    [`${name}.base`, at64(layout.segmentBase + n * 8)],
    [`${name}.limit`, at32(layout.segmentLimit + n * 4)],
    [`${name}.access`, access],
    ...fieldsOf(name, access, accessBits),
    ...fieldsOf(name, selector, selectorBits),
  ];
});

const wholeRegisters: [string, Read][] = [
  ['cr0', at64(layout.cr0)],
  ['cr2', at64(layout.cr2)],
  ['cr3', at64(layout.cr3)],
  ['cr4', at64(layout.cr4)],
  ['efer', at64(layout.efer)],
  ...[0, 1, 2, 3, 6, 7].map((n): [string, Read] => [`dr${n}`, at64(layout.dr + n * 8)]),
];

const bitsOf = ([name, read]: [string, Read]): [string, Read][] => fieldsOf(name, read, decodedRegisters[name] ?? {});

/** By lower-case name. */
export const registerReads: ReadonlyMap<string, Read> = new Map([
  ...generalRegisters,
  ['rip', rip],
  ['eip', masked(rip, 0xffff_ffffn)],
  ['ip', masked(rip, 0xffffn)],
  ['rflags', rflags],
  ['eflags', rflags],
  ['flags', masked(rflags, 0xffffn)],
  ...flags.map(({ name, bit, width }): [string, Read] => [name.toLowerCase(), field(rflags, bit, width)]),
  ...segmentParts,
  ...(['gdtr', 'idtr'] as const).flatMap((name): [string, Read][] => [
    [name, at64(layout[`${name}Base`])],
    [`${name}.base`, at64(layout[`${name}Base`])],
    [`${name}.limit`, at32(layout[`${name}Limit`])],
  ]),
  ...wholeRegisters,
  ...wholeRegisters.flatMap(bitsOf),
  ['cpl', at32(layout.cpl)],
  ['nonroot', at32(layout.vmxNonRoot)],
]);

const placed: Readonly<Partial<Record<MsrRow['place'], number>>> = {
  'fs-base': layout.segmentBase + FS * 8,
  'gs-base': layout.segmentBase + GS * 8,
  efer: layout.efer,
};

/** Model-specific registers that are a plain value, where the model has them; by lower-case name. */
export const msrReads: ReadonlyMap<string, Read> = new Map(
  Object.entries(msrs as Readonly<Record<string, MsrRow>>).flatMap(([name, { place }]): [string, Read][] => {
    const offset = place === 'slot' ? msrOffset(name) : placed[place];
    return offset === undefined ? [] : [[name.toLowerCase(), at64(offset)]];
  }),
);

/** Bytes of memory that is read without a type, as an i32: see `naturalSize`. */
export const naturalBytes = ({ base }: Site): Expr => {
  const big = i32.and(i32.shrU(i32.load(zero, base + layout.segmentAccess + CS * 4), i32.const(14)), i32.const(1));
  const short = i32.shl(i32.const(2), big);
  const long = isLongMode(base);
  return i32.add(i32.mul(long, i32.const(8)), i32.mul(i32.eqz(long), short));
};
