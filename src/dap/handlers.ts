/** The shape of a family of requests: a handler by the request's name, giving the body of the answer. */

/** Arguments arrive as the client wrote them; each handler says which shape it reads. */
export type Handler = (args: never) => unknown;
export type Handlers = Readonly<Record<string, Handler>>;
