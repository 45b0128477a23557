/** Commands that show code, source, the stack and symbols, and change nothing. */

import { BadInput } from '../../program/program';
import { hex, type LinearAddress, linear } from '../../x86/address';
import type { CodeView } from '../code-view';
import { type DisassemblyRow, disassembleBackward, disassembleForward } from '../disassemble';
import { parseQuery } from '../expression/parser';
import { itemValue } from '../item';
import { queryItem } from '../query-item';
import { sideText, vcpuOfFrame } from '../sides';
import { framesOf } from '../stack';
import { currentAddress } from '../vcpu-view';
import { inText, readCount, readLocation, readSpace, splitArguments } from './arguments';
import { type Command, type ConsoleContext, lines, type Output } from './command';
import { completeExpression, completeLocation } from './completion';
import { childrenOf, itemLines } from './item-lines';

/** The value of an expression, or of a place after it took one. @throws ExpressionError, BadInput */
export const show = (console: ConsoleContext, text: string): Output =>
  inText(text, () => {
    const query = parseQuery(text);
    const { radix } = console;
    const item = queryItem(console, text, query);
    const value = itemValue(item, { radix });
    if (item.children === undefined) return { lines: [value] };
    // What a function found, or an array has, is what was asked for; a register's bits are there to be opened.
    const spread = query.value.kind === 'call' || query.count !== undefined;
    const rows = spread ? itemLines(childrenOf(item), radix, '  ') : [];
    return { lines: [value, ...rows], items: [item], title: value };
  });

export const codeRow = (row: DisassemblyRow, mark: string): string => {
  const bytes = [...row.bytes].map((byte) => byte.toString(16).padStart(2, '0')).join('');
  return `${mark}${hex(row.address)}  ${bytes.padEnd(20)}  ${row.text}`;
};

const DEFAULT_ROWS = 10;
const MOST_ROWS = 10_000;

/** Where the frame is that is looked at. */
const here = ({ session, vcpu, frame }: ConsoleContext): LinearAddress =>
  frame?.address ?? currentAddress(session.vcpu(vcpu));

const codeHere = (console: ConsoleContext): CodeView => {
  const { session, vcpu, frame } = console;
  const isWaiting = vcpuOfFrame(session.vcpu(vcpu), frame) !== session.vcpu(vcpu);
  return isWaiting ? session.codeView(vcpu, 'guest', here(console)) : session.codeView(vcpu);
};

const disassemble = (console: ConsoleContext, argument: string): Output => {
  const [place = '', digits] = splitArguments(argument);
  const count =
    digits === undefined ? DEFAULT_ROWS : readCount(digits, `a number of rows up to ${MOST_ROWS}`, MOST_ROWS);
  const current = here(console);
  const elsewhere = readSpace(console, place);
  const { session, vcpu } = console;
  const view = elsewhere === undefined ? codeHere(console) : session.codeView(vcpu, elsewhere.space, elsewhere.address);
  const start =
    elsewhere !== undefined
      ? linear(elsewhere.address)
      : place === ''
        ? current
        : (readLocation(console, place)[0] ?? current);
  const marked = elsewhere === undefined ? current : view.current;
  const before = place === '' ? disassembleBackward(view, start, 3).filter((row) => row.text !== '??') : [];
  return lines(
    ...[...before, ...disassembleForward(view, start, count)].flatMap((row) => [
      ...(row.symbol === undefined ? [] : [`${row.symbol}:`]),
      codeRow(row, row.address === marked ? '=> ' : '   '),
    ]),
  );
};

/** How a frame was left for the one above it, where that is no near call. */
const leftBy = {
  'far call': 'far call',
  interrupt: 'interrupted',
  'system call': 'system call',
  'task switch': 'task switch',
  'VM exit': 'VM exit',
} as const;

const backtrace = ({ session, vcpu }: ConsoleContext): Output =>
  lines(
    ...framesOf(session.vcpu(vcpu), session.info).map(({ address, site, name, mode, ring, entered, side }, index) => {
      const how = entered === 'current' || entered === 'call' ? '' : `, ${leftBy[entered]}`;
      const at = session.info.lines.at(site);
      const place = [hex(address), name, at === null ? undefined : `${at.file}:${at.line}`];
      return `#${index} ${place.filter((part) => part !== undefined).join(' ')} (${side === undefined ? '' : `${sideText(side)}, `}${mode}, ring ${ring}${how})`;
    }),
  );

const REACH = 5;

const listSource = async (console: ConsoleContext, argument: string): Promise<Output> => {
  const { session } = console;
  const current = session.info.lines.at(here(console));
  const [address = here(console)] = argument === '' ? [] : readLocation(console, argument);
  const at = session.info.lines.at(address);
  const text = at === null ? undefined : await console.source(at.file);
  if (at === null || text === undefined)
    throw new BadInput('there is no source for this place; `disas` shows the code');
  const from = Math.max(1, at.line - REACH);
  return lines(
    ...text.slice(from - 1, at.line + REACH).map((row, index) => {
      const mark = current?.file === at.file && current.line === from + index ? '=>' : '  ';
      return `${mark} ${String(from + index).padStart(4)}  ${row}`.trimEnd();
    }),
  );
};

const MOST_SYMBOLS = 1000;

const symbols = ({ session }: ConsoleContext, argument: string): Output => {
  const found = session.info.symbols.startingWith(argument, MOST_SYMBOLS);
  if (found.length === 0) throw new BadInput(`no symbol begins with \`${argument}\``);
  const more = found.length === MOST_SYMBOLS ? ['… more; `symbols PREFIX` shows fewer'] : [];
  const rows = [...found].sort((a, b) => (a.address < b.address ? -1 : a.address > b.address ? 1 : 0));
  return lines(
    ...rows.map(({ name, address, kind }) => `${hex(address).padEnd(12)} ${kind.padEnd(8)} ${name}`),
    ...more,
  );
};

export const lookCommands: readonly Command[] = [
  {
    names: ['print', 'p'],
    usage: 'EXPRESSION[,FORMAT]',
    help: 'Shows the value of an expression.',
    more: [
      'Registers, flags, symbols, [memory]:u32, phys[…], msr[…], walk(rip), arithmetic; arrays `[rsp],[8]`, `[table]:u32[16]`;',
      'formats `,x` `,d` `,u` `,b` `,o` `,c`, and `,s` for the text at an address.',
    ],
    complete: completeExpression,
    run: show,
  },
  {
    names: ['disas', 'disassemble'],
    usage: '[LOCATION][, COUNT]',
    help: 'Shows code.',
    more: [
      '`disas guest:ADDRESS` shows that of the guest after a VM exit, `disas phys:ADDRESS` that at a physical address.',
    ],
    complete: completeLocation,
    run: disassemble,
  },
  { names: ['list', 'l'], usage: '[LOCATION]', help: 'Shows source.', complete: completeLocation, run: listSource },
  { names: ['stack', 'bt', 'backtrace'], usage: '', help: 'Shows who called, with ring and mode.', run: backtrace },
  {
    names: ['symbols'],
    usage: '[PREFIX]',
    help: 'Shows the symbols that begin so, by address.',
    complete: completeLocation,
    run: symbols,
  },
];
