/** What a command of the terminal debugger is, and what it works on. */

import type { Pause } from '../../debugger/run-control';
import type { Session } from '../../debugger/session';

export interface TerminalCommand {
  /** The first is shown, the others are short forms. */
  readonly names: readonly string[];
  readonly usage: string;
  readonly summary: string;
  /** What its operand is completed with. */
  readonly completes?: 'location' | 'expression' | 'event' | 'command' | 'file';
  /** An empty line does it again. */
  readonly repeats?: true;
  /** @throws BadInput, ExpressionError */
  readonly run: (desk: Desk, operand: string) => void | Promise<void>;
}

/** Where the user sits: the session, the vCPU that is looked at, and the paper to print on. */
export interface Desk {
  readonly session: Session;
  vcpu: number;
  /** A line of ours; begins below an unfinished line of the guest. */
  print(text: string): void;
  /** Moves, waits until it stops, and tells where and why. */
  move(motion: (session: Session) => Promise<Pause>): Promise<void>;
  restart(): Promise<void>;
  /** The text of a source file, or undefined. */
  source(file: string): Promise<readonly string[] | undefined>;
  readonly history: readonly string[];
  readonly commands: readonly TerminalCommand[];
  quit(): void;
}
