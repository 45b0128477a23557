/**
 * The debug adapter: takes the protocol's messages from a stream, a socket or a worker's port, gives each request to
 * its handler, and answers. The handlers lie in files by family of requests; what they share is the context.
 */

import { Event, Response } from '@vscode/debugadapter/lib/messages';
import { ProtocolServer } from '@vscode/debugadapter/lib/protocol';
import type { DebugProtocol } from '@vscode/debugprotocol';
import { describeError, ExpressionError } from '../debugger/expression/syntax';
import { BadInput, type Files } from '../program/program';
import { checkArguments } from './argument-types';
import { breakpointHandlers } from './breakpoint-requests';
import { codeHandlers } from './code-requests';
import { Context } from './context';
import { eventHandlers } from './event-stream';
import { executionHandlers } from './execution-requests';
import { expressionHandlers } from './expression-requests';
import { Cancelled, type Handlers, type Ongoing } from './handlers';
import type { LeftMachines } from './left-machines';
import { leave, lifecycleHandlers } from './lifecycle-requests';
import { memoryHandlers } from './memory-requests';
import { RequestQueue } from './request-queue';
import { stateHandlers } from './state-requests';

/** Requests that a client makes in passing: their failure is shown where the answer would be. */
const quiet = new Set([
  'evaluate',
  'setVariable',
  'setExpression',
  'completions',
  'readMemory',
  'disassemble',
  'source',
]);

/** What the debug console asks for is not given up. */
const UNHURRIED: Ongoing = { cancelled: false, breathe: async () => {} };

export class Adapter extends ProtocolServer {
  /** The session is over and its answer is sent: the transport can be closed. */
  onEnd: (() => void) | undefined;
  private readonly context: Context;
  private readonly handlers: Handlers;
  private readonly queue: RequestQueue;

  /** @param left machines that stay when their client goes, shared by all adapters of this process */
  constructor(files: Files, left?: LeftMachines) {
    super();
    this.context = new Context(files, (event, body) => this.sendEvent(new Event(event, body)), left);
    // A message that is no JSON: there is no request to answer.
    this.on('error', ({ body }: DebugProtocol.Event) =>
      this.context.send('output', { category: 'important', output: `a message cannot be read: ${body}\n` }),
    );
    this.handlers = {
      ...lifecycleHandlers(this.context, () => this.onEnd?.()),
      ...breakpointHandlers(this.context),
      ...eventHandlers(this.context),
      ...executionHandlers(this.context),
      ...stateHandlers(this.context),
      ...expressionHandlers(this.context, async () => {
        await this.handlers.restart?.({} as never, UNHURRIED);
      }),
      ...memoryHandlers(this.context),
      ...codeHandlers(this.context),
    };
    this.queue = new RequestQueue(
      (request, ongoing) => this.answer(request, ongoing),
      (request) => this.respond(request, new Cancelled()),
    );
  }

  /** Nobody listens any more: a machine that was attached to goes on alone, any other stops. */
  override dispose(): void {
    const { context } = this;
    if (context.attached && context.hasSession && !context.isOver)
      void leave(context, false).finally(() => context.end());
    else context.end();
  }

  protected override dispatchRequest(request: DebugProtocol.Request): void {
    if (request.command === 'cancel') this.cancel(request);
    else this.queue.add(request);
  }

  /** Is done as it comes in: it is about requests that came before it. */
  private cancel(request: DebugProtocol.Request): void {
    try {
      const given = withoutNulls(request.arguments ?? {}) as DebugProtocol.CancelArguments;
      checkArguments('cancel', given);
      const { requestId, progressId } = given;
      if (requestId !== undefined) this.queue.cancel(requestId);
      if (progressId !== undefined && !this.context.progress.cancel(progressId))
        throw new BadInput(`there is nothing of the name ${progressId} to cancel`);
      this.respond(request, undefined);
    } catch (error) {
      this.respond(request, error);
    }
  }

  /** Does what is asked and answers; a promise where that takes longer. */
  private answer(request: DebugProtocol.Request, ongoing: Ongoing): Promise<void> | undefined {
    try {
      const { command } = request;
      if (typeof command !== 'string') throw new BadInput('a request says its command as a text');
      const handler = Object.hasOwn(this.handlers, command) ? this.handlers[command] : undefined;
      if (handler === undefined) throw new BadInput(`the request ${command} is not supported`);
      const given = withoutNulls(request.arguments ?? {});
      checkArguments(command, given);
      if (!this.context.greeted && command !== 'initialize' && command !== 'disconnect')
        throw new BadInput(`the request ${command} came before initialize`);
      const body = handler(given as never, ongoing);
      if (!(body instanceof Promise)) this.respond(request, undefined, body);
      else
        return body.then(
          (late) => this.respond(request, ongoing.cancelled ? new Cancelled() : undefined, late),
          (error) => this.respond(request, error),
        );
    } catch (error) {
      this.respond(request, error);
    }
    return undefined;
  }

  private respond(request: DebugProtocol.Request, error: unknown, body?: unknown): void {
    const response: DebugProtocol.Response = new Response(request);
    if (error !== undefined) refuse(response, error, !quiet.has(request.command));
    else if (body !== undefined) response.body = body;
    this.sendResponse(response);
    // What the console has set or removed.
    if (request.command === 'evaluate') this.context.otherBreakpoints.tell(this.context);
    this.context.answered();
  }
}

const DEEPEST = 100;

/** Some clients write null for what is not there. @throws BadInput */
const withoutNulls = (value: unknown, depth = 0): unknown => {
  if (depth > DEEPEST) throw new BadInput(`the arguments are nested more than ${DEEPEST} deep`);
  if (Array.isArray(value)) return value.map((one) => withoutNulls(one, depth + 1));
  if (typeof value !== 'object' || value === null) return value;
  return Object.fromEntries(
    Object.entries(value)
      .filter(([, one]) => one !== null)
      .map(([name, one]) => [name, withoutNulls(one, depth + 1)]),
  );
};

const INTERNAL = 8;
const BAD_INPUT = 2;

const refuse = (response: DebugProtocol.Response, error: unknown, showUser: boolean): void => {
  response.success = false;
  // The protocol's own word, at which clients keep quiet.
  if (error instanceof Cancelled) {
    response.message = 'cancelled';
    return;
  }
  const expected = error instanceof BadInput || error instanceof ExpressionError;
  const text =
    error instanceof ExpressionError ? describeError(error) : error instanceof Error ? error.message : String(error);
  response.message = expected ? text : `internal error of Ringside, please report it: ${text}`;
  response.body = {
    error: { id: expected ? BAD_INPUT : INTERNAL, format: response.message, showUser },
  };
};
