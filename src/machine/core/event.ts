/**
 * Everything that happens is an event: typed, with its position and the reason that decided it. Breakpoints, logpoints,
 * traces, the timeline and tests subscribe; while nobody does, only the counters run.
 */

import type { Exit, MsrRefusal, VmxAbort } from './exit';
import type { FaultRecord, Reason } from './fault';

export type { FaultRecord } from './fault';

/**
 * All kinds count alike: `step` is the number of steps done before the one in which it happened, and `rip` that of the
 * instruction which did it, or which it interrupted.
 */
interface Position {
  readonly step: number;
  readonly vcpu: number;
  readonly rip: bigint;
  /** The same as a linear address. */
  readonly at: bigint;
}

export type MachineEvent = Position &
  (
    | {
        readonly kind: 'trap';
        readonly vector: number;
        readonly errorCode?: number;
        readonly cr2?: bigint;
        readonly why: Reason;
        /** The vector that was being delivered when this came up. */
        readonly during?: number;
      }
    | { readonly kind: 'int'; readonly vector: number }
    | { readonly kind: 'irq'; readonly vector: number; readonly line?: number }
    | { readonly kind: 'nmi' }
    | { readonly kind: 'ring'; readonly from: number; readonly to: number }
    | { readonly kind: 'mode'; readonly from: string; readonly to: string }
    | { readonly kind: 'cr'; readonly register: 0 | 2 | 3 | 4 | 8; readonly access: 'r' | 'w'; readonly value: bigint }
    | { readonly kind: 'msr'; readonly register: number; readonly access: 'r' | 'w'; readonly value: bigint }
    | {
        readonly kind: 'port';
        readonly port: number;
        readonly size: number;
        readonly access: 'r' | 'w';
        readonly value: number;
      }
    | {
        readonly kind: 'mmio';
        readonly address: bigint;
        readonly size: number;
        readonly access: 'r' | 'w';
        readonly value: bigint;
      }
    | { readonly kind: 'cpuid'; readonly leaf: number; readonly subleaf: number }
    | { readonly kind: 'task-switch'; readonly from: number; readonly to: number }
    | { readonly kind: 'syscall'; readonly direction: 'in' | 'out' }
    | { readonly kind: 'tlb-fill'; readonly linear: bigint; readonly physical: bigint }
    /** A cached translation was used that the tables do not give any more: physical pages, and rights as cpu/page-walk.ts has them. */
    | {
        readonly kind: 'stale';
        readonly linear: bigint;
        readonly cached: bigint;
        readonly cachedRights: number;
        readonly fresh: bigint | null;
        readonly freshRights: number | null;
      }
    /** An entry of a paging structure was written through which a watched linear address is translated. */
    | {
        readonly kind: 'pte';
        readonly address: bigint;
        readonly level: 'PML4E' | 'PDPTE' | 'PDE' | 'PTE';
        readonly entryAddress: bigint;
        readonly before: bigint;
        readonly after: bigint;
      }
    | { readonly kind: 'triple-fault'; readonly chain: readonly FaultRecord[] }
    | { readonly kind: 'not-implemented'; readonly instruction: string }
    | { readonly kind: 'reset'; readonly by: string }
    | ({ readonly kind: 'vmexit'; readonly vmcs: bigint } & Exit)
    | { readonly kind: 'vmentry'; readonly vmcs: bigint; readonly launch: boolean; readonly to: bigint }
    /** A check at VM entry refused: which, and at what stage. */
    | {
        readonly kind: 'vmentry-failure';
        readonly vmcs: bigint;
        readonly stage: 'controls' | 'host-state' | 'guest-state' | 'msr-loading';
        readonly rule: string;
        /** What the stage msr-loading met. */
        readonly refused?: MsrRefusal;
      }
    /** A VMX instruction failed: with a number (VMfailValid) or without a current VMCS. */
    | { readonly kind: 'vmfail'; readonly error: number; readonly valid: boolean }
    | { readonly kind: 'hypercall'; readonly number: bigint }
    /** Something that no rule forbids and is a mistake nevertheless, by its id; what was found. */
    | { readonly kind: 'lint'; readonly id: string; readonly value: bigint }
    /** Software read or wrote the region in memory of a VMCS that is active, where its fields are not. */
    | {
        readonly kind: 'vmcs-memory';
        readonly vmcs: bigint;
        readonly address: bigint;
        readonly size: number;
        readonly access: 'r' | 'w';
      }
    | {
        readonly kind: 'vmcs';
        readonly field: string;
        readonly encoding: number;
        readonly access: 'r' | 'w';
        readonly value: bigint;
      }
  );

export type EventKind = MachineEvent['kind'];

/** Why a processor shut down: the faults that led to it, or the VMX abort. */
export interface Shutdown {
  readonly chain: readonly FaultRecord[];
  readonly abort?: VmxAbort;
}
