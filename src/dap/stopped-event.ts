/** How a pause is told to the client, or the end of the program. */

import type { DebugProtocol } from '@vscode/debugprotocol';
import { eventTitle } from '../debugger/events/kinds';
import { vectorName } from '../debugger/explain';
import type { Pause } from '../debugger/run-control';
import { pauseText, shutdownLinesOf } from '../debugger/session';
import { eventReport } from '../debugger/why/event-report';
import { shutdownKind } from '../debugger/why/shutdown';
import type { EventKind } from '../machine/core/event';
import type { Context } from './context';
import { threadId } from './frames';

type Stopped = DebugProtocol.StoppedEvent['body'];
type Words = Pick<Stopped, 'reason' | 'description' | 'text' | 'hitBreakpointIds'>;

/** Endings at which there is still something to look at. */
const inspectable = new Set(['halted', 'triple-fault', 'no-progress']);

export const announce = (context: Context, pause: Pause = { reason: 'pause', vcpu: 0 }): void => {
  context.stand(pause);
  if (pause.reason === 'ending' && pause.stop?.reason === 'triple-fault')
    context.noteGroup([`${shutdownKind(pause.stop)}:`, ...shutdownLinesOf(pause)]);
  if (pause.reason === 'event') {
    const report = eventReport(context.session, pause.event);
    if (report.length > 0) context.noteGroup(report);
  }
  if (
    pause.reason === 'ending' &&
    (pause.stop === undefined || !inspectable.has(pause.ending.outcome) || noDebug(context))
  ) {
    if (pause.stop !== undefined || pause.ending.outcome === 'budget') context.note(pauseText(pause));
    context.finish(pause.ending);
    return;
  }
  const body: Stopped = { ...words(context, pause), threadId: threadId(pause.vcpu), allThreadsStopped: true };
  context.otherBreakpoints.tell(context);
  context.shown.stopped();
  context.send('stopped', body);
  context.memoryChanged();
};

const noDebug = (context: Context): boolean => context.launched.noDebug === true;

const plain = {
  entry: 'Paused at the first instruction',
  step: 'Paused after a step',
  pause: 'Paused',
} as const;

const words = (context: Context, pause: Pause): Words => {
  const text = pauseText(pause, context.session);
  switch (pause.reason) {
    case 'entry':
    case 'step':
    case 'pause':
      return { reason: pause.reason, description: plain[pause.reason] };
    case 'breakpoint': {
      const reason = breakpointReason(context, pause.ids);
      return {
        reason,
        description: `Paused on ${reason.startsWith('i') ? 'an' : 'a'} ${reason}`,
        hitBreakpointIds: [...pause.ids],
      };
    }
    case 'watchpoint':
      return {
        reason: 'data breakpoint',
        description: 'Paused on a data breakpoint',
        text,
        hitBreakpointIds: [...pause.hits.map(({ id }) => id), ...pause.ids],
      };
    case 'fault':
      return {
        reason: 'exception',
        description: `Paused on ${vectorName(pause.fault.vector)}`,
        text,
        hitBreakpointIds: [...pause.ids],
      };
    case 'alone':
      return { reason: 'pause', description: 'Paused: nothing can wake it up', text };
    case 'event':
      return {
        reason: eventReason(context, pause),
        description: `Paused on ${eventTitle(pause.event)}`,
        text,
        hitBreakpointIds: [...pause.ids],
      };
    case 'ending':
      return endingWords(pause, text);
  }
};

const endingWords = (pause: Pause & { readonly reason: 'ending' }, text: string): Words => {
  const { stop } = pause;
  if (stop?.reason === 'triple-fault')
    return {
      reason: 'exception',
      description: stop.abort === undefined ? 'Triple fault' : shutdownKind(stop),
      text: shutdownLinesOf(pause).join('\n'),
      ...(pause.ids === undefined || pause.ids.length === 0 ? {} : { hitBreakpointIds: [...pause.ids] }),
    };
  if (stop?.reason === 'no-progress') return { reason: 'exception', description: 'No progress', text };
  return { reason: 'pause', description: 'Halted', text };
};

/** By the group that all of them belong to. */
const breakpointReason = (context: Context, ids: readonly number[]): string => {
  const [only = '', another] = context.breakpoints.groupsOf(ids);
  const named = only === 'function' || only === 'instruction';
  return another === undefined && named ? `${only} breakpoint` : 'breakpoint';
};

/** Kinds that a filter of their own stops at, as exceptions do: the client then asks what happened. */
const exceptional: ReadonlySet<EventKind> = new Set(['vmexit', 'vmentry-failure', 'vmfail']);

/** A trap is an exception whoever asked for it; other events are what the breakpoint was set as. */
const eventReason = (context: Context, { event, ids }: Pause & { readonly reason: 'event' }): string => {
  if (event.kind === 'trap') return 'exception';
  if (exceptional.has(event.kind) && context.breakpoints.groupsOf(ids).includes('exception')) return 'exception';
  return context.breakpoints.groupsOf(ids)[0] === 'function' ? 'function breakpoint' : 'event';
};
