/**
 * The console: takes a line, finds the command that it means, does it. Neither the terminal nor the protocol's debug
 * console adds anything to what can be said here.
 */

import { BadInput } from '../../program/program';
import { ExpressionError, pointAt } from '../expression/syntax';
import type { Radix } from '../item';
import type { OuterFrame } from '../name-sources';
import { nearest } from '../nearest';
import type { Pause } from '../run-control';
import type { Session } from '../session';
import { readCodePlaces } from './arguments';
import { breakpointCommands } from './breakpoint-commands';
import { type Command, type ConsoleContext, type ConsoleHost, lines, type Output } from './command';
import { type Completion, completeExpression, starting } from './completion';
import { doctorCommands } from './doctor-command';
import { editCommands, set } from './edit-commands';
import { inspectCommands } from './inspect-commands';
import { lookCommands, show } from './look-commands';
import { memoryCommands } from './memory-commands';
import { motionCommands } from './motion-commands';
import { Stops } from './stops';
import { vmcsCommands } from './vmcs-commands';

/** What can be said in every console. */
export const consoleCommands: readonly Command[] = [
  ...motionCommands,
  ...breakpointCommands,
  ...lookCommands,
  ...inspectCommands,
  ...vmcsCommands,
  ...memoryCommands,
  ...editCommands,
  ...doctorCommands,
  {
    names: ['help', 'h', '?'],
    usage: '[COMMAND]',
    help: 'Shows this.',
    complete: (console, argument) => starting(argument, firstNames(console.commands), 'keyword'),
    run: (console, argument) => help(console.commands, argument),
  },
];

const firstNames = (commands: readonly Command[]): string[] => commands.flatMap(({ names }) => names.slice(0, 1));

export class Console implements ConsoleContext {
  vcpu = 0;
  frame: OuterFrame | undefined;
  readonly stops = new Stops();
  readonly commands: readonly Command[];
  private readonly host: ConsoleHost;

  /** @param more commands of the one who shows it */
  constructor(host: ConsoleHost, more: readonly Command[] = []) {
    this.host = host;
    this.commands = [...consoleCommands, ...more];
  }

  get session(): Session {
    return this.host.session;
  }
  get radix(): Radix {
    return this.host.radix;
  }
  move(motion: (session: Session) => Promise<Pause>): Promise<Output> {
    return this.host.move(motion);
  }
  restart(): Promise<Output> {
    return this.host.restart();
  }
  source(file: string): Promise<readonly string[] | undefined> {
    return this.host.source(file);
  }

  async write(file: string, text: string): Promise<void> {
    if (this.host.write === undefined)
      throw new BadInput('this console writes no files; `vmcs` shows the text, which can be copied');
    await this.host.write(file, text);
  }

  /** The session is another one now: what was asked for here is set again. */
  restored(problem: (text: string) => void): void {
    this.stops.restore(this.session, (location) => readCodePlaces(this, location), problem);
  }

  /** The command that a line begins with, if it is one. */
  commandOf(line: string): { readonly command: Command; readonly argument: string } | undefined {
    const [, name = '', argument = ''] = /^\s*(\S+)\s*(.*?)\s*$/s.exec(line) ?? [];
    const command = this.commands.find(({ names }) => names.includes(name));
    return command === undefined ? undefined : { command, argument };
  }

  /** Does one line. @throws BadInput, of several lines where a caret points at the place */
  async execute(line: string): Promise<Output> {
    try {
      const found = this.commandOf(line);
      if (found !== undefined) return await found.command.run(this, found.argument);
      return await this.expression(line.trim());
    } catch (error) {
      if (error instanceof ExpressionError) throw new BadInput(pointAt(error.text ?? line, error));
      throw error;
    }
  }

  /** No command by its name: an expression, else the beginning of a command's name. */
  private async expression(line: string): Promise<Output> {
    try {
      return /(?:^|[^=!<>])=(?!=)/.test(line) ? set(this, line) : show(this, line);
    } catch (error) {
      if (!(error instanceof ExpressionError)) throw error;
      const [, name = '', argument = ''] = /^(\S+)\s*(.*)$/s.exec(line) ?? [];
      this.refuseSlash(name, argument);
      const begun = this.commands.filter(({ names }) => names.some((one) => one.startsWith(name)));
      const [command] = begun;
      if (command !== undefined && begun.length === 1) return command.run(this, argument);
      if (begun.length > 1) throw new BadInput(`${name}: ${firstNames(begun).join(' or ')}?`);
      const known = this.session.environment(this.vcpu).name(name, false) !== undefined;
      const near = !known && /^[a-z]+$/.test(name) ? nearest(name, firstNames(this.commands)) : undefined;
      if (near !== undefined) throw new BadInput(`${name}: no such command; did you mean ${near}?`);
      throw error;
    }
  }

  /** Other debuggers write `x/4xg rsp` and `p/x rax`. @throws BadInput with the form that is right here */
  private refuseSlash(name: string, argument: string): void {
    const [, command = '', count = ''] = /^([a-z]+)\/(\d*)[a-z]*$/.exec(name) ?? [];
    if (this.commandOf(command) === undefined) return;
    const right = command === 'x' || command.startsWith('mem') ? `${argument}, ${count || 64}` : `${argument},x`;
    throw new BadInput(`${name}: counts and formats stand behind a comma: ${command} ${right}`);
  }

  /** What may stand at the end of `text`, which is the line up to the cursor. */
  complete(text: string): readonly Completion[] {
    const [, name = '', gap = '', argument = ''] = /^\s*(\S*)(\s*)(.*)$/s.exec(text) ?? [];
    if (gap === '') return [...starting(name, firstNames(this.commands), 'keyword'), ...completeExpression(this, text)];
    const command = this.commands.find(({ names }) => names.includes(name));
    if (command === undefined) return completeExpression(this, text);
    return command.complete?.(this, argument) ?? [];
  }
}

const WIDTH = 34;

/** Two columns; what is too long for the first has a line of its own. */
const row = (usage: string, text: string): string[] =>
  usage.length <= WIDTH ? [`${usage.padEnd(WIDTH)} ${text}`] : [usage, `${''.padEnd(WIDTH)} ${text}`];

/** @throws BadInput */
const help = (commands: readonly Command[], argument: string): Output => {
  if (argument === '')
    return lines(
      ...commands.flatMap(({ names, usage, help: text }) => row(`${names[0]} ${usage}`.trim(), text)),
      'All else is an expression: its value is shown, and PLACE = EXPRESSION sets it. `help COMMAND` tells more.',
    );
  const found = commands.find(({ names }) => names.includes(argument));
  if (found === undefined) throw new BadInput(`${argument}: no such command`);
  const { names, usage, help: text, more = [] } = found;
  return lines(
    `${names[0]} ${usage}`.trim(),
    text,
    ...more,
    ...(names.length > 1 ? [`short: ${names.slice(1).join(', ')}`] : []),
  );
};
