/** Commands that show something and change nothing. */

import { type DisassemblyRow, disassembleBackward, disassembleForward } from '../../debugger/disassemble';
import { evaluate, locate } from '../../debugger/expression/evaluator';
import { parseExpression } from '../../debugger/expression/parser';
import { peekLinear } from '../../debugger/guest-memory';
import { scopesOf } from '../../debugger/inspect/scopes';
import { type Item, itemValue } from '../../debugger/item';
import { readInteger } from '../../debugger/machine-options';
import { framesOf } from '../../debugger/stack';
import { descriptorRows, interruptRows, type TableRow, walkLines } from '../../debugger/tables';
import { describeValue } from '../../debugger/value-text';
import { currentAddress, modeAndRing } from '../../debugger/vcpu-view';
import { BadInput } from '../../program/program';
import { hex, type LinearAddress, linear } from '../../x86/address';
import { list as listBreakpoints } from './breakpoint-commands';
import type { Desk, TerminalCommand } from './command';
import { readLocation } from './locations';

const addressOf = (desk: Desk, text: string): LinearAddress =>
  linear(evaluate(parseExpression(text), desk.session.environment(desk.vcpu)).bits);

const printItems = (desk: Desk, items: readonly Item[], indent = ''): void => {
  for (const item of items) desk.print(`${indent}${item.name.padEnd(8)} ${itemValue(item)}`);
};

const scope = (desk: Desk, wanted: string): Item[] => {
  const { session, vcpu } = desk;
  const all = scopesOf(session.machine, session.vcpu(vcpu), session.info);
  return all.find(({ name }) => name === wanted)?.items() ?? [];
};

/** A register by any of its names, also one that no row shows: `ax`, `cr0.pg`. */
const printRegister = (desk: Desk, name: string): void => {
  const place = desk.session.environment(desk.vcpu).registers.get(name);
  if (place === undefined) throw new BadInput(`there is no register \`${name}\``);
  printItems(desk, [{ name, bits: place.read() }]);
};

/** One scope, or the items whose names are given, with their parts. */
const showScope =
  (name: string) =>
  (desk: Desk, operand: string): void => {
    const items = scope(desk, name);
    if (operand === '') return printItems(desk, items);
    for (const word of operand.toLowerCase().split(/[\s,]+/)) {
      const found = items.filter((item) => item.name.toLowerCase() === word);
      if (found.length === 0) printRegister(desk, word);
      printItems(desk, found);
      for (const { children } of found) printItems(desk, children?.() ?? [], '  ');
    }
  };

export const codeRow = (row: DisassemblyRow, mark: string): string => {
  const bytes = [...row.bytes].map((byte) => byte.toString(16).padStart(2, '0')).join('');
  return `${mark}${hex(row.address)}  ${bytes.padEnd(20)}  ${row.text}`;
};

const DEFAULT_ROWS = 10;
const MOST_ROWS = 10_000;

const disassemble = (desk: Desk, operand: string): void => {
  const [, place = '', digits] = /^(.*?)(?:\s*,\s*(\S+))?$/.exec(operand) ?? [];
  const count = digits === undefined ? DEFAULT_ROWS : Number(readInteger(digits) ?? 0n);
  if (count < 1 || count > MOST_ROWS) throw new BadInput(`${digits}: a number of rows up to ${MOST_ROWS} is wanted`);
  const { session, vcpu } = desk;
  const current = currentAddress(session.vcpu(vcpu));
  const view = session.codeView(vcpu);
  const start = place === '' ? current : (readLocation(desk, place)[0] ?? current);
  const before = place === '' ? disassembleBackward(view, start, 3).filter((row) => row.text !== '??') : [];
  for (const row of [...before, ...disassembleForward(view, start, count)]) {
    if (row.symbol !== undefined) desk.print(`${row.symbol}:`);
    desk.print(codeRow(row, row.address === current ? '=> ' : '   '));
  }
};

const BYTES_PER_ROW = 16;
const MOST_BYTES = 1 << 20;

/** `x ADDRESS`, `x ADDRESS, COUNT`, `x [ADDRESS]:u32, COUNT`. */
const examine = (desk: Desk, operand: string): void => {
  const [, place = '', digits] = /^(.*?)(?:\s*,\s*(\S+))?$/.exec(operand) ?? [];
  if (place === '') throw new BadInput('which memory? x ADDRESS, COUNT or x [ADDRESS]:u32, COUNT');
  const expression = parseExpression(place);
  const environment = desk.session.environment(desk.vcpu);
  const wide = expression.kind === 'memory' ? locate(expression, environment) : undefined;
  const count = digits === undefined ? (wide === undefined ? 64 : 8) : Number(readInteger(digits) ?? 0n);
  const size = wide?.size ?? 1;
  if (count < 1 || count * size > MOST_BYTES)
    throw new BadInput(`${digits}: a count up to ${MOST_BYTES / size} is wanted`);
  const address = wide?.address ?? evaluate(expression, environment).bits;
  const physical = wide?.space === 'phys' || wide?.space === 'gpa';
  const bytes = physical
    ? desk.session.machine.physical.peekBytes(Number(address), count * size)
    : peekLinear(desk.session.vcpu(desk.vcpu).cpu, linear(address), count * size);
  for (let at = 0; at < bytes.length; at += BYTES_PER_ROW)
    desk.print(dumpRow(address + BigInt(at), bytes.subarray(at, at + BYTES_PER_ROW), size));
  if (bytes.length < count * size) desk.print(`nothing is mapped at ${hex(address + BigInt(bytes.length))}`);
};

const dumpRow = (address: bigint, bytes: Uint8Array, size: number): string => {
  const words: string[] = [];
  for (let at = 0; at < bytes.length; at += size) {
    const part = [...bytes.subarray(at, at + size)].reverse();
    words.push(part.map((byte) => byte.toString(16).padStart(2, '0')).join(''));
  }
  const text = [...bytes].map((byte) => (byte >= 0x20 && byte < 0x7f ? String.fromCharCode(byte) : '.')).join('');
  const width = (BYTES_PER_ROW / size) * (size * 2 + 1) - 1;
  return `${hex(address)}  ${words.join(' ').padEnd(width)}  ${text}`;
};

const backtrace = (desk: Desk): void => {
  const { session, vcpu } = desk;
  framesOf(session.vcpu(vcpu), session.info).forEach(({ address, mode, ring, entered }, index) => {
    const how = entered === 'interrupt' ? ', interrupted' : '';
    desk.print(`#${index} ${desk.session.info.placeOf(address)} (${mode}, ring ${ring}${how})`);
  });
};

const printRows = (desk: Desk, rows: readonly TableRow[], empty: string): void => {
  if (rows.length === 0) desk.print(empty);
  for (const { index, text } of rows) desk.print(`${hex(index).padEnd(6)} ${text}`);
};

const information = (desk: Desk, operand: string): void => {
  const { session } = desk;
  if (operand.startsWith('b')) return listBreakpoints(desk);
  if (operand.startsWith('r')) return printItems(desk, scope(desk, 'Registers'));
  if (operand.startsWith('s')) {
    for (const { name, address, kind } of session.info.program.symbols)
      desk.print(`${hex(address).padEnd(12)} ${kind.padEnd(8)} ${name}`);
    return;
  }
  if (operand !== '') throw new BadInput(`${operand}: info takes breakpoints, registers or symbols`);
  const { program } = session.info;
  desk.print(
    `program  ${program.name}, ${program.symbols.length} symbols, lines from ${session.info.lines.files.length} files`,
  );
  desk.print(`memory   ${hex(session.machine.memoryBytes)} bytes, processor ${session.machine.model.name}`);
  for (const { index, state } of session.machine.cpus) desk.print(`vCPU ${index}   ${modeAndRing(state)}`);
  printItems(desk, scope(desk, 'Machine'));
};

const REACH = 5;

const listSource = async (desk: Desk, operand: string): Promise<void> => {
  const { session, vcpu } = desk;
  const current = session.info.lines.at(currentAddress(session.vcpu(vcpu)));
  const [address] = operand === '' ? [currentAddress(session.vcpu(vcpu))] : readLocation(desk, operand);
  const at = address === undefined ? null : session.info.lines.at(address);
  const text = at === null ? undefined : await desk.source(at.file);
  if (at === null || text === undefined)
    throw new BadInput('there is no source for this place; `disas` shows the code');
  for (let line = Math.max(1, at.line - REACH); line <= Math.min(text.length, at.line + REACH); line++) {
    const mark = current?.file === at.file && current.line === line ? '=>' : '  ';
    desk.print(`${mark} ${String(line).padStart(4)}  ${text[line - 1] ?? ''}`.trimEnd());
  }
};

export const lookCommands: readonly TerminalCommand[] = [
  {
    names: ['regs', 'registers'],
    usage: '[NAME …]',
    summary: 'Shows the general registers.',
    run: showScope('Registers'),
  },
  { names: ['flags'], usage: '', summary: 'Shows the flags.', run: showScope('Flags') },
  {
    names: ['segs', 'segments'],
    usage: '[NAME …]',
    summary: 'Shows the segment registers with their hidden parts.',
    run: showScope('Segments'),
  },
  {
    names: ['cr', 'msrs'],
    usage: '[NAME …]',
    summary: 'Shows control registers and MSRs; named ones with every bit.',
    run: showScope('Control registers & MSRs'),
  },
  {
    names: ['print', 'p'],
    usage: 'EXPRESSION',
    summary: 'Shows a value: registers, flags, symbols, [memory]:u32, phys[…], msr[…], arithmetic.',
    completes: 'expression',
    run: (desk, operand) => {
      const value = evaluate(parseExpression(operand), desk.session.environment(desk.vcpu));
      desk.print(describeValue(value, desk.session.info));
    },
  },
  {
    names: ['x', 'memory', 'mem'],
    usage: 'ADDRESS[, COUNT]',
    summary: 'Shows memory as bytes; `x [ADDRESS]:u64, 4` as quadwords, `x phys[ADDRESS]:u8, 64` physical memory.',
    completes: 'expression',
    run: examine,
  },
  {
    names: ['disas', 'disassemble'],
    usage: '[LOCATION][, COUNT]',
    summary: 'Shows code.',
    completes: 'location',
    run: disassemble,
  },
  { names: ['list', 'l'], usage: '[LOCATION]', summary: 'Shows source.', completes: 'location', run: listSource },
  { names: ['stack', 'bt', 'backtrace'], usage: '', summary: 'Shows who called, with ring and mode.', run: backtrace },
  {
    names: ['gdt'],
    usage: '',
    summary: 'Shows the global descriptor table.',
    run: (desk) => printRows(desk, descriptorRows(desk.session.vcpu(desk.vcpu).cpu, 'gdt'), 'the GDT is empty'),
  },
  {
    names: ['ldt'],
    usage: '',
    summary: 'Shows the local descriptor table.',
    run: (desk) => printRows(desk, descriptorRows(desk.session.vcpu(desk.vcpu).cpu, 'ldt'), 'no LDT is loaded'),
  },
  {
    names: ['idt'],
    usage: '',
    summary: 'Shows the interrupt descriptor table.',
    run: (desk) => printRows(desk, interruptRows(desk.session.vcpu(desk.vcpu).cpu), 'the IDT is empty'),
  },
  {
    names: ['walk'],
    usage: 'ADDRESS',
    summary: 'Shows the page walk of a linear address.',
    completes: 'expression',
    run: (desk, operand) => {
      for (const line of walkLines(desk.session.vcpu(desk.vcpu).cpu, addressOf(desk, operand))) desk.print(line);
    },
  },
  {
    names: ['info', 'i'],
    usage: '[breakpoints|registers|symbols]',
    summary: 'Shows program, machine and position, or what is asked for.',
    run: information,
  },
];
