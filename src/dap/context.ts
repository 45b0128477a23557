/** What the handlers of one debug session share: the session under way, the client's habits, and who is stopped why. */

import type { DebugProtocol } from '@vscode/debugprotocol';
import type { Breakpoint } from '../debugger/breakpoints';
import type { Ending } from '../debugger/endings';
import type { Pause } from '../debugger/run-control';
import type { Session } from '../debugger/session';
import { BadInput, type Files } from '../program/program';
import { GuestText } from './guest-text';
import { Handles } from './handles';
import { announce } from './stopped-event';

export type SendEvent = (event: string, body?: object) => void;

/** The breakpoints as the client asked for them, so that a restart can set them again. */
export interface Wishes {
  readonly sources: Map<string, DebugProtocol.SetBreakpointsArguments>;
  functions: DebugProtocol.SetFunctionBreakpointsArguments | undefined;
  instructions: DebugProtocol.SetInstructionBreakpointsArguments | undefined;
  data: DebugProtocol.SetDataBreakpointsArguments | undefined;
  exceptions: DebugProtocol.SetExceptionBreakpointsArguments | undefined;
}

export class Context {
  readonly files: Files;
  readonly send: SendEvent;
  readonly handles = new Handles();
  readonly text: GuestText;
  readonly wishes: Wishes = {
    sources: new Map(),
    functions: undefined,
    instructions: undefined,
    data: undefined,
    exceptions: undefined,
  };
  /** The breakpoints as the client knows them, by the group that one request replaces. */
  readonly breakpoints = new Map<string, readonly DebugProtocol.Breakpoint[]>();
  /** Breakpoints are being set on another machine: they keep the ids that the client knows. */
  restoring = false;
  /** Memory references that the client has read from. */
  readonly memoryRead = new Set<string>();
  /** Breakpoint ids by the machine's watchpoint. */
  readonly watched = new Map<number, number[]>();
  client: Partial<DebugProtocol.InitializeRequestArguments> = {};
  launched: DebugProtocol.LaunchRequestArguments & Record<string, unknown> = {};
  /** Why the machine stands still; undefined while it runs. */
  pause: Pause | undefined;
  private current: Session | undefined;
  private motion: Promise<void> = Promise.resolve();
  private readonly after: (() => void)[] = [];
  private over = false;

  constructor(files: Files, send: SendEvent) {
    this.files = files;
    this.send = send;
    this.text = new GuestText((output) => send('output', { category: 'stdout', output }));
  }

  /** @throws BadInput before the launch */
  get session(): Session {
    if (this.current === undefined) throw new BadInput('no program was launched yet');
    return this.current;
  }
  set session(session: Session) {
    this.current = session;
    this.handles.forget();
  }
  get hasSession(): boolean {
    return this.current !== undefined;
  }
  get isOver(): boolean {
    return this.over;
  }

  /** To be done when the present answer has been sent. */
  later(work: () => void): void {
    this.after.push(work);
  }
  answered(): void {
    for (const work of this.after.splice(0)) work();
  }

  /** A line for the console, perhaps with its place in the source. */
  note(line: string, breakpoint?: Breakpoint): void {
    const address = breakpoint?.addresses[0];
    const at = address === undefined ? null : (this.current?.info.lines.at(address) ?? null);
    this.send('output', {
      category: 'console',
      output: `${line}\n`,
      ...(at === null ? {} : { source: { name: nameOf(at.file), path: at.file }, line: this.lineToClient(at.line) }),
    });
  }

  /** Starts a motion once the answer has been sent; when it ends, tells the client. */
  move(motion: (session: Session) => Promise<Pause>): void {
    const { session } = this;
    if (session.running) throw new BadInput('the machine is running; pause it first');
    this.pause = undefined;
    this.later(() => {
      this.motion = this.follow(session, motion);
    });
  }

  private async follow(session: Session, motion: (session: Session) => Promise<Pause>): Promise<void> {
    try {
      const pause = await motion(session);
      this.text.flush();
      if (this.over || this.current !== session) return;
      this.pause = pause;
      announce(this, pause);
    } catch (error) {
      this.text.flush();
      if (this.over || this.current !== session) return;
      const why = error instanceof Error ? error.message : String(error);
      this.note(error instanceof BadInput ? why : `internal error of Ringside, please report it: ${why}`);
      this.pause = { reason: 'pause', vcpu: session.machine.current };
      announce(this, this.pause);
    }
  }

  /** The machine stands still, and what ran before tells nobody. */
  async quiesce(): Promise<void> {
    this.current?.pause();
    await this.motion;
  }

  /** The program is over: the client is told, once. */
  finish(ending: Ending | undefined): void {
    if (this.over) return;
    this.over = true;
    this.text.flush();
    if (ending !== undefined) this.send('exited', { exitCode: ending.exitCode });
    this.send('terminated');
  }

  /** Something was edited: what the client shows of the machine is to be asked for again. */
  invalidate(): void {
    if (this.client.supportsInvalidatedEvent === true) this.send('invalidated', { areas: ['all'] });
    this.memoryChanged();
  }

  /** Views of memory that the client has open are to be read again: they ask by themselves at no other time. */
  memoryChanged(): void {
    if (this.client.supportsMemoryEvent !== true) return;
    for (const memoryReference of this.memoryRead)
      this.send('memory', { memoryReference, offset: 0, count: Number.MAX_SAFE_INTEGER });
  }

  end(): void {
    this.over = true;
    this.current?.pause();
  }

  // Positions: ours count from 1.

  lineToClient(line: number): number {
    return this.client.linesStartAt1 === false ? line - 1 : line;
  }
  lineFromClient(line: number): number {
    return this.client.linesStartAt1 === false ? line + 1 : line;
  }

  sourceOf(file: string): DebugProtocol.Source {
    return { name: nameOf(file), path: file };
  }
}

const nameOf = (file: string): string => file.slice(Math.max(file.lastIndexOf('/'), file.lastIndexOf('\\')) + 1);
