/** How a pause is told to the client, or the end of the program. */

import type { DebugProtocol } from '@vscode/debugprotocol';
import { explainChain, vectorName } from '../debugger/explain';
import type { Pause } from '../debugger/run-control';
import { chainOf, pauseText } from '../debugger/session';
import type { Context } from './context';
import { threadId } from './frames';

type Stopped = DebugProtocol.StoppedEvent['body'];
type Words = Pick<Stopped, 'reason' | 'description' | 'text' | 'hitBreakpointIds'>;

/** Endings at which there is still something to look at. */
const inspectable = new Set(['halted', 'triple-fault', 'no-progress']);

export const announce = (context: Context, pause: Pause = { reason: 'pause', vcpu: 0 }): void => {
  context.stand(pause);
  const chain = chainOf(pause);
  if (chain.length > 0) context.noteGroup(['triple fault:', ...explainChain(chain)]);
  if (
    pause.reason === 'ending' &&
    (pause.stop === undefined || !inspectable.has(pause.ending.outcome) || noDebug(context))
  ) {
    if (pause.stop !== undefined || pause.ending.outcome === 'budget') context.note(pauseText(pause));
    context.finish(pause.ending);
    return;
  }
  const body: Stopped = { ...words(context, pause), threadId: threadId(pause.vcpu), allThreadsStopped: true };
  context.send('stopped', body);
  context.memoryChanged();
};

const noDebug = (context: Context): boolean => context.launched.noDebug === true;

const words = (context: Context, pause: Pause): Words => {
  const text = pauseText(pause);
  switch (pause.reason) {
    case 'entry':
    case 'step':
    case 'pause':
      return { reason: pause.reason };
    case 'breakpoint':
      return { reason: breakpointReason(context, pause.ids), hitBreakpointIds: [...pause.ids] };
    case 'watchpoint':
      return {
        reason: 'data breakpoint',
        text,
        hitBreakpointIds: pause.hits.flatMap(({ id }) => context.watched.get(id) ?? []),
      };
    case 'fault':
      return { reason: 'exception', description: `Paused on ${vectorName(pause.fault.vector)}`, text };
    case 'alone':
      return { reason: 'pause', description: 'Paused: nothing can wake it up', text };
    case 'event':
      return { reason: 'event', description: `Paused on ${pause.event.kind}`, text };
    case 'ending':
      return endingWords(pause, text);
  }
};

const endingWords = (pause: Pause & { readonly reason: 'ending' }, text: string): Words => {
  const { stop } = pause;
  if (stop?.reason === 'triple-fault')
    return { reason: 'exception', description: 'Triple fault', text: explainChain(stop.chain).join('\n') };
  if (stop?.reason === 'no-progress') return { reason: 'exception', description: 'No progress', text };
  return { reason: 'pause', description: 'Halted', text };
};

/** By the group that all of them belong to. */
const breakpointReason = (context: Context, ids: readonly number[]): string => {
  const groups = [...context.breakpoints].filter(([, list]) =>
    list.some(({ id }) => id !== undefined && ids.includes(id)),
  );
  const [only] = groups;
  const named = only?.[0] === 'function' || only?.[0] === 'instruction';
  return groups.length === 1 && named ? `${only[0]} breakpoint` : 'breakpoint';
};
