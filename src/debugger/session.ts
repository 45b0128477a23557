/**
 * One debugging session: a program on a machine, with its breakpoints, run and stepped. What a protocol or a terminal
 * shows comes from here; nothing here knows who shows it.
 */

import type { MachineEvent } from '../machine/core/event';
import type { Machine } from '../machine/pc';
import type { VirtualCpu } from '../machine/virtual-cpu';
import { BadInput, type Files } from '../program/program';
import type { LinearAddress } from '../x86/address';
import type { Space } from './address';
import { bootMachine, type Sinks } from './boot';
import { type Breakpoint, Breakpoints } from './breakpoints';
import { type CodeView, codeViewOf } from './code-view';
import { Conditions } from './conditions';
import { VcpuEnvironment } from './environment';
import { type EventBreakpoint, EventBreakpoints } from './events/event-breakpoints';
import { evaluate } from './expression/evaluator';
import { parseExpression } from './expression/parser';
import { functionsOf } from './functions';
import { recollectionOf } from './inspect/recollection';
import type { MachineSettings } from './machine-options';
import type { ProgramInfo } from './program-info';
import { type Pause, RunControl } from './run-control';
import { type StepInTarget, stepInTargets, stepIntoTarget } from './step-in-targets';
import { type Depth, type Granularity, Stepper } from './stepping';
import { liveVcpus } from './vcpu-view';
import { measureExits } from './vmcs/exit-table';

export { pauseText, shutdownLinesOf } from './pause-text';

export interface SessionOptions {
  readonly files: Files;
  readonly program: string | null;
  readonly settings: MachineSettings;
  readonly sinks: Sinks;
  /** A line for the user's console: log messages, resets, conditions that fail. */
  readonly note: (text: string, breakpoint?: Breakpoint) => void;
  /** A line about an event that is logged; without it, `note` has the line. */
  readonly noteEvent?: (text: string, event: MachineEvent, breakpoint: EventBreakpoint) => void;
  readonly stepIntoInterrupts?: boolean;
}

export class Session {
  readonly machine: Machine;
  readonly info: ProgramInfo;
  readonly breakpoints: Breakpoints;
  /** The language of breakpoints, watches and events. */
  readonly conditions: Conditions;
  readonly events: EventBreakpoints;
  readonly options: SessionOptions;
  private readonly control: RunControl;
  private readonly stepper: Stepper;
  private readonly environments = new Map<number, VcpuEnvironment>();
  private busy = false;
  private last: Pause | undefined;

  private constructor(machine: Machine, info: ProgramInfo, options: SessionOptions) {
    this.machine = machine;
    this.info = info;
    this.options = options;
    this.conditions = new Conditions(
      (vcpu) => this.environment(vcpu),
      (name, here) => info.resolve(name, here),
      machine.memory.wasm,
    );
    this.breakpoints = new Breakpoints(machine, {
      conditions: this.conditions,
      environment: (vcpu) => this.environment(vcpu),
      note: (text, by) => options.note(text, 'places' in by ? by : undefined),
    });
    this.events = new EventBreakpoints(machine, {
      conditions: this.conditions,
      takeId: (wanted) => this.breakpoints.takeId(wanted),
      log: options.noteEvent ?? ((text) => options.note(text)),
      problem: (text) => options.note(text),
      place: (text) => evaluate(parseExpression(text), this.environment(machine.current)).bits,
    });
    recollectionOf(machine);
    measureExits(machine);
    const { maxInstructions, noReboot } = options.settings;
    this.control = new RunControl(machine, this.breakpoints, { maxInstructions, noReboot });
    this.control.events = this.events;
    this.control.onReset = (by) => options.note(`reset by ${by}: the machine starts again`);
    this.stepper = new Stepper(this.control, info, (vcpu) => this.codeView(vcpu), {
      intoInterrupts: options.stepIntoInterrupts ?? false,
    });
  }

  /** Loads the program and stands before its first instruction. @throws BadInput */
  static async start(options: SessionOptions): Promise<Session> {
    const { machine, info } = await bootMachine(options.files, options.program, options.settings, options.sinks);
    for (const warning of info.program.warnings ?? []) options.note(warning);
    for (const { problem } of info.program.modules ?? []) if (problem !== undefined) options.note(problem);
    return new Session(machine, info, options);
  }

  get running(): boolean {
    return this.busy;
  }
  /** Why the last motion ended; undefined before the first. */
  get stopped(): Pause | undefined {
    return this.last;
  }

  // Motion. With `only` no other vCPU takes turns meanwhile.

  continue(only?: number): Promise<Pause> {
    return this.move(() => this.control.continue(), only);
  }
  step(vcpu: number, depth: Depth, granularity: Granularity, only?: number): Promise<Pause> {
    return this.move(() => this.stepper.step(vcpu, depth, granularity), only);
  }
  stepOut(vcpu: number, only?: number): Promise<Pause> {
    return this.move(() => this.stepper.out(vcpu), only);
  }
  /** Goes on to an instruction on the way, past what is called before it, and into what that one calls. */
  stepInto(vcpu: number, target: StepInTarget, only?: number): Promise<Pause> {
    return this.move(() => stepIntoTarget(this.stepper, this.vcpu(vcpu), this.info, target), only);
  }
  runUntil(vcpu: number, address: LinearAddress, only?: number): Promise<Pause> {
    return this.move(() => this.stepper.until(vcpu, address), only);
  }
  /** The calls of the line, or of the instruction, at which a vCPU stands. */
  stepInTargets(vcpu: number): StepInTarget[] {
    return stepInTargets(this.vcpu(vcpu), this.codeView(vcpu));
  }

  /** The motion under way ends at the next slice. */
  pause(): void {
    this.control.pause();
  }

  private async move(motion: () => Pause | Promise<Pause>, only: number | undefined): Promise<Pause> {
    if (this.busy) throw new BadInput('the machine is running; pause it first');
    const { ended } = this.control;
    if (ended !== undefined) return { reason: 'ending', vcpu: this.machine.current, ending: ended, stop: undefined };
    this.restrict(only ?? null);
    recollectionOf(this.machine).departing();
    this.busy = true;
    this.control.begin();
    try {
      const pause = motion();
      // A single step is done at once.
      this.last = pause instanceof Promise ? await pause : pause;
      return this.last;
    } finally {
      this.busy = false;
    }
  }

  private restrict(only: number | null): void {
    const { machine } = this;
    if (only !== null) this.checkAlone(only);
    if (machine.turns.only !== only) machine.input({ kind: 'only', vcpu: only });
  }

  /** @throws BadInput for a vCPU that takes no turns */
  checkAlone(vcpu: number): void {
    if (this.machine.turns.isStopped(vcpu)) throw new BadInput(`vCPU ${vcpu} was stopped and takes no more turns`);
  }

  /** This vCPU takes no more turns until the machine is reset. @throws BadInput for the last one */
  stopVcpu(index: number): void {
    const { machine } = this;
    const { turns } = machine;
    if (turns.isStopped(this.vcpu(index).index)) throw new BadInput(`vCPU ${index} has been stopped before`);
    if (liveVcpus(machine).every((other) => other.index === index))
      throw new BadInput(`vCPU ${index} is the last one that runs: terminate the program instead`);
    machine.input({ kind: 'stop', vcpu: index });
  }

  /** Called while the machine runs, every few milliseconds. */
  onProgress(listener: (() => void) | undefined): void {
    this.control.onProgress = listener;
  }

  // Looking

  vcpu(index: number): VirtualCpu {
    const found = this.machine.cpus[index];
    if (found === undefined)
      throw new BadInput(`there is no vCPU ${index}; they are 0 to ${this.machine.cpus.length - 1}`);
    return found;
  }

  environment(index: number): VcpuEnvironment {
    let environment = this.environments.get(index);
    if (environment === undefined) {
      environment = new VcpuEnvironment(this.machine, this.vcpu(index), this.info, functionsOf(this, index));
      this.environments.set(index, environment);
    }
    return environment;
  }

  /** Code as the vCPU would decode it now; `near` tells which part of another space than the linear one. */
  codeView(index: number, space: Space = 'linear', near = 0n): CodeView {
    return codeViewOf(this.machine, this.vcpu(index), this.info, space, near);
  }
}
