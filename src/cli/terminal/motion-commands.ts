/** Commands that move the machine. */

import { readInteger } from '../../debugger/machine-options';
import type { Depth, Granularity } from '../../debugger/stepping';
import { BadInput } from '../../program/program';
import type { Desk, TerminalCommand } from './command';
import { readLocation } from './locations';

/** @throws BadInput */
const readCount = (operand: string): number => {
  if (operand === '') return 1;
  const count = readInteger(operand);
  if (count === undefined || count < 1n || count > 1_000_000_000n)
    throw new BadInput(`${operand}: a number of steps is wanted`);
  return Number(count);
};

const steps =
  (depth: Depth, granularity: Granularity) =>
  (desk: Desk, operand: string): Promise<void> => {
    const count = readCount(operand);
    const { vcpu } = desk;
    return desk.move(async (session) => {
      let pause = await session.step(vcpu, depth, granularity);
      for (let n = 1; n < count && pause.reason === 'step'; n++) pause = await session.step(vcpu, depth, granularity);
      return pause;
    });
  };

export const motionCommands: readonly TerminalCommand[] = [
  {
    names: ['continue', 'c'],
    usage: '',
    summary: 'Goes on until something stops the machine.',
    repeats: true,
    run: (desk) => desk.move((session) => session.continue()),
  },
  {
    names: ['step', 's'],
    usage: '[N]',
    summary: 'Steps N lines, into what is called; without source, N instructions.',
    repeats: true,
    run: steps('into', 'line'),
  },
  {
    names: ['next', 'n'],
    usage: '[N]',
    summary: 'Steps N lines, over what is called.',
    repeats: true,
    run: steps('over', 'line'),
  },
  {
    names: ['stepi', 'si'],
    usage: '[N]',
    summary: 'Steps N instructions; one iteration of a repeated one.',
    repeats: true,
    run: steps('into', 'instruction'),
  },
  {
    names: ['nexti', 'ni'],
    usage: '[N]',
    summary: 'Steps N instructions, over calls, interrupts, repetitions and loops.',
    repeats: true,
    run: steps('over', 'instruction'),
  },
  {
    names: ['finish', 'fin'],
    usage: '',
    summary: 'Goes on until the caller, or what was interrupted, goes on.',
    repeats: true,
    run: (desk) => desk.move((session) => session.stepOut(desk.vcpu)),
  },
  {
    names: ['until', 'u'],
    usage: 'LOCATION',
    summary: 'Goes on until it arrives at a line, symbol or address.',
    completes: 'location',
    run: (desk, operand) => {
      const [address] = readLocation(desk, operand);
      if (address === undefined) throw new BadInput(`${operand}: no place`);
      return desk.move((session) => session.runUntil(desk.vcpu, address));
    },
  },
  {
    names: ['restart', 'run', 'r'],
    usage: '',
    summary: 'Loads the program anew and stands before its first instruction; breakpoints stay.',
    run: (desk) => desk.restart(),
  },
];
