/** Commands that change the machine from outside. Every one is an input of the machine, kept in its log. */

import type { Input } from '../../machine/history/input-log';
import { BadInput } from '../../program/program';
import { hex } from '../../x86/address';
import { assign, evaluate } from '../expression/evaluator';
import { parseQuery, type Query } from '../expression/parser';
import { ExpressionError } from '../expression/syntax';
import { itemValue } from '../item';
import { environmentOf, queryItem } from '../query-item';
import { valueItem } from '../value-text';
import { evaluated, inText, readCount } from './arguments';
import { type Command, type ConsoleContext, lines, type Output } from './command';
import { completeExpression } from './completion';

/** @throws BadInput while it runs: what is to be changed would be another thing by then */
const standing = (console: ConsoleContext): void => {
  if (console.session.running) throw new BadInput('the machine is running; pause it first');
};

/** `place = value`: sets it, and shows what is there then. @throws BadInput, ExpressionError */
export const set = (console: ConsoleContext, text: string): Output =>
  inText(text, () => {
    const query = parseQuery(text);
    if (query.place === undefined) throw new BadInput('what to what? set rax = 5, set [0x1000]:u32 = 7');
    return lines(setQuery(console, text, { ...query, place: query.place }));
  });

const setQuery = (
  console: ConsoleContext,
  text: string,
  { place, value, format }: Query & { readonly place: NonNullable<Query['place']> },
): string => {
  standing(console);
  const { session, radix } = console;
  const environment = environmentOf(console);
  const given = evaluate(value, environment);
  assign(place, given.bits, environment);
  try {
    const name = text.slice(place.start, place.end);
    const shown = queryItem(console, name, { value: place, ...(format === undefined ? {} : { format }) });
    return itemValue(shown, { radix });
  } catch (error) {
    // What was set may have unmapped itself.
    if (error instanceof ExpressionError) return itemValue(valueItem('', given, session.info, radix), { radix });
    throw error;
  }
};

/** What the world outside does to the machine, whether it runs or stands still. */
const input = (console: ConsoleContext, entry: Input, done: string): Output => {
  console.session.machine.input(entry);
  return lines(done);
};

/** The vCPU that is named, or the one that is looked at. */
const target = (console: ConsoleContext, argument: string): number =>
  argument === '' ? console.vcpu : console.session.vcpu(readCount(argument, 'the number of a vCPU', 255, 0)).index;

const LINES = 24;
const STARTUP_PAGE = 0xff;

export const editCommands: readonly Command[] = [
  {
    names: ['set'],
    usage: 'PLACE = EXPRESSION',
    help: 'Sets a register, a flag, a bit, an MSR, an entry of a table or memory.',
    more: ['`PLACE = EXPRESSION` alone does the same.'],
    complete: completeExpression,
    run: set,
  },
  {
    names: ['irq'],
    usage: 'LINE',
    help: 'Pulses an interrupt line of the board, 0 to 23.',
    more: ['`irq 0` is the timer’s line, `irq 1` the keyboard’s, `irq 4` that of COM1.'],
    run: (console, argument) => {
      const line = readCount(argument, 'an interrupt line from 0 to 23', LINES - 1, 0);
      return input(console, { kind: 'interrupt', line }, `interrupt line ${line} pulsed`);
    },
  },
  {
    names: ['nmi'],
    usage: '[VCPU]',
    help: 'Sends an NMI.',
    run: (console, argument) => {
      const vcpu = target(console, argument);
      return input(console, { kind: 'nmi', vcpu }, `NMI sent to vCPU ${vcpu}`);
    },
  },
  {
    names: ['init'],
    usage: '[VCPU]',
    help: 'Sends INIT.',
    run: (console, argument) => {
      const vcpu = target(console, argument);
      return input(console, { kind: 'init', vcpu }, `INIT sent to vCPU ${vcpu}`);
    },
  },
  {
    names: ['sipi'],
    usage: 'VECTOR [VCPU]',
    help: 'Sends a start-up IPI: a vCPU that waits for one begins at VECTOR * 0x1000.',
    run: (console, argument) => {
      const [, digits = '', which = ''] = /^(\S*)\s*(.*)$/.exec(argument) ?? [];
      const vector = readCount(digits, 'a vector from 0 to 0xff', STARTUP_PAGE, 0);
      const vcpu = target(console, which);
      return input(console, { kind: 'startup', vcpu, vector }, `start-up IPI ${hex(vector)} sent to vCPU ${vcpu}`);
    },
  },
  {
    names: ['send'],
    usage: 'TEXT',
    help: 'Lets a line of text arrive at COM1.',
    run: (console, argument) => {
      const bytes = [...new TextEncoder().encode(`${argument}\n`)];
      return input(console, { kind: 'serial', bytes }, `${bytes.length} ${bytes.length === 1 ? 'byte' : 'bytes'} sent`);
    },
  },
  {
    names: ['type'],
    usage: 'TEXT',
    help: 'Types on the keyboard; \\n is Enter.',
    run: (console, argument) => {
      if (argument === '') throw new BadInput('which text? type ls\\n');
      return input(console, { kind: 'text', text: argument.replaceAll('\\n', '\n') }, 'typed');
    },
  },
  {
    names: ['scancodes'],
    usage: 'BYTE …',
    help: 'Lets scan codes of set 2 come from the keyboard.',
    more: ['`scancodes 0x1c 0xf0 0x1c` is A, pressed and released.'],
    run: (console, argument) => {
      const scancodes = argument.split(/[\s,]+/).map((text) => readCount(text, 'a byte', 0xff, 0));
      return input(console, { kind: 'keys', scancodes }, `${scancodes.length} scan codes sent`);
    },
  },
  {
    names: ['invlpg'],
    usage: '[ADDRESS]',
    help: 'Drops the translations of a page from the TLBs of this vCPU, or all.',
    complete: completeExpression,
    run: (console, argument) => {
      standing(console);
      const linear = argument === '' ? undefined : evaluated(console, argument).bits;
      return input(
        console,
        { kind: 'invalidate', vcpu: console.vcpu, ...(linear === undefined ? {} : { linear }) },
        linear === undefined ? 'all translations dropped' : `translations of ${hex(linear)} dropped`,
      );
    },
  },
  {
    names: ['reset'],
    usage: '',
    help: 'Resets the machine, as its reset button does.',
    more: ['The program is not loaded anew; `restart` does that.'],
    run: (console) => {
      standing(console);
      return input(console, { kind: 'reset' }, 'the machine was reset');
    },
  },
];
