/**
 * The user's breakpoints: several may lie at one address, each with its condition, hit count and log message. The
 * machine asks at each arrival; nobody is asked where there is none.
 */

import type { Machine } from '../machine/pc';
import type { Stop } from '../machine/stop';
import { BadInput } from '../program/program';
import { hex, type LinearAddress, linear } from '../x86/address';
import type { Environment } from './expression/evaluator';
import { evaluate, holds } from './expression/evaluator';
import { parseExpression } from './expression/parser';
import { describeError, type Expression, ExpressionError } from './expression/syntax';
import { readInteger } from './machine-options';
import { currentAddress } from './vcpu-view';

export interface BreakpointOptions {
  /** An expression; the breakpoint counts only where it is not 0. */
  readonly condition?: string | undefined;
  /** `5` or `>= 5` from the fifth time on, `== 5` the fifth time, `% 5` every fifth time. */
  readonly hitCondition?: string | undefined;
  /** Instead of stopping, this text goes to the console; `{expression}` is replaced by its value. */
  readonly logMessage?: string | undefined;
  /** Removed when it is hit. */
  readonly temporary?: boolean;
}

export interface Breakpoint extends BreakpointOptions {
  readonly id: number;
  readonly addresses: readonly LinearAddress[];
  hits: number;
}

interface Armed {
  readonly breakpoint: Breakpoint;
  readonly condition: Expression | undefined;
  readonly counts: (hits: number) => boolean;
  readonly log: readonly (string | Expression)[] | undefined;
}

type WatchpointStop = Stop & { readonly reason: 'watchpoint' };

export type WatchAccess = 'read' | 'write' | 'both';

interface Watch extends Armed {
  readonly address: bigint;
  readonly size: number;
  readonly access: WatchAccess;
}

export interface BreakpointHost {
  readonly environment: (vcpu: number) => Environment;
  /** A logpoint's line. */
  readonly log: (text: string, breakpoint: Breakpoint) => void;
  /** Is it a repeated string instruction, which arrives at itself after each iteration? */
  readonly repeats: (vcpu: number, address: LinearAddress) => boolean;
  /** The condition of a breakpoint cannot be evaluated: it stops, and says why. */
  readonly problem: (text: string, breakpoint: Breakpoint) => void;
}

export class Breakpoints {
  /** Ids of the breakpoints that led to the last stop. */
  hit: number[] = [];
  private readonly armed = new Map<number, Armed>();
  private readonly at = new Map<bigint, Set<number>>();
  /** The engine's own places (stepping): asked before the user's. */
  private readonly internal = new Map<bigint, (vcpu: number) => boolean>();
  /** Watched memory by the machine's number of it. */
  private readonly watches = new Map<number, Watch>();
  private nextId = 1;
  /** Where the machine was last: its next iteration there is no arrival. */
  private left = { vcpu: -1, linear: -1n, step: -1 };
  private readonly machine: Machine;
  private readonly host: BreakpointHost;

  constructor(machine: Machine, host: BreakpointHost) {
    this.machine = machine;
    this.host = host;
    machine.breakpoints.decide = (vcpu, linear) => this.stops(vcpu, linear);
  }

  /**
   * @param id of a breakpoint that this one takes the place of
   * @throws BadInput for a condition that cannot be read
   */
  add(addresses: readonly LinearAddress[], options: BreakpointOptions = {}, id = this.nextId): Breakpoint {
    const armed = read({ ...options, id, addresses, hits: 0 });
    this.nextId = Math.max(this.nextId, id + 1);
    this.armed.set(id, armed);
    for (const address of addresses) {
      const ids = this.at.get(address) ?? new Set();
      ids.add(id);
      this.at.set(address, ids);
      this.arm(address);
    }
    return armed.breakpoint;
  }

  /** @returns whether there was one */
  remove(id: number): boolean {
    const armed = this.armed.get(id);
    if (armed === undefined) return false;
    this.armed.delete(id);
    for (const address of armed.breakpoint.addresses) {
      const ids = this.at.get(address);
      ids?.delete(id);
      if (ids?.size === 0) this.at.delete(address);
      this.arm(address);
    }
    return true;
  }

  /**
   * Stops after an access to memory, where the condition holds then.
   * @returns the number that the pause names
   * @throws BadInput for a condition that cannot be read
   */
  watch(address: bigint, size: number, access: WatchAccess, options: BreakpointOptions = {}): number {
    const armed = read({ ...options, id: 0, addresses: [linear(address)], hits: 0 });
    const id = this.machine.breakpoints.watch(address, size, { read: access !== 'write', write: access !== 'read' });
    this.watches.set(id, { ...armed, address, size, access });
    return id;
  }
  unwatch(id: number): void {
    this.machine.breakpoints.unwatch(id);
    this.watches.delete(id);
  }

  /** The watches that want the machine to stop for an access, of which the machine names only the first. */
  watched({ vcpu, id: named, address, access }: WatchpointStop): number[] {
    const touched = ([id, watch]: readonly [number, Watch]): boolean =>
      id === named ||
      ((watch.access === 'both' || watch.access === access) &&
        address >= watch.address &&
        address < watch.address + BigInt(watch.size));
    return [...this.watches].filter((one) => touched(one) && this.isHit(one[1], vcpu)).map(([id]) => id);
  }

  list(): Breakpoint[] {
    return [...this.armed.values()].map(({ breakpoint }) => breakpoint);
  }

  /** Stops at an address where `stops` says so, until the returned function is called. */
  watchFor(address: LinearAddress, stops: (vcpu: number) => boolean): () => void {
    this.internal.set(address, stops);
    this.arm(address);
    return () => {
      this.internal.delete(address);
      this.arm(address);
    };
  }

  /** Counts start again. */
  restart(): void {
    for (const { breakpoint } of this.armed.values()) breakpoint.hits = 0;
  }

  /** The vCPU whose turn it is goes on from where it stands. */
  depart(): void {
    const { machine } = this;
    const vcpu = machine.cpus[machine.current];
    if (vcpu !== undefined) this.left = { vcpu: vcpu.index, linear: currentAddress(vcpu), step: machine.counters.step };
  }

  /** Asked where the machine does not ask: a step or a slice of a run ended here. */
  arrivedAt(vcpu: number): boolean {
    const cpu = this.machine.cpus[vcpu];
    if (cpu === undefined || !cpu.active) return false;
    const address = currentAddress(cpu);
    return (this.at.has(address) || this.internal.has(address)) && this.stops(vcpu, address);
  }

  private arm(address: bigint): void {
    const wanted = this.at.has(address) || this.internal.has(address);
    const { breakpoints } = this.machine;
    if (wanted === breakpoints.has(address)) return;
    if (wanted) breakpoints.add(address);
    else breakpoints.remove(address);
  }

  private stops(vcpu: number, linear: bigint): boolean {
    const hit: number[] = [];
    const again = this.iterates(vcpu, linear);
    for (const id of this.at.get(linear) ?? []) {
      const armed = this.armed.get(id);
      if (!again && armed !== undefined && this.isHit(armed, vcpu)) hit.push(id);
    }
    const own = this.internal.get(linear)?.(vcpu) ?? false;
    if (hit.length === 0 && !own) return false;
    this.hit = hit;
    for (const id of hit) if (this.armed.get(id)?.breakpoint.temporary) this.remove(id);
    return true;
  }

  private iterates(vcpu: number, linear: bigint): boolean {
    const { left } = this;
    const { step } = this.machine.counters;
    this.left = { vcpu, linear, step };
    const next = left.vcpu === vcpu && left.linear === linear && left.step + 1 === step;
    return next && this.host.repeats(vcpu, linear as LinearAddress);
  }

  private isHit({ breakpoint, condition, counts, log }: Armed, vcpu: number): boolean {
    const environment = this.host.environment(vcpu);
    if (condition !== undefined) {
      try {
        if (!holds(condition, environment)) return false;
      } catch (error) {
        if (!(error instanceof ExpressionError)) throw error;
        this.host.problem(`condition \`${breakpoint.condition}\`: ${describeError(error)}`, breakpoint);
        return true;
      }
    }
    breakpoint.hits++;
    if (!counts(breakpoint.hits)) return false;
    if (log === undefined) return true;
    this.host.log(
      log.map((part) => (typeof part === 'string' ? part : textOf(part, environment))).join(''),
      breakpoint,
    );
    return false;
  }
}

/** @throws BadInput */
const read = (breakpoint: Breakpoint): Armed => {
  const { condition, hitCondition, logMessage } = breakpoint;
  return {
    breakpoint,
    condition: isGiven(condition) ? readCondition(condition) : undefined,
    counts: isGiven(hitCondition) ? readHitCondition(hitCondition) : () => true,
    log: isGiven(logMessage) ? readLogMessage(logMessage) : undefined,
  };
};

const isGiven = (text: string | undefined): text is string => text !== undefined && text.trim() !== '';

/** @throws BadInput */
const readCondition = (text: string): Expression => {
  try {
    return parseExpression(text);
  } catch (error) {
    if (error instanceof ExpressionError) throw new BadInput(`condition \`${text}\`: ${describeError(error)}`);
    throw error;
  }
};

const counters: Readonly<Record<string, (hits: number, wanted: number) => boolean>> = {
  '': (hits, wanted) => hits >= wanted,
  '>=': (hits, wanted) => hits >= wanted,
  '>': (hits, wanted) => hits > wanted,
  '==': (hits, wanted) => hits === wanted,
  '=': (hits, wanted) => hits === wanted,
  '<': (hits, wanted) => hits < wanted,
  '<=': (hits, wanted) => hits <= wanted,
  '%': (hits, wanted) => hits % wanted === 0,
};

/** @throws BadInput */
const readHitCondition = (text: string): ((hits: number) => boolean) => {
  const [, operator = '', digits = ''] = /^\s*([<>=%]*)\s*(\w+)\s*$/.exec(text) ?? [];
  const count = counters[operator];
  const wanted = readInteger(digits);
  if (count === undefined || wanted === undefined || (operator === '%' && wanted === 0n))
    throw new BadInput(`hit count \`${text}\`: write 5, >= 5, == 5 or % 5`);
  return (hits) => count(hits, Number(wanted));
};

/** Text and the expressions in its braces; `{{` is a brace. @throws BadInput */
const readLogMessage = (text: string): (string | Expression)[] => {
  const parts: (string | Expression)[] = [];
  const pattern = /\{\{|\}\}|\{([^{}]*)\}|[^{}]+|[{}]/g;
  for (const [piece, inner] of text.matchAll(pattern)) {
    if (inner !== undefined) parts.push(readCondition(inner));
    else parts.push(piece === '{{' ? '{' : piece === '}}' ? '}' : piece);
  }
  return parts;
};

const textOf = (expression: Expression, environment: Environment): string => {
  try {
    return hex(evaluate(expression, environment).bits);
  } catch (error) {
    if (error instanceof ExpressionError) return `<${describeError(error)}>`;
    throw error;
  }
};
