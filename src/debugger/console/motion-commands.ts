/** Commands that move the machine. */

import { BadInput } from '../../program/program';
import { isEventSpec } from '../events/spec';
import type { Depth, Granularity } from '../stepping';
import { readCount, readLocation } from './arguments';
import type { Command, ConsoleContext, Output } from './command';
import { completeLocation } from './completion';

const MOST_STEPS = 1_000_000_000;

const steps =
  (depth: Depth, granularity: Granularity) =>
  (console: ConsoleContext, argument: string): Promise<Output> => {
    const count = argument === '' ? 1 : readCount(argument, 'a number of steps', MOST_STEPS);
    const { vcpu } = console;
    return console.move(async (session) => {
      let pause = await session.step(vcpu, depth, granularity);
      for (let n = 1; n < count && pause.reason === 'step'; n++) pause = await session.step(vcpu, depth, granularity);
      return pause;
    });
  };

export const motionCommands: readonly Command[] = [
  {
    names: ['continue', 'c'],
    usage: '',
    help: 'Goes on until something stops the machine.',
    repeats: true,
    run: (console) => console.move((session) => session.continue()),
  },
  {
    names: ['step', 's'],
    usage: '[N]',
    help: 'Steps N lines, into what is called; without source, N instructions.',
    repeats: true,
    run: steps('into', 'line'),
  },
  {
    names: ['next', 'n'],
    usage: '[N]',
    help: 'Steps N lines, over what is called.',
    repeats: true,
    run: steps('over', 'line'),
  },
  {
    names: ['stepi', 'si'],
    usage: '[N]',
    help: 'Steps N instructions; one iteration of a repeated one.',
    repeats: true,
    run: steps('into', 'instruction'),
  },
  {
    names: ['nexti', 'ni'],
    usage: '[N]',
    help: 'Steps N instructions, over calls, interrupts, repetitions and loops.',
    repeats: true,
    run: steps('over', 'instruction'),
  },
  {
    names: ['finish', 'fin'],
    usage: '',
    help: 'Goes on until the caller, or what was interrupted, goes on.',
    repeats: true,
    run: (console) => console.move((session) => session.stepOut(console.vcpu)),
  },
  {
    names: ['until', 'u'],
    usage: 'LOCATION',
    help: 'Goes on until it arrives at a line, symbol or address.',
    complete: completeLocation,
    run: (console, argument) => {
      if (isEventSpec(argument) && console.session.info.symbols.named(argument) === null)
        throw new BadInput(`${argument} is an event: tbreak ${argument}, then continue`);
      const [address] = readLocation(console, argument);
      if (address === undefined) throw new BadInput(`${argument}: no place`);
      return console.move((session) => session.runUntil(console.vcpu, address));
    },
  },
  {
    names: ['restart', 'run', 'r'],
    usage: '',
    help: 'Loads the program anew and stands before its first instruction; breakpoints stay.',
    run: (console) => console.restart(),
  },
];
