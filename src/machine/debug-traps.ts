/**
 * Debug exceptions of the guest itself as they come up between instructions: breakpoints in DR0-DR3, single-step
 * traps, and the one-instruction shadows of STI and MOV SS. Intel SDM vol. 3, "Debug Exceptions". While one of them is
 * in play, instructions are executed one by one.
 */

import { flagBits } from '../x86/registers';
import type { Engine } from './core/engine';
import { state as layout } from './core/layout';
import type { CpuState } from './core/state';
import { armedBreakpoints, breakpointHits, breakpointReason, debugException, singleStep } from './cpu/debug-registers';
import type { Processor } from './cpu/processor';

const SHADOW = 3;
const BLOCKED_BY_MOV_SS = 2;
const DR6_BS = 1 << 14;

export class DebugTraps {
  private onExecution = false;

  constructor(
    private readonly state: CpuState,
    private readonly processor: Processor,
    private readonly engine: Engine,
  ) {}

  /** DR0-DR3 or DR7 may have been written. */
  changed(): void {
    const { state } = this;
    const armed = armedBreakpoints(state);
    this.onExecution = armed.some(({ condition }) => condition === 'execute');
    this.engine.watch(
      'guest',
      armed
        .filter(({ condition }) => condition === 'write' || condition === 'access')
        .map(({ address, length, condition }) => ({
          address,
          size: length,
          read: condition === 'access',
          write: true,
          hit: (kind: 'read' | 'write', at: bigint, size: number) => this.pend(breakpointHits(state, kind, at, size)),
        })),
    );
  }

  /** A port was accessed: breakpoints on ports exist with CR4.DE. */
  portAccessed(port: number, size: number): void {
    this.pend(breakpointHits(this.state, 'port', BigInt(port), size));
  }

  private pend(bits: number): void {
    if (bits === 0) return;
    this.state.setU64(layout.pendingDebug, this.state.getU64(layout.pendingDebug) | BigInt(bits));
    this.state.setU32(layout.leave, 1);
  }

  /** Is the next instruction to be executed alone? */
  mustStep(): boolean {
    const { state } = this;
    return (
      this.onExecution ||
      (state.getU32(layout.flags) & flagBits.TF) !== 0 ||
      (state.getU32(layout.interruptibility) & SHADOW) !== 0
    );
  }

  stepOnce(): void {
    const { state, engine, processor } = this;
    const flags = state.getU32(layout.flags);
    if (this.onExecution && !(flags & flagBits.RF)) {
      const hits = breakpointHits(state, 'execute', engine.linearRip, 1);
      if (hits !== 0) {
        engine.deliver(debugException(processor.cpu, hits, breakpointReason(state, hits)));
        return;
      }
    }
    // The shadows last for one instruction.
    state.setU32(layout.interruptibility, state.getU32(layout.interruptibility) & ~SHADOW);
    const { deliveries } = engine;
    engine.step();
    // An exception, INT n included, clears TF for its handler: no trap is left over.
    const entered = engine.deliveries !== deliveries || processor.enteredHandler;
    if (flags & flagBits.TF && !entered) this.pend(DR6_BS);
  }

  /** Delivers debug traps of the instruction that was completed, unless MOV SS holds them back. */
  deliverPending(shadow: number): boolean {
    const { state, processor } = this;
    const pending = Number(state.getU64(layout.pendingDebug));
    if (pending === 0 || shadow & BLOCKED_BY_MOV_SS) return false;
    state.setU64(layout.pendingDebug, 0n);
    const fault =
      pending & DR6_BS && !(pending & 15)
        ? singleStep(processor.cpu)
        : debugException(processor.cpu, pending, breakpointReason(state, pending & 15));
    processor.deliver(fault);
    return true;
  }
}
