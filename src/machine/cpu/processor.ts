/** One processor as the core sees it: translation, delivery, and the instructions that have no handler. */

import { type Instruction, Mnemonic, Register } from 'iced-x86';
import { fromHalves } from '../../x86/address';
import { exception } from '../../x86/exceptions';
import { flagBits, segmentNames } from '../../x86/registers';
import type { Architecture } from '../core/architecture';
import type { Shutdown } from '../core/event';
import { Fault } from '../core/fault';
import { access, state as layout } from '../core/layout';
import type { SegmentIndex } from '../core/state';
import type { Cpu } from './cpu';
import { deliverFault } from './interrupt-delivery';
import { PagedMemory } from './linear-memory';
import { type AccessKind, type Accessor, Paging, type PagingOptions } from './paging';
import { executeSlow, supportsInstruction } from './slow-instructions';
import type { GuestEvent } from './virtualization';

/** Flags after whose change the processor looks at interrupts and traps before it goes on. */
const ATTENTION = flagBits.IF | flagBits.TF | flagBits.AC;

export class Processor implements Architecture {
  readonly paging: Paging;
  /** Why it shut down, frozen when it happened. */
  shutdown: Shutdown | undefined;
  /** Debug registers were written. */
  debugChanged: (() => void) | undefined;

  constructor(
    readonly cpu: Cpu,
    options: PagingOptions,
  ) {
    this.paging = new Paging(cpu, options);
    cpu.paging = this.paging;
    cpu.linear = new PagedMemory(cpu, this.paging);
  }

  get fault(): Fault {
    return this.paging.fault;
  }
  get faultVector(): number {
    return this.paging.faultVector;
  }
  get faultCode(): number {
    return this.paging.faultCode;
  }
  get faultLow(): number {
    return this.paging.faultLow;
  }
  get faultHigh(): number {
    return this.paging.faultHigh;
  }
  translate(low: number, high: number, kind: AccessKind, who: Accessor): number {
    const physical = this.paging.translate(low, high, kind, who);
    return physical < 0 ? physical : this.cpu.physical.gate(physical);
  }
  cached(low: number, high: number, kind: 0 | 1): number {
    const physical = this.paging.cached(low, high, kind);
    return physical < 0 ? physical : this.cpu.physical.gate(physical);
  }
  mayDerive(kind: AccessKind): boolean {
    return this.paging.mayDerive(kind);
  }

  execute(instruction: Instruction): boolean {
    const { state, vmx } = this.cpu;
    const before = state.getU32(layout.flags) & ATTENTION;
    if (vmx?.nonRoot) {
      if (vmx.intercept(instruction) || !this.executeInGuest(instruction)) return false;
    } else executeSlow(this.cpu, instruction);
    if (instruction.mnemonic === Mnemonic.Mov && instruction.op0Register >= Register.DR0) this.debugChanged?.();
    const changed = (before ^ state.getU32(layout.flags)) & ATTENTION;
    const waiting = state.getU32(layout.activity) || state.getU32(layout.pendingNmi);
    if (changed || waiting || state.getU32(layout.interruptibility) & 3) state.setU32(layout.leave, 1);
    return true;
  }

  mayDeliver(vector: number, errorCode: number): boolean {
    const { vmx } = this.cpu;
    return !vmx?.nonRoot || !vmx.wantsException(vector, errorCode < 0 ? undefined : errorCode);
  }

  /** A fault while a software interrupt is delivered is told as such. False where it exited instead. */
  private executeInGuest(instruction: Instruction): boolean {
    const { cpu } = this;
    const event = softwareEvent(cpu, instruction);
    if (event === undefined) {
      executeSlow(cpu, instruction);
      if (cpu.vmx) cpu.vmx.unblocked = false;
      return true;
    }
    if (event.type !== 'software-interrupt' && cpu.vmx?.softwareException(event)) return false;
    try {
      executeSlow(cpu, instruction);
    } catch (fault) {
      // Virtual-8086 mode's #GP of INT n comes before there is anything to deliver.
      if (!(fault instanceof Fault) || fault.why.rule === 'v86.iopl') throw fault;
      throw new DuringDelivery(fault, event);
    }
    return true;
  }

  deliver(fault: Fault): void {
    if (fault instanceof DuringDelivery) {
      this.cpu.vmx?.deliver(fault.fault, fault.event);
      this.cpu.state.setU32(layout.leave, 1);
      return;
    }
    const { cpu } = this;
    const delivery = deliverFault(cpu, fault);
    if (cpu.vmx) cpu.vmx.unblocked = false;
    cpu.state.setU32(layout.leave, 1);
    if (delivery.shutdown) this.shutdown = { chain: delivery.chain };
  }

  refusal(vector: number, errorCode: number | undefined, reason: string): Fault {
    const { state } = this.cpu;
    if (reason !== 'segment.limit') return new Fault(vector, { rule: reason as 'segment.limit' }, errorCode);
    const segment = (state.getU32(layout.accessSize) >>> 8) as SegmentIndex;
    return new Fault(
      vector,
      {
        rule: segmentRule(state.segmentAccess(segment), state.getU32(layout.accessKind) === access.write),
        selector: state.selector(segment),
        register: segmentNames[segment],
        linear: state.getU64(layout.accessAddress),
      },
      errorCode,
    );
  }

  misaligned(low: number, high: number): Fault {
    return new Fault(exception.AC, { rule: 'alignment', linear: fromHalves(low, high) }, 0);
  }

  supports(instruction: Instruction): boolean {
    return supportsInstruction(this.cpu, instruction);
  }
}

const softwareEvents: ReadonlyMap<Mnemonic, GuestEvent['type']> = new Map([
  [Mnemonic.Int, 'software-interrupt'],
  [Mnemonic.Int3, 'software-exception'],
  [Mnemonic.Into, 'software-exception'],
  [Mnemonic.Int1, 'privileged-software-exception'],
]);
const softwareVectors: ReadonlyMap<Mnemonic, number> = new Map([
  [Mnemonic.Int1, 1],
  [Mnemonic.Int3, 3],
  [Mnemonic.Into, 4],
]);

/** What an instruction raises by itself. */
const softwareEvent = ({ state }: Cpu, instruction: Instruction): GuestEvent | undefined => {
  const { mnemonic, length } = instruction;
  const type = softwareEvents.get(mnemonic);
  if (type === undefined || (mnemonic === Mnemonic.Into && !(state.rflags & flagBits.OF))) return undefined;
  const vector = mnemonic === Mnemonic.Int ? instruction.immediate8 : (softwareVectors.get(mnemonic) ?? 0);
  return { vector, type, length };
};

/** A fault in the delivery of a software interrupt of a guest. */
class DuringDelivery extends Fault {
  constructor(
    readonly fault: Fault,
    readonly event: GuestEvent,
  ) {
    super(fault.vector, fault.why, fault.errorCode, fault.address);
  }
}

/** Which of its rules a segment refused by. */
const segmentRule = (rights: number, write: boolean) => {
  if (rights & (1 << 16)) return 'segment.null' as const;
  const code = (rights & 8) !== 0;
  if (write && (code || !(rights & 2))) return 'segment.not-writable' as const;
  if (!write && code && !(rights & 2)) return 'segment.not-readable' as const;
  return 'segment.limit' as const;
};
