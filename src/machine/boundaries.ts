/**
 * What comes between two instructions: events that wait for a processor, and turns and time where it has nothing to do.
 * Intel SDM vol. 3, "Priority Among Concurrent Events".
 */

import { resetCpu, startApplicationProcessor } from './boot';
import { state as layout } from './core/layout';
import { type Delivery, deliverInterrupt, deliverNmi } from './cpu/interrupt-delivery';
import type { Devices } from './devices/board-devices';
import type { Stop } from './stop';
import type { Turns } from './turns';
import { activity, type VirtualCpu } from './virtual-cpu';
import {
  type BoardEvents,
  exitBeforeTraps,
  exitForInterrupts,
  exitIsDue,
  instructionDone,
  wakesByInterrupt,
  wakesByTimer,
  wantsWindow,
} from './vmx/pending-events';

const BLOCKED_BY_STI_OR_MOV_SS = 3;
const BLOCKS_NMI = 0xb;
const INTERRUPT_FLAG = 0x200;
const SIPI = 0x100;

/** The board as its boundaries need it. */
export interface Board {
  readonly cpus: readonly VirtualCpu[];
  readonly devices: Devices;
  readonly turns: Turns;
  readonly featureControl: number;
  now(): number;
  /** A step that retired nothing was made. */
  delivered(): void;
  /** Time passes while nobody does anything. */
  wait(ticks: number): void;
}

export class Boundaries {
  constructor(private readonly board: Board) {}

  /** Brings what waits for the processor at this boundary; true when that was a step, or stops the run. */
  attend(vcpu: VirtualCpu): boolean {
    const { board } = this;
    const { state, vmx } = vcpu;
    if (vmx?.nonRoot && exitBeforeTraps(vmx, board.now(), this.eventsFor(vcpu))) return this.delivered(vcpu);
    // In VMX operation INIT waits: a guest exits by it, root operation keeps it.
    if (state.getU32(layout.pendingInit) && !vmx?.on) {
      this.initialise(vcpu);
      return false;
    }
    const shadow = state.getU32(layout.interruptibility);
    const active = state.getU32(layout.activity);
    if (active === activity.waitForSipi) return false;
    if (active !== activity.shutdown) {
      const trapped = vcpu.debug.deliverPending(shadow);
      if (trapped !== 'nothing') return trapped === 'delivered' ? this.delivered(vcpu) : true;
    }
    if (vmx?.nonRoot && exitForInterrupts(vmx, board.now(), this.eventsFor(vcpu))) return this.delivered(vcpu);
    if (active === activity.shutdown) return false;
    if (state.getU32(layout.pendingNmi) && !(shadow & BLOCKS_NMI)) {
      state.setU32(layout.pendingNmi, 0);
      return this.delivered(vcpu, deliverNmi(vcpu.cpu, vcpu.engine.withinRepeat));
    }
    const waiting = board.devices.interruptPending(vcpu.index);
    const window = vmx !== undefined && wantsWindow(vmx);
    state.setU32(layout.interruptWaiting, waiting || window ? 1 : 0);
    if (!waiting || shadow & BLOCKED_BY_STI_OR_MOV_SS || !(state.getU32(layout.flags) & INTERRUPT_FLAG)) return false;
    const vector = board.devices.acknowledgeInterrupt(vcpu.index);
    const delivery = deliverInterrupt(vcpu.cpu, vector, vcpu.engine.withinRepeat, () =>
      board.devices.lineOf(vcpu.index, vector),
    );
    return this.delivered(vcpu, delivery);
  }

  private eventsFor({ index }: VirtualCpu): BoardEvents {
    const { devices } = this.board;
    return {
      get interruptWaiting() {
        return devices.interruptPending(index);
      },
      acknowledge: () => devices.acknowledgeInterrupt(index),
    };
  }

  private delivered(vcpu: VirtualCpu, delivery?: Delivery): true {
    if (delivery?.shutdown) vcpu.processor.shutdown = { chain: delivery.chain };
    this.board.delivered();
    if (vcpu.vmx) instructionDone(vcpu.vmx);
    vcpu.engine.judged = false;
    vcpu.engine.settle();
    vcpu.engine.afterSlow?.();
    return true;
  }

  private initialise(vcpu: VirtualCpu): void {
    vcpu.state.setU32(layout.pendingInit, 0);
    vcpu.engine.judged = false;
    resetCpu(vcpu, this.board.featureControl, true);
    vcpu.state.setU32(layout.activity, vcpu.index === 0 ? activity.active : activity.waitForSipi);
  }

  /** A start-up IPI for a vCPU; one that does not wait for it takes no notice. */
  startUp(index: number, vector: number): void {
    const { cpus, turns } = this.board;
    const vcpu = cpus[index];
    if (!vcpu) return;
    const { state, vmx } = vcpu;
    // An INIT that came before it and waits for the processor's turn is done first.
    if (state.getU32(layout.pendingInit) && index !== turns.current && !vmx?.on) this.initialise(vcpu);
    if (state.getU32(layout.activity) !== activity.waitForSipi) return;
    if (vmx?.nonRoot) state.setU32(layout.pendingSipi, SIPI | vector);
    else startApplicationProcessor(vcpu, vector);
  }

  /** The vCPU whose turn it is does nothing: another one's turn, or time passes until something happens. */
  passTurn(): Stop | undefined {
    const { cpus, devices, turns } = this.board;
    if (turns.next((index) => this.canRun(cpus[index] as VirtualCpu))) return undefined;
    const waiting = cpus.filter(({ index }) => turns.takesPart(index));
    const timer = Math.min(...waiting.map(({ vmx }) => (vmx ? wakesByTimer(vmx) : Number.POSITIVE_INFINITY)));
    const wakes = waiting.some(
      ({ state, vmx }) =>
        (vmx !== undefined && wakesByInterrupt(vmx)) ||
        (state.getU32(layout.activity) === activity.halted && state.getU32(layout.flags) & INTERRUPT_FLAG),
    );
    const interrupt = wakes ? devices.nextWake() : Number.POSITIVE_INFINITY;
    if (Math.min(interrupt, timer) === Number.POSITIVE_INFINITY) return { reason: 'halted', never: !wakes };
    const due = Math.min(devices.nextEvent(), timer);
    const now = this.board.now();
    if (due > now) this.board.wait(due - now);
    return undefined;
  }

  private canRun(vcpu: VirtualCpu): boolean {
    const { state, vmx, index } = vcpu;
    if (vcpu.active) return true;
    if (vmx?.nonRoot && exitIsDue(vmx, this.board.now(), this.eventsFor(vcpu))) return true;
    if (state.getU32(layout.pendingInit) && !vmx?.on) return true;
    if (state.getU32(layout.activity) !== activity.halted) return false;
    if (state.getU32(layout.pendingNmi) && !(state.getU32(layout.interruptibility) & BLOCKS_NMI)) return true;
    return (state.getU32(layout.flags) & INTERRUPT_FLAG) !== 0 && this.board.devices.interruptPending(index);
  }
}
