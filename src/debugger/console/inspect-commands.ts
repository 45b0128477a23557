/** Commands that show the machine's state: the scopes of the variables view, as lines. */

import { BadInput } from '../../program/program';
import { hex } from '../../x86/address';
import { type ExitReasonName, exitReasons } from '../../x86/vmx/exit-reasons';
import { recollectionOf } from '../inspect/recollection';
import type { Scope } from '../inspect/scope';
import { absenceOfScope, scopesOf, scopesOfFrame } from '../inspect/scopes';
import { type Item, itemValue } from '../item';
import { environmentOf } from '../query-item';
import { framesOf } from '../stack';
import { modeAndRing } from '../vcpu-view';
import { evaluated, splitArguments } from './arguments';
import { type Command, type ConsoleContext, lines, type Output } from './command';
import { type Completion, completeExpression, starting } from './completion';
import { childrenOf, itemLines } from './item-lines';
import { show } from './look-commands';
import { stopLines } from './stops';

/** Of a frame further out its own; what it has not is as it is now. */
const scopes = ({ session, vcpu, frame }: ConsoleContext): Scope[] => {
  const { machine, info } = session;
  const all = scopesOf(machine, session.vcpu(vcpu), info);
  const own = frame === undefined ? [] : scopesOfFrame(machine, session.vcpu(vcpu), info, frame);
  return all.map((scope) => own.find(({ name }) => name === scope.name) ?? scope);
};

/** A page of a scope's rows. */
const MOST_ROWS = 256;

const showScope = (console: ConsoleContext, scope: Scope, argument: string): Output => {
  const items = scope.items(0, MOST_ROWS);
  if (argument === '') {
    const more =
      scope.count !== undefined && scope.count > items.length ? [`… ${scope.count - items.length} more`] : [];
    const empty = items.length === 0 ? ['nothing'] : [];
    return { lines: [...itemLines(items, console.radix), ...more, ...empty], items, title: scope.name };
  }
  const found = argument
    .split(',')
    .map((part) => part.trim())
    .filter((part) => part !== '')
    .flatMap((part) => itemsAt(console, scope, items, part.split(/\s+/)));
  return {
    lines: found.flatMap((item) => [
      ...itemLines([item], console.radix),
      ...itemLines(childrenOf(item), console.radix, '  '),
    ]),
    items: found,
    title: found.length === 1 && found[0] !== undefined ? itemValue(found[0], { radix: console.radix }) : scope.name,
  };
};

/** Rows one after another, each as long as a name can be: some have spaces. @throws BadInput */
const itemsAt = (console: ConsoleContext, scope: Scope, items: readonly Item[], words: readonly string[]): Item[] => {
  if (words.length === 0) return [];
  for (let length = words.length; length > 0; length--) {
    const path = words.slice(0, length).join(' ');
    const alike = beginningWith(items, path);
    const item = itemAt(console, items, path);
    const found = alike.length > 1 ? alike : item === undefined ? [] : [item];
    if (found.length > 0) return [...found, ...itemsAt(console, scope, items, words.slice(length))];
  }
  throw new BadInput(`there is no \`${words[0]}\` in ${scope.name}`);
};

/** Rows that share their first words: `exit` is as much of the exit controls as of the exit information. */
const beginningWith = (items: readonly Item[], words: string): readonly Item[] =>
  items.filter(({ name }) => name.toLowerCase().startsWith(`${words.toLowerCase()} `));

/** A row by its name or the beginning of it, and rows in it behind slashes. */
const itemAt = (console: ConsoleContext, items: readonly Item[], path: string): Item | undefined => {
  let level = items;
  let item: Item | undefined;
  for (const word of path.toLowerCase().split('/')) {
    item = named(level, word);
    if (item === undefined) break;
    level = childrenOf(item);
  }
  return item ?? registerItem(console, path.toLowerCase());
};

const named = (items: readonly Item[], word: string): Item | undefined =>
  items.find(({ name }) => name.toLowerCase() === word) ??
  items.find(({ name }) => name.toLowerCase().startsWith(word));

/** A register that no row shows: `ax`, `cr0.pg`. */
const registerItem = (console: ConsoleContext, name: string): Item | undefined => {
  const place = environmentOf(console).registers.get(name);
  return place === undefined ? undefined : { name, bits: place.read(), size: place.size };
};

/** A scope by the beginning of its name or of a word in it. */
const scopeNamed = (console: ConsoleContext, word: string): Scope | undefined => {
  const wanted = word.toLowerCase();
  const all = scopes(console);
  return (
    all.find(({ name }) => name.toLowerCase().startsWith(wanted)) ??
    all.find(({ name }) =>
      name
        .toLowerCase()
        .split(/\W+/)
        .some((part) => part.startsWith(wanted)),
    )
  );
};

const scopeCommand = (names: readonly string[], scope: string, help: string): Command => ({
  names,
  usage: '[NAME …]',
  help,
  complete: (console, argument) => completeScope(console, `${scope.split(/\W/)[0]} ${argument}`),
  run: (console, argument) => {
    const found = scopes(console).find(({ name }) => name === scope);
    if (found === undefined) throw new BadInput(`this machine has no ${scope}`);
    return showScope(console, found, argument);
  },
});

/** What one row of a scope holds. */
const rowCommand = (names: readonly string[], scope: string, row: string, help: string): Command => ({
  names,
  usage: '[ROW …]',
  help,
  run: (console, argument) => {
    const found = scopes(console).find(({ name }) => name === scope);
    const item = found?.items().find(({ name }) => name === row);
    if (found === undefined || item === undefined) throw new BadInput(`there is no ${row} now`);
    return showScope(console, { name: row, expensive: false, items: () => childrenOf(item) }, argument);
  },
});

const information = (console: ConsoleContext, argument: string): Output => {
  const { session } = console;
  const [, word = '', rest = ''] = /^(\S*)\s*(.*)$/.exec(argument) ?? [];
  if (word === '') return overview(console);
  if ('breakpoints'.startsWith(word.toLowerCase())) return lines(...stopLines(session));
  const scope = scopeNamed(console, word);
  if (scope !== undefined) return showScope(console, scope, rest);
  const absent = absenceOfScope(word);
  if (absent !== undefined) throw new BadInput(absent);
  const names = scopes(console).map(({ name }) => name);
  throw new BadInput(`${word}: info takes breakpoints or one of ${names.join(', ')}`);
};

/** The same console in the frame where the guest was left. @throws BadInput where none waits */
const seenByGuest = (console: ConsoleContext): ConsoleContext => {
  const { session, vcpu } = console;
  const frame = framesOf(session.vcpu(vcpu), session.info).find(({ entered }) => entered === 'VM exit');
  if (frame === undefined) throw new BadInput('no guest has exited to a hypervisor that runs now');
  return Object.create(console, { frame: { value: frame } }) as ConsoleContext;
};

const counted = (count: number, what: string): string => `${count} ${what}${count === 1 ? '' : 's'}`;

const overview = (console: ConsoleContext): Output => {
  const { program, lines: table } = console.session.info;
  const { machine } = console.session;
  return lines(
    `program  ${program.name}, ${counted(program.symbols.length, 'symbol')}, lines from ${counted(table.files.length, 'file')}`,
    `memory   ${hex(machine.memoryBytes)} bytes, processor ${machine.model.name}`,
    ...machine.cpus.map(({ index, state }) => `vCPU ${index}   ${modeAndRing(state)}`),
    `scopes   ${scopes(console)
      .map(({ name }) => name)
      .join(', ')}`,
  );
};

const completeScope = (console: ConsoleContext, argument: string): readonly Completion[] => {
  const [, word = '', gap = '', rest = ''] = /^(\S*)(\s*)(.*)$/.exec(argument) ?? [];
  if (gap === '') return starting(word, ['breakpoints', ...scopes(console).map(({ name }) => name)], 'module');
  const found = scopeNamed(console, word);
  const names = found?.items(0, MOST_ROWS).map(({ name }) => name) ?? [];
  return starting(/\S*$/.exec(rest)?.[0] ?? '', names, 'field');
};

export const inspectCommands: readonly Command[] = [
  scopeCommand(['regs', 'registers'], 'Registers', 'Shows the general registers.'),
  scopeCommand(['flags'], 'Flags', 'Shows the flags.'),
  scopeCommand(['segs', 'segments'], 'Segments', 'Shows the segment registers with their hidden parts.'),
  scopeCommand(
    ['cr', 'msrs'],
    'Control registers & MSRs',
    'Shows control registers and MSRs; named ones with every bit.',
  ),
  rowCommand(['gdt'], 'Descriptor tables', 'gdt', 'Shows the global descriptor table.'),
  rowCommand(['ldt'], 'Descriptor tables', 'ldt', 'Shows the local descriptor table.'),
  rowCommand(['idt'], 'Descriptor tables', 'idt', 'Shows the interrupt descriptor table.'),
  rowCommand(['ivt'], 'Descriptor tables', 'ivt', 'Shows the interrupt vector table of real mode.'),
  rowCommand(['space'], 'Paging', 'space', 'Shows all ranges of linear addresses that are mapped, with their rights.'),
  {
    names: ['info', 'i'],
    usage: '[SCOPE [ROW …]]',
    help: 'Shows the program and the machine, the breakpoints, or a scope of the state.',
    more: [
      'A scope is meant by the beginning of its name; rows in rows stand behind slashes: `info desc gdt/0x8`, `info dev pic`.',
    ],
    complete: completeScope,
    run: information,
  },
  {
    names: ['walk'],
    usage: 'ADDRESS[, ACCESS]',
    help: 'Shows the page walk of a linear address and what it allows; the Paging pane keeps it.',
    more: [
      "ACCESS is 'r', 'w' or 'x', with a u before it for user code: `walk rsp, 'uw'`. `unwalk ADDRESS` takes it from the pane.",
      '`walk guest:ADDRESS` walks the tables of the guest whose hypervisor runs, and EPT.',
    ],
    complete: completeExpression,
    run: (console, argument) => {
      const [text] = splitArguments(argument);
      if (text === undefined) throw new BadInput('which address? walk rip');
      const ofGuest = /^guest:(.*)$/is.exec(argument)?.[1];
      if (ofGuest !== undefined) return show(seenByGuest(console), `walk(${ofGuest})`);
      const output = show(console, `walk(${argument})`);
      recollectionOf(console.session.machine).watchWalk(evaluated(console, text).bits, true);
      return { ...output, redraw: true };
    },
  },
  {
    names: ['unwalk'],
    usage: 'ADDRESS',
    help: 'Takes the walk of an address from the Paging pane.',
    complete: completeExpression,
    run: (console, argument) => {
      recollectionOf(console.session.machine).watchWalk(evaluated(console, argument).bits, false);
      return { lines: [], redraw: true };
    },
  },
  {
    names: ['why'],
    usage: '[last | next | REASON | #EXCEPTION]',
    help: 'Explains the last stop: the rule, the manual’s section, and what was found.',
    more: [
      '`why last` and `why next` say of an instruction why it exits, why it does not, or why it is refused: the control, bitmap bit or mask that decides.',
      '`why INTERRUPT_WINDOW`, `why 7` and `why #PF` say in a guest why no exit with that reason, or by that exception, comes here.',
    ],
    complete: (_, argument) => starting(argument, ['last', 'next', ...Object.keys(exitReasons)], 'keyword'),
    run: (console, argument) => {
      const which = argument.trim();
      const name = which.toUpperCase();
      if (which === '') return show(console, 'why()');
      if (Object.hasOwn(exitReasons, name)) return show(console, `why(${exitReasons[name as ExitReasonName].number})`);
      if (/^\d+$/.test(which)) return show(console, `why(${which})`);
      if (which.startsWith('#')) return show(console, `why('${name}')`);
      if (!['last', 'next'].includes(which.toLowerCase()))
        throw new BadInput(
          'why takes last, next, an exit reason or an exception: why next, why INTERRUPT_WINDOW, why #PF',
        );
      return show(console, `why('${which.toLowerCase()}')`);
    },
  },
];
