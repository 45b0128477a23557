import { describe, expect, test } from 'vitest';
import { elfProgram, readElf } from '../../src/program/elf';
import { BadInput } from '../../src/program/program';
import { type ElfImage, elfImage } from './elf-image';

const code = Uint8Array.of(0x90, 0xf4);
const small = (bits: 32 | 64, extra: Partial<ElfImage> = {}): Uint8Array =>
  elfImage({ bits, entry: 0x10_0000n, segments: [{ physical: 0x10_0000n, bytes: code, size: 16n }], ...extra });
const refusal = (bytes: Uint8Array): string => {
  try {
    elfProgram(readElf('k.elf', bytes));
  } catch (error) {
    expect(error).toBeInstanceOf(BadInput);
    const { message } = error as BadInput;
    expect(message).not.toContain('\n');
    return message;
  }
  throw new Error('was accepted');
};

describe.each([32, 64] as const)('an ELF%i executable', (bits) => {
  test('is placed at its physical addresses and starts in the mode of its class', () => {
    const program = elfProgram(readElf('k.elf', small(bits)));
    expect(program).toMatchObject({
      name: 'k.elf',
      start: { kind: 'direct', bits, entry: 0x10_0000n },
      segments: [{ physical: 0x10_0000n, size: 16 }],
    });
    expect([...(program.segments[0]?.bytes ?? [])]).toEqual([0x90, 0xf4]);
  });

  test('linked high and loaded low starts at the physical address of its entry', () => {
    const image = elfImage({
      bits,
      entry: 0xc010_0001n,
      segments: [{ physical: 0x10_0000n, virtual: 0xc010_0000n, bytes: code }],
    });
    expect(elfProgram(readElf('k.elf', image)).start).toMatchObject({ entry: 0x10_0001n });
  });

  test('has the symbols of its symbol table, with kinds and sizes', () => {
    const high = bits === 64 ? 0xffff_ffff_8010_0001n : 0xffff_fff1n;
    const image = small(bits, {
      symbols: [
        { name: '', value: 0n },
        { name: 'start', value: 0x10_0000n, type: 2, size: 2 },
        { name: 'start.loop', value: 0x10_0001n },
        { name: 'table', value: 0x10_0008n, type: 1, size: 8 },
        { name: 'LIMIT', value: high, section: 0xfff1 },
        { name: 'missing', value: 0n, section: 0 },
        { name: 'file.c', value: 0n, type: 4, section: 0xfff1 },
      ],
    });
    expect(elfProgram(readElf('k.elf', image)).symbols).toEqual([
      { name: 'start', address: 0x10_0000n, size: 2, kind: 'code' },
      { name: 'start.loop', address: 0x10_0001n, size: 0, kind: 'code' },
      { name: 'table', address: 0x10_0008n, size: 8, kind: 'data' },
      { name: 'LIMIT', address: high, size: 0, kind: 'constant' },
    ]);
  });

  test('that is cut anywhere is refused as truncated', () => {
    const whole = small(bits, { symbols: [{ name: 'start', value: 0x10_0000n }] });
    for (let length = 16; length < whole.length; length++) {
      expect(refusal(whole.slice(0, length))).toMatch(/^k\.elf: truncated: .* the file has 0x[0-9a-f]+ bytes$/);
    }
  });

  test.each([
    [{ type: 1 }, 'is an object file that is not linked; link it to an executable (ld -static -no-pie)'],
    [{ type: 3 }, 'is a position-independent or shared ELF; link it with -static -no-pie'],
    [{ type: 4 }, 'is a core dump; give the executable instead'],
    [{ type: 9 }, 'has the unknown ELF type 9; give an executable'],
    [{ machine: 183 }, `an ELF${bits} file for machine 183; ELF32 must be for the 80386 (3), ELF64 for x86-64 (62)`],
    [{ segments: [] }, 'has no program headers and so nothing to load; link it to an executable'],
    [{ entry: 0n }, 'the entry 0x0 is in no segment; name one with --entry'],
    [{ segments: [{ type: 4, physical: 0n, bytes: code }] }, 'has no loadable segment; link it to an executable'],
    [
      {
        segments: [
          { physical: 0x10_0000n, bytes: code },
          { type: 3, physical: 0n, bytes: code },
        ],
      },
      'needs a dynamic linker; link it with -static -no-pie',
    ],
    [
      { segments: [{ physical: 0x10_0000n, bytes: code, size: 1n }] },
      'segment 0 has 0x2 bytes in the file and only 0x1 in memory',
    ],
    [
      {
        segments: [
          { physical: 0x10_0004n, bytes: code, size: 8n },
          { physical: 0x10_0000n, bytes: code, size: 5n },
        ],
      },
      'the segments at physical 0x100000 and 0x100004 overlap; mend the load addresses (AT) in the linker script',
    ],
  ])('is refused with one line: %o', (change, message) => {
    expect(refusal(small(bits, change as Partial<ElfImage>))).toBe(`k.elf: ${message}`);
  });

  test('whose segment passes the end of the address space is refused', () => {
    const physical = bits === 32 ? 0xffff_fff0n : 0xffff_ffff_ffff_fff0n;
    const limit = bits === 32 ? '0x100000000' : '0x10000000000000';
    expect(refusal(small(bits, { segments: [{ physical, bytes: code, size: 32n }] }))).toBe(
      `k.elf: segment 0, 0x20 bytes at 0x${physical.toString(16)}, does not end below ${limit}`,
    );
  });

  test('whose section lies beyond the end of the file is refused as truncated', () => {
    const image = small(bits, { symbols: [{ name: 'start', value: 0x10_0000n }] });
    const headerSize = bits === 64 ? 64 : 40;
    // Of the last of four headers, the upper bytes of the offset.
    image[image.length - headerSize + (bits === 64 ? 24 : 16) + 3] = 0x10;
    expect(refusal(image)).toMatch(/^k\.elf: truncated: section 3 should end at byte 0x10000[0-9a-f]+, the file has/);
  });

  test('for a big-endian processor, of an unknown class or encoding is refused', () => {
    const patched = (offset: number, value: number): Uint8Array => {
      const bytes = small(bits);
      bytes[offset] = value;
      return bytes;
    };
    expect(refusal(patched(5, 2))).toBe('k.elf: a big-endian ELF file; x86 is little-endian');
    expect(refusal(patched(5, 7))).toBe('k.elf: damaged ELF header: data encoding 7, must be 1');
    expect(refusal(patched(4, 3))).toBe('k.elf: damaged ELF header: class 3, must be 1 (32 bits) or 2 (64 bits)');
  });
});
