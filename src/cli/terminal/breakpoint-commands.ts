/** Commands about where and when the machine stops. */

import type { BreakpointOptions, WatchAccess } from '../../debugger/breakpoints';
import { locate } from '../../debugger/expression/evaluator';
import { parseExpression } from '../../debugger/expression/parser';
import { readInteger } from '../../debugger/machine-options';
import { BadInput } from '../../program/program';
import { hex } from '../../x86/address';
import type { Desk, TerminalCommand } from './command';
import { readLocation } from './locations';
import { Stops } from './stops';

const stopsOf = new WeakMap<Desk, Stops>();
export const stops = (desk: Desk): Stops => {
  let found = stopsOf.get(desk);
  if (found === undefined) {
    found = new Stops();
    stopsOf.set(desk, found);
  }
  return found;
};

/** What stands before and behind `if`. */
const conditional = (operand: string): { readonly place: string; readonly condition: string | undefined } => {
  const [, place = '', condition] = /^(.*?)(?:(?:^|\s+)if\s+(.*))?$/.exec(operand) ?? [];
  return { place, condition };
};

const add = (desk: Desk, operand: string, more: BreakpointOptions): void => {
  const { place: location, condition } = conditional(operand);
  const addresses = readLocation(desk, location);
  const { id } = desk.session.breakpoints.add(addresses, { ...more, condition });
  stops(desk).remember(id, location, { ...more, condition });
  for (const address of addresses)
    desk.print(`breakpoint ${id} at ${desk.session.info.placeOf(address)}${condition ? ` if ${condition}` : ''}`);
};

const readNumber = (text: string): number => {
  const value = readInteger(text);
  if (value === undefined) throw new BadInput(`${text}: the number of a breakpoint is wanted`);
  return Number(value);
};

const remove = (desk: Desk, operand: string): void => {
  const { breakpoints } = desk.session;
  const numbers = operand === '' ? breakpoints.list().map(({ id }) => id) : operand.split(/[\s,]+/).map(readNumber);
  for (const id of numbers) {
    if (!breakpoints.remove(id) && !stops(desk).unwatch(desk.session, id))
      throw new BadInput(`there is no breakpoint ${id}`);
    stops(desk).forget(id);
  }
  if (operand === '') stops(desk).unwatchAll(desk.session);
};

export const list = (desk: Desk): void => {
  const { breakpoints } = desk.session;
  const rows = breakpoints.list().map(({ id, addresses, condition, hits, temporary }) => {
    const where = addresses.map((address) => desk.session.info.placeOf(address)).join(', ');
    const times = hits === 0 ? '' : `, hit ${hits} ${hits === 1 ? 'time' : 'times'}`;
    return `${id} ${where}${condition ? ` if ${condition}` : ''}${temporary ? ', once' : ''}${times}`;
  });
  const all = [...rows, ...stops(desk).lines()];
  for (const row of all.length === 0 ? ['no breakpoints'] : all) desk.print(row);
};

const watch = (desk: Desk, operand: string, access: WatchAccess): void => {
  const { place, condition } = conditional(operand);
  if (place === '') throw new BadInput('which memory? watch [address]:u32');
  const expression = parseExpression(place);
  if (expression.kind !== 'memory' || expression.space !== 'linear')
    throw new BadInput(`${place}: write the memory to watch as [address]:u32`);
  const { address, size } = locate(expression, desk.session.environment(desk.vcpu));
  const id = stops(desk).watch(desk.session, { address, size, access, condition });
  const bytes = `${size} ${size === 1 ? 'byte' : 'bytes'} at ${hex(address)}`;
  desk.print(`watching ${bytes} as ${id}${condition ? ` if ${condition}` : ''}`);
};

export const breakpointCommands: readonly TerminalCommand[] = [
  {
    names: ['break', 'b'],
    usage: 'LOCATION [if EXPRESSION]',
    summary: 'Stops before the code at a line, FILE:LINE, symbol or address.',
    completes: 'location',
    run: (desk, operand) => (operand === '' ? list(desk) : add(desk, operand, {})),
  },
  {
    names: ['tbreak', 'tb'],
    usage: 'LOCATION [if EXPRESSION]',
    summary: 'The same, once.',
    completes: 'location',
    run: (desk, operand) => add(desk, operand, { temporary: true }),
  },
  {
    names: ['watch'],
    usage: '[ADDRESS]:u32 [if EXPRESSION]',
    summary: 'Stops after memory was written.',
    completes: 'expression',
    run: (desk, operand) => watch(desk, operand, 'write'),
  },
  {
    names: ['rwatch'],
    usage: '[ADDRESS]:u32 [if EXPRESSION]',
    summary: 'Stops after memory was read.',
    completes: 'expression',
    run: (desk, operand) => watch(desk, operand, 'read'),
  },
  {
    names: ['awatch'],
    usage: '[ADDRESS]:u32 [if EXPRESSION]',
    summary: 'Stops after memory was read or written.',
    completes: 'expression',
    run: (desk, operand) => watch(desk, operand, 'both'),
  },
  {
    names: ['delete', 'd'],
    usage: '[N …]',
    summary: 'Removes breakpoints and watches by number, or all.',
    run: remove,
  },
  {
    names: ['catch', 'stop-on'],
    usage: '[EVENT,… | none]',
    summary:
      'Stops on events: trap:#PF (before its delivery), port:0x3f8:w, cr:cr3:w, mode, … Without operand, lists them.',
    completes: 'event',
    run: (desk, operand) => {
      if (operand === 'none') stops(desk).catchNothing(desk.session);
      else if (operand !== '') stops(desk).catch(desk.session, operand);
      const { caught } = stops(desk);
      desk.print(caught.length === 0 ? 'stops on no events' : `stops on ${caught.join(', ')}`);
    },
  },
];
