/** What the privileged architecture asks of VT-x; machine/vmx answers. A processor without it has none of this. */

import type { Instruction } from 'iced-x86';
import type { Exit } from '../core/exit';
import { Fault } from '../core/fault';
import type { AddressView } from './look';

export type { Exit, ExitCause, VmxAbort } from '../core/exit';

/** The vector that stands for "no exception but a VM exit". */
export const VM_EXIT = 256;

/** A refusal that ends in the hypervisor: thrown as a fault is, before anything has changed. */
export class VmExit extends Fault {
  constructor(readonly exit: Exit) {
    super(VM_EXIT, { rule: 'vmx.exit' });
  }
}

/** An event on its way to the guest, as VM-exit and IDT-vectoring information name it. */
export interface GuestEvent {
  readonly vector: number;
  readonly type:
    | 'external-interrupt'
    | 'nmi'
    | 'hardware-exception'
    | 'software-interrupt'
    | 'privileged-software-exception'
    | 'software-exception';
  readonly errorCode?: number;
  /** Length of the instruction that raised it, for software events. */
  readonly length?: number;
}

export interface Virtualization {
  /** In root operation with a current VMCS: its guest's registers and address space, for one look. */
  readonly guestSide: AddressView | undefined;
  /** In VMX non-root operation. */
  readonly nonRoot: boolean;
  /** In VMX operation, root or not. */
  readonly on: boolean;
  /** Makes the exit that an instruction causes before it is executed; false when it causes none. @throws Fault that comes first */
  intercept(instruction: Instruction): boolean;
  /** What a read of CR0 or CR4 gives: in a guest the shadow's bits where the hypervisor owns them. */
  shadowed(register: 0 | 4, value: bigint): bigint;
  /** What a write makes of CR0 or CR4: in a guest the bits that the hypervisor owns stay. @throws Fault for bits that are fixed in VMX operation */
  admitted(register: 0 | 4, now: bigint, value: bigint): bigint;
  /** Does the exception bitmap want this exception? For page faults error code, mask and match decide too. */
  wantsException(vector: number, errorCode: number | undefined): boolean;
  /** VMXON and its kin, as instructions. @throws Fault */
  execute(instruction: Instruction, nextRip: bigint): void;
  /** Delivers a fault in the guest, or makes the exit that it stands for. @param during what was being delivered */
  deliver(fault: Fault, during?: GuestEvent): void;
  /** INT3, INTO and INT1, which the exception bitmap can want; INT n it cannot. True when it exited. */
  softwareException(event: GuestEvent): boolean;
  /** Makes a VM exit at the present boundary. */
  exit(exit: Exit): void;
  /** CR8 of a guest with a TPR shadow; undefined and false without. */
  readTaskPriority(): number | undefined;
  writeTaskPriority(value: number): boolean;
  /** What a guest's TSC is ahead of the processor's. */
  readonly tscOffset: bigint;
  /** Does IRET end NMI blocking? */
  readonly iretUnblocks: boolean;
  /** IRET ended it, and has not completed: an exit that it causes says so. */
  unblocked: boolean;
  /** Blocking by STI and MOV SS at the instruction that is being executed. */
  shadow: number;
  /** Entries and exits so far, also those that failed half-way. */
  readonly transitions: number;
}
