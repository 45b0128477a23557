/**
 * Steps as people mean them: one instruction or one source line; into, over or out of what it calls. While a line is
 * stepped, interrupts that come in run through unseen unless they are asked for, so that it never ends in a handler by
 * chance. A step of one instruction is what the processor does next, be it an interrupt.
 */

import { FlowControl, type Instruction, Mnemonic } from 'iced-x86';
import type { MachineEvent } from '../machine/core/event';
import type { VirtualCpu } from '../machine/virtual-cpu';
import { BadInput } from '../program/program';
import { type LinearAddress, linear } from '../x86/address';
import { exitReasons } from '../x86/vmx/exit-reasons';
import type { CodeView } from './code-view';
import { bodyOf } from './function-body';
import { linearOf, withInstruction } from './instruction';
import type { ProgramInfo } from './program-info';
import type { Pause, RunControl } from './run-control';
import { isInGuest } from './sides';
import { yieldToHost } from './slices';
import { framesOf } from './stack';
import { currentAddress } from './vcpu-view';

export type Depth = 'into' | 'over';
export type Granularity = 'instruction' | 'line';

/** Milliseconds of stepping before other things get their turn. */
const PATIENCE = 8;
const STEPS_PER_LOOK = 64;

/** What an instruction does that a step over goes past. */
type Passage = 'call' | 'repeat' | 'loop' | 'entry' | undefined;

const loops = new Set<number>([Mnemonic.Loop, Mnemonic.Loope, Mnemonic.Loopne]);

const passageOf = (instruction: Instruction): Passage => {
  const { flowControl, mnemonic } = instruction;
  if (mnemonic === Mnemonic.Vmlaunch || mnemonic === Mnemonic.Vmresume) return 'entry';
  if (flowControl === FlowControl.Call || flowControl === FlowControl.IndirectCall) return 'call';
  if (flowControl === FlowControl.Interrupt || mnemonic === Mnemonic.Syscall || mnemonic === Mnemonic.Sysenter)
    return 'call';
  if (instruction.isStringInstruction && (instruction.hasRepPrefix || instruction.hasRepnePrefix)) return 'repeat';
  return loops.has(mnemonic) && instruction.nearBranchTarget <= instruction.ip ? 'loop' : undefined;
};

/** How an instruction is gone through on the way. */
interface Way {
  readonly depth: Depth;
  readonly pastRepeats: boolean;
  readonly pastInterrupts: boolean;
}

/** Is every step of the processor one of this way? */
const goesThroughAll = ({ depth, pastRepeats, pastInterrupts }: Way): boolean =>
  depth === 'into' && !pastRepeats && !pastInterrupts;

/** Does the step go past the handler of what was delivered? */
const passes = (event: MachineEvent | undefined, { depth, pastInterrupts }: Way): boolean =>
  event !== undefined && (event.kind === 'trap' ? depth === 'over' : pastInterrupts);

/** VM exits that are no doing of the instruction at which they come. Intel SDM vol. 3, "Other Causes of VM Exits" */
const asynchronous: ReadonlySet<number> = new Set(
  (['EXTERNAL_INTERRUPT', 'INIT', 'INTERRUPT_WINDOW', 'NMI_WINDOW', 'PREEMPTION_TIMER'] as const).map(
    (name) => exitReasons[name].number,
  ),
);

/** Does the step go past the hypervisor's work after the last exit? */
const passesExit = ({ vmx }: VirtualCpu, { depth, pastInterrupts }: Way): boolean =>
  depth === 'over' || (pastInterrupts && asynchronous.has(vmx?.lastExit?.exit.reason ?? -1));

/** True on the side of VT-x on which the vCPU is now: guest and host may have the same addresses. */
const onThisSide = (cpu: VirtualCpu): (() => boolean) => {
  const side = isInGuest(cpu);
  return () => isInGuest(cpu) === side;
};

export interface SteppingOptions {
  /** Steps by line go into handlers of interrupts that come in meanwhile. */
  readonly intoInterrupts: boolean;
}

export class Stepper {
  private readonly control: RunControl;
  private readonly info: ProgramInfo;
  private readonly view: (vcpu: number) => CodeView;
  private readonly options: SteppingOptions;

  constructor(control: RunControl, info: ProgramInfo, view: (vcpu: number) => CodeView, options: SteppingOptions) {
    this.control = control;
    this.info = info;
    this.view = view;
    this.options = options;
  }

  step(vcpu: number, depth: Depth, granularity: Granularity): Pause | Promise<Pause> {
    const simple = depth === 'into' && granularity === 'instruction' ? this.atOnce(vcpu) : undefined;
    return simple ?? this.inTime(vcpu, depth, granularity);
  }

  /** Whatever the processor does next, when it is this one's turn; clients step through a lot. */
  private atOnce(vcpu: number): Pause | undefined {
    const { stepped, pause } = this.control.singleStep();
    if (pause !== undefined || stepped !== vcpu) return pause;
    return this.control.arrivedAt(vcpu) ?? { reason: 'step', vcpu };
  }

  private async inTime(vcpu: number, depth: Depth, granularity: Granularity): Promise<Pause> {
    const done: Pause = { reason: 'step', vcpu };
    if (granularity === 'line') return (await this.line(vcpu, depth)) ?? done;
    return (await this.instruction(vcpu, { depth, pastRepeats: false, pastInterrupts: false })) ?? done;
  }

  /** Runs until the caller goes on after its call, or the interrupted code goes on. */
  async out(vcpu: number): Promise<Pause> {
    const { cpus } = this.control.machine;
    const cpu = cpus[vcpu];
    const caller = cpu === undefined ? undefined : framesOf(cpu, this.info)[1];
    if (cpu === undefined || caller === undefined)
      throw new BadInput('no caller can be found on the stack to step out to');
    if (caller.entered === 'VM exit') return (await this.toGuest(cpu)) ?? { reason: 'step', vcpu };
    const { ring, rsp = 0n } = caller;
    const onSide = onThisSide(cpu);
    const there = () => onSide() && (cpu.state.cpl > ring || (cpu.state.cpl === ring && cpu.state.rsp >= rsp));
    // A fault's handler may go past the instruction that faulted.
    const past = caller.entered === 'interrupt' ? this.after(vcpu, caller.address) : [];
    return (await this.control.runTo(vcpu, [caller.address, ...past], there)) ?? { reason: 'step', vcpu };
  }

  /** Runs until the vCPU arrives at an address. */
  async until(vcpu: number, address: LinearAddress): Promise<Pause> {
    return (await this.control.runTo(vcpu, [address], () => true)) ?? { reason: 'step', vcpu };
  }

  /**
   * Until another line begins, or what called this one goes on. A line that is one instruction ends when it is done; one
   * with a loop in it ends when the loop does. Without a line here, one instruction.
   */
  private async line(vcpu: number, depth: Depth): Promise<Pause | undefined> {
    const cpu = this.control.machine.cpus[vcpu];
    if (cpu === undefined) return undefined;
    const { lines } = this.info;
    const way: Way = { depth, pastRepeats: true, pastInterrupts: !this.options.intoInterrupts };
    const start = currentAddress(cpu);
    const from = lines.at(start);
    const isOne = this.isOneInstruction(vcpu, start);
    if (from === null || isOne === undefined) return this.instruction(vcpu, way);
    let slept = performance.now();
    for (let n = 1; ; n++) {
      const passage = this.passage(vcpu);
      const before = currentAddress(cpu);
      const { rsp } = cpu.state;
      const stop = await this.instruction(vcpu, way);
      if (stop !== undefined) return stop;
      const address = currentAddress(cpu);
      const now = lines.at(address);
      const called = passage?.kind === 'call' && address !== passage.next && address !== before;
      if (called) return now === null ? this.back(vcpu, passage.next, rsp) : this.toBody(vcpu, address);
      // Where it was jumped to code without source, that is where we are.
      if (now === null || (isOne && address === start)) return undefined;
      const isOther = now.line !== from.line || now.file !== from.file;
      if (isOther && (passage?.returns || lines.beginsAt(address))) return undefined;
      if (this.control.wantsPause) return { reason: 'pause', vcpu };
      if (n % STEPS_PER_LOOK === 0 && performance.now() - slept > PATIENCE) {
        await yieldToHost();
        slept = performance.now();
      }
    }
  }

  /** Is the line's piece of code here just the one instruction? Undefined without a line. */
  private isOneInstruction(vcpu: number, address: LinearAddress): boolean | undefined {
    const piece = this.info.lines.pieceAt(address);
    if (piece === null) return undefined;
    const length = withInstruction(this.view(vcpu), address, (instruction) => instruction.length) ?? 0;
    return piece.start === address && piece.end - address === BigInt(length);
  }

  /** What was called has no source: on to where it returns to. */
  private back(vcpu: number, next: LinearAddress, rsp: bigint): Promise<Pause | undefined> {
    const cpu = this.control.machine.cpus[vcpu];
    if (cpu === undefined) return Promise.resolve(undefined);
    const onSide = onThisSide(cpu);
    return this.control.runTo(vcpu, [next], () => onSide() && cpu.state.rsp >= rsp);
  }

  /** At a function's first instruction: on past the code that makes its frame. */
  private async toBody(vcpu: number, address: LinearAddress): Promise<Pause | undefined> {
    const body = bodyOf(this.view(vcpu), address);
    return body === address ? undefined : this.control.runTo(vcpu, [body], () => true);
  }

  /** One instruction of this vCPU, whoever else has turns meanwhile; undefined when it was done. */
  private async instruction(vcpu: number, way: Way): Promise<Pause | undefined> {
    const cpu = this.control.machine.cpus[vcpu];
    if (cpu === undefined) return undefined;
    // Nothing is gone past: what the next instruction is makes no difference.
    if (goesThroughAll(way)) return this.oneStep(vcpu);
    const passage = this.passage(vcpu);
    const rsp = cpu.state.rsp;
    const over = way.depth === 'over';
    const passes = passage?.kind === 'repeat' ? way.pastRepeats || over : over;
    if (passage?.kind === 'entry' && passes) return this.pastGuest(cpu, passage.next);
    const onSide = onThisSide(cpu);
    if (passage?.kind !== undefined && passes)
      return this.control.runTo(
        vcpu,
        [passage.next],
        () => onSide() && (passage.kind !== 'call' || cpu.state.rsp >= rsp),
      );
    return this.single(vcpu, way);
  }

  /** Past an entry: to where root operation goes on, after the guest's next exit or, where it fails, behind it. */
  private async pastGuest(cpu: VirtualCpu, next: LinearAddress): Promise<Pause | undefined> {
    const host = cpu.vmx?.current?.get('HOST_RIP');
    const places = host === undefined ? [next] : [next, linear(host)];
    return this.control.runTo(cpu.index, places, () => !isInGuest(cpu));
  }

  /** Past what the hypervisor does: to where the guest of this VMCS goes on. */
  private async toGuest(cpu: VirtualCpu): Promise<Pause | undefined> {
    const vmcs = cpu.vmx?.pointer;
    const stop = await this.control.runToEvent(
      'vmentry',
      (event) => event.kind === 'vmentry' && event.vcpu === cpu.index && event.vmcs === vmcs,
    );
    return stop ?? this.control.arrivedAt(cpu.index);
  }

  /** Until this vCPU has made one step, whatever it was: nothing is passed, so nobody has to listen. */
  private async oneStep(vcpu: number): Promise<Pause | undefined> {
    const { control } = this;
    for (let slept: number | undefined; ; ) {
      const { stepped, pause } = control.singleStep();
      if (pause !== undefined) return pause;
      if (stepped === vcpu) return control.arrivedAt(vcpu);
      if (control.wantsPause) return { reason: 'pause', vcpu };
      slept ??= performance.now();
      if (performance.now() - slept > PATIENCE) {
        await yieldToHost();
        slept = performance.now();
      }
    }
  }

  /** Steps until this vCPU has made a step that is not to be passed over. */
  private async single(vcpu: number, way: Way): Promise<Pause | undefined> {
    const { control } = this;
    const { machine } = control;
    const cpu = machine.cpus[vcpu];
    if (cpu === undefined) return undefined;
    const heard: MachineEvent[] = [];
    const unsubscribe = machine.events.on(['irq', 'nmi', 'trap'], (event) => {
      if (event.vcpu === vcpu) heard.push(event);
    });
    try {
      let slept = performance.now();
      for (;;) {
        heard.length = 0;
        const { rip, rsp, cpl } = cpu.state;
        const address = currentAddress(cpu);
        const wasInGuest = isInGuest(cpu);
        const { stepped, pause } = control.singleStep();
        if (pause !== undefined) return pause;
        if (stepped === vcpu) {
          if (wasInGuest && !isInGuest(cpu)) {
            if (!passesExit(cpu, way)) return control.arrivedAt(vcpu);
            const stop = await this.toGuest(cpu);
            // Where the hypervisor let it try again, the instruction is still to be done.
            if (stop !== undefined || cpu.state.rip !== rip) return stop;
            continue;
          }
          const delivered = heard.at(-1);
          if (!passes(delivered, way)) return control.arrivedAt(vcpu);
          const onSide = onThisSide(cpu);
          const back = () => onSide() && cpu.state.rsp === rsp && cpu.state.cpl === cpl;
          const next = delivered?.kind === 'trap' ? this.after(vcpu, address) : [];
          const stop = await control.runTo(vcpu, [address, ...next], back);
          if (stop !== undefined) return stop;
          // A fault's handler may have gone past the instruction; an interrupt's has not touched it.
          if (cpu.state.rip !== rip) return control.arrivedAt(vcpu);
        }
        if (control.wantsPause) return { reason: 'pause', vcpu };
        if (performance.now() - slept > PATIENCE) {
          await yieldToHost();
          slept = performance.now();
        }
      }
    } finally {
      unsubscribe();
    }
  }

  private after(vcpu: number, address: LinearAddress): LinearAddress[] {
    const view = this.view(vcpu);
    const next = withInstruction(view, address, (instruction) => linearOf(view, instruction.nextIP));
    return next === undefined ? [] : [next];
  }

  /** Is it a repeated string instruction? */
  repeats(vcpu: number, address: LinearAddress): boolean {
    return withInstruction(this.view(vcpu), address, (instruction) => passageOf(instruction) === 'repeat') ?? false;
  }

  /** What the next instruction does, and where the one behind it lies. */
  private passage(
    vcpu: number,
  ): { readonly kind: Passage; readonly next: LinearAddress; readonly returns: boolean } | undefined {
    const cpu = this.control.machine.cpus[vcpu];
    if (cpu === undefined) return undefined;
    const view = this.view(vcpu);
    return withInstruction(view, currentAddress(cpu), (instruction) => ({
      kind: passageOf(instruction),
      next: linearOf(view, instruction.nextIP),
      returns: instruction.flowControl === FlowControl.Return,
    }));
  }
}
