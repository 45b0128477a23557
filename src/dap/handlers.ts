/** The shape of a family of requests: a handler by the request's name, giving the body of the answer. */

import { BadInput } from '../program/program';

/** A request that is being worked on, as a handler sees it that takes long. */
export interface Ongoing {
  /** The client has asked for it to be given up, or the machine goes on. */
  readonly cancelled: boolean;
  /** Lets other messages come in between. @throws Cancelled when the request is not wanted any more */
  breathe(): Promise<void>;
}

/** What is answered to a request that was given up. */
export class Cancelled extends Error {
  constructor() {
    super('cancelled');
  }
}

/** Arguments arrive as the client wrote them; each handler says which shape it reads. */
export type Handler = (args: never, ongoing: Ongoing) => unknown;
export type Handlers = Readonly<Record<string, Handler>>;

/** Things that the client names by a number that it was given. */
export class Numbered<Thing> {
  private readonly things: Thing[] = [];

  constructor(private readonly what: string) {}

  add(thing: Thing): number {
    return this.things.push(thing);
  }
  /** @throws BadInput */
  get(number: number): Thing {
    const thing = this.things[number - 1];
    if (thing === undefined) throw new BadInput(`there is no ${this.what} ${number}`);
    return thing;
  }
}
