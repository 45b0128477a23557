/** A VM exit as a value: what happened, and what decided it. */

import type { FaultRecord } from './fault';

/** Why a VM exit happened: the row that decided, and on what. */
export interface ExitCause {
  /** Id of the row of machine/vmx/intercepts that decided. */
  readonly rule: string;
  /** The control, as `primary.hlt-exiting`. */
  readonly control?: string;
  /** The field that decided, and the bit in it. */
  readonly field?: string;
  readonly bit?: number;
  /** Physical address of the bitmap's byte. */
  readonly bitmapByte?: bigint;
  readonly value?: bigint;
}

/** A VMX abort: its indicator (Intel SDM vol. 3, "VMX Aborts"), and the entry of an MSR area that was refused. */
export interface VmxAbort {
  readonly indicator: number;
  readonly refused?: MsrRefusal;
}

/** Why an entry of an MSR area was refused: its number from 1, as the exit qualification names it. */
export interface MsrRefusal {
  readonly entry: number;
  readonly index: number;
  readonly rule: 'reserved' | 'segment-base' | 'x2apic' | 'smm' | 'microcode' | 'wrmsr' | 'rdmsr';
}

/** A VM exit that is to happen, with what its information fields will say. */
export interface Exit {
  /** Basic exit reason. */
  readonly reason: number;
  readonly cause: ExitCause;
  readonly qualification?: bigint;
  readonly guestLinear?: bigint;
  readonly guestPhysical?: bigint;
  /** VM-exit interruption information, and the error code where it has one. */
  readonly interruption?: number;
  readonly errorCode?: number;
  readonly instructionInfo?: number;
  /** Of the instruction that caused it; 0 where none did. */
  readonly instructionLength?: number;
  /** IDT-vectoring information: what was being delivered. */
  readonly vectoring?: number;
  readonly vectoringCode?: number;
  /** Of an exit by an exception or a triple fault: the faults that led to it, first to last. */
  readonly chain?: readonly FaultRecord[];
  /** Bit 30 and the like are of no use here; bit 31: the entry failed. */
  readonly entryFailure?: true;
}
