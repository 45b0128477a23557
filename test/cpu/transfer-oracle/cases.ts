/** Random cases for kernel.asm: descriptors that are nearly right, so that every check is met and every way is gone. */

import { CASE_SIZE } from './image';

/** A small generator of random numbers (xorshift), the same on every host. */
export class Random {
  constructor(private state: number) {}
  next(): number {
    this.state ^= this.state << 13;
    this.state ^= this.state >>> 17;
    this.state ^= this.state << 5;
    return this.state >>> 0;
  }
  below(limit: number): number {
    return this.next() % limit;
  }
  /** True once in `times`. */
  once(times: number): boolean {
    return this.below(times) === 0;
  }
  pick<T>(values: readonly T[]): T {
    return values[this.below(values.length)] as T;
  }
}

export const operations = [
  'mov ds',
  'mov es',
  'mov fs',
  'mov gs',
  'mov ss',
  'jmp far',
  'jmp far 16',
  'call far',
  'call far 16',
  'retf',
  'retf 8',
  'retf 16',
  'iretd',
  'iret 16',
  'lar',
  'lsl',
  'verr',
  'verw',
  'int n',
  'lldt',
  'ltr',
  'arpl',
  'in',
] as const;

const FREE = 0x80;
const codes = [0x08, 0x18, 0x20, 0x28, 0x48];
const datas = [0x10, 0x30, 0x38, 0x40];
const dataOfRing = [0x10, 0x31, 0x3a, 0x43];
const TSS2 = 0x11200;
const TSS16 = 0x11600;

const entry = (base: number, limit: number, access: number, nibble: number): bigint =>
  BigInt(limit & 0xffff) |
  (BigInt(base & 0xff_ffff) << 16n) |
  (BigInt(access) << 40n) |
  (BigInt((limit >>> 16) & 15) << 48n) |
  (BigInt(nibble) << 52n) |
  (BigInt(base >>> 24) << 56n);

export const randomCase = (random: Random, landing: number): Uint8Array => {
  const bytes = new Uint8Array(CASE_SIZE);
  const view = new DataView(bytes.buffer);
  const cpl = random.pick([0, 0, 0, 1, 2, 3, 3, 3]);
  const operation = random.below(operations.length);

  const rpl = () => (random.once(3) ? random.below(4) : cpl);
  const free = () => FREE + random.below(6) * 8;
  const selector = () => {
    if (random.once(30)) return random.below(4);
    if (random.once(30)) return 0x100 | random.below(4);
    if (random.once(12)) return random.pick([0x04, 0x0c, 0x14, 0x1c, 0x24]) | rpl();
    return (random.once(4) ? random.pick([...codes, ...datas, 0x50, 0x60]) : free()) | rpl();
  };
  const codeSelector = () => (random.once(3) ? selector() : (random.once(2) ? random.pick(codes) : free()) | rpl());
  const dplOf = () => (random.once(3) ? random.below(4) : random.pick([cpl, 3, 0]));

  const segment = (): bigint => {
    const code = random.once(2);
    const type = (code ? 8 : 0) | (random.once(4) ? 4 : 0) | (random.once(4) ? 0 : 2) | random.below(2);
    const down = !code && type & 4;
    const [limit, pages] = down
      ? random.pick([
          [0x4fff, 0],
          [0x6f, 0],
          [5, 1],
        ] as const)
      : random.pick([
          [0xf_ffff, 1],
          [0xf_ffff, 1],
          [0xf_ffff, 1],
          [0xffff, 0],
          [landing - 1, 0],
          [landing + 1, 0],
          [0x6bff, 0],
        ] as const);
    return entry(
      0,
      limit,
      (random.once(12) ? 0 : 0x80) | (dplOf() << 5) | 0x10 | type,
      (pages << 3) | (random.once(4) ? 0 : 4),
    );
  };
  const gate = (type: number): bigint =>
    BigInt(landing) |
    (BigInt(type === 5 ? (random.once(4) ? selector() : free()) : codeSelector()) << 16n) |
    (BigInt(type === 4 || type === 12 ? random.below(4) : 0) << 32n) |
    (BigInt((random.once(12) ? 0 : 0x80) | (dplOf() << 5) | type) << 40n);
  const tss = (): bigint => {
    const type = random.pick([9, 9, 9, 1, 11, 3]);
    const wide = (type & 8) !== 0;
    return entry(
      wide ? TSS2 : TSS16,
      random.once(10) ? 0x2a : wide ? (random.once(10) ? 0x66 : 0x67) : 0x2b,
      (random.once(12) ? 0 : 0x80) | (dplOf() << 5) | type,
      0,
    );
  };
  const descriptor = (): bigint => {
    const kind = random.below(16);
    if (kind < 9) return segment();
    if (kind < 12) return gate(random.pick([12, 12, 4]));
    if (kind < 13) return gate(5);
    if (kind < 15) return tss();
    return random.once(2) ? entry(0x10400, 0x1f, 0x82 | (dplOf() << 5), 0) : gate(random.below(16));
  };

  for (let index = 0; index < 6; index++) view.setBigUint64(index * 8, descriptor(), true);
  bytes[48] = operation;
  bytes[49] = cpl;
  const transfers = operation >= 5 && operation <= 8;
  view.setUint16(50, operation === 22 ? random.pick([0x80, 0xed]) : transfers ? codeSelector() : selector(), true);
  view.setUint32(52, operation === 21 ? random.below(65536) : random.once(20) ? 0x1_0000 | landing : landing, true);
  const nested = (operation === 12 || operation === 13) && random.once(5);
  view.setUint32(56, 2 | (random.below(4) << 12) | (nested ? 0x4000 : 0) | random.pick([0, 0x8d5]), true);
  view.setBigUint64(60, gate(random.pick([14, 14, 15, 6, 7, 5, 12, 9])), true);
  view.setUint16(68, random.pick([0, 0x43, dataOfRing[cpl] as number]), true);
  view.setUint16(70, random.pick([0, 0x43, 0x4b, dataOfRing[cpl] as number]), true);

  // The stack: what RETF and IRET pop, else something to be copied as parameters.
  const outer = random.once(2) && cpl < 3;
  const ring = outer ? cpl + 1 + random.below(3 - cpl) : cpl;
  const goodCode = () => [0x08, 0x19, 0x22, 0x2b][ring] as number;
  const returnCode = () => (random.once(3) ? codeSelector() : random.once(4) ? free() | ring : goodCode());
  const returnStack = () =>
    random.once(3) ? selector() : random.once(4) ? free() | ring : (dataOfRing[ring] as number);
  const pointer = () => random.pick([0x5f80, 0x65c0, 0x1234_5f40]);
  const virtual = operation === 12 && cpl === 0 && random.once(6);
  const flags = 2 | (random.next() & 0x24_7cd5 & ~0x4000) | (virtual ? 0x2_3000 : 0);
  const values = virtual
    ? [
        landing,
        0,
        flags,
        0x5f00,
        random.below(3),
        random.below(16),
        random.below(16),
        random.below(16),
        random.below(16),
      ]
    : operation === 9 || operation === 11
      ? [landing, returnCode(), pointer(), returnStack()]
      : operation === 10
        ? [landing, returnCode(), 0xaaaa, 0xbbbb, pointer(), returnStack()]
        : operation === 12 || operation === 13
          ? [landing, returnCode(), flags, pointer(), returnStack()]
          : Array.from({ length: 12 }, () => random.next());
  const narrow = operation === 11 || operation === 13;
  values.forEach((value, index) => {
    if (narrow) view.setUint16(72 + index * 2, value & 0xffff, true);
    else view.setUint32(72 + index * 4, value >>> 0, true);
  });

  const taskRing = random.below(4);
  view.setUint16(120, random.once(4) ? selector() : ([0x08, 0x19, 0x22, 0x2b][taskRing] as number), true);
  view.setUint16(122, random.once(5) ? selector() : (dataOfRing[taskRing] as number), true);
  view.setUint16(124, random.once(4) ? selector() : random.pick([0, 0x43, dataOfRing[taskRing] as number]), true);
  view.setUint16(126, random.once(4) ? selector() & ~3 : random.pick([0, 0x60]), true);
  view.setUint32(128, 2 | (random.next() & 0x24_3cd5), true);
  view.setUint16(132, random.once(3) ? selector() : free(), true);
  view.setUint16(134, random.once(8) ? 1 : 0, true);
  return bytes;
};
