/** What was asked for in the console to stop at, as it was written: so that it can be listed, and set again elsewhere. */

import { BadInput } from '../../program/program';
import { linear } from '../../x86/address';
import { type Place, placeText } from '../address';
import type { ProgramInfo } from '../program-info';
import type { Session } from '../session';
import type { TriggerOptions } from '../trigger';
import type { Watch, WatchAccess } from '../watches';
import type { MemoryPlace } from './arguments';

export type StopRequest = {
  /** As it was written. */
  readonly text: string;
  readonly options: TriggerOptions;
} & (
  | { readonly kind: 'code' }
  | { readonly kind: 'event'; readonly logs: boolean }
  | { readonly kind: 'watch'; readonly place: MemoryPlace; readonly length: number; readonly access: WatchAccess }
  | { readonly kind: 'register' }
);

/** Addresses that a location means on a machine. @throws BadInput, ExpressionError */
export type Resolve = (location: string) => readonly Place[];

export class Stops {
  private readonly placed = new Map<number, StopRequest>();

  /** @returns its number @throws BadInput, ExpressionError */
  add(session: Session, request: StopRequest, resolve: Resolve): number {
    const id = arm(session, request, resolve, undefined);
    this.placed.set(id, request);
    return id;
  }

  /** @throws BadInput where there is none of that number */
  remove({ breakpoints, events }: Session, id: number): void {
    this.placed.delete(id);
    if (!breakpoints.remove(id) && !breakpoints.unwatch(id) && !events.remove(id))
      throw new BadInput(`there is no breakpoint ${id}`);
  }

  /** Turns one on or off; it keeps its number, its place and its count of hits. @throws BadInput */
  turn(session: Session, id: number, enabled: boolean): void {
    const request = this.placed.get(id);
    if (request === undefined)
      throw new BadInput(
        idsOf(session).includes(id)
          ? `breakpoint ${id} was not set in this console: whoever set it turns it off`
          : `there is no breakpoint ${id}`,
      );
    const { breakpoints } = session;
    const before = breakpoints.list().find((one) => one.id === id);
    const turned = { ...request, options: { ...request.options, enabled } };
    arm(session, turned, () => before?.places ?? [], id);
    const now = breakpoints.list().find((one) => one.id === id);
    if (now !== undefined) now.hits = before?.hits ?? 0;
    this.placed.set(id, turned);
  }

  /** The numbers of those that were set here. */
  get ids(): number[] {
    return [...this.placed.keys()];
  }

  /** Sets all of them on another machine. What cannot be set there is told, and gone. */
  restore(session: Session, resolve: Resolve, problem: (text: string) => void): void {
    for (const [id, request] of this.placed) {
      try {
        arm(session, request, resolve, id);
      } catch (error) {
        problem(
          `breakpoint ${id} at ${request.text} is gone: ${error instanceof Error ? error.message : String(error)}`,
        );
        this.placed.delete(id);
      }
    }
  }
}

/** The numbers of all there are, whoever set them. */
export const idsOf = ({ breakpoints, events }: Session): number[] =>
  [...breakpoints.list(), ...breakpoints.listWatches(), ...events.list()].map(({ id }) => id);

/** One line a breakpoint, whoever set it. */
export const stopLines = ({ info, breakpoints, events }: Session): string[] => {
  const rows = [
    ...breakpoints
      .list()
      .map((one): [number, string] => [
        one.id,
        `${one.id} ${one.places.map((at) => whereText(info, at)).join(', ')}${detailsOf(one)}`,
      ]),
    ...breakpoints
      .listWatches()
      .map((one): [number, string] => [one.id, `${one.id} ${watchText(one)}${detailsOf(one)}`]),
    ...events
      .list()
      .map((one): [number, string] => [
        one.id,
        `${one.id} ${one.logs && one.logMessage === undefined ? 'log ' : ''}${one.text}${detailsOf(one)}`,
      ]),
  ];
  return rows.length === 0 ? ['no breakpoints'] : rows.sort(([a], [b]) => a - b).map(([, text]) => text);
};

/** `0x100003 print+0x3 hello.asm:36`, `phys:0x1000`. */
export const whereText = (info: ProgramInfo, at: Place): string =>
  at.space === 'linear' && at.vcpu === undefined ? info.placeOf(linear(at.address)) : placeText(at);

/** `write 4 bytes at 0x1000`, `change of rax`. */
export const watchText = ({ access, target, stepping }: Pick<Watch, 'access' | 'target' | 'stepping'>): string => {
  if ('register' in target)
    return `change of ${target.register}${stepping ? ' (compared after every instruction: slow)' : ''}`;
  const { size, place } = target;
  return `${access === 'both' ? 'access' : access} ${size} ${size === 1 ? 'byte' : 'bytes'} at ${placeText(place)}`;
};

/** ` if ecx == 2, hits >= 5, once, hit 3 times` */
export const detailsOf = ({
  condition,
  hitCondition,
  logMessage,
  temporary,
  enabled,
  hits = 0,
}: TriggerOptions & { readonly hits?: number }): string =>
  [
    condition === undefined ? '' : ` if ${condition}`,
    hitCondition === undefined ? '' : ` hits ${hitCondition}`,
    logMessage === undefined ? '' : ` log ${logMessage}`,
    temporary === true ? ', once' : '',
    enabled === false ? ', disabled' : '',
    hits === 0 ? '' : `, hit ${hits} ${hits === 1 ? 'time' : 'times'}`,
  ].join('');

const arm = (session: Session, request: StopRequest, resolve: Resolve, wanted: number | undefined): number => {
  const { breakpoints, events } = session;
  const { text, options } = request;
  switch (request.kind) {
    case 'code':
      return breakpoints.add(resolve(text), options, wanted).id;
    case 'event':
      return (request.logs ? events.log(text, options, wanted) : events.break(text, options, wanted)).id;
    case 'watch': {
      const { place, length, access } = request;
      return breakpoints.watch({ space: place.space, address: place.address }, length, access, options, wanted);
    }
    case 'register':
      return breakpoints.watchRegister(text, options, undefined, wanted).id;
  }
};
