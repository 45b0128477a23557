import { describe, expect, test } from 'vitest';
import { readElf } from '../../src/program/elf';
import { multibootProgram } from '../../src/program/multiboot';
import { prepare } from '../../src/program/prepare';
import type { Program } from '../../src/program/program';
import { elfImage } from './elf-image';

const MEMORY = 8 * 0x10_0000;
const MAGIC = 0x1bad_b002;

/** A header with its checksum, then `rest`. */
function header(flags: number, rest: readonly number[] = []): Uint8Array {
  const bytes = new Uint8Array(12 + rest.length * 4);
  const view = new DataView(bytes.buffer);
  for (const [index, value] of [MAGIC, flags, -(MAGIC + flags), ...rest].entries()) {
    view.setUint32(index * 4, value, true);
  }
  return bytes;
}

const elf = (bits: 32 | 64, flags = 3): Uint8Array =>
  elfImage({
    bits,
    entry: 0xc010_000cn,
    segments: [{ physical: 0x10_0000n, virtual: 0xc010_0000n, bytes: header(flags), size: 0x2345n }],
    symbols: [{ name: 'start', value: 0xc010_000cn, type: 2 }],
  });

/** RAM after all writes of the boot contract. */
function ram(program: Program): { view: DataView; information: number; text: (at: number) => string } {
  const memory = new Uint8Array(MEMORY);
  const { writes, state } = prepare(program, { memoryBytes: MEMORY });
  for (const { physical, bytes, size } of writes) {
    memory.fill(0, Number(physical), Number(physical) + size).set(bytes, Number(physical));
  }
  const text = (at: number): string => new TextDecoder().decode(memory.subarray(at, memory.indexOf(0, at)));
  return { view: new DataView(memory.buffer), information: Number(state.gpr.rbx), text };
}

test.each([32, 64] as const)('an ELF%i kernel starts in 32-bit protected mode as the specification says', (bits) => {
  const image = elf(bits);
  const program = multibootProgram('dir/kernel.elf', image, readElf('kernel.elf', image));
  expect(program.symbols).toMatchObject([{ name: 'start', address: 0xc010_000cn }]);
  expect(prepare(program, { memoryBytes: MEMORY }).state).toMatchObject({
    kind: 'multiboot',
    mode: 'protected',
    rip: 0x10_000cn,
    rflags: 2n,
    gpr: { rax: 0x2bad_b002n, rbx: 0x9_0100n },
    cr0: 0x11n,
    cr4: 0n,
    efer: 0n,
    a20: true,
    segments: {
      cs: { base: 0n, limit: 0xffff_ffff, attributes: 0xc09b },
      ds: { base: 0n, limit: 0xffff_ffff, attributes: 0xc093 },
      ss: { base: 0n, limit: 0xffff_ffff, attributes: 0xc093 },
    },
  });
});

describe('the information structure', () => {
  const image = elf(32);
  const modules = [
    { commandLine: 'init.bin a b', bytes: new Uint8Array(0x1001).fill(0x11) },
    { commandLine: 'data', bytes: new Uint8Array(3).fill(0x22) },
  ];
  const program = multibootProgram('dir/kernel.elf', image, readElf('kernel.elf', image), {
    commandLine: 'root=1 quiet',
    modules,
  });
  const { view, information, text } = ram(program);
  const field = (offset: number): number => view.getUint32(information + offset, true);

  test('says what it holds: memory, command line, modules, sections, map, name', () => {
    expect(field(0)).toBe(0x26d);
  });

  test('has the memory below 640 KiB and from 1 MiB in KiB', () => {
    expect([field(4), field(8)]).toEqual([639, 7168]);
  });

  test('has the command line with the program’s name first, and the loader’s name', () => {
    expect(text(field(16))).toBe('kernel.elf root=1 quiet');
    expect(text(field(64))).toBe('Ringside');
  });

  test('lists the modules, each at a page after the kernel', () => {
    expect(field(20)).toBe(2);
    const list = [0, 1].map((index) =>
      [0, 4, 8, 12].map((offset) => view.getUint32(field(24) + index * 16 + offset, true)),
    );
    const [first = [], second = []] = list;
    expect(first.slice(0, 2)).toEqual([0x10_3000, 0x10_4001]);
    expect(second.slice(0, 2)).toEqual([0x10_5000, 0x10_5003]);
    expect([text(first[2] ?? 0), text(second[2] ?? 0)]).toEqual(['init.bin a b', 'data']);
    expect([first[3], second[3]]).toEqual([0, 0]);
    expect([view.getUint8(0x10_4000), view.getUint8(0x10_4001), view.getUint8(0x10_5002)]).toEqual([0x11, 0, 0x22]);
  });

  test('shows the section table, with the symbols after the kernel', () => {
    const [count, size, table, names] = [field(28), field(32), field(36), field(40)];
    expect([count, size, names]).toEqual([4, 40, 3]);
    const section = (index: number, offset: number): number => view.getUint32(table + index * size + offset, true);
    expect(section(1, 12)).toBe(0x10_0000);
    const symbols = section(2, 12);
    expect(symbols).toBeGreaterThanOrEqual(0x10_2345);
    expect(view.getUint32(symbols + 4, true)).toBe(0xc010_000c);
    expect(text(section(3, 12) + 1)).toBe('start');
  });

  test('has the memory map as E820 gives it', () => {
    const entries = [];
    for (let at = field(48); at < field(48) + field(44); at += 24) {
      expect(view.getUint32(at, true)).toBe(20);
      entries.push([view.getBigUint64(at + 4, true), view.getBigUint64(at + 12, true), view.getUint32(at + 20, true)]);
    }
    expect(entries).toEqual([
      [0n, 0x9_fc00n, 1],
      [0x9_fc00n, 0x400n, 2],
      [0xe_0000n, 0x2_0000n, 2],
      [0x10_0000n, 0x70_0000n, 1],
      [0xfec0_0000n, 0x1000n, 2],
      [0xfee0_0000n, 0x1000n, 2],
      [0xfffc_0000n, 0x4_0000n, 2],
    ]);
  });
});

test('an ELF64 kernel finds its symbols through 64-bit section headers', () => {
  const image = elf(64);
  const { view, information, text } = ram(multibootProgram('k', image, readElf('k', image)));
  const [size, table] = [view.getUint32(information + 32, true), view.getUint32(information + 36, true)];
  const address = (index: number): number => Number(view.getBigUint64(table + index * size + 16, true));
  expect(size).toBe(64);
  expect(view.getBigUint64(address(2) + 8, true)).toBe(0xc010_000cn);
  expect(text(address(3) + 1)).toBe('start');
});

test('section data that does not fit is left out, and the flag says so', () => {
  const bytes = header(3);
  const image = elfImage({
    bits: 32,
    entry: 0x10_0000n,
    segments: [{ physical: 0x10_0000n, bytes, size: BigInt(MEMORY - 0x10_0000) }],
    symbols: [{ name: 'start', value: 0x10_0000n }],
  });
  const { view, information } = ram(multibootProgram('k', image, readElf('k', image)));
  expect(view.getUint32(information, true) & 0x20).toBe(0);
});

test('a kernel that asks for a video mode is told of the text screen', () => {
  const image = elfImage({
    bits: 32,
    entry: 0x10_0000n,
    segments: [{ physical: 0x10_0000n, bytes: header(4, [0, 0, 0, 0, 0, 1, 80, 25, 0]) }],
  });
  const { view, information } = ram(multibootProgram('k', image, readElf('k', image)));
  expect(view.getUint32(information, true) & 0x1000).toBe(0x1000);
  expect(view.getBigUint64(information + 88, true)).toBe(0xb_8000n);
  expect([96, 100, 104].map((offset) => view.getUint32(information + offset, true))).toEqual([160, 80, 25]);
  expect([view.getUint8(information + 108), view.getUint8(information + 109)]).toEqual([16, 2]);
});

test('an image in low memory gets its information in another free block', () => {
  const bytes = header(0);
  const image = elfImage({ bits: 32, entry: 0x8_5000n, segments: [{ physical: 0x8_5000n, bytes, size: 0x1_0000n }] });
  expect(multibootProgram('k', image, readElf('k', image)).start).toMatchObject({ information: 0x7_0100n });
});

describe('an image that relies on the header’s addresses', () => {
  const flags = 1 << 16;
  /** The header lies at 0x20 of the file; 16 bytes follow it. */
  const raw = (fields: readonly number[]): Uint8Array => {
    const bytes = new Uint8Array(0x20 + 32 + 16).fill(0xcc);
    bytes.set(header(flags, fields), 0x20);
    return bytes;
  };
  const refusal = (bytes: Uint8Array): string => {
    try {
      multibootProgram('k.bin', bytes, null);
      return 'accepted';
    } catch (error) {
      return (error as Error).message;
    }
  };

  test('is loaded from where load_addr lies in the file, with zeros up to bss_end_addr', () => {
    const bytes = raw([0x20_0010, 0x20_0000, 0x20_0038, 0x20_1000, 0x20_0030]);
    const program = multibootProgram('k.bin', bytes, null);
    expect(program).toMatchObject({ start: { entry: 0x20_0030n }, segments: [{ physical: 0x20_0000n, size: 0x1000 }] });
    expect(program.segments[0]?.bytes).toEqual(bytes.subarray(0x10, 0x48));
  });

  test('is loaded to the file’s end when load_end_addr is 0, without bss when bss_end_addr is 0', () => {
    const bytes = raw([0x20_0020, 0x20_0000, 0, 0, 0x20_0040]);
    expect(multibootProgram('k.bin', bytes, null).segments).toMatchObject([{ size: bytes.length }]);
  });

  test('uses them although it is an ELF file', () => {
    const image = elfImage({
      bits: 32,
      entry: 0x40_0000n,
      segments: [{ physical: 0x40_0000n, bytes: header(flags, [0x20_0054, 0x20_0000, 0, 0, 0x20_0060]) }],
    });
    expect(multibootProgram('k', image, readElf('k', image))).toMatchObject({
      start: { entry: 0x20_0060n },
      segments: [{ physical: 0x20_0000n, size: image.length }],
    });
  });

  test.each([
    [
      [0x20_0020, 0x20_0021, 0, 0, 0x20_0040],
      'load_addr 0x200021 does not fit header_addr 0x200020 with the header at 0x20 of the file; ' +
        'header_addr is the address of the header itself',
    ],
    [
      [0x20_0021, 0x20_0000, 0, 0, 0x20_0040],
      'load_addr 0x200000 does not fit header_addr 0x200021 with the header at 0x20 of the file; ' +
        'header_addr is the address of the header itself',
    ],
    [[0x20_0020, 0x20_0000, 0x20_0000, 0, 0x20_0040], 'load_end_addr 0x200000 must be above load_addr 0x200000'],
    [
      [0x20_0020, 0x20_0000, 0x20_0051, 0, 0x20_0040],
      'truncated: load_end_addr 0x200051 wants the file up to byte 0x51, it has 0x50 bytes',
    ],
    [
      [0x20_0020, 0x20_0000, 0x20_0050, 0x20_004f, 0x20_0040],
      'bss_end_addr 0x20004f must not be below the end of the data, 0x200050',
    ],
    [[0x20_0020, 0x20_0000, 0, 0, 0x20_0050], 'entry_addr 0x200050 must be in the image, 0x200000-0x20004f'],
  ])('is refused when they make no sense: %o', (fields, message) => {
    expect(refusal(raw(fields as number[]))).toBe(`k.bin: Multiboot header: ${message}`);
  });

  test('is refused without them', () => {
    expect(refusal(header(3))).toBe(
      'k.bin: a Multiboot image that is not ELF must give its addresses: set flag 16 and the fields after it',
    );
  });

  test('is refused when the header is cut', () => {
    expect(refusal(header(flags, [0, 0]))).toBe(
      "k.bin: the Multiboot header at 0x0 has 32 bytes and must end in the file's first 8192",
    );
  });

  test('is refused when it demands what the specification does not define', () => {
    expect(refusal(header(0x18))).toBe(
      'k.bin: the Multiboot header demands flags 0x18, which Multiboot 1 does not define',
    );
    expect(refusal(raw([0x20_0020, 0x20_0000, 0, 0, 0x20_0040]))).toBe('accepted');
  });
});

test('a module that does not fit in RAM is refused by its name', () => {
  const image = elf(32);
  const program = multibootProgram('k', image, readElf('k', image), {
    modules: [{ commandLine: 'big.bin x', bytes: new Uint8Array(MEMORY) }],
  });
  expect(() => prepare(program, { memoryBytes: MEMORY })).toThrow(
    'big.bin: a module of 0x800000 bytes does not fit in the RAM after the kernel; give more with --memory',
  );
});

test('a command line too long for low memory is refused', () => {
  const image = elf(32);
  const program = multibootProgram('k', image, readElf('k', image), { commandLine: 'x'.repeat(0x1_0000) });
  expect(() => prepare(program, { memoryBytes: MEMORY })).toThrow(
    'k: command lines and module list have more than 60 KiB; shorten them',
  );
});
