/**
 * The breakpoints as the client knows them: in groups, each replaced by one request. A breakpoint keeps its number from
 * the first time it is asked for, also before there is a machine and when the machine is started anew; one that is asked
 * for again as it was is left alone, with its hits.
 */

import type { DebugProtocol } from '@vscode/debugprotocol';
import { describeError, ExpressionError } from '../debugger/expression/syntax';
import type { Session } from '../debugger/session';
import { BadInput } from '../program/program';

type Answer = DebugProtocol.Breakpoint;

/** A breakpoint that the machine has. */
export interface Placed {
  /** What the client is told of it beside its number. */
  readonly answer: Partial<Answer>;
  readonly release: () => void;
}

/** Sets one breakpoint under a number. Throws what becomes its message. */
export type Place = (session: Session, id: number) => Placed;

export interface Wish {
  /** What tells it from the others of its group: it keeps its number while this stays. */
  readonly key: string;
  /** All that was asked. */
  readonly asked: object;
  readonly place: Place;
}

interface Kept extends Wish {
  readonly id: number;
  readonly placed: Placed | undefined;
  readonly answer: Answer;
}

/** Where there may be a session. */
export interface SessionHolder {
  readonly hasSession: boolean;
  readonly session: Session;
}

const PENDING = 'the program has not been loaded yet';

export class BreakpointBook {
  private readonly groups = new Map<string, readonly Kept[]>();
  private nextId = 1;

  constructor(private readonly holder: SessionHolder) {}

  /** One request replaces all breakpoints of its group. */
  replace(group: string, wishes: readonly Wish[]): Answer[] {
    const before = [...(this.groups.get(group) ?? [])];
    const takeOld = (wish: Wish): Kept | undefined => {
      const at = before.findIndex(({ key }) => key === wish.key);
      return at < 0 ? undefined : before.splice(at, 1)[0];
    };
    const found = wishes.map((wish) => ({ wish, old: takeOld(wish) }));
    for (const gone of before) gone.placed?.release();
    const kept = found.map(({ wish, old }) => {
      if (old?.placed !== undefined && JSON.stringify(old.asked) === JSON.stringify(wish.asked)) return old;
      old?.placed?.release();
      return this.place(wish, old?.id ?? this.takeId());
    });
    if (kept.length > 0) this.groups.set(group, kept);
    else this.groups.delete(group);
    return kept.map(({ answer }) => answer);
  }

  /** Sets everything again, on another machine, under the same numbers. @returns what is to be told */
  restore(): Answer[] {
    for (const [group, list] of this.groups)
      this.groups.set(
        group,
        list.map((one) => this.place(one, one.id)),
      );
    return [...this.groups.values()].flatMap((list) => list.map(({ answer }) => answer));
  }

  /** All of them are gone. */
  clear(): void {
    for (const group of [...this.groups.keys()]) this.replace(group, []);
  }

  /** Keeps the numbers that the client knows free on a new machine. */
  reserve(session: Session): void {
    if (this.nextId > 1) session.breakpoints.takeId(this.nextId - 1);
  }

  /** The groups that these breakpoints belong to. */
  groupsOf(ids: readonly number[]): string[] {
    return [...this.groups].filter(([, list]) => list.some(({ id }) => ids.includes(id))).map(([group]) => group);
  }

  /** Has a request set it? */
  knows(id: number): boolean {
    return [...this.groups.values()].some((list) => list.some((kept) => kept.id === id));
  }

  private takeId(): number {
    const { holder } = this;
    const id = holder.hasSession ? holder.session.breakpoints.takeId() : this.nextId;
    this.nextId = Math.max(this.nextId, id + 1);
    return id;
  }

  private place({ key, asked, place }: Wish, id: number): Kept {
    const wish = { key, asked, place };
    const { holder } = this;
    if (!holder.hasSession)
      return { ...wish, id, placed: undefined, answer: { id, verified: false, message: PENDING, reason: 'pending' } };
    try {
      const placed = place(holder.session, id);
      return { ...wish, id, placed, answer: { id, verified: true, ...placed.answer } };
    } catch (error) {
      return {
        ...wish,
        id,
        placed: undefined,
        answer: { id, verified: false, message: problem(error), reason: 'failed' },
      };
    }
  }
}

const problem = (error: unknown): string => {
  if (error instanceof BadInput) return error.message;
  if (error instanceof ExpressionError) return describeError(error);
  throw error;
};
