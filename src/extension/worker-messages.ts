/** What the extension host and the worker with the machine say to each other: the protocol's messages, and files. */

export type ToWorker =
  | { readonly kind: 'protocol'; readonly message: object }
  /** Another client begins to speak: it attaches to a machine that stayed. */
  | { readonly kind: 'client' }
  | { readonly kind: 'file'; readonly request: number; readonly bytes: Uint8Array }
  | { readonly kind: 'no-file'; readonly request: number; readonly why: string };

export type FromWorker =
  | { readonly kind: 'protocol'; readonly message: object }
  /** The machine outlives its client. */
  | { readonly kind: 'stays' }
  /** Asks for the bytes at a URI, as only the host can read it. */
  | { readonly kind: 'read'; readonly request: number; readonly uri: string };

/** One end of the line between the two, on whatever kind of worker. */
export interface Port<Incoming, Outgoing> {
  send(message: Outgoing): void;
  receive(listener: (message: Incoming) => void): void;
}
