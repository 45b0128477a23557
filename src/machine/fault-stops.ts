/** Stops before a fault is delivered, for as long as somebody asks for them. */

import type { Fault } from './core/fault';
import type { Stop } from './stop';
import type { VirtualCpu } from './virtual-cpu';

/** True stops. */
export type AskFault = (vcpu: number, fault: Fault) => boolean;

const NOTHING_TOLD = { step: -1, vcpu: -1, vector: -1 };

export class FaultStops {
  /** The fault at which the run stopped, and which is not to be told again when going on. */
  private told = NOTHING_TOLD;

  constructor(
    private readonly cpus: readonly VirtualCpu[],
    private readonly step: () => number,
    private readonly stop: (stop: Stop) => void,
  ) {}

  ask(ask: AskFault | undefined): void {
    for (const { engine, index } of this.cpus)
      engine.beforeDelivery = ask && ((fault) => this.stopsBefore(index, fault, ask));
  }

  forget(): void {
    this.told = NOTHING_TOLD;
  }

  private stopsBefore(vcpu: number, fault: Fault, ask: AskFault): boolean {
    const step = this.step();
    const { vector } = fault;
    if (this.told.step === step && this.told.vcpu === vcpu && this.told.vector === vector) return false;
    if (!ask(vcpu, fault)) return false;
    this.told = { step, vcpu, vector };
    this.stop({ reason: 'fault', vcpu, fault });
    return true;
  }
}
