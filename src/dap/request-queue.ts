/**
 * The requests in the order in which they came. They wait for what the client says in the same breath, and for each
 * other where one must be finished first, so that a cancel can still overtake them; what only looks is given up when
 * the machine goes on.
 */

import type { DebugProtocol } from '@vscode/debugprotocol';
import { yieldToHost } from '../debugger/slices';
import { Cancelled, type Ongoing } from './handlers';

type Request = DebugProtocol.Request;

/** Requests that only look at the machine as it stands. */
const looks = new Set([
  'stackTrace',
  'scopes',
  'variables',
  'readMemory',
  'disassemble',
  'completions',
  'exceptionInfo',
  'gotoTargets',
  'stepInTargets',
  'dataBreakpointInfo',
]);
/** Requests by which the machine goes on. */
const motions = new Set(['continue', 'next', 'stepIn', 'stepOut']);
/** Requests that all later ones wait for. */
const first = new Set(['launch', 'attach', 'restart', 'configurationDone']);
/** Requests that do not wait for those. */
const urgent = new Set(['terminate', 'disconnect']);

/** Milliseconds of answering before messages that have come meanwhile are looked at. */
const PATIENCE = 4;

class Work implements Ongoing {
  cancelled = false;
  constructor(readonly request: Request) {}

  async breathe(): Promise<void> {
    if (!this.cancelled) await yieldToHost();
    if (this.cancelled) throw new Cancelled();
  }
  get onlyLooks(): boolean {
    const { command, arguments: args } = this.request;
    return looks.has(command) || (command === 'evaluate' && isRecord(args) && args.context !== 'repl');
  }
}

const isRecord = (value: unknown): value is Record<string, unknown> => typeof value === 'object' && value !== null;

export class RequestQueue {
  private waiting: Work[] = [];
  private readonly ongoing = new Set<Work>();
  private draining = false;
  private blocked = false;

  /**
   * @param answer does a request and answers it; a promise where that takes longer
   * @param giveUp answers a request that is not done
   */
  constructor(
    private readonly answer: (request: Request, ongoing: Ongoing) => Promise<void> | undefined,
    private readonly giveUp: (request: Request) => void,
  ) {}

  add(request: Request): void {
    if (motions.has(request.command)) this.drop((work) => work.onlyLooks);
    const work = new Work(request);
    if (this.blocked && urgent.has(request.command)) {
      this.drop(() => true);
      this.start(work);
      return;
    }
    this.waiting.push(work);
    if (this.draining) return;
    this.draining = true;
    queueMicrotask(() => void this.drain());
  }

  /** Gives a request up. @returns whether it was not answered yet */
  cancel(seq: number): boolean {
    return this.drop(({ request }) => request.seq === seq);
  }

  private drop(which: (work: Work) => boolean): boolean {
    const dropped = this.waiting.filter(which);
    this.waiting = this.waiting.filter((work) => !which(work));
    for (const { request } of dropped) this.giveUp(request);
    const given = [...this.ongoing].filter(which);
    for (const work of given) work.cancelled = true;
    return dropped.length + given.length > 0;
  }

  private async drain(): Promise<void> {
    let rested = performance.now();
    for (let work = this.waiting.shift(); work !== undefined; work = this.waiting.shift()) {
      const done = this.start(work);
      if (done !== undefined && first.has(work.request.command)) {
        this.blocked = true;
        await done;
        this.blocked = false;
      }
      if (performance.now() - rested < PATIENCE) continue;
      await yieldToHost();
      rested = performance.now();
    }
    this.draining = false;
  }

  private start(work: Work): Promise<void> | undefined {
    const done = this.answer(work.request, work);
    if (done === undefined) return undefined;
    this.ongoing.add(work);
    return done.finally(() => this.ongoing.delete(work));
  }
}
