/**
 * What the client was last shown of the machine, so that after an edit or a stop it is told of exactly what looks
 * different: which views of memory, whether the call stacks, whether the threads.
 */

/** Areas of the protocol's `invalidated` event that are compared. */
export type ComparedArea = 'threads' | 'stacks';

/** Bytes of a range, `UNREADABLE` where there are none. */
export type LookAt = (reference: string, offset: number, count: number) => Uint16Array;
export const UNREADABLE = 0x100;

/** What a memory reference was read for, as offsets from it. */
interface View {
  readonly from: number;
  readonly to: number;
  /** What was there; undefined where it is too much to compare. */
  readonly bytes: Uint16Array | undefined;
}

/** The part of a view that differs, as the protocol's `memory` event has it. */
export interface MemoryChange {
  readonly memoryReference: string;
  readonly offset: number;
  readonly count: number;
}

/** Larger views are told of without being compared. */
const COMPARED = 1 << 18;
/** So many references with views are remembered. */
const MOST_VIEWS = 64;
/** Of a client that asks again and again without a stop, the last answers count. */
const MOST_ANSWERS = 32;

export class Shown {
  private readonly views = new Map<string, View>();
  private answers: { area: ComparedArea; body: string; again: () => object }[] = [];

  /** A part of a view was sent. */
  memoryRead(reference: string, offset: number, count: number, look: LookAt): void {
    const known = this.views.get(reference);
    const from = Math.min(offset, known?.from ?? offset);
    const to = Math.max(offset + count, known?.to ?? offset + count);
    this.views.delete(reference);
    const bytes = to - from > COMPARED ? undefined : look(reference, from, to - from);
    this.views.set(reference, { from, to, bytes });
    const [oldest] = this.views.keys();
    if (this.views.size > MOST_VIEWS && oldest !== undefined) this.views.delete(oldest);
  }

  /** The views that are not what they were. */
  memoryChanges(look: LookAt): MemoryChange[] {
    return [...this.views].flatMap(([memoryReference, { from, to, bytes: before }]) => {
      if (before === undefined) return [{ memoryReference, offset: from, count: to - from }];
      const bytes = this.lookIfThere(look, memoryReference, from, to - from);
      if (bytes === undefined) return [];
      this.views.set(memoryReference, { from, to, bytes });
      const [first, end] = difference(before, bytes);
      return first === end ? [] : [{ memoryReference, offset: from + first, count: end - first }];
    });
  }

  /** After a restart with fewer vCPUs, a reference may be to nothing. */
  private lookIfThere(look: LookAt, reference: string, from: number, count: number): Uint16Array | undefined {
    try {
      return look(reference, from, count);
    } catch {
      this.views.delete(reference);
      return undefined;
    }
  }

  /** An answer about an area, remembered until the next stop. */
  answer<Body extends object>(area: ComparedArea, make: () => Body): Body {
    const body = make();
    this.answers.push({ area, body: JSON.stringify(body), again: make });
    if (this.answers.length > MOST_ANSWERS) this.answers.shift();
    return body;
  }

  /** The areas whose answers would be others now. */
  changedAreas(): ComparedArea[] {
    const areas = this.answers.filter(({ body, again }) => body !== textOf(again)).map(({ area }) => area);
    return [...new Set(areas)];
  }

  /** The machine stopped: the client asks for everything but memory again. */
  stopped(): void {
    this.answers = [];
  }
}

/** What was answered may be no answer any more: a frame that is gone. */
const textOf = (again: () => object): string | undefined => {
  try {
    return JSON.stringify(again());
  } catch {
    return undefined;
  }
};

/** The smallest range outside which both are the same. */
const difference = (before: Uint16Array, now: Uint16Array): readonly [first: number, end: number] => {
  let first = 0;
  while (first < now.length && before[first] === now[first]) first++;
  let end = now.length;
  while (end > first && before[end - 1] === now[end - 1]) end--;
  return [first, end];
};
