import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { assemble, assembleProgram } from '../../src/assembler/assemble';
import { BadInput } from '../../src/program/program';

const messages = (source: string): string[] =>
  assemble(source, { file: 'a.asm' }).errors.map(({ line, column, message }) => `${line}:${column}: ${message}`);

const warnings = (source: string): string[] =>
  assemble(source, { file: 'a.asm' }).warnings.map(({ line, column, message }) => `${line}:${column}: ${message}`);

describe('each mistake gets one line that says what would be right', () => {
  test.each([
    ['mvo ax, 5', '1:1: `mvo` is neither an instruction nor a directive'],
    ['start:\n  mov ax, [bx', '2:14: an address needs `]`, found the end of the line'],
    ['jmp .loop', '1:5: `.loop` is not defined'],
    ['Start: jmp start', '1:12: `start` is not defined: did you mean `Start`?'],
    ['inc [bx]', '1:5: the size of the memory operand is not clear: write byte, word or dword before it'],
    ['a:\nb:\na:', '3:1: `a` is defined already in line 1'],
    [
      'jmp short far_away\ntimes 200 nop\nfar_away:',
      '1:5: the target is beyond the reach of a short jump, 127 bytes ahead or 128 back',
    ],
    [
      'loop far_away\ntimes 200 nop\nfar_away:',
      '1:6: the target is beyond the reach of a short jump, 127 bytes ahead or 128 back',
    ],
    ['bits 64\nx: pusha', '2:4: `pusha` exists in 16- and 32-bit code only, this is 64-bit code'],
    [
      'mov rax, 5',
      '1:5: `mov` does not take rax, number: it takes r8/memory, r8; r16/memory, r16; r32/memory, r32; r8, r8/memory; r16, r16/memory; r32, r32/memory; …',
    ],
    ['mov ax, bx, cx', '1:1: `mov` takes 2 operands, not 3'],
    [
      'bits 64\nmov ah, r8b',
      '2:1: ah, bh, ch and dh cannot stand in an instruction with a REX prefix: use al, bl, cl or dl',
    ],
    ['mov al, sil', '1:1: registers beyond the first eight exist in 64-bit code only, this is 16-bit code'],
    ['db "abc', '1:4: the string has no closing "'],
    ['db 5 +', '1:7: expected a value, found the end of the line'],
    ['db (1 + 2', '1:10: an opening parenthesis needs `)`, found the end of the line'],
    ['db 0xg', '1:4: `0xg` is not a number: write 255, 0xff, 0ffh, 0b1111_1111 or 377o'],
    ['db 1 / 0', '1:6: division by zero'],
    [
      'times 510-($-$$) db 0\ntimes 10-($-$$) db 0',
      '2:9: `times` cannot repeat -500 times: what stands before is 500 too long',
    ],
    ['x: times x nop', '1:10: `times` needs a constant: `510 - ($ - $$)`'],
    ['x: dw x >> 4', '1:9: `>>` applies to constants only: a label is one after `label - $$` or `label - other`'],
    ['mov ax, [ax]', '1:9: [ax] is no 16-bit address: use bx or bp, si or di, or one of each'],
    ['mov ax, [ebx + cx]', '1:9: base and index have different sizes: use two of the same size'],
    ['mov eax, [esp * 2]', '1:10: esp cannot be an index'],
    ['mov eax, [eax * 7]', '1:10: eax*7 is no address: a register counts 1, 2, 4 or 8 times'],
    ['bits 64\nmov rax, [bx]', '2:10: a 16-bit register is no address in 64-bit code: use 32- or 64-bit registers'],
    ['bits 48', '1:6: `bits` needs 16, 32 or 64, found `48`'],
    ['align 3', '1:7: 3 is no boundary: it must be a power of two'],
    ['org 0x100\norg 0x200', '2:1: the program has its `org` already: there can be one'],
    ['equ 5', '1:1: `equ` needs a name before it: `size equ 16`'],
    ['section .bss\nmov ax, 5', '2:1: section .bss holds no contents: use resb, or another section'],
    [
      'section .data sometimes',
      '1:15: `sometimes` is no attribute of a section: write align=, start=, vstart=, valign=, follows=, vfollows=, progbits or nobits',
    ],
    ['extern printf', '1:1: a flat image has no external symbols: define the label in this file'],
    ['%define X 5', '1:1: macros are not supported in this version: `%define`: write `name equ value`'],
    ['%macro m 1\n  mvo ax\n%endmacro\nnop', '1:1: macros are not supported in this version: `%macro`'],
    ['struc point', '1:1: structures are not supported in this version: define each field with `name equ offset`'],
    ['incbin "x"', '1:1: `incbin` is not supported in this version'],
    ['mov eax, dword ptr [bx]', '1:16: NASM has no `ptr`: write `dword [address]`'],
    ['mov eax, offset x', '1:10: NASM has no `offset`: the name of a label is its address'],
    ['mov ax, es:[bx]', '1:11: a segment override stands inside the brackets: `[es:di]`'],
    ['bits 64\nmov rax, [rip + 5]', '2:11: NASM syntax has no `rip` here: write `[rel label]`'],
    ['eax: nop', '1:1: `eax` is a register: write `$eax:` to use it as a label'],
    ['hlt #', '1:5: unexpected character "#"'],
    ['mov ax, 5 6', '1:11: expected `,` or the end of the line, found `6`'],
    [
      'vaddps zmm0{k9}, zmm1, zmm2',
      '1:12: {k9} is no decoration of an operand: write {k1} to {k7}, {z}, {1to2} to {1to32}, {sae} or {rn-sae}',
    ],
    ['resb -1', '1:6: -1 elements cannot be reserved'],
    ['times 0x40000000 db 0', '1:7: 1073741824 times is too often: an image has at most 256 MiB'],
    [
      'section .a start=0x7c00\ntimes 20 db 1\nsection .b start=0x7c0a\ndb 1',
      '1:1: sections .a and .b overlap: give one of them another start',
    ],
    ['o64 nop', '1:1: 64-bit sizes exist in 64-bit code only, this is 16-bit code'],
    ['bits 64\na16 lodsb', '2:1: 64-bit code has no 16-bit addresses'],
    ['es mov al, [fs:5]', '1:4: two segment overrides: es and fs'],
    ['lock rep db 5', '1:10: `db` takes no prefix'],
  ])('%s', (source, message) => {
    expect(messages(`${source}\n`)).toEqual([message]);
  });
});

test('all errors are found in one run, in the order of the source', () => {
  const source = 'bits 32\nmov eax, [ebx\njmp nowhere\nfoo bar\ninc [eax]\nlater: db later >> 1\n';
  expect(messages(source).map((message) => message.split(':')[0])).toEqual(['2', '3', '4', '5', '6']);
});

test('a label on a line that is wrong is defined nevertheless', () => {
  expect(messages('here: mov ax, [bx\njmp here\n')).toHaveLength(1);
});

test('what does not fit is cut with a warning, as nasm does', () => {
  expect(warnings('mov al, 300')).toEqual(['1:1: 300 does not fit in a byte']);
  expect(warnings('db 256')).toEqual(['1:4: 256 does not fit in a byte']);
  expect(warnings('bits 64\nadd rax, 0x80000000')).toEqual([
    '2:1: 2147483648 does not fit in a signed dword, which this instruction extends to a qword',
  ]);
  expect(warnings('hlt_\n')).toEqual(['1:1: `hlt_` stands alone and is taken as a label: write `hlt_:` if it is one']);
});

test('a program with errors is bad input with one line for each, and its place', () => {
  expect(() => assembleProgram('foo bar\njmp x', { file: 'a.asm' })).toThrow(
    new BadInput('a.asm:1:1: `foo` is neither an instruction nor a directive\na.asm:2:5: `x` is not defined'),
  );
  expect(() => assembleProgram('; nothing', { file: 'a.asm' })).toThrow(BadInput);
});

test('a program starts at its first byte, in the mode of its first bits directive', () => {
  const program = assembleProgram('bits 64\nstart: hlt\nsection .bss\nresb 7', { file: 'a.asm' });
  expect(program.start).toEqual({ kind: 'direct', bits: 64, entry: 0x10_0000n });
  expect(program.segments).toEqual([{ physical: 0x10_0000n, bytes: Uint8Array.of(0xf4), size: 11 }]);
  expect(program.symbols).toEqual([{ name: 'start', address: 0x10_0000n, size: 0, kind: 'code' }]);
});

const word = fc.constantFrom(
  ...['mov', 'db', 'times', 'equ', 'section', 'org', 'align', 'resb', 'jmp', 'bits', 'a:', 'a', '.b', 'eax', 'xmm1'],
  ...['[', ']', '(', ')', ',', ':', '?', '+', '-', '*', '<<', '$', '$$', "'x'", '"', '`\\', '{k1}', '{', '1', '0xffff'],
  ...['64', '-1', 'dword', 'far', 'rel', 'st0', 'rep', 'o32', '\\\n', '%', '%if', ';', 'dup', '1.5', '1e9999', '\n'],
);

describe('whatever the source is, there are only diagnostics', () => {
  const survives = (source: string): void => {
    for (const { line, column, message } of assemble(source, { file: 'a.asm' }).errors) {
      expect(line).toBeGreaterThan(0);
      expect(column).toBeGreaterThan(0);
      expect(message).not.toContain('\n');
    }
  };

  test('random words', () => {
    fc.assert(
      fc.property(fc.array(word, { maxLength: 30 }), (words) => survives(words.join(' '))),
      { numRuns: 2000, seed: 1 },
    );
  });

  test('random characters', () => {
    fc.assert(fc.property(fc.string({ unit: 'binary', maxLength: 60 }), survives), { numRuns: 1000, seed: 1 });
  });
});
