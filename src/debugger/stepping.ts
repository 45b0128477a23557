/**
 * Steps as people mean them: one instruction or one source line; into, over or out of what it calls. Interrupts that
 * come in meanwhile run through unseen unless they are asked for, so that a step never lands in a handler by chance.
 */

import { FlowControl, type Instruction, Mnemonic } from 'iced-x86';
import type { MachineEvent } from '../machine/core/event';
import { BadInput } from '../program/program';
import type { LinearAddress } from '../x86/address';
import { type CodeView, linearOf, withInstruction } from './disassemble';
import type { ProgramInfo } from './program-info';
import type { Pause, RunControl } from './run-control';
import { yieldToHost } from './slices';
import { framesOf } from './stack';
import { currentAddress } from './vcpu-view';

export type Depth = 'into' | 'over';
export type Granularity = 'instruction' | 'line';

/** Milliseconds of stepping before other things get their turn. */
const PATIENCE = 8;
const STEPS_PER_LOOK = 64;

/** What an instruction does that a step over goes past. */
type Passage = 'call' | 'repeat' | 'loop' | undefined;

const loops = new Set<number>([Mnemonic.Loop, Mnemonic.Loope, Mnemonic.Loopne]);

const passageOf = (instruction: Instruction): Passage => {
  const { flowControl, mnemonic } = instruction;
  if (flowControl === FlowControl.Call || flowControl === FlowControl.IndirectCall) return 'call';
  if (flowControl === FlowControl.Interrupt || mnemonic === Mnemonic.Syscall || mnemonic === Mnemonic.Sysenter)
    return 'call';
  if (instruction.isStringInstruction && (instruction.hasRepPrefix || instruction.hasRepnePrefix)) return 'repeat';
  return loops.has(mnemonic) && instruction.nearBranchTarget <= instruction.ip ? 'loop' : undefined;
};

export interface SteppingOptions {
  /** Steps go into handlers of interrupts that come in meanwhile. */
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

  async step(vcpu: number, depth: Depth, granularity: Granularity): Promise<Pause> {
    const done: Pause = { reason: 'step', vcpu };
    if (granularity === 'line') return (await this.line(vcpu, depth)) ?? done;
    return (await this.instruction(vcpu, depth, false)) ?? done;
  }

  /** Runs until the caller goes on after its call, or the interrupted code goes on. */
  async out(vcpu: number): Promise<Pause> {
    const { cpus } = this.control.machine;
    const cpu = cpus[vcpu];
    const caller = cpu === undefined ? undefined : framesOf(cpu, this.info)[1];
    if (cpu === undefined || caller === undefined)
      throw new BadInput('no caller can be found on the stack to step out to');
    const there = () => cpu.state.cpl > caller.ring || (cpu.state.cpl === caller.ring && cpu.state.rsp >= caller.rsp);
    // A fault's handler may go past the instruction that faulted.
    const past = caller.entered === 'interrupt' ? this.after(vcpu, caller.address) : [];
    return (await this.control.runTo(vcpu, [caller.address, ...past], there)) ?? { reason: 'step', vcpu };
  }

  /** Runs until the vCPU arrives at an address. */
  async until(vcpu: number, address: LinearAddress): Promise<Pause> {
    return (await this.control.runTo(vcpu, [address], () => true)) ?? { reason: 'step', vcpu };
  }

  /** Until the source line changes, or the same one begins again. Without a line here, one instruction. */
  private async line(vcpu: number, depth: Depth): Promise<Pause | undefined> {
    const { machine } = this.control;
    const cpu = machine.cpus[vcpu];
    const from = cpu === undefined ? null : this.info.lines.at(currentAddress(cpu));
    if (cpu === undefined || from === null) return this.instruction(vcpu, depth, true);
    const start = currentAddress(cpu);
    let slept = performance.now();
    for (let n = 1; ; n++) {
      const called = this.passage(vcpu)?.kind === 'call';
      const stop = await this.instruction(vcpu, depth, true);
      if (stop !== undefined) return stop;
      const address = currentAddress(cpu);
      const now = this.info.lines.at(address);
      // Code that has no source was called: out of it again. Where it was jumped to, that is where we are.
      if (now === null) return called ? this.backFromUnknown(vcpu) : undefined;
      if (now.line !== from.line || now.file !== from.file) return undefined;
      if (address <= start && this.begins(address)) return undefined;
      if (this.control.wantsPause) return { reason: 'pause', vcpu };
      if (n % STEPS_PER_LOOK === 0 && performance.now() - slept > PATIENCE) {
        await yieldToHost();
        slept = performance.now();
      }
    }
  }

  private begins(address: LinearAddress): boolean {
    const at = this.info.lines.at(address);
    return at !== null && (this.info.lines.addresses(at.file, at.line)?.addresses.includes(address) ?? false);
  }

  private async backFromUnknown(vcpu: number): Promise<Pause | undefined> {
    const cpu = this.control.machine.cpus[vcpu];
    const caller = cpu === undefined ? undefined : framesOf(cpu, this.info)[1];
    if (cpu === undefined || caller === undefined) return undefined;
    return this.control.runTo(vcpu, [caller.address], () => cpu.state.rsp >= caller.rsp);
  }

  /** One instruction of this vCPU, whoever else has turns meanwhile; undefined when it was done. */
  private async instruction(vcpu: number, depth: Depth, pastRepeats: boolean): Promise<Pause | undefined> {
    const cpu = this.control.machine.cpus[vcpu];
    if (cpu === undefined) return undefined;
    const passage = this.passage(vcpu);
    const rsp = cpu.state.rsp;
    const passes = passage?.kind === 'repeat' ? pastRepeats || depth === 'over' : depth === 'over';
    if (passage?.kind !== undefined && passes)
      return this.control.runTo(vcpu, [passage.next], () => passage.kind !== 'call' || cpu.state.rsp >= rsp);
    return this.single(vcpu, depth);
  }

  /** Steps until this vCPU has made a step that is no interrupt's. */
  private async single(vcpu: number, depth: Depth): Promise<Pause | undefined> {
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
        const { stepped, pause } = control.singleStep();
        if (pause !== undefined) return pause;
        if (stepped === vcpu) {
          const delivered = heard.at(-1);
          if (!this.passes(delivered, depth)) return control.arrivedAt(vcpu);
          const back = () => cpu.state.rsp === rsp && cpu.state.cpl === cpl;
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

  /** Does the step go past the handler of what was delivered? */
  private passes(event: MachineEvent | undefined, depth: Depth): boolean {
    if (event === undefined) return false;
    return event.kind === 'trap' ? depth === 'over' : !this.options.intoInterrupts;
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
  private passage(vcpu: number): { readonly kind: Passage; readonly next: LinearAddress } | undefined {
    const cpu = this.control.machine.cpus[vcpu];
    if (cpu === undefined) return undefined;
    const view = this.view(vcpu);
    return withInstruction(view, currentAddress(cpu), (instruction) => ({
      kind: passageOf(instruction),
      next: linearOf(view, instruction.nextIP),
    }));
  }
}
