/**
 * The debug adapter: takes the protocol's messages from a stream, a socket or a worker's port, gives each request to
 * its handler, and answers. The handlers lie in files by family of requests; what they share is the context.
 */

import { Event, Response } from '@vscode/debugadapter/lib/messages';
import { ProtocolServer } from '@vscode/debugadapter/lib/protocol';
import type { DebugProtocol } from '@vscode/debugprotocol';
import { describeError, ExpressionError } from '../debugger/expression/syntax';
import { BadInput, type Files } from '../program/program';
import { breakpointHandlers } from './breakpoint-requests';
import { codeHandlers } from './code-requests';
import { Context } from './context';
import { executionHandlers } from './execution-requests';
import { expressionHandlers } from './expression-requests';
import type { Handlers } from './handlers';
import { lifecycleHandlers } from './lifecycle-requests';
import { memoryHandlers } from './memory-requests';
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

/** Arguments without which a request says nothing. */
const required: Readonly<Record<string, readonly string[]>> = {
  setBreakpoints: ['source'],
  setFunctionBreakpoints: ['breakpoints'],
  setInstructionBreakpoints: ['breakpoints'],
  setDataBreakpoints: ['breakpoints'],
  setExceptionBreakpoints: ['filters'],
  dataBreakpointInfo: ['name'],
  breakpointLocations: ['source', 'line'],
  evaluate: ['expression'],
  setVariable: ['variablesReference', 'name', 'value'],
  setExpression: ['expression', 'value'],
  completions: ['text', 'column'],
  variables: ['variablesReference'],
  scopes: ['frameId'],
  readMemory: ['memoryReference', 'count'],
  writeMemory: ['memoryReference', 'data'],
  disassemble: ['memoryReference', 'instructionCount'],
  gotoTargets: ['source', 'line'],
};

/** @throws BadInput */
const checkArguments = (command: string, given: Readonly<Record<string, unknown>>): void => {
  const missing = required[command]?.find((name) => given[name] === undefined || given[name] === null);
  if (missing !== undefined) throw new BadInput(`the request ${command} needs the argument ${missing}`);
};

export class Adapter extends ProtocolServer {
  /** The session is over and its answer is sent: the transport can be closed. */
  onEnd: (() => void) | undefined;
  private readonly context: Context;
  private readonly handlers: Handlers;

  constructor(files: Files) {
    super();
    this.context = new Context(files, (event, body) => this.sendEvent(new Event(event, body)));
    // A message that is no JSON: there is no request to answer.
    this.on('error', ({ body }: DebugProtocol.Event) =>
      this.context.send('output', { category: 'important', output: `a message cannot be read: ${body}\n` }),
    );
    this.handlers = {
      ...lifecycleHandlers(this.context, () => this.onEnd?.()),
      ...breakpointHandlers(this.context),
      ...executionHandlers(this.context),
      ...stateHandlers(this.context),
      ...expressionHandlers(this.context),
      ...memoryHandlers(this.context),
      ...codeHandlers(this.context),
    };
  }

  /** Nobody listens any more: the machine stops. */
  override dispose(): void {
    this.context.end();
  }

  protected override dispatchRequest(request: DebugProtocol.Request): void {
    void this.answer(request);
  }

  private async answer(request: DebugProtocol.Request): Promise<void> {
    const response: DebugProtocol.Response = new Response(request);
    const handler = Object.hasOwn(this.handlers, request.command) ? this.handlers[request.command] : undefined;
    try {
      if (handler === undefined) throw new BadInput(`the request ${request.command} is not supported`);
      const given = request.arguments ?? {};
      checkArguments(request.command, given);
      const body = await handler(given as never);
      if (body !== undefined) response.body = body;
    } catch (error) {
      refuse(response, error, !quiet.has(request.command));
    }
    this.sendResponse(response);
    this.context.answered();
  }
}

const INTERNAL = 8;
const BAD_INPUT = 2;

const refuse = (response: DebugProtocol.Response, error: unknown, showUser: boolean): void => {
  const expected = error instanceof BadInput || error instanceof ExpressionError;
  const text =
    error instanceof ExpressionError ? describeError(error) : error instanceof Error ? error.message : String(error);
  response.success = false;
  response.message = expected ? text : `internal error of Ringside, please report it: ${text}`;
  response.body = {
    error: { id: expected ? BAD_INPUT : INTERNAL, format: response.message, showUser },
  };
};
