/** Disassembly: backwards gives the same rows as forwards, from wherever one looks. */

import fc from 'fast-check';
import { expect, test } from 'vitest';
import { type CodeView, disassembleBackward, disassembleForward } from '../../src/debugger/disassemble';
import { ProgramInfo } from '../../src/debugger/program-info';
import { linear } from '../../src/x86/address';
import { debug } from './guest-session';

const START = 0x10_0000n;

const view = (bytes: Uint8Array): CodeView => ({
  bits: 64,
  base: 0n,
  info: new ProgramInfo({
    name: 'bytes',
    segments: [],
    start: { kind: 'direct', bits: 64, entry: linear(START) },
    symbols: [],
    lines: [],
  }),
  read: (address, length) => {
    const from = Number(address - START);
    return from < 0 || from >= bytes.length ? new Uint8Array() : bytes.slice(from, from + length);
  },
});

test('rows backwards are adjacent, end at the address, and are as many as were asked for', () => {
  fc.assert(
    fc.property(
      fc.uint8Array({ minLength: 1, maxLength: 200 }),
      fc.nat(220),
      fc.integer({ min: 1, max: 30 }),
      (bytes, at, count) => {
        const address = linear(START + BigInt(at));
        const rows = disassembleBackward(view(bytes), address, count);
        expect(rows).toHaveLength(count);
        rows.forEach((row, index) => {
          const next = rows[index + 1]?.address ?? address;
          expect(row.address + BigInt(Math.max(1, row.bytes.length))).toBe(next);
        });
      },
    ),
    { numRuns: 300 },
  );
});

test('at the end of 64-bit addresses nothing is rounded', () => {
  const rows = disassembleForward(view(new Uint8Array()), linear(0xffff_ffff_ffff_fffen), 4);
  expect(rows.map(({ address }) => address)).toEqual([0xffff_ffff_ffff_fffen, 0xffff_ffff_ffff_ffffn, 0n, 1n]);
});

test('with a line table backwards is exactly what forwards is, at every instruction', async () => {
  const lines = Array.from(
    { length: 40 },
    (_, n) =>
      [
        'mov rax, 0x1122334455667788',
        'add eax, [rbx + rcx * 4 + 0x1000]',
        'nop',
        'jmp near start',
        'lock cmpxchg16b [rdi]',
        'rep movsb',
      ][(n * 7) % 6],
  );
  const { session } = await debug(`bits 64\nstart:\n${lines.join('\n')}\nhlt\n`);
  const code = session.codeView(0);
  const forward = disassembleForward(code, linear(START), lines.length);
  for (let index = 1; index < forward.length; index++) {
    const count = Math.min(index, 12);
    const back = disassembleBackward(code, (forward[index] as (typeof forward)[0]).address, count);
    expect(back).toEqual(forward.slice(index - count, index));
  }
});

test('rows carry labels and lines; branches and absolute memory name their targets', async () => {
  const { session } = await debug('bits 64\nstart: jmp .end\nmov eax, [cell]\n.end: ret\ncell: dd 0xffffffff\n');
  const rows = disassembleForward(session.codeView(0), linear(START), 4);
  expect(rows.map(({ text, symbol, line, invalid }) => [text, symbol, line?.line, invalid])).toEqual([
    ['jmp 0x100009 <start.end>', 'start', 2, undefined],
    ['mov eax, [0x10000a] <cell>', undefined, 3, undefined],
    ['ret', 'start.end', 4, undefined],
    ['db 0xff', 'cell', 5, true],
  ]);
});

test('16-bit code is decoded as such, with targets relative to its segment', async () => {
  const { session } = await debug('bits 16\nstart: mov ax, [0x1234]\njmp start\n');
  expect(disassembleForward(session.codeView(0), linear(0x7c00n), 2).map(({ text }) => text)).toEqual([
    'mov ax, [0x1234]',
    'jmp 0x7c00 <start>',
  ]);
});
