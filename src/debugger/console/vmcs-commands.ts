/** Commands about VMCSs: one as text, what differs between two, and the table of VM exits. */

import { BadInput } from '../../program/program';
import { hex } from '../../x86/address';
import type { FieldName } from '../../x86/vmx/fields';
import { ExpressionError } from '../expression/syntax';
import { differenceItem } from '../inspect/vmcs';
import type { Item } from '../item';
import { nearest } from '../nearest';
import { hasField } from '../vmcs/availability';
import { type Difference, differences } from '../vmcs/diff';
import { exitTable } from '../vmcs/exit-table';
import { isRemembered, pastValue } from '../vmcs/past';
import { readVmcsText, writeVmcsText } from '../vmcs/text';
import { currentVmcs, stateText, type VmcsView, vmcsAt, vmcsTitle, vmcsViews, withoutRevision } from '../vmcs/view';
import { evaluated } from './arguments';
import { type Command, type ConsoleContext, lines, type Output } from './command';
import { completeExpression, starting } from './completion';
import { itemLines } from './item-lines';

/** The VMCS at an address, which is an expression; without one the current. @throws BadInput, ExpressionError */
const vmcsOf = (console: ConsoleContext, argument: string): VmcsView => {
  const { session } = console;
  const vcpu = session.vcpu(console.vcpu);
  if (argument === '') {
    const current = currentVmcs(vcpu);
    const known = vmcsViews(session.machine, vcpu).map((view) => hex(view.address));
    if (current === undefined)
      throw new BadInput(
        known.length === 0
          ? 'no VMCS is current, and the program has used none'
          : `no VMCS is current; there are ${known.join(', ')}: vmcs ${known[0]}`,
      );
    return current;
  }
  const address = addressOf(console, argument);
  const found = vmcsAt(session.machine, vcpu, address);
  if (found !== undefined) return found;
  const known = vmcsViews(session.machine, vcpu).map((view) => hex(view.address));
  throw new BadInput(
    `${hex(address)}: no VMCS is there; ${known.length === 0 ? 'the program has used none' : `there are ${known.join(', ')}`}`,
  );
};

/** @throws BadInput, ExpressionError */
const addressOf = (console: ConsoleContext, argument: string): bigint => {
  try {
    return evaluated(console, argument).bits;
  } catch (error) {
    // What looks like a number or a sum was meant as one.
    if (!(error instanceof ExpressionError) || !/^[/.~]|^[\w.-]+$/.test(argument)) throw error;
    const near = nearest(argument, Object.keys(parts));
    const meant = near === undefined ? '' : `; did you mean ${near}?`;
    throw new BadInput(
      `${argument}: no address of a VMCS, no file that can be read, and none of list, write, diff${meant}`,
    );
  }
};

const textOf = (console: ConsoleContext, view: VmcsView): string[] => {
  const { machine } = console.session;
  const { vmx } = console.session.vcpu(console.vcpu);
  const has = (name: FieldName): boolean => vmx === undefined || hasField(vmx, name);
  const comments = [
    `VMCS ${vmcsTitle(view, console.vcpu)}, step ${machine.counters.step}`,
    `processor ${machine.model.name}`,
  ];
  return writeVmcsText({ get: view.get, has }, comments);
};

const list = (console: ConsoleContext): Output => {
  const { session, vcpu } = console;
  const views = vmcsViews(session.machine, session.vcpu(vcpu));
  const listed = [
    ...views.map((view) => `${hex(view.address)} ${stateText(view, vcpu)}`),
    ...withoutRevision(session.machine).map(
      ({ address, found, wanted }) =>
        `${hex(address)} was cleared, and begins with ${hex(found)}, not with the revision identifier ${hex(wanted)}: VMPTRLD of it fails`,
    ),
  ];
  return lines(...(listed.length === 0 ? ['the program has used no VMCS'] : listed));
};

const write = async (console: ConsoleContext, argument: string): Promise<Output> => {
  const [, file = '', address = ''] = /^(\S*)\s*(.*)$/.exec(argument) ?? [];
  if (file === '') throw new BadInput('to which file? vmcs write FILE [ADDRESS]');
  if (console.write === undefined) throw new BadInput('this console writes no files');
  const view = vmcsOf(console, address);
  await console.write(file, `${textOf(console, view).join('\n')}\n`);
  return lines(`VMCS ${vmcsTitle(view, console.vcpu)} written to ${file}`);
};

const told = (found: readonly Difference[], values: VmcsView['get'], title: string): Output => {
  const items: Item[] = found.map((one) => differenceItem(one, values));
  if (items.length === 0) return lines(`${title}: nothing differs`);
  return { lines: [title, ...itemLines(items, 'hex', '  ')], items: [{ name: title, children: () => items }], title };
};

/** What differs: since the last stop; from a file; between two VMCSs. */
const diff = async (console: ConsoleContext, argument: string): Promise<Output> => {
  const { machine } = console.session;
  const [first = '', second = ''] = argument.split(/\s*,\s*|\s+/);
  if (first === '') {
    const current = vmcsOf(console, '');
    if (!isRemembered(machine, current)) throw new BadInput('the current VMCS was not active at the last stop');
    const found = differences((name) => pastValue(machine, current, name), current.get);
    return told(found, current.get, 'since the last stop');
  }
  const file = second === '' ? await console.source(first) : undefined;
  if (file !== undefined) {
    const view = vmcsOf(console, '');
    const { fields, problems } = readVmcsText(file.join('\n'));
    const found = differences((name) => fields.get(name), view.get);
    const output = told(found, view.get, `from ${first} to the current VMCS`);
    const complaints = problems.map(({ line, says }) => `${first}:${line}: ${says}`);
    return { ...output, lines: [...complaints, ...output.lines] };
  }
  // What was written is judged before whether there is a current one.
  const other = vmcsOf(console, second === '' ? first : second);
  const one = vmcsOf(console, second === '' ? '' : first);
  return told(differences(one.get, other.get), other.get, `from VMCS ${hex(one.address)} to ${hex(other.address)}`);
};

const parts: Readonly<Record<string, (console: ConsoleContext, argument: string) => Output | Promise<Output>>> = {
  list,
  write,
  diff,
};

export const vmcsCommands: readonly Command[] = [
  {
    names: ['vmcs'],
    usage: '[list | write FILE | diff …] [ADDRESS]',
    help: 'Shows the current VMCS, or the one at an address, as text that the doctor reads.',
    more: [
      '`vmcs list` shows all that the program has used, `vmcs write FILE` writes one to a file.',
      '`vmcs diff` tells what changed since the last stop, `vmcs diff FILE` what is not as in a file, `vmcs diff A [B]` how two differ.',
    ],
    complete: (console, argument) => [
      ...starting(/^\S*$/.exec(argument)?.[0] ?? ' ', Object.keys(parts), 'keyword'),
      ...completeExpression(console, argument),
    ],
    run: (console, argument) => {
      const [, word = '', rest = ''] = /^(\S*)\s*(.*)$/.exec(argument) ?? [];
      const part = Object.hasOwn(parts, word) ? parts[word] : undefined;
      return part === undefined ? lines(...textOf(console, vmcsOf(console, argument))) : part(console, rest);
    },
  },
  {
    names: ['exits'],
    usage: '',
    help: 'Shows how often the guest has exited, by reason, and how long the host took each time.',
    run: ({ session }) => {
      const table = exitTable(session.machine);
      return lines(...(table.length === 0 ? ['there was no VM exit'] : table));
    },
  },
];
