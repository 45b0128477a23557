/**
 * What lints know of a vCPU's hypervisor: the exit that it handles, what it has done since, and how often the same exit
 * came again. Kept only while somebody listens.
 */

import type { MachineEvent } from '../../machine/core/event';
import type { Machine } from '../../machine/pc';
import type { VirtualCpu } from '../../machine/virtual-cpu';
import type { EventOf } from '../events/fields';

const REGISTERS = 16;

export class Handling {
  /** The last exit, until the guest is entered again and beyond. */
  exit: EventOf<'vmexit'> | undefined;
  /** RIP of the guest at that exit. */
  rip = 0n;
  /** Its hypervisor has written CR2 since. */
  cr2Written = false;
  /** How often the last exit came again with nothing changed. */
  repeated = 0;
  /** The first VMREAD or VMWRITE since the exit is still to come. */
  fresh = false;
  private registers: readonly bigint[] = [];
  private entered: bigint | undefined;

  constructor(
    readonly machine: Machine,
    readonly vcpu: VirtualCpu,
  ) {}

  /** In VMX root operation. */
  get inRoot(): boolean {
    const { vmx } = this.vcpu;
    return vmx?.on === true && !vmx.nonRoot;
  }

  /** To be told of each event before the lints are asked. */
  hear(event: MachineEvent): void {
    if (event.kind === 'vmexit') this.exited(event);
    else if (event.kind === 'vmentry') this.entered = event.to;
    else if (event.kind === 'cr' && event.register === 2 && event.access === 'w' && this.inRoot) this.cr2Written = true;
  }

  private exited(event: EventOf<'vmexit'>): void {
    const { vmx, state } = this.vcpu;
    const rip = vmx?.current?.get('GUEST_RIP') ?? 0n;
    const registers = Array.from({ length: REGISTERS }, (_, n) => state.gpr(n));
    const same =
      this.exit?.reason === event.reason &&
      this.exit.vmcs === event.vmcs &&
      this.rip === rip &&
      this.entered === rip &&
      registers.every((value, n) => value === this.registers[n]);
    this.repeated = same ? this.repeated + 1 : 0;
    this.exit = event;
    this.rip = rip;
    this.registers = registers;
    this.cr2Written = false;
    this.fresh = true;
  }
}
