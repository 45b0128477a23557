/**
 * Conditions of breakpoints, watches and events: expressions that are asked often. What an event adds to the language
 * by name (`vector`, `port`) hides registers of that name.
 */

import type { Judged } from '../machine/core/judge';
import type { Site } from '../machine/core/site';
import { BadInput } from '../program/program';
import { hex, type LinearAddress, linear } from '../x86/address';
import { answer, compileCondition, compileQuestion, type Meanings } from './expression/compile';
import { type Environment, evaluate, holds } from './expression/evaluator';
import { parseExpression, parseQuery } from './expression/parser';
import { describeError, type Expression, ExpressionError } from './expression/syntax';
import { formatted, quoted } from './value-text';

export interface Condition {
  readonly text: string;
  readonly expression: Expression;
  /** @throws ExpressionError where it cannot be said */
  holds(vcpu: number, fields?: readonly bigint[]): boolean;
  /** The same for the core, before the instruction at a linear address; undefined: wherever it is. */
  compiled(here: LinearAddress | undefined): (at: Site) => Judged;
}

/** Names of numbers, in lower case. */
export type Constants = ReadonlyMap<string, bigint>;

/** Address of a symbol; a local label is one of the function at `here`. */
export type Resolve = (name: string, here: LinearAddress) => LinearAddress | undefined;

/** A value in words. @throws ExpressionError */
export type Shown = (vcpu: number, fields?: readonly bigint[]) => string;

export class Conditions {
  readonly environment: (vcpu: number) => Environment;
  private readonly resolve: Resolve;
  private readonly memory: WebAssembly.Memory;

  /** @param memory the core's */
  constructor(environment: (vcpu: number) => Environment, resolve: Resolve, memory: WebAssembly.Memory) {
    this.environment = environment;
    this.resolve = resolve;
    this.memory = memory;
  }

  /**
   * @param fields names that are given with each question, in this order
   * @throws BadInput
   */
  read(text: string, fields: readonly string[] = [], constants: Constants = new Map()): Condition {
    const expression = parsed(text, 'condition', parseExpression);
    const seen = (vcpu: number, values: readonly bigint[] = []): Environment =>
      withFields(this.environment(vcpu), fields, values, constants);
    const questions: ((...fields: bigint[]) => number)[] = [];
    let asked = 0;
    const decided = (vcpu: number, values: readonly bigint[]): number => {
      if (asked++ < OFTEN) return answer.undecided;
      questions[vcpu] ??= compileQuestion(expression, fields, this.meanings(undefined), vcpu, this.memory, constants);
      return questions[vcpu](...values);
    };
    return {
      text,
      expression,
      compiled: (here) => compileCondition(expression, this.meanings(here)),
      holds: (vcpu, values = []) => {
        const known = decided(vcpu, values);
        return known === answer.undecided ? holds(expression, seen(vcpu, values)) : known === answer.yes;
      },
    };
  }

  private meanings(here: LinearAddress | undefined): Meanings {
    return {
      // A local label is another one in each function.
      symbol: (name) =>
        here === undefined && name.startsWith('.') ? 'unknown' : this.resolve(name, here ?? linear(0n)),
      hasMsr: (name) => this.environment(0).name(name, false) !== undefined,
    };
  }

  /** What stands in the braces of a log message, with its format: `rbx,d`. @throws BadInput */
  shown(text: string, fields: readonly string[] = []): Shown {
    const { value: expression, format, place, count } = parsed(text, 'log message, expression', parseQuery);
    if (place !== undefined || count !== undefined)
      throw new BadInput(`log message, expression \`${text}\`: a single value is wanted`);
    return (vcpu, values) => {
      const environment = withFields(this.environment(vcpu), fields, values ?? []);
      const value = evaluate(expression, environment);
      if (format === undefined) return value.wordy ? (value.meaning ?? '') : hex(value.bits);
      return format === 's' ? textAt(environment, value.bits) : formatted[format](value);
    };
  }
}

/** Questions after which a condition is compiled: it takes as long as so many answers. */
const OFTEN = 100;

/** @throws BadInput */
const parsed = <Tree>(text: string, what: string, parse: (text: string) => Tree): Tree => {
  try {
    return parse(text);
  } catch (error) {
    if (error instanceof ExpressionError) throw new BadInput(`${what} \`${text}\`: ${describeError(error)}`);
    throw error;
  }
};

const LONGEST_TEXT = 256;

/** The text at an address, up to its zero byte or where nothing is mapped. */
const textAt = (environment: Environment, address: bigint): string => {
  const bytes: number[] = [];
  for (let n = 0n; n < LONGEST_TEXT; n++) {
    const byte = environment.read('linear', BigInt.asUintN(64, address + n), 1);
    if (byte === undefined || byte === 0n) break;
    bytes.push(Number(byte));
  }
  return quoted(bytes);
};

const withFields = (
  environment: Environment,
  names: readonly string[],
  values: readonly bigint[],
  constants: Constants = new Map(),
): Environment => {
  if (names.length === 0) return environment;
  return {
    name: (name, symbolOnly) => {
      const index = symbolOnly ? -1 : names.indexOf(name.toLowerCase());
      const constant = symbolOnly ? undefined : constants.get(name.toLowerCase());
      const bits = index < 0 ? constant : values[index];
      return bits === undefined ? environment.name(name, symbolOnly) : { bits, signed: false, size: 8 };
    },
    read: (space, address, size) => environment.read(space, address, size),
    get natural() {
      return environment.natural;
    },
    ...(environment.functions === undefined ? {} : { functions: environment.functions }),
  };
};
