/** The terminal debugger: gives lines to the console, prints what it says, and tells where the machine stands. */

import type { Output } from '../../debugger/console/command';
import { Console } from '../../debugger/console/console';
import { codeRow } from '../../debugger/console/look-commands';
import { disassembleOne } from '../../debugger/disassemble';
import type { Ending } from '../../debugger/endings';
import { pauseText, shutdownLinesOf } from '../../debugger/pause-text';
import type { Pause } from '../../debugger/run-control';
import { Session, type SessionOptions } from '../../debugger/session';
import { currentAddress } from '../../debugger/vcpu-view';
import { eventReport } from '../../debugger/why/event-report';
import { shutdownKind } from '../../debugger/why/shutdown';
import { BadInput } from '../../program/program';
import { writeOrComplain } from '../result';
import { ownCommands } from './own-commands';

/** Writes a line of ours; begins below an unfinished line of the guest. */
export type Print = (text: string) => void;

export class Terminal {
  /** The user wants to leave. */
  left = false;
  /** A command could not be done. */
  failed = false;
  ended: Ending | undefined;
  readonly console: Console;
  private readonly print: Print;
  private readonly history: string[] = [];
  private readonly files = new Map<string, readonly string[] | undefined>();
  private current: Session;
  private last: string | undefined;

  constructor(session: Session, print: Print) {
    this.current = session;
    this.print = print;
    const terminal = this;
    const host = {
      get session() {
        return terminal.current;
      },
      radix: 'hex' as const,
      move: async (motion: (session: Session) => Promise<Pause>) => this.tell(await motion(this.current)),
      restart: () => this.restart(),
      source: (file: string) => this.source(file),
      write: async (file: string, text: string) => writeOrComplain(file, text),
    };
    this.console = new Console(
      host,
      ownCommands(this.history, () => this.quit()),
    );
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
    this.last = this.console.commandOf(words)?.command.repeats ? words : undefined;
    try {
      for (const row of (await this.console.execute(words)).lines) this.print(row);
    } catch (error) {
      if (!(error instanceof BadInput)) throw error;
      this.print(error.message);
      this.failed = true;
    }
  }

  private async restart(): Promise<Output> {
    this.current = await Session.start(this.current.options);
    this.ended = undefined;
    this.console.vcpu = 0;
    this.console.frame = undefined;
    this.console.restored(this.print);
    return { lines: await this.whereabouts() };
  }

  private async source(file: string): Promise<readonly string[] | undefined> {
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

  private async tell(pause: Pause): Promise<Output> {
    this.console.vcpu = pause.vcpu;
    this.console.frame = undefined;
    if (pause.reason !== 'ending')
      return {
        lines: [
          ...(pause.reason === 'step' ? [] : [pauseText(pause, this.current)]),
          ...(pause.reason === 'event' ? eventReport(this.current, pause.event) : []),
          ...(await this.whereabouts()),
        ],
      };
    this.ended = pause.ending;
    const { stop } = pause;
    const again = stop === undefined && pause.ending.outcome !== 'budget';
    const text = stop?.reason === 'triple-fault' ? `${shutdownKind(stop)}: the processor shut down` : pauseText(pause);
    const said = [
      again ? `${text}; \`restart\` begins anew` : text,
      ...shutdownLinesOf(pause).map((line) => `  ${line}`),
    ];
    const gone = pause.ending.outcome === 'guest-exit' || pause.ending.outcome === 'power-off';
    return { lines: gone ? said : [...said, ...(await this.whereabouts())] };
  }

  /** Prints where the machine stands. */
  async here(): Promise<void> {
    for (const row of await this.whereabouts()) this.print(row);
  }

  /** The place, and the source line or the instruction there. */
  private async whereabouts(): Promise<string[]> {
    const { vcpu: index } = this.console;
    const { info, machine } = this.current;
    const address = currentAddress(this.current.vcpu(index));
    const line = info.lines.at(address);
    const text = line === null ? undefined : (await this.source(line.file))?.[line.line - 1];
    const who = machine.cpus.length > 1 ? `vCPU ${index} ` : '';
    const what =
      line !== null && text !== undefined
        ? `${String(line.line).padStart(5)}  ${text}`.trimEnd()
        : codeRow(disassembleOne(this.current.codeView(index), address), '   ');
    return [`${who}${info.placeOf(address)}`.trimEnd(), what];
  }

  /** What may stand where the line ends, and the part of the line that it replaces. */
  complete(line: string): [string[], string] {
    const found = this.console.complete(line);
    const length = Math.max(0, ...found.map((one) => one.length));
    const word = line.slice(line.length - length);
    const whole = found.map((one) => word.slice(0, length - one.length) + (one.text ?? one.label).slice(0, one.cursor));
    return [[...new Set(whole)], word];
  }
}
