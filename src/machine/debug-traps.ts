/**
 * Debug exceptions of the guest itself as they come up between instructions: breakpoints in DR0-DR3, single-step
 * traps, and the one-instruction shadows of STI and MOV SS. Intel SDM vol. 3, "Debug Exceptions". While one of them is
 * in play, instructions are executed one by one.
 */

import { exception } from '../x86/exceptions';
import { flagBits } from '../x86/registers';
import type { Engine } from './core/engine';
import { Fault } from './core/fault';
import { state as layout } from './core/layout';
import type { CpuState } from './core/state';
import { armedBreakpoints, breakpointHits, breakpointReason, DebugException, SINGLE_STEP } from './cpu/debug-registers';
import { peekTranslation } from './cpu/look';
import { LONG, modeOf } from './cpu/mode';
import type { Processor } from './cpu/processor';

const SHADOW = 3;
const BLOCKED_BY_MOV_SS = 2;
const DR6_BS = 1 << 14;
/** L0 - L3 and G0 - G3 of DR7. */
const ENABLED = 0xff;
const PREFIXES: ReadonlySet<number> = new Set([0x26, 0x2e, 0x36, 0x3e, 0x64, 0x65, 0x66, 0x67, 0xf0, 0xf2, 0xf3]);
const LONGEST = 15;

export class DebugTraps {
  private onExecution = false;
  private armed = false;

  constructor(
    private readonly state: CpuState,
    private readonly processor: Processor,
    private readonly engine: Engine,
  ) {}

  /** DR0-DR3 or DR7 may have been written. */
  changed(): void {
    const { state } = this;
    const armed = armedBreakpoints(state);
    this.armed = armed.length > 0;
    this.onExecution = armed.some(({ condition }) => condition === 'execute');
    // The next instruction may be one that is armed.
    state.setU32(layout.leave, 1);
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

  /** DR7 may have been loaded by a VM entry or exit. */
  loaded(): void {
    if (this.armed || this.state.getU32(layout.dr + 7 * 8) & ENABLED) this.changed();
  }

  /** A port was accessed: breakpoints on ports exist with CR4.DE. */
  portAccessed(port: number, size: number): void {
    if ((this.state.getU32(layout.dr + 7 * 8) & ENABLED) === 0) return;
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
        engine.deliver(new DebugException(hits, breakpointReason(state, hits)));
        return;
      }
    }
    // The shadows last for one instruction; VM entries and exits of that one ask for them.
    const interruptibility = state.getU32(layout.interruptibility);
    const { vmx } = processor.cpu;
    const transitions = vmx?.transitions;
    if (vmx) vmx.shadow = interruptibility & SHADOW;
    state.setU32(layout.interruptibility, interruptibility & ~SHADOW);
    const { deliveries } = engine;
    const opcode = flags & flagBits.TF ? this.opcode() : 0;
    engine.step();
    if (vmx) vmx.shadow = 0;
    // An exception clears TF for its handler, VM entries and exits load it: no trap is left over.
    if (engine.deliveries !== deliveries || vmx?.transitions !== transitions) return;
    if (this.trapFollows(opcode, flags)) this.pend(DR6_BS);
  }

  /**
   * Is there a single-step trap after an instruction that raised nothing? INT n, INT3, INT1 and INTO clear TF as
   * exceptions do; for SYSCALL and SYSRET it is the new TF that counts, so that IA32_FMASK can keep a kernel untraced.
   */
  private trapFollows(opcode: number, flags: number): boolean {
    const now = this.state.getU32(layout.flags);
    if (opcode === 0x0f05 || opcode === 0x0f07) return (now & flagBits.TF) !== 0;
    if (!(flags & flagBits.TF)) return false;
    if (opcode === 0xcc || opcode === 0xcd || opcode === 0xf1) return false;
    return opcode !== 0xce || (this.state.rflags & flagBits.TF) !== 0;
  }

  /** Opcode of the instruction at RIP, with 0F before it where it has one; nothing is translated for the guest. */
  private opcode(): number {
    const { engine, processor } = this;
    const long = modeOf(this.state) === LONG;
    let prefix = 0;
    for (let n = 0; n < LONGEST; n++) {
      const physical = peekTranslation(processor.cpu, engine.linearRip + BigInt(n));
      if (physical === undefined) return 0;
      const byte = Number(processor.cpu.physical.peek(physical, 1));
      if (prefix !== 0) return prefix | byte;
      if (byte === 0x0f) prefix = 0x0f00;
      else if (!PREFIXES.has(byte) && !(long && (byte & 0xf0) === 0x40)) return byte;
    }
    return 0;
  }

  /** The debug trap of the instruction that was completed, unless MOV SS holds it back. */
  pendingTrap(shadow: number): DebugException | undefined {
    const { state } = this;
    const pending = Number(state.getU64(layout.pendingDebug));
    if (pending === 0 || shadow & BLOCKED_BY_MOV_SS) return undefined;
    const stepped = pending & DR6_BS && !(pending & 15);
    return new DebugException(pending, stepped ? SINGLE_STEP : breakpointReason(state, pending & 15));
  }

  /** Delivers it, unless a debugger holds it back. */
  deliverPending(shadow: number): 'nothing' | 'delivered' | 'held' {
    const { state, processor, engine } = this;
    const trap = this.pendingTrap(shadow);
    if (trap === undefined) return 'nothing';
    if (engine.beforeDelivery?.(new Fault(exception.DB, trap.why))) return 'held';
    state.setU64(layout.pendingDebug, 0n);
    processor.deliver(trap);
    return 'delivered';
  }
}
