/**
 * A command of the console: the terminal and the debug console of a protocol's client have the same. A line that
 * begins with the name of a command is one; every other line is an expression.
 */

import type { Item, Radix } from '../item';
import type { OuterFrame } from '../name-sources';
import type { Pause } from '../run-control';
import type { Session } from '../session';
import type { Completion } from './completion';
import type { Stops } from './stops';

export interface Output {
  readonly lines: readonly string[];
  /** The same as trees, for whoever can show them. */
  readonly items?: readonly Item[];
  /** What stands above the trees; the first line where it is not given. */
  readonly title?: string;
  /** What the panes show is another thing now. */
  readonly redraw?: true;
}

export interface Command {
  /** The first is shown, the others are short forms. */
  readonly names: readonly string[];
  readonly usage: string;
  /** What it does, in one sentence. */
  readonly help: string;
  /** More about it, a line each. */
  readonly more?: readonly string[];
  /** An empty line does it again. */
  readonly repeats?: true;
  /** @throws BadInput, ExpressionError */
  readonly run: (console: ConsoleContext, argument: string) => Output | Promise<Output>;
  /** What may stand where the argument ends. */
  readonly complete?: (console: ConsoleContext, argument: string) => readonly Completion[];
}

/** What a console can ask of whoever shows it. */
export interface ConsoleHost {
  readonly session: Session;
  readonly radix: Radix;
  /** Moves the machine; gives what is to be said where it stopped, if that is not said in another way. */
  move(motion: (session: Session) => Promise<Pause>): Promise<Output>;
  /** Loads the program anew. */
  restart(): Promise<Output>;
  /** The lines of a source file, or undefined. */
  source(file: string): Promise<readonly string[] | undefined>;
  /** Writes a file, where there are any. @throws BadInput */
  write?(file: string, text: string): Promise<void>;
}

/** What a command works on. */
export interface ConsoleContext extends ConsoleHost {
  /** The vCPU that is looked at. */
  vcpu: number;
  /** The frame that is looked at, where it is not the innermost. */
  frame?: OuterFrame | undefined;
  readonly stops: Stops;
  readonly commands: readonly Command[];
}

export const lines = (...text: readonly string[]): Output => ({ lines: text });
