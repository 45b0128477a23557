/** The terminal debugger, scripted: whole transcripts, and what its commands refuse. */

import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { expect, test } from 'vitest';
import { Terminal } from '../../src/cli/terminal/terminal';
import { readSettings } from '../../src/debugger/machine-options';
import { MemoryFiles } from '../../src/program/files-memory';
import { ringside, useBundle } from './bundle';

const bundle = useBundle();
const examples = join(import.meta.dirname, '../../examples');

/** Commands done one after the other on a guest; each with the lines it printed. */
const session = async (source: string, ...commands: string[]): Promise<Record<string, string[]>> => {
  const files = new MemoryFiles({ 'guest.asm': source });
  let lines: string[] = [];
  let output = '';
  const put = (byte: number): void => {
    output += String.fromCharCode(byte);
  };
  const settings = readSettings({}, (name) => name);
  const print = (text: string): number => lines.push(...text.split('\n'));
  const sinks = { serial: put, console: put };
  const terminal = await Terminal.start({ files, program: 'guest.asm', settings, sinks, note: print }, print);
  const transcript: Record<string, string[]> = {};
  for (const command of commands) {
    lines = [];
    await terminal.execute(command);
    transcript[command] = lines;
  }
  transcript.output = [output];
  return transcript;
};

const counting = `bits 64
start:  xor eax, eax
        mov ecx, 3
.loop:  call double
        dec ecx
        jnz .loop
        mov al, 0
        out 0xf4, al
double: inc eax
        ret
cell:   dq 0x1122334455667788
`;

test('break with a condition, step, next, finish, until, print, set', async () => {
  const said = await session(
    counting,
    'break double if ecx == 2',
    'continue',
    'bt',
    'step',
    'finish',
    'next',
    'p eax',
    'set eax = 0x41',
    'p al',
    'delete 1',
    'until 7',
    'info b',
    'continue',
    'continue',
  );
  expect(said).toEqual({
    'break double if ecx == 2': ['breakpoint 1 at 0x100014 double guest.asm:9 if ecx == 2'],
    continue: ['the guest ended the run with status 1; `restart` begins anew'],
    bt: ['#0 0x100014 double guest.asm:9 (64-bit, ring 0)', '#1 0x10000c start.loop+0x5 guest.asm:4 (64-bit, ring 0)'],
    step: ['0x100016 double+0x2 guest.asm:10', '   10          ret'],
    finish: ['0x10000c start.loop+0x5 guest.asm:5', '    5          dec ecx'],
    next: ['0x10000e start.loop+0x7 guest.asm:6', '    6          jnz .loop'],
    'p eax': ['0x2 2'],
    'set eax = 0x41': ['0x41 65'],
    'p al': ["0x41 65 'A'"],
    'delete 1': [],
    'until 7': ['0x100010 start.loop+0x9 guest.asm:7', '    7          mov al, 0'],
    'info b': ['no breakpoints'],
    output: [''],
  });
});

test('memory, code, tables and walks', async () => {
  const said = await session(
    counting,
    'x cell, 8',
    'x [cell]:u32, 2',
    'x 0xffff800000000000, 4',
    'disas double, 2',
    'walk 0x100000',
    'walk 0xffff800000000000',
    'gdt',
    'idt',
    'ldt',
    'segs cs',
    'cr cr0',
    'list',
  );
  expect(said['x cell, 8']).toEqual(['0x100017  88 77 66 55 44 33 22 11                          .wfUD3".']);
  expect(said['x [cell]:u32, 2']).toEqual(['0x100017  55667788 11223344                    .wfUD3".']);
  expect(said['x 0xffff800000000000, 4']).toEqual(['nothing is mapped at 0xffff800000000000']);
  expect(said['disas double, 2']).toEqual([
    'double:',
    '   0x100014  ffc0                  inc eax',
    '   0x100016  c3                    ret',
  ]);
  expect(said['walk 0x100000']?.slice(0, 5).map((line) => line.replace(/ +/g, ' '))).toEqual([
    '0x100000 page of 2 MiB',
    ' PML4E 0x92003 at 0x91000: P R/W supervisor',
    ' PDPTE 0x93003 at 0x92000: P R/W supervisor',
    ' PDE 0x83 at 0x93000: P R/W supervisor',
    ' physical 0x100000 page of 2 MiB',
  ]);
  expect(said['walk 0xffff800000000000']?.slice(0, 2).map((line) => line.replace(/ +/g, ' '))).toEqual([
    'not mapped: bit P is 0 in the PML4E',
    ' PML4E 0x0 at 0x91800: not present',
  ]);
  expect(said.gdt).toEqual([
    '0x8      0xaf9b000000ffff base 0x0 limit 0xffffffff code, 64-bit, readable, ring 0',
    '0x10     0xcf93000000ffff base 0x0 limit 0xffffffff data, 32-bit, writable, ring 0',
    '0x18     0xcf9b000000ffff base 0x0 limit 0xffffffff code, 32-bit, readable, ring 0',
  ]);
  expect(said.idt).toEqual(['nothing']);
  expect(said.ldt).toEqual(['there is no ldt now']);
  expect(said['segs cs']?.[0]).toBe('cs       0x8 base 0x0 limit 0xffffffff code, 64-bit, readable, ring 0');
  expect(said['cr cr0']?.[0]).toBe('cr0      0x80000011 PE ET PG');
  expect(said.list?.slice(0, 3)).toEqual([
    '      1  bits 64',
    '=>    2  start:  xor eax, eax',
    '      3          mov ecx, 3',
  ]);
});

test('events to stop on: faults before their delivery, everything else behind it', async () => {
  const guest = 'bits 64\nmov al, 0x42\nout 0xe9, al\nmov cr3, rax\nud2\n';
  const said = await session(
    guest,
    'break port:0xe9',
    'tbreak trap:#UD',
    'c',
    'delete',
    'info b',
    'si',
    'break trap',
    'continue',
  );
  expect(said['break port:0xe9']).toEqual(['breakpoint 1 on port:0xe9']);
  expect(said['tbreak trap:#UD']).toEqual(['breakpoint 2 on trap:#UD, once']);
  expect(said.c?.[0]).toBe('port write 0xe9, 1 byte <- 0x42');
  expect(said.output).toEqual(['B']);
  expect(said['info b']).toEqual(['no breakpoints']);
  // CR3 now points to nothing: the next fetch faults.
  expect(said.continue?.[0]).toMatch(
    /^#PF Page Fault \(error code 0x(0|10): supervisor .*page not present; CR2 0x100007\): /,
  );
});

test('watches stop behind the access', async () => {
  const guest = 'bits 64\nmov rax, 7\nmov [cell], al\nnop\nhlt\ncell: dq 0\n';
  const said = await session(guest, 'watch [cell]:u8', 'c', 'info breakpoints', 'delete 1', 'info b', 'watch cell');
  expect(said['watch [cell]:u8']?.[0]).toMatch(/^breakpoint 1 watches write 1 byte at 0x10[0-9a-f]+$/);
  expect(said.c?.[0]).toMatch(/^watched memory written at 0x10[0-9a-f]+: 0x0 -> 0x7/);
  expect(said.c?.[2]).toBe('    4  nop');
  expect(said['info breakpoints']?.[0]).toMatch(/^1 write 1 byte at 0x10/);
  expect(said['info b']).toEqual(['no breakpoints']);
  expect(said['watch cell']).toEqual(['cell: write the memory to watch as [address]:u32, or with its length']);
});

test('a watch with a condition stops where it holds, also after a restart', async () => {
  const guest = 'bits 64\nmov ecx, 5\nagain: mov [cell], cl\ndec ecx\njnz again\nhlt\ncell: dq 0\n';
  const said = await session(
    guest,
    'watch [cell]:u8 if ecx == 2',
    'c',
    'p ecx',
    'restart',
    'info b',
    'continue',
    'p rcx',
  );
  expect(said['watch [cell]:u8 if ecx == 2']?.[0]).toMatch(
    /^breakpoint 1 watches write 1 byte at 0x10[0-9a-f]+ if ecx == 2$/,
  );
  expect(said.c?.[0]).toMatch(/^watched memory written/);
  expect(said['p ecx']).toEqual(['0x2 2']);
  expect(said['info b']?.[0]).toMatch(/^1 write 1 byte at 0x10[0-9a-f]+ if ecx == 2$/);
  expect(said['p rcx']).toEqual(['0x2 2']);
});

test('MSRs and CR8 can be set; what WRMSR refuses is refused with its reason', async () => {
  const said = await session(
    'bits 64\nhlt\n',
    'set ia32_lstar = 0x1000',
    'set msr[0xc0000081] = 0x1234',
    'set cr8 = 5',
    'p cr8',
    'set cr8 = 16',
    'set ia32_lstar = 0x8000000000000000',
    'p ia32_lstar',
    'set msr[0xfe] = 1',
  );
  expect(said['set ia32_lstar = 0x1000']).toEqual(['0x1000 SYSCALL entry point, 64-bit (0xc0000082)']);
  expect(said['set msr[0xc0000081] = 0x1234']).toEqual(['0x1234 4660']);
  expect(said['p cr8']).toEqual(['0x5 5']);
  expect(said['set cr8 = 16']).toEqual(['0x10 does not fit into cr8, which has 4 bits']);
  expect(said['set ia32_lstar = 0x8000000000000000']?.[0]).toMatch(
    /^ia32_lstar does not take 0x8000000000000000: .*canonical/,
  );
  expect(said['p ia32_lstar']).toEqual(['0x1000 SYSCALL entry point, 64-bit (0xc0000082)']);
  expect(said['set msr[0xfe] = 1']?.[0]).toMatch(/^ia32_mtrrcap does not take 0x1: .*msr\.read-only/);
});

test('a file is meant by the end of its path; a shortened command is completed', async () => {
  const files = new MemoryFiles({ '/far/away/guest.asm': counting });
  const lines: string[] = [];
  const sinks = { serial: () => {}, console: () => {} };
  const print = (text: string): number => lines.push(text);
  const settings = readSettings({}, (name) => name);
  const program = '/far/away/guest.asm';
  const terminal = await Terminal.start({ files, program, settings, sinks, note: print }, print);
  await terminal.execute('b guest.asm:5');
  expect(lines.at(-1)).toMatch(/^breakpoint 1 at 0x10000c .*guest\.asm:5$/);
  expect(terminal.complete('br dou')).toEqual([['double'], 'dou']);
});

test('a frame further out has its own RIP, RSP and local labels, which cannot be set', async () => {
  const said = await session(
    counting,
    'break double',
    'c',
    'frame 1',
    'p rip == .loop + 5',
    'set rsp = 0',
    'p rsp',
    'frame 0',
    'p rip == double',
    'p rsp',
    'frame 9',
  );
  expect(said['frame 1']).toEqual(['#1 0x10000c start.loop+0x5 guest.asm:5 (64-bit, ring 0)']);
  expect(said['p rip == .loop + 5']).toEqual(['0x1 true']);
  expect(said['set rsp = 0']).toEqual(['rsp of a frame further out cannot be set']);
  expect(said['p rip == double']).toEqual(['0x1 true']);
  expect(said['frame 9']).toEqual(['there is no frame 9; `stack` shows them']);
});

test('restart keeps breakpoints', async () => {
  const said = await session(counting, 'tbreak 7', 'break double', 'c', 'delete 2', 'restart', 'info b');
  expect(said.restart).toEqual(['0x100000 start guest.asm:2', '    2  start:  xor eax, eax']);
  expect(said['info b']).toEqual(['1 0x100010 start.loop+0x9 guest.asm:7, once']);
});

test.each([
  ['brk double', 'brk: no such command; did you mean break?'],
  ['wa', 'wa: watch or walk?'],
  ['break nowhere', 'there is no register, flag or symbol `nowhere`\n  nowhere\n  ^'],
  ['break 4000', 'guest.asm:4000: there is no code on this line or after it'],
  ['break other.asm:3', 'other.asm: no file of this program; they are guest.asm'],
  ['break', 'no breakpoints'],
  ['break if rax == 1', 'where? a line, FILE:LINE, a symbol, an address, or an event such as trap:#PF'],
  ['delete 7', 'there is no breakpoint 7'],
  ['p rax +', 'a value is missing before the end\n  rax +\n       ^'],
  ['set rax', 'what to what? set rax = 5, set [0x1000]:u32 = 7'],
  ['set start = 5', 'start is an address, which cannot be set; write [start] for the memory there'],
  ['set [0xffff800000000000]:u8 = 5', 'nothing is mapped at 0xffff800000000000'],
  ['set ax = 0x12345', '0x12345 does not fit into ax, which has 16 bits'],
  ['set cpl = 3', 'cpl cannot be set'],
  ['step many', 'many: a number of steps is wanted'],
  ['finish', 'no caller can be found on the stack to step out to'],
  ['break trap:#XX', /^trap:#XX: `#XX` says nothing about trap; did you mean #XM\?/],
  ['x', 'which memory? x ADDRESS, COUNT or x [ADDRESS]:u32, COUNT'],
  ['vcpu 3', 'there is no vCPU 3; they are 0 to 0'],
  ['regs foo', 'there is no `foo` in Registers'],
  ['rax + nowhere', 'there is no register, flag or symbol `nowhere`\n  rax + nowhere\n        ^'],
  ['irq 24', '24: an interrupt line from 0 to 23 is wanted'],
])('%s', async (command, message) => {
  const [line, ...more] = [((await session(counting, command))[command] ?? []).join('\n')];
  if (typeof message === 'string') expect(line).toBe(message);
  else expect(line).toMatch(message);
  expect(more).toEqual([]);
});

test('completion: commands, symbols, registers, events', async () => {
  const files = new MemoryFiles({ 'guest.asm': counting });
  const sinks = { serial: () => {}, console: () => {} };
  const settings = readSettings({}, (name) => name);
  const terminal = await Terminal.start({ files, program: 'guest.asm', settings, sinks, note: () => {} }, () => {});
  expect(terminal.complete('ste')).toEqual([['step', 'stepi'], 'ste']);
  expect(terminal.complete('break do')).toEqual([['double'], 'do']);
  expect(terminal.complete('p [r1')).toEqual([expect.arrayContaining(['r10', 'r15d']), 'r1']);
  expect(terminal.complete('break trap')).toEqual([['trap'], 'trap']);
});

test('a transcript of a scripted session from a pipe, guest output included', async () => {
  const script = 'break print\n# a comment\nc\nc\nbt\ndelete\nc\n';
  const { status, stdout, stderr } = await ringside(bundle, ['debug', join(examples, 'hello.asm')], { input: script });
  expect({ status, stderr }).toEqual({ status: 0, stderr: '' });
  await expect(stdout.replaceAll(examples, 'examples')).toMatchFileSnapshot('transcripts/hello.txt');
});

test('-x FILE takes commands from a file; --json leaves stdout to the result; a failed command gives status 2', async () => {
  const script = bundle.write('commands.txt', 'break print\nc\nquit\nnever\n');
  const hello = join(examples, 'hello.asm');
  const first = await ringside(bundle, ['debug', hello, '-x', script, '--json']);
  expect(first.status).toBe(0);
  expect(JSON.parse(first.stdout)).toMatchObject({ outcome: 'interrupted', instructions: 2 });
  expect(first.stderr).toContain('breakpoint 1\n');
  const second = await ringside(bundle, ['debug', hello], { input: 'nonsense\n' });
  expect(second.status).toBe(2);
  expect(readFileSync(hello, 'utf8')).toContain('print');
});
