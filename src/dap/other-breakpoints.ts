/** Breakpoints that no request has set, but the console or the configuration: the client is told when they come and go. */

import type { DebugProtocol } from '@vscode/debugprotocol';
import { placeText } from '../debugger/address';
import type { Session } from '../debugger/session';
import type { Context } from './context';

export class OtherBreakpoints {
  private readonly told = new Set<number>();
  private session: Session | undefined;

  tell(context: Context): void {
    if (!context.hasSession) return;
    const { session } = context;
    // On another machine, those that are there again are no news.
    const isNew = session !== this.session;
    this.session = session;
    const now = new Map(othersOf(session).filter(([id]) => !context.breakpoints.knows(id)));
    for (const id of [...this.told]) {
      if (now.has(id)) continue;
      this.told.delete(id);
      context.send('breakpoint', { reason: 'removed', breakpoint: { id, verified: false } });
    }
    for (const [id, more] of now) {
      if (this.told.has(id) && !isNew) continue;
      const reason = this.told.has(id) ? 'changed' : 'new';
      this.told.add(id);
      context.send('breakpoint', { reason, breakpoint: { id, verified: true, ...more } });
    }
  }
}

const othersOf = ({ breakpoints, events }: Session): [number, Partial<DebugProtocol.Breakpoint>][] => [
  ...breakpoints
    .list()
    .map(({ id, places: [first] }): [number, Partial<DebugProtocol.Breakpoint>] => [
      id,
      first === undefined ? {} : { instructionReference: placeText(first) },
    ]),
  ...breakpoints.listWatches().map(({ id }): [number, Partial<DebugProtocol.Breakpoint>] => [id, {}]),
  ...events.list().map(({ id, text }): [number, Partial<DebugProtocol.Breakpoint>] => [id, { message: text }]),
];
