/** Disassembly: backwards gives the same rows as forwards, from wherever one looks. */

import fc from 'fast-check';
import { expect, test } from 'vitest';
import type { CodeView } from '../../src/debugger/code-view';
import { disassembleBackward, disassembleForward } from '../../src/debugger/disassemble';
import { ProgramInfo } from '../../src/debugger/program-info';
import type { Session } from '../../src/debugger/session';
import { MemoryFiles } from '../../src/program/files-memory';
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
    ['db 0xff, 0xff, 0xff, 0xff', 'cell', 5, true],
  ]);
});

test('16-bit code is decoded as such, with targets relative to its segment', async () => {
  const { session } = await debug('bits 16\nstart: mov ax, [0x1234]\njmp start\n');
  expect(disassembleForward(session.codeView(0), linear(0x7c00n), 2).map(({ text }) => text)).toEqual([
    'mov ax, [0x1234]',
    'jmp 0x7c00 <start>',
  ]);
});

/** The same bytes without the names and lines of their source. */
const nameless = async (source: string): Promise<Session> => {
  const { program } = (await debug(source)).session.info;
  const code = program.segments.find(({ physical }) => physical === START)?.bytes ?? new Uint8Array();
  const files = new MemoryFiles({ 'guest.bin': code });
  return (await debug('', { load: '0x100000', mode: '64' }, { files, program: 'guest.bin' })).session;
};

// The tables hide that `over` begins an instruction: from any byte of them, decoding runs into it.
const hidden = `bits 64
        jmp over
        times 30 db 0x48, 0xb8
over:   mov rbx, 0x1122334455667788
        xor eax, eax
        hlt
`;
const HLT = linear(START + 0x4an);

test('what the machine has decoded is exact without symbols and lines; before that, rows are a guess and say so', async () => {
  const session = await nameless(hidden);
  expect(disassembleForward(session.codeView(0), HLT, 1)).toMatchObject([{ text: 'hlt' }]);
  const before = disassembleBackward(session.codeView(0), HLT, 40);
  expect(before.filter(({ address, invalid }) => address > START && invalid !== true)).toEqual([]);
  await session.continue();
  const rows = disassembleBackward(session.codeView(0), HLT, 2);
  expect(rows.map(({ text, invalid }) => [text, invalid])).toEqual([
    ['mov rbx, 0x1122334455667788', undefined],
    ['xor eax, eax', undefined],
  ]);
});

test('data of the source is shown as data, marked, and never joined with the code behind it', async () => {
  const { session } = await debug(hidden);
  const view = session.codeView(0);
  const rows = disassembleForward(view, linear(START), 12);
  expect(rows.slice(1, 9).map(({ text, invalid }) => [text.slice(0, 14), invalid])).toEqual(
    Array.from({ length: 8 }, () => ['db 0x48, 0xb8,', true]),
  );
  expect(rows.slice(9).map(({ text }) => text)).toEqual(['mov rbx, 0x1122334455667788', 'xor eax, eax', 'hlt']);
  // From the middle of the data, the row asked for is there, and the code behind it still whole.
  const middle = disassembleForward(view, linear(START + 0x3dn), 2);
  expect(middle.map(({ text }) => text)).toEqual(['db 0xb8', 'mov rbx, 0x1122334455667788']);
});

test('data that is executed is shown as the instruction that it is', async () => {
  const { session } = await debug('bits 64\n db 0x31, 0xc0\n db 0xeb, 0xfe\n db 0x90\n');
  const texts = () => disassembleForward(session.codeView(0), linear(START), 3).map(({ text }) => text);
  expect(texts()).toEqual(['xor eax, eax', 'db 0xeb, 0xfe', 'db 0x90']);
  await session.step(0, 'into', 'instruction');
  await session.step(0, 'into', 'instruction');
  expect(texts()).toEqual(['xor eax, eax', 'jmp 0x100002', 'db 0x90']);
});

test('physical memory is disassembled as such', async () => {
  const { session } = await debug(`bits 64
start:  mov edi, 0x93000
        mov qword [rdi + 8], 0x83       ; linear 0x300000 becomes physical 0x100000
        mov rax, cr3
        mov cr3, rax
        jmp start
`);
  for (let n = 0; n < 4; n++) await session.step(0, 'into', 'instruction');
  const first = (space: 'linear' | 'phys', address: bigint) =>
    disassembleForward(session.codeView(0, space, address), linear(address), 1)[0];
  expect(first('phys', START)).toMatchObject({ text: 'mov edi, 0x93000', symbol: 'start' });
  expect(first('linear', 0x30_0000n)).toMatchObject({ text: 'mov edi, 0x93000' });
  expect(first('phys', 0x30_0000n)).toMatchObject({ text: 'add [rax], al' });
  expect(first('phys', 1n << 52n)).toMatchObject({ text: '??', invalid: true });
});

test('many rows backwards cost about as many decodings, also where nothing is known', async () => {
  const bytes = Uint8Array.from({ length: 100_000 }, (_, n) => (n * 7919) >>> 3);
  let read = 0;
  const { read: plain, ...rest } = view(bytes);
  const counted: CodeView = {
    ...rest,
    read: (address, length) => {
      read += length;
      return plain(address, length);
    },
  };
  const rows = disassembleBackward(counted, linear(START + 100_000n), 10_000);
  expect(rows).toHaveLength(10_000);
  expect(read).toBeLessThan(1_000_000);
});
