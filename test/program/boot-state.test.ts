import { describe, expect, test } from 'vitest';
import { bootSectorProgram, diskGeometry } from '../../src/program/boot-sector';
import { flatProgram } from '../../src/program/flat';
import { type Prepared, prepare } from '../../src/program/prepare';
import type { Program } from '../../src/program/program';
import { linear, physical } from '../../src/x86/address';

const MEMORY = 64 * 0x10_0000;
const direct = (bits: 16 | 32 | 64, entry: bigint): Program => ({
  name: 'p',
  segments: [{ physical: physical(entry), bytes: Uint8Array.of(0xf4), size: 1 }],
  start: { kind: 'direct', bits, entry: linear(entry) },
  symbols: [],
  lines: [],
});
const start = (program: Program): Prepared => prepare(program, { memoryBytes: MEMORY });

/** The memory below 1 MiB after all writes. */
function lowMemory({ writes }: Prepared): DataView {
  const memory = new Uint8Array(0x10_0000);
  for (const { physical: at, bytes, size } of writes) {
    if (Number(at) + size <= memory.length) memory.fill(0, Number(at), Number(at) + size).set(bytes, Number(at));
  }
  return new DataView(memory.buffer);
}

describe('a program that starts at once in 64-bit mode', () => {
  const prepared = start(direct(64, 0x10_0000n));
  const memory = lowMemory(prepared);

  test('has long mode on, ring 0, interrupts off and a stack', () => {
    expect(prepared.state).toMatchObject({
      kind: 'direct-64',
      mode: 'long',
      rip: 0x10_0000n,
      rsp: 0x9_0000n,
      rflags: 2n,
      gpr: {},
      cr0: 0x8000_0011n,
      cr3: 0x9_1000n,
      cr4: 0x20n,
      efer: 0x500n,
      gdtr: { base: 0x9_0000n, limit: 31 },
      idtr: { base: 0n, limit: 0 },
      a20: true,
    });
    expect(prepared.state.segments.cs).toEqual({ selector: 8, base: 0n, limit: 0xffff_ffff, attributes: 0xa09b });
    for (const name of ['ds', 'es', 'ss', 'fs', 'gs'] as const) {
      expect(prepared.state.segments[name]).toEqual({
        selector: 16,
        base: 0n,
        limit: 0xffff_ffff,
        attributes: 0xc093,
      });
    }
  });

  test('finds the GDT that its segment registers were loaded from', () => {
    const gdt = [0, 8, 16, 24].map((offset) => memory.getBigUint64(0x9_0000 + offset, true));
    expect(gdt).toEqual([0n, 0x00af_9b00_0000_ffffn, 0x00cf_9300_0000_ffffn, 0x00cf_9b00_0000_ffffn]);
  });

  test('has the first 4 GiB mapped to themselves by 2 MiB pages, the APICs uncached', () => {
    const entry = (table: number, index: number): bigint => memory.getBigUint64(table + index * 8, true);
    const walk = (address: bigint): bigint => {
      const index = (shift: bigint): number => Number((address >> shift) & 511n);
      const level4 = entry(0x9_1000, index(39n));
      const level3 = entry(Number(level4 & ~0xfffn), index(30n));
      expect([level4 & 0xfffn, level3 & 0xfffn]).toEqual([3n, 3n]);
      return entry(Number(level3 & ~0xfffn), index(21n));
    };
    for (let page = 0n; page < 1n << 32n; page += 0x20_0000n) {
      const uncached = page === 0xfec0_0000n || page === 0xfee0_0000n ? 0x18n : 0n;
      expect(walk(page)).toBe(page | 0x83n | uncached);
    }
    expect(entry(0x9_1000, 1)).toBe(0n);
    expect(entry(0x9_2000, 4)).toBe(0n);
  });

  test('has everything of the contract between 0x80000 and 0x9ffff, but for the BIOS data', () => {
    for (const { physical: at, size } of prepared.writes.slice(0, -1)) {
      const inData = at === 0x400n && size === 0x100;
      expect(inData || (at >= 0x8_0000n && at + BigInt(size) <= 0xa_0000n)).toBe(true);
    }
  });

  test('meets quiet devices and no BIOS', () => {
    expect(prepared).toMatchObject({
      bios: null,
      roms: [],
      devices: {
        ticking: false,
        pic: [
          { vector: 8, mask: 0xff },
          { vector: 0x70, mask: 0xff },
        ],
      },
    });
  });
});

test('a program that starts at once in 32-bit mode has flat segments and no paging', () => {
  const prepared = start(direct(32, 0x20_0000n));
  expect(prepared.state).toMatchObject({
    kind: 'direct-32',
    mode: 'protected',
    rip: 0x20_0000n,
    rsp: 0x9_0000n,
    rflags: 2n,
    cr0: 0x11n,
    cr3: 0n,
    cr4: 0n,
    efer: 0n,
    gdtr: { base: 0x9_0000n, limit: 23 },
    segments: { cs: { selector: 8, attributes: 0xc09b }, ss: { selector: 16, attributes: 0xc093 } },
  });
  const memory = lowMemory(prepared);
  expect(memory.getBigUint64(0x9_0008, true)).toBe(0x00cf_9b00_0000_ffffn);
  expect(memory.getBigUint64(0x9_1000, true)).toBe(0n);
});

test('a program that starts at once in real mode has its stack just below 0x90000 and BIOS vectors', () => {
  const prepared = start(direct(16, 0x7c00n));
  expect(prepared.state).toMatchObject({
    kind: 'direct-16',
    mode: 'real',
    rip: 0x7c00n,
    rsp: 0n,
    rflags: 2n,
    cr0: 0x10n,
    idtr: { base: 0n, limit: 0x3ff },
    segments: {
      cs: { selector: 0, base: 0n, limit: 0xffff, attributes: 0x93 },
      ds: { selector: 0, base: 0n },
      ss: { selector: 0x8000, base: 0x8_0000n },
    },
  });
  expect(prepared.bios?.disk).toBeNull();
  const memory = lowMemory(prepared);
  expect(memory.getUint32(0x10 * 4, true)).toBe(0xf000_0100);
  expect(memory.getUint16(0x413, true)).toBe(639);
  expect(memory.getUint8(0x475)).toBe(0);
});

test('a real-mode entry beyond 64 KiB has its code segment at the 64 KiB below', () => {
  expect(start(direct(16, 0x2_1234n)).state).toMatchObject({
    rip: 0x1234n,
    segments: { cs: { selector: 0x2000, base: 0x2_0000n }, ds: { selector: 0 } },
  });
});

test('a boot sector starts at 0x7c00 with its drive in DL, and its image is the disk', () => {
  const image = new Uint8Array(1300).fill(0x11);
  const prepared = start(bootSectorProgram('disk.img', image));
  expect(prepared.state).toMatchObject({
    kind: 'boot-sector',
    mode: 'real',
    rip: 0x7c00n,
    rsp: 0x7c00n,
    rflags: 0x202n,
    gpr: { rdx: 0x80n },
    segments: { cs: { selector: 0, base: 0n }, ss: { selector: 0, base: 0n } },
  });
  expect(prepared.writes.at(-1)).toEqual({ physical: 0x7c00n, size: 512, bytes: new Uint8Array(512).fill(0x11) });
  expect(lowMemory(prepared).getUint8(0x475)).toBe(1);
  expect(prepared.bios?.disk).toMatchObject({ drive: 0x80, geometry: { cylinders: 1, heads: 16, sectors: 63 } });
  expect(prepared.bios?.disk?.image.length).toBe(3 * 512);
  expect(prepared.bios?.disk?.image[1299]).toBe(0x11);
  expect(prepared.bios?.disk?.image[1300]).toBe(0);
});

test('a ROM starts at the reset vector and is seen below 1 MiB and below 4 GiB', () => {
  const rom = new Uint8Array(0x4_0000);
  rom[0x3_fff0] = 0xea;
  const prepared = start({ name: 'r', segments: [], start: { kind: 'reset', rom }, symbols: [], lines: [] });
  expect(prepared.state).toMatchObject({
    kind: 'reset',
    mode: 'real',
    rip: 0xfff0n,
    rflags: 2n,
    cr0: 0x6000_0010n,
    idtr: { base: 0n, limit: 0xffff },
    segments: { cs: { selector: 0xf000, base: 0xffff_0000n, limit: 0xffff, attributes: 0x93 } },
  });
  expect(prepared.roms).toMatchObject([
    { physical: 0xe_0000n, size: 0x2_0000 },
    { physical: 0xfffc_0000n, size: 0x4_0000 },
  ]);
  expect(prepared.roms.map(({ bytes }) => bytes[bytes.length - 16])).toEqual([0xea, 0xea]);
  expect(prepared.writes).toEqual([]);
});

test.each([
  [1474560, { cylinders: 80, heads: 2, sectors: 18 }],
  [368640, { cylinders: 40, heads: 2, sectors: 9 }],
  [512, { cylinders: 1, heads: 16, sectors: 63 }],
  [1008 * 512 + 1, { cylinders: 2, heads: 16, sectors: 63 }],
  [2 ** 30, { cylinders: 1024, heads: 16, sectors: 63 }],
])('a disk image of %i bytes has the geometry %o', (bytes, geometry) => {
  expect(diskGeometry(bytes)).toEqual(geometry);
});

test('memory that is not written is not promised: bss comes as zeros up to the size', () => {
  const bytes = Uint8Array.of(1, 2);
  const program = flatProgram('f.bin', bytes, { load: 0x20_0000n });
  expect(start(program).writes.at(-1)).toEqual({ physical: 0x20_0000n, bytes, size: 2 });
});
