import type { Shutdown } from './core/event';
import type { Fault } from './core/fault';

/** A watched thing was used: bytes read or written, or a value that is another than before. */
export interface WatchHit {
  readonly id: number;
  readonly access: 'read' | 'write' | 'change';
  /** Where the access began, in the space that is watched; undefined for a value without an address. */
  readonly address?: bigint;
  readonly size?: number;
  /** What a value without an address was, and is. */
  readonly old?: bigint;
  readonly now?: bigint;
}

/** After the instruction that did it, with all that it touched, in order. */
export interface WatchStop {
  readonly reason: 'watchpoint';
  readonly vcpu: number;
  readonly hits: readonly WatchHit[];
}

/** Why a run came back. */
export type Stop =
  | { readonly reason: 'limit' }
  | { readonly reason: 'breakpoint'; readonly vcpu: number; readonly linear: bigint }
  | WatchStop
  | { readonly reason: 'fault'; readonly vcpu: number; readonly fault: Fault }
  | { readonly reason: 'requested'; readonly what: string }
  /** Nothing but outside input can wake the machine; `never` not even that. */
  | { readonly reason: 'halted'; readonly never: boolean }
  | { readonly reason: 'power-off' }
  | { readonly reason: 'reset'; readonly by: string }
  | { readonly reason: 'guest-exit'; readonly value: number }
  | ({ readonly reason: 'triple-fault'; readonly vcpu: number } & Shutdown)
  | { readonly reason: 'no-progress'; readonly vcpu: number };

/** What ends the machine. */
export const endings: ReadonlySet<Stop['reason']> = new Set(['guest-exit', 'power-off', 'reset'] as const);
