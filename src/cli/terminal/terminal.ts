/** The terminal debugger: takes command lines, does them, and tells where the machine stands. */

import { disassembleOne } from '../../debugger/disassemble';
import type { Ending } from '../../debugger/endings';
import { eventFilterExamples } from '../../debugger/event-filter';
import { explainChain } from '../../debugger/explain';
import { describeError, ExpressionError } from '../../debugger/expression/syntax';
import { nearest } from '../../debugger/nearest';
import type { Pause } from '../../debugger/run-control';
import { chainOf, pauseText, Session, type SessionOptions } from '../../debugger/session';
import { currentAddress } from '../../debugger/vcpu-view';
import { BadInput } from '../../program/program';
import { breakpointCommands, stops } from './breakpoint-commands';
import type { Desk, TerminalCommand } from './command';
import { editCommands } from './edit-commands';
import { readLocation } from './locations';
import { codeRow, lookCommands } from './look-commands';
import { motionCommands } from './motion-commands';

export const terminalCommands: readonly TerminalCommand[] = [
  ...motionCommands,
  ...breakpointCommands,
  ...lookCommands,
  ...editCommands,
];

/** Writes a line of ours. */
export type Print = (text: string) => void;

export class Terminal implements Desk {
  vcpu = 0;
  /** The user wants to leave. */
  left = false;
  /** A command could not be done. */
  failed = false;
  ended: Ending | undefined;
  readonly history: string[] = [];
  readonly commands = terminalCommands;
  readonly print: Print;
  private current: Session;
  private last: string | undefined;

  constructor(session: Session, print: Print) {
    this.current = session;
    this.print = print;
  }

  static async start(options: SessionOptions, print: Print): Promise<Terminal> {
    return new Terminal(await Session.start(options), print);
  }

  get session(): Session {
    return this.current;
  }
  get running(): boolean {
    return this.current.running;
  }
  pause(): void {
    this.current.pause();
  }
  quit(): void {
    this.left = true;
  }

  /** Does one line; an empty one repeats the last motion. Never throws for what the user typed. */
  async execute(line: string): Promise<void> {
    const words = line.trim() === '' ? this.last : line.trim();
    if (words === undefined || words.startsWith('#')) return;
    if (line.trim() !== '') this.history.push(words);
    const [, name = '', operand = ''] = /^(\S+)\s*(.*)$/s.exec(words) ?? [];
    try {
      const command = this.find(name);
      this.last = command.repeats ? words : undefined;
      await command.run(this, operand.trim());
    } catch (error) {
      if (error instanceof ExpressionError) this.print(describeError(error));
      else if (error instanceof BadInput) this.print(error.message);
      else throw error;
      this.failed = true;
    }
  }

  /** A command by its name, a short form, or an unambiguous beginning. @throws BadInput */
  private find(name: string): TerminalCommand {
    const begun = meant(name);
    if (begun.length === 1 && begun[0] !== undefined) return begun[0];
    const all = terminalCommands.flatMap(({ names }) => names.slice(0, 1));
    if (begun.length > 1) throw new BadInput(`${name}: ${begun.map(({ names }) => names[0]).join(' or ')}?`);
    const near = nearest(name, all);
    throw new BadInput(
      `${name}: no such command; ${near === undefined ? '`help` lists them' : `did you mean ${near}?`}`,
    );
  }

  async move(motion: (session: Session) => Promise<Pause>): Promise<void> {
    await this.tell(await motion(this.current));
  }

  async restart(): Promise<void> {
    this.current = await Session.start(this.current.options);
    this.ended = undefined;
    this.vcpu = 0;
    stops(this).restore(
      this.current,
      (location) => readLocation(this, location),
      (text) => this.print(text),
    );
    await this.here();
  }

  private readonly files = new Map<string, readonly string[] | undefined>();

  async source(file: string): Promise<readonly string[] | undefined> {
    if (!this.files.has(file)) {
      try {
        const bytes = await this.current.options.files.read(file);
        this.files.set(file, new TextDecoder().decode(bytes).split(/\r?\n/));
      } catch (error) {
        if (!(error instanceof BadInput)) throw error;
        this.files.set(file, undefined);
      }
    }
    return this.files.get(file);
  }

  private async tell(pause: Pause): Promise<void> {
    this.vcpu = pause.vcpu;
    if (pause.reason === 'ending') {
      this.ended = pause.ending;
      const chain = chainOf(pause);
      const again = pause.stop === undefined && pause.ending.outcome !== 'budget';
      const text = chain.length > 0 ? 'triple fault: the processor shut down' : pauseText(pause);
      this.print(again ? `${text}; \`restart\` begins anew` : text);
      for (const line of explainChain(chain)) this.print(`  ${line}`);
      if (pause.ending.outcome === 'guest-exit' || pause.ending.outcome === 'power-off') return;
    } else if (pause.reason !== 'step') this.print(pauseText(pause));
    await this.here();
  }

  /** Where the machine stands: the place, and the source line or the instruction there. */
  async here(): Promise<void> {
    const vcpu = this.current.vcpu(this.vcpu);
    const address = currentAddress(vcpu);
    const line = this.current.info.lines.at(address);
    const text = line === null ? undefined : (await this.source(line.file))?.[line.line - 1];
    const who = this.current.machine.cpus.length > 1 ? `vCPU ${this.vcpu} ` : '';
    this.print(`${who}${this.current.info.placeOf(address)}`.trimEnd());
    if (line !== null && text !== undefined) this.print(`${String(line.line).padStart(5)}  ${text}`.trimEnd());
    else this.print(codeRow(disassembleOne(this.current.codeView(this.vcpu), address), '   '));
  }

  /** What may stand where the line ends, and the part of the line that it replaces. */
  complete(line: string): [string[], string] {
    const [, name = '', gap = ''] = /^\s*(\S*)(\s*)/.exec(line) ?? [];
    if (gap === '')
      return [
        starting(
          name,
          terminalCommands.map(({ names }) => names[0] ?? ''),
        ),
        name,
      ];
    const [command, ...others] = meant(name);
    const kind = others.length === 0 ? command?.completes : undefined;
    const word = /[^\s[\](),=+*/&|<>!-]*$/.exec(line)?.[0] ?? '';
    if (kind === 'event') return [starting(word, eventFilterExamples()), word];
    if (kind === 'command')
      return [
        starting(
          word,
          terminalCommands.map(({ names }) => names[0] ?? ''),
        ),
        word,
      ];
    if (kind === undefined) return [[], word];
    const symbols = this.current.info.symbols.startingWith(word).map((symbol) => symbol.name);
    const registers = kind === 'expression' ? [...this.current.environment(this.vcpu).registers.keys()] : [];
    return [[...starting(word, registers), ...symbols], word];
  }
}

const starting = (prefix: string, words: readonly string[]): string[] =>
  words.filter((word) => word.startsWith(prefix));

/** The command of a name or short form, or those that begin so. */
const meant = (name: string): TerminalCommand[] => {
  const exact = terminalCommands.find(({ names }) => names.includes(name));
  return exact ? [exact] : terminalCommands.filter(({ names }) => names.some((one) => one.startsWith(name)));
};
