import type { FaultRecord } from './core/event';
import type { Fault } from './core/fault';

/** Why a run came back. */
export type Stop =
  | { readonly reason: 'limit' }
  | { readonly reason: 'breakpoint'; readonly vcpu: number; readonly linear: bigint }
  | {
      readonly reason: 'watchpoint';
      readonly vcpu: number;
      readonly id: number;
      readonly access: 'read' | 'write';
      readonly address: bigint;
    }
  | { readonly reason: 'fault'; readonly vcpu: number; readonly fault: Fault }
  | { readonly reason: 'requested'; readonly what: string }
  /** Nothing but outside input can wake the machine; `never` not even that. */
  | { readonly reason: 'halted'; readonly never: boolean }
  | { readonly reason: 'power-off' }
  | { readonly reason: 'reset'; readonly by: string }
  | { readonly reason: 'guest-exit'; readonly value: number }
  | { readonly reason: 'triple-fault'; readonly vcpu: number; readonly chain: readonly FaultRecord[] }
  | { readonly reason: 'no-progress'; readonly vcpu: number };
