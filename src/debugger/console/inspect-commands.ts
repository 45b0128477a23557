/** Commands that show the machine's state: the scopes of the variables view, as lines. */

import { BadInput } from '../../program/program';
import { hex } from '../../x86/address';
import type { Scope } from '../inspect/scope';
import { scopesOf } from '../inspect/scopes';
import { type Item, itemValue } from '../item';
import { modeAndRing } from '../vcpu-view';
import { type Command, type ConsoleContext, lines, type Output } from './command';
import { type Completion, completeExpression, starting } from './completion';
import { childrenOf, itemLines } from './item-lines';
import { show } from './look-commands';

const scopes = ({ session, vcpu }: ConsoleContext): Scope[] =>
  scopesOf(session.machine, session.vcpu(vcpu), session.info);

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
    .split(/\s*,\s*|\s+(?=\S+$)/)
    .filter((word) => word !== '')
    .map((word) => itemAt(console, scope, items, word));
  return {
    lines: found.flatMap((item) => [
      ...itemLines([item], console.radix),
      ...itemLines(childrenOf(item), console.radix, '  '),
    ]),
    items: found,
    title: found.length === 1 && found[0] !== undefined ? itemValue(found[0], { radix: console.radix }) : scope.name,
  };
};

/** A row by its name or the beginning of it, and rows in it behind slashes. @throws BadInput */
const itemAt = (console: ConsoleContext, scope: Scope, items: readonly Item[], path: string): Item => {
  let level = items;
  let item: Item | undefined;
  for (const word of path.toLowerCase().split('/')) {
    item = named(level, word);
    if (item === undefined) break;
    level = childrenOf(item);
  }
  const register = item ?? registerItem(console, path.toLowerCase());
  if (register === undefined) throw new BadInput(`there is no \`${path}\` in ${scope.name}`);
  return register;
};

const named = (items: readonly Item[], word: string): Item | undefined =>
  items.find(({ name }) => name.toLowerCase() === word) ??
  items.find(({ name }) => name.toLowerCase().startsWith(word));

/** A register that no row shows: `ax`, `cr0.pg`. */
const registerItem = ({ session, vcpu }: ConsoleContext, name: string): Item | undefined => {
  const place = session.environment(vcpu).registers.get(name);
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

const information = (console: ConsoleContext, argument: string): Output => {
  const { session } = console;
  const [, word = '', rest = ''] = /^(\S*)\s*(.*)$/.exec(argument) ?? [];
  if (word === '') return overview(console);
  if ('breakpoints'.startsWith(word.toLowerCase())) return lines(...console.stops.lines(session));
  const scope = scopeNamed(console, word);
  if (scope !== undefined) return showScope(console, scope, rest);
  const names = scopes(console).map(({ name }) => name);
  throw new BadInput(`${word}: info takes breakpoints or one of ${names.join(', ')}`);
};

const overview = (console: ConsoleContext): Output => {
  const { program, lines: table } = console.session.info;
  const { machine } = console.session;
  return lines(
    `program  ${program.name}, ${program.symbols.length} symbols, lines from ${table.files.length} files`,
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
  {
    names: ['info', 'i'],
    usage: '[SCOPE [ROW …]]',
    help: 'Shows the program and the machine; breakpoints; or a scope of the machine’s state, or rows of it with their parts (`info devices pic`).',
    complete: completeScope,
    run: information,
  },
  {
    names: ['walk'],
    usage: 'ADDRESS',
    help: 'Shows the page walk of a linear address.',
    complete: completeExpression,
    run: (console, argument) => {
      if (argument === '') throw new BadInput('which address? walk rip');
      const { items, lines: all, title } = show(console, `walk(${argument})`);
      const [verdict = '', ...levels] = all;
      const text = [...levels.map((line) => line.trim()), verdict];
      return { lines: text, ...(items === undefined ? {} : { items }), ...(title === undefined ? {} : { title }) };
    },
  },
  {
    names: ['why'],
    usage: '',
    help: 'Explains the last stop: the rule, the manual’s section, and what was found.',
    run: (console) => show(console, 'why()'),
  },
];
