/**
 * What may stand where the cursor is: names, functions, spaces and types in expressions, and the words of commands.
 * Every list is cut short, so that a program with a hundred thousand symbols is as quick as one with ten.
 */

import { eventKinds, numbersOf, rowOf } from '../events/kinds';
import { eventWords } from '../events/spec';
import { formats } from '../expression/format';
import { types } from '../expression/parser';
import type { ProgramInfo } from '../program-info';
import type { ConsoleContext } from './command';

/** Words as the protocol has them. */
export type CompletionKind =
  | 'variable'
  | 'function'
  | 'value'
  | 'keyword'
  | 'unit'
  | 'module'
  | 'field'
  | 'file'
  | 'property';

export interface Completion {
  /** What is shown, and put in where `text` is not given. */
  readonly label: string;
  readonly text?: string;
  readonly kind: CompletionKind;
  readonly detail?: string;
  /** Characters before the cursor that it replaces. */
  readonly length: number;
  /** Where in `text` the cursor goes; behind it where not given. */
  readonly cursor?: number;
}

/** As many as anybody looks through. */
const MOST = 200;

/** The words that begin so. */
export const starting = (written: string, words: readonly string[], kind: CompletionKind): Completion[] =>
  words
    .filter((word) => word.toLowerCase().startsWith(written.toLowerCase()))
    .slice(0, MOST)
    .map((label) => ({ label, kind, length: written.length }));

const WORD = /[$%]?[A-Za-z_.?@][\w.?@$#~]*$/;

/** Where in an expression the cursor is. */
interface Position {
  /** The unfinished word before the cursor. */
  readonly word: string;
  /** What stands before it, without blanks. */
  readonly before: string;
  /** Words before the brackets that are open: `msr` of `msr[`. */
  readonly open: readonly string[];
}

const positionIn = (text: string): Position => {
  const word = WORD.exec(text)?.[0] ?? '';
  const before = text.slice(0, text.length - word.length).trimEnd();
  const open: string[] = [];
  for (const [part] of before.matchAll(/\w*\s*[[(]|[\])]/g)) {
    if (part === ']' || part === ')') open.pop();
    else open.push(part.slice(0, -1).trim().toLowerCase());
  }
  return { word, before, open };
};

/** In an expression that is typed up to here. */
export const completeExpression = (console: ConsoleContext, text: string): readonly Completion[] => {
  const { word, before, open } = positionIn(text);
  // `[rsp]:`, `rax:` and `)` end a value; after a comma outside of a function's operands comes a format.
  if (before.endsWith(':')) return starting(word, Object.keys(types), 'keyword');
  if (before.endsWith(',') && open.length === 0)
    return Object.entries(formats)
      .filter(([name]) => name.startsWith(word))
      .map(([label, detail]) => ({ label, detail, kind: 'keyword', length: word.length }));
  return names(console, word, open.at(-1));
};

/** Words that stand before brackets. */
const spaces: readonly (readonly [string, string])[] = [
  ['phys', 'physical memory'],
  ['gpa', 'guest-physical memory'],
  ['guest', 'linear memory of the guest whose hypervisor runs'],
  ['msr', 'a model-specific register by its number'],
  ['byte', 'memory, 8 bits'],
  ['word', 'memory, 16 bits'],
  ['dword', 'memory, 32 bits'],
  ['qword', 'memory, 64 bits'],
];

const names = (console: ConsoleContext, word: string, bracket: string | undefined): readonly Completion[] => {
  const mark = /^[$%]/.exec(word)?.[0] ?? '';
  const prefix = word.slice(mark.length);
  const length = prefix.length;
  const environment = console.session.environment(console.vcpu);
  const found: Completion[] = [];
  for (const source of environment.sources) {
    if (mark === '$' && source.kind !== 'symbol') continue;
    if (mark === '%' && source.kind !== 'register') continue;
    const first = bracket === 'msr' && source.kind === 'model-specific register';
    // Parts (`cr0.pg`, `start.loop`) are offered when their owner is written.
    const own = source
      .beginning(prefix, MOST * 4)
      .filter((name) => name.lastIndexOf('.', name.length - 2) <= prefix.length);
    const rows = own.slice(0, MOST).map((label): Completion => {
      const kind = source.kind === 'symbol' ? symbolKind(console.session.info, label) : kindOf[source.kind];
      return { label, kind, detail: source.kind, length };
    });
    if (first) found.unshift(...rows);
    else found.push(...rows);
  }
  const lower = prefix.toLowerCase();
  if (mark === '') {
    for (const [name, row] of environment.functions)
      if (name.startsWith(lower))
        found.push({ label: row.usage, detail: row.help, ...called(name, row.takes[0]), length });
    for (const [name, detail] of spaces)
      if (name.startsWith(lower))
        found.push({
          label: `${name}[…]`,
          text: `${name}[]`,
          cursor: name.length + 1,
          kind: 'keyword',
          detail,
          length,
        });
  }
  return found.slice(0, MOST);
};

const called = (name: string, operands: number): Pick<Completion, 'text' | 'kind' | 'cursor'> => ({
  text: `${name}()`,
  kind: 'function',
  ...(operands === 0 ? {} : { cursor: name.length + 1 }),
});

const kindOf = {
  register: 'variable',
  counter: 'variable',
  symbol: 'value',
  'model-specific register': 'property',
  field: 'field',
  'VMCS field': 'field',
  'exit reason': 'value',
} as const;

const symbolKind = (info: ProgramInfo, name: string): CompletionKind =>
  info.symbols.named(name)?.kind === 'code' ? 'function' : 'value';

/** A symbol, a file, or an expression that gives an address. */
export const completeLocation = (console: ConsoleContext, text: string): readonly Completion[] => {
  const word = /\S*$/.exec(text)?.[0] ?? '';
  const short = console.session.info.lines.files.map((file) => file.slice(file.lastIndexOf('/') + 1));
  const files = starting(word, short, 'file').map((one) => ({ ...one, text: `${one.label}:` }));
  return [...completeExpression(console, text), ...(word === '' ? [] : files)];
};

/** Where or what to stop at: a location or an event, then perhaps a condition. */
export const completeSpec = (console: ConsoleContext, text: string): readonly Completion[] => {
  const condition = /(?:^|\s)if\s(.*)$/s.exec(text)?.[1];
  if (condition !== undefined) return [...fieldNames(text, condition), ...completeExpression(console, condition)];
  const word = /[^\s,]*$/.exec(text)?.[0] ?? '';
  const events = starting(word, eventWords, 'keyword');
  if (/\S\s+$/.test(text)) return starting('', ['if', 'hits', 'log'], 'keyword');
  const details = subjectNames(word);
  if (details.length > 0) return details;
  return [...events, ...completeLocation(console, text)];
};

/** Names of what a kind of event is about: `vmexit:CPUID`, `trap:#PF`. */
const subjectNames = (word: string): Completion[] => {
  const [, spec, detail = ''] = /^([\w-]+):([^:]*)$/.exec(word) ?? [];
  const kind = eventKinds.find((one) => one === spec?.toLowerCase());
  if (kind === undefined) return [];
  const subject = numbersOf(kind).find(({ name }) => name === rowOf(kind).subject);
  return starting(detail, subject?.names?.() ?? [], 'value');
};

/** What an event adds to the language. */
const fieldNames = (text: string, condition: string): Completion[] => {
  const spec = text.trim().split(/[\s:]/, 1)[0]?.toLowerCase();
  const kind = eventKinds.find((one) => one === spec);
  const word = /\w*$/.exec(condition)?.[0] ?? '';
  if (kind === undefined) return [];
  const values = numbersOf(kind).flatMap(({ constants, names: all }) =>
    constants && word !== '' ? (all?.() ?? []) : [],
  );
  return [
    ...numbersOf(kind)
      .filter(({ name }) => name.startsWith(word))
      .map(({ name, help }): Completion => ({ label: name, detail: help, kind: 'field', length: word.length })),
    ...starting(word, values, 'value'),
  ];
};
