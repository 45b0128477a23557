/** What was asked for in the console to stop at, as it was written: so that it can be listed, and set again elsewhere. */

import { BadInput } from '../../program/program';
import type { LinearAddress } from '../../x86/address';
import { hex } from '../../x86/address';
import { placeText } from '../address';
import type { WatchAccess } from '../breakpoints';
import type { Session } from '../session';
import type { TriggerOptions } from '../trigger';
import type { MemoryPlace } from './arguments';

export type StopRequest = {
  /** As it was written. */
  readonly text: string;
  readonly options: TriggerOptions;
} & (
  | { readonly kind: 'code' }
  | { readonly kind: 'event'; readonly logs: boolean }
  | { readonly kind: 'watch'; readonly place: MemoryPlace; readonly length: number; readonly access: WatchAccess }
);

interface Placed {
  readonly request: StopRequest;
  /** The machine's number of a watch. */
  machine?: number;
}

/** Addresses that a location means on a machine. @throws BadInput, ExpressionError */
export type Resolve = (location: string) => readonly LinearAddress[];

export class Stops {
  private readonly placed = new Map<number, Placed>();

  /** @returns its number @throws BadInput, ExpressionError */
  add(session: Session, request: StopRequest, resolve: Resolve): number {
    const { id, machine } = arm(session, request, resolve, undefined);
    this.placed.set(id, { request, ...(machine === undefined ? {} : { machine }) });
    return id;
  }

  /** @throws BadInput where there is none of that number */
  remove(session: Session, id: number): void {
    const placed = this.placed.get(id);
    this.placed.delete(id);
    const { breakpoints, events } = session;
    if (placed?.machine !== undefined) breakpoints.unwatch(placed.machine);
    else if (!breakpoints.remove(id) && !events.remove(id)) throw new BadInput(`there is no breakpoint ${id}`);
  }

  removeAll(session: Session): void {
    for (const id of [...this.placed.keys()]) this.remove(session, id);
  }

  /** Sets all of them on another machine. What cannot be set there is told, and gone. */
  restore(session: Session, resolve: Resolve, problem: (text: string) => void): void {
    for (const [id, placed] of this.placed) {
      const { request } = placed;
      try {
        const { machine } = arm(session, request, resolve, id);
        if (machine !== undefined) placed.machine = machine;
      } catch (error) {
        problem(
          `breakpoint ${id} at ${request.text} is gone: ${error instanceof Error ? error.message : String(error)}`,
        );
        this.placed.delete(id);
      }
    }
  }

  /** One line a breakpoint, whoever set it. */
  lines(session: Session): string[] {
    const { info, breakpoints, events } = session;
    const rows = [
      ...breakpoints
        .list()
        .map((one): [number, string] => [
          one.id,
          `${one.id} ${one.addresses.map((address) => info.placeOf(address)).join(', ')}${detailsOf(one)}`,
        ]),
      ...events
        .list()
        .map((one): [number, string] => [
          one.id,
          `${one.id} ${one.logs && one.logMessage === undefined ? 'log ' : ''}${one.text}${detailsOf(one)}`,
        ]),
      ...[...this.placed].flatMap(([id, { request }]): [number, string][] =>
        request.kind === 'watch' ? [[id, `${id} ${watchText(request)}${detailsOf(request.options)}`]] : [],
      ),
    ];
    return rows.length === 0 ? ['no breakpoints'] : rows.sort(([a], [b]) => a - b).map(([, text]) => text);
  }
}

type Watch = StopRequest & { readonly kind: 'watch' };

/** `write 4 bytes at 0x1000`. */
export const watchText = ({ access, length, place: { space, address } }: Watch): string =>
  `${access === 'both' ? 'access' : access} ${length} ${length === 1 ? 'byte' : 'bytes'} at ${placeText({ space, address })}`;

/** ` if ecx == 2, hits >= 5, once, hit 3 times` */
export const detailsOf = ({
  condition,
  hitCondition,
  logMessage,
  temporary,
  hits = 0,
}: TriggerOptions & { readonly hits?: number }): string =>
  [
    condition === undefined ? '' : ` if ${condition}`,
    hitCondition === undefined ? '' : ` hits ${hitCondition}`,
    logMessage === undefined ? '' : ` log ${logMessage}`,
    temporary === true ? ', once' : '',
    hits === 0 ? '' : `, hit ${hits} ${hits === 1 ? 'time' : 'times'}`,
  ].join('');

const arm = (
  session: Session,
  request: StopRequest,
  resolve: Resolve,
  wanted: number | undefined,
): { readonly id: number; readonly machine?: number } => {
  const { breakpoints, events } = session;
  const { text, options } = request;
  switch (request.kind) {
    case 'code':
      return { id: breakpoints.add(resolve(text), options, wanted).id };
    case 'event':
      return { id: (request.logs ? events.log(text, options, wanted) : events.break(text, options, wanted)).id };
    case 'watch': {
      const { place, length, access } = request;
      if (place.space !== 'linear') throw new BadInput(`${hex(place.address)}: only linear addresses can be watched`);
      const machine = breakpoints.watch(place.address, length, access, options);
      return { id: breakpoints.takeId(wanted), machine };
    }
  }
};
