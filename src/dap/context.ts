/** What the handlers of one client share: the machine that it debugs, its habits, and who is stopped why. */

import type { DebugProtocol } from '@vscode/debugprotocol';
import type { Breakpoint } from '../debugger/breakpoints';
import type { Ending } from '../debugger/endings';
import { eventItems } from '../debugger/events/items';
import type { Radix } from '../debugger/item';
import type { Pause } from '../debugger/run-control';
import type { Session } from '../debugger/session';
import { liveVcpus } from '../debugger/vcpu-view';
import type { MachineEvent } from '../machine/core/event';
import { BadInput, type Files } from '../program/program';
import { linear } from '../x86/address';
import { BreakpointBook } from './breakpoint-book';
import { EventStream } from './event-stream';
import { threadId } from './frames';
import { GuestText } from './guest-text';
import { Handles } from './handles';
import type { Debuggee, LeftMachines } from './left-machines';
import { Listings } from './listings';
import { Locations } from './locations';
import { lookAt } from './memory-requests';
import type { ToldLoaded } from './modules';
import { OtherBreakpoints } from './other-breakpoints';
import { Progress } from './progress';
import { Shown } from './shown';
import { announce } from './stopped-event';

export type SendEvent = (event: string, body?: object) => void;

/** What a motion is for the client. */
export interface MotionOptions {
  /** Only this vCPU takes turns meanwhile. */
  readonly only?: number | undefined;
  /** What it is called when it takes long: then it is shown as progress that can be cancelled. */
  readonly title?: string;
  /** The client has not asked for it by a request of the protocol, and is told that the machine goes on. */
  readonly unasked?: boolean;
}

export class Context {
  readonly files: Files;
  readonly send: SendEvent;
  /** Machines that stay when their client goes; undefined where nobody could come back to them. */
  readonly left: LeftMachines | undefined;
  readonly progress: Progress;
  readonly handles = new Handles();
  readonly text: GuestText;
  /** The events that the client follows. */
  readonly stream: EventStream;
  /** The breakpoints as the client asked for them. */
  readonly breakpoints = new BreakpointBook(this);
  readonly otherBreakpoints = new OtherBreakpoints();
  readonly locations = new Locations();
  /** Disassembly as sources, for code that has none. */
  readonly listings = new Listings();
  /** The modules and sources that the client was told of. */
  readonly toldLoaded: ToldLoaded = { modules: new Map(), sources: new Map() };
  /** What the client was last sent, to tell it what differs. */
  readonly shown = new Shown();
  /** How numbers are shown where a request does not say. */
  radix: Radix = 'hex';
  client: Partial<DebugProtocol.InitializeRequestArguments> = {};
  launched: DebugProtocol.LaunchRequestArguments & Record<string, unknown> = {};
  /** Why the machine stands still; undefined while it runs. */
  pause: Pause | undefined;
  /** The machine was found running or suspended: it is not this client's own. */
  attached = false;
  /** The client has introduced itself. */
  greeted = false;
  /** To be ended when the machine is left to another client. */
  readonly untilLeft: (() => void)[] = [];
  /** Another machine was taken: what else was asked for on the last one is to be asked for again. */
  onTake: (() => void) | undefined;
  private debuggee: Debuggee | undefined;
  private motion: Promise<void> = Promise.resolve();
  /** Why each vCPU stands where it stands, until it goes on. */
  private readonly reasons = new Map<number, Pause>();
  /** The vCPUs that the client knows as threads. */
  private threads: readonly number[] = [];
  private readonly after: (() => void)[] = [];
  private over = false;
  private gone = false;
  /** The vCPU on which a pause was asked for. */
  private wanted: number | undefined;
  private quiescing = false;

  constructor(files: Files, send: SendEvent, left?: LeftMachines) {
    this.files = files;
    this.left = left;
    this.send = (event, body) => {
      if (!this.gone) send(event, body);
    };
    this.progress = new Progress(this);
    this.listings.onNew = (source) => this.send('loadedSource', { reason: 'new', source });
    this.stream = new EventStream((event, body) => this.send(event, body));
    this.text = new GuestText((output) => this.send('output', { category: 'stdout', output }));
  }

  /** @throws BadInput before the launch */
  get session(): Session {
    if (this.debuggee === undefined) throw new BadInput('no program was launched yet');
    return this.debuggee.session;
  }
  get hasSession(): boolean {
    return this.debuggee !== undefined;
  }
  get isOver(): boolean {
    return this.over;
  }

  /** Another machine: the one launched, found, or started again. It stands still at `pause`. */
  take(debuggee: Debuggee, pause: Pause): void {
    const isFirst = this.debuggee === undefined;
    this.debuggee = debuggee;
    this.launched = debuggee.launched;
    this.handles.forget();
    this.reasons.clear();
    this.stand(pause);
    this.stream.subscribe(debuggee.session);
    debuggee.session.onProgress(() => this.tellThreads());
    // The client asks for those that there are from the start.
    if (isFirst) this.threads = this.liveThreads();
    else {
      this.tellThreads();
      this.onTake?.();
    }
  }

  /** The machine stays behind for another client. @returns its number, or undefined where nobody could come back */
  async leave(suspended: boolean, release: () => void): Promise<number | undefined> {
    const { debuggee, left } = this;
    if (debuggee === undefined || left === undefined || this.over) return undefined;
    this.over = true;
    await this.quiesce();
    this.text.flush();
    this.stream.flush();
    release();
    debuggee.session.onProgress(undefined);
    this.debuggee = undefined;
    return left.leave(debuggee, this.pause ?? { reason: 'pause', vcpu: debuggee.session.machine.current }, suspended);
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
    const at = address === undefined ? null : (this.debuggee?.session.info.lines.at(address) ?? null);
    this.send('output', {
      category: 'console',
      output: `${line}\n`,
      ...(at === null ? {} : { source: { name: nameOf(at.file), path: at.file }, line: this.lineToClient(at.line) }),
    });
  }

  /** A line about an event, which unfolds into its fields. */
  noteEvent(line: string, event: MachineEvent): void {
    const session = this.debuggee?.session;
    if (session === undefined) return;
    const at = session.info.lines.at(linear(event.at));
    this.send('output', {
      category: 'console',
      output: `${line}\n`,
      variablesReference: this.handles.reference({
        vcpu: event.vcpu,
        items: () => eventItems(event, session.machine),
      }),
      ...(at === null ? {} : { source: this.sourceOf(at.file), line: this.lineToClient(at.line) }),
    });
  }

  /** Lines that belong together, under the first of them. */
  noteGroup([title = '', ...lines]: readonly string[]): void {
    this.send('output', { category: 'console', group: 'start', output: `${title}\n` });
    for (const line of lines) this.send('output', { category: 'console', output: `${line}\n` });
    this.send('output', { category: 'console', group: 'end', output: '' });
  }

  /** Starts a motion once the answer has been sent; when it ends, tells the client. */
  move(motion: (session: Session) => Promise<Pause>, options: MotionOptions = {}): void {
    const session = this.standing();
    const { only } = options;
    const from = this.pause?.vcpu ?? 0;
    this.pause = undefined;
    this.wanted = undefined;
    if (only === undefined) this.reasons.clear();
    else this.reasons.delete(only);
    this.later(() => {
      if (options.unasked === true)
        this.send('continued', { threadId: threadId(only ?? from), allThreadsContinued: only === undefined });
      this.motion = this.follow(session, motion, options);
    });
  }

  private async follow(
    session: Session,
    motion: (session: Session) => Promise<Pause>,
    { title }: MotionOptions,
  ): Promise<void> {
    const shown = title === undefined ? undefined : this.progress.start(title, () => session.pause());
    let pause: Pause;
    try {
      pause = await motion(session);
    } catch (error) {
      const why = error instanceof Error ? error.message : String(error);
      this.note(error instanceof BadInput ? why : `internal error of Ringside, please report it: ${why}`);
      pause = { reason: 'pause', vcpu: session.machine.current };
    }
    shown?.end();
    this.text.flush();
    this.stream.flush();
    if (this.debuggee?.session !== session) return;
    if (pause.reason === 'pause') pause = { reason: 'pause', vcpu: this.wanted ?? pause.vcpu };
    this.stand(pause);
    if (this.over || this.quiescing) return;
    this.tellThreads();
    announce(this, pause);
  }

  /** The machine stands still, for this reason. */
  stand(pause: Pause): void {
    this.pause = pause;
    this.reasons.set(pause.vcpu, pause);
  }

  /** The machine while it stands still. @throws BadInput */
  standing(): Session {
    const { session } = this;
    if (this.over) throw new BadInput('the program is over');
    if (session.running || this.pause === undefined) throw new BadInput('the machine is running; pause it first');
    return session;
  }

  /** The pause that comes next was asked for on this vCPU. */
  pauseFor(vcpu: number): void {
    this.wanted = vcpu;
  }

  /** Why a vCPU stands where it stands: one that was left alone keeps its reason while others go on. */
  pauseOf(vcpu: number): Pause | undefined {
    return this.pause === undefined ? undefined : (this.reasons.get(vcpu) ?? { reason: 'pause', vcpu });
  }

  /** vCPUs come to life by a start-up IPI, and end by INIT or when they are stopped. */
  tellThreads(): void {
    const { threads: before } = this;
    this.threads = this.liveThreads();
    for (const index of before)
      if (!this.threads.includes(index)) this.send('thread', { reason: 'exited', threadId: threadId(index) });
    for (const index of this.threads)
      if (!before.includes(index)) this.send('thread', { reason: 'started', threadId: threadId(index) });
  }

  private liveThreads(): readonly number[] {
    return this.debuggee === undefined ? [] : liveVcpus(this.debuggee.session.machine).map(({ index }) => index);
  }

  /** The machine stands still, and what ran before tells nobody. */
  async quiesce(): Promise<void> {
    this.quiescing = true;
    this.debuggee?.session.pause();
    await this.motion;
    this.quiescing = false;
  }

  /** The program is over: the client is told, once. */
  finish(ending: Ending | undefined): void {
    if (this.over) return;
    this.over = true;
    this.text.flush();
    this.stream.flush();
    this.progress.endAll();
    if (ending !== undefined) this.send('exited', { exitCode: ending.exitCode });
    this.send('terminated');
  }

  /** Something was edited: the client is told what looks different now. */
  invalidate(): void {
    if (this.client.supportsInvalidatedEvent === true)
      this.send('invalidated', { areas: [...this.shown.changedAreas(), 'variables'] });
    this.memoryChanged();
  }

  /** Views of memory that the client has open are to be read again: they ask by themselves at no other time. */
  memoryChanged(): void {
    if (this.client.supportsMemoryEvent !== true) return;
    for (const change of this.shown.memoryChanges(lookAt(this))) this.send('memory', change);
  }

  /** Nobody listens any more: the machine stops. */
  end(): void {
    this.over = true;
    this.gone = true;
    this.progress.endAll();
    this.debuggee?.session.pause();
  }

  // Positions: ours count from 1.

  lineToClient(line: number): number {
    return this.client.linesStartAt1 === false ? line - 1 : line;
  }
  lineFromClient(line: number): number {
    return this.client.linesStartAt1 === false ? line + 1 : line;
  }

  sourceOf(file: string): DebugProtocol.Source {
    const checksum = this.debuggee?.session.info.checksumOf(file);
    return {
      name: nameOf(file),
      path: file,
      ...(checksum === undefined ? {} : { checksums: [{ algorithm: 'MD5', checksum }] }),
    };
  }
}

const nameOf = (file: string): string => file.slice(Math.max(file.lastIndexOf('/'), file.lastIndexOf('\\')) + 1);
