import { describe, expect, test } from 'vitest';
import { type AssemblyResult, assemble } from '../../src/assembler/assemble';

const run = (source: string): AssemblyResult => assemble(source, { file: 'a.asm', defaultOrigin: () => 0n });

/** The bytes in hexadecimal; fails when there are errors. */
function bytes(source: string): string {
  const { bytes: image, errors } = run(source);
  expect(errors).toEqual([]);
  return Buffer.from(image).toString('hex');
}

describe('data', () => {
  test.each([
    ['db 1, 0x22, 33h, 0b100, 7q, 1_0', '012233040' + '70a'],
    [`db 'abc', "de", \`f\\n\\x41\\101\\u263a\``, '6162636465' + '660a4141e298ba'],
    ["dw 'a', 'abc', 0x1234, -1", '6100' + '61626300' + '3412' + 'ffff'],
    ["dd 'abcde', 1.5, -2.0", '6162636465000000' + '0000c03f' + '000000c0'],
    ['dq 1.0, 0x123456789abcdef0', '000000000000f03f' + 'f0debc9a78563412'],
    ['dt 1.0, -0.5', '0000000000000080ff3f' + '0000000000000080febf'],
    ['dw 1.0, 65504.0, 65520.0', '003c' + 'ff7b' + '007c'],
    ["db 'a' + 1, 'ab' - 'aa'", '6200'],
    ['db 3 dup (1, 2), ?, 2 dup 9', '010201020102' + '00' + '0909'],
    ['db 1,', '01'],
    ["db 'it''s'", undefined],
    ['resb 2\nresw 1\nresd 1\nresq 1\ndb 1', '00000000000000000000000000000000' + '01'],
    ['a: resb 2\ndb b - a\nb:', '000003'],
    ['dd 1e400', '0000807f'],
    ['dq 4.9406564584124654e-324, 0x1p-3', '0100000000000000' + '000000000000c03f'],
  ])('%s', (source, expected) => {
    if (expected === undefined) expect(run(source).errors).toHaveLength(1);
    else expect(bytes(source)).toBe(expected);
  });
});

describe('labels', () => {
  test('may stand with a colon, without, alone, and before an instruction', () => {
    expect(bytes('a: nop\nb nop\nc:\nd\ndb a, b, c, d')).toBe('909000010202');
  });

  test('local labels belong to the label before, and have its name in front', () => {
    const { symbols, bytes: image } = run('start: nop\n.count: db start.count\nother:\n.count: db .count, start.count');
    expect(symbols.map(({ name, address, kind }) => [name, address, kind])).toEqual([
      ['start', 0n, 'code'],
      ['start.count', 1n, 'data'],
      ['other', 2n, 'data'],
      ['other.count', 2n, 'data'],
    ]);
    expect([...image]).toEqual([0x90, 1, 2, 1]);
  });

  test('equ names numbers, does not begin a scope, and may look ahead', () => {
    const { symbols } = run('a: nop\nsize equ end - a\n.local: nop\nend:');
    expect(symbols.map(({ name, address, kind }) => [name, address, kind])).toEqual([
      ['a', 0n, 'code'],
      ['a.local', 1n, 'code'],
      ['end', 2n, 'code'],
      ['size', 2n, 'constant'],
    ]);
  });

  test('a dollar sign makes a name of a reserved word', () => {
    expect(bytes('bits 32\n$eax: jmp $eax')).toBe('ebfe');
  });
});

describe('directives', () => {
  test('bits may change and the first counts', () => {
    const result = run('bits 32\nmov eax, ebx\n[bits 64]\nmov rax, rbx\nuse16\nmov ax, bx');
    expect(result.bits).toBe(32);
    expect(Buffer.from(result.bytes).toString('hex')).toBe('89d8' + '4889d8' + '89d8');
    expect(run('nop').bits).toBe(16);
  });

  test('without org the origin follows the bits', () => {
    const origins = ['nop', 'bits 16\nnop', 'bits 32\nnop', 'bits 64\nnop', 'bits 64\norg 0x7000\nnop'];
    expect(origins.map((source) => assemble(source, { file: 'a.asm' }).origin)).toEqual([
      0x7c00n,
      0x7c00n,
      0x10_0000n,
      0x10_0000n,
      0x7000n,
    ]);
  });

  test('align fills with NOP, or what it is told', () => {
    expect(bytes('db 1\nalign 4\ndb 2\nalign 4, db 0xff\nalignb 8\ndb 3')).toBe('0190909002ffffff' + '03');
  });

  test('$ is the start of the line, also within times', () => {
    expect(bytes('nop\ntimes 2 dw $ - $$, 7')).toBe('90' + '01000700' + '01000700');
    expect(bytes('times 2 jmp $')).toBe('ebfe' + 'ebfc');
  });

  test('absolute gives numbers to labels', () => {
    expect(bytes('absolute 0x500\na: resd 1\nb: resb 2\nc:\nsection .text\ndw a, b, c')).toBe('000504050605');
  });

  test('a backslash continues the line and a semicolon ends it', () => {
    expect(bytes("db 1, \\\n   2 ; 3 \\\n 4\ndb ';', '\\'")).toBe('01023b5c');
  });

  test('.bss follows the image and is not in it', () => {
    const result = run(
      'bits 32\nsection .bss\nbuffer: resb 100\nsection .data\nx: dd buffer\nsection .text\nmov eax, [x]',
    );
    expect(Buffer.from(result.bytes).toString('hex')).toBe('a108000000' + '000000' + '0c000000');
    expect(result.bssSize).toBe(100);
  });

  test('default rel makes plain addresses relative, abs and fs do not', () => {
    const source =
      'bits 64\ndefault rel\nx: mov ebx, [x]\nmov ebx, [abs x]\nmov ebx, [fs:x]\ndefault abs\nmov ebx, [rel x]';
    expect(bytes(source)).toBe(`8b1dfaffffff${'8b1c2500000000'}${'648b1c2500000000'}${'8b1de5ffffff'}`);
  });
});

describe('the line table', () => {
  test('has a row for each line that emits bytes, and ends the sections', () => {
    const source = 'org 0x1000\nstart:\n  nop\n\n  times 3 inc ax\nx: dw 1, 2\n  align 16\nsection .data\n  db 5';
    expect(run(source).lines).toEqual([
      { address: 0x1000n, file: 'a.asm', line: 3 },
      { address: 0x1001n, file: 'a.asm', line: 5 },
      { address: 0x1004n, file: 'a.asm', line: 6, data: true },
      { address: 0x1010n, file: 'a.asm', line: 9, data: true },
      { address: 0x1011n, file: 'a.asm', line: 0, end: true },
    ]);
  });
});
