/**
 * Conditions of breakpoints, watches and events: expressions that are asked often. What an event adds to the language
 * by name (`vector`, `port`) hides registers of that name.
 */

import type { Judged } from '../machine/core/judge';
import type { Site } from '../machine/core/site';
import { BadInput } from '../program/program';
import { type LinearAddress, linear } from '../x86/address';
import { compileCondition } from './expression/compile';
import { type Environment, evaluate, holds } from './expression/evaluator';
import { parseExpression } from './expression/parser';
import { describeError, type Expression, ExpressionError } from './expression/syntax';

export interface Condition {
  readonly text: string;
  readonly expression: Expression;
  /** @throws ExpressionError where it cannot be said */
  holds(vcpu: number, fields?: readonly bigint[]): boolean;
  /** The number that it is. @throws ExpressionError */
  value(vcpu: number, fields?: readonly bigint[]): bigint;
  /** The same for the core, before the instruction at a linear address; undefined: wherever it is. */
  compiled(here: LinearAddress | undefined): (at: Site) => Judged;
}

/** Address of a symbol; a local label is one of the function at `here`. */
export type Resolve = (name: string, here: LinearAddress) => LinearAddress | undefined;

export class Conditions {
  readonly environment: (vcpu: number) => Environment;
  private readonly resolve: Resolve;

  constructor(environment: (vcpu: number) => Environment, resolve: Resolve) {
    this.environment = environment;
    this.resolve = resolve;
  }

  /**
   * @param fields names that are given with each question, in this order
   * @param what word for the message: `condition`
   * @throws BadInput
   */
  read(text: string, fields: readonly string[] = [], what = 'condition'): Condition {
    const expression = parsed(text, what);
    const seen = (vcpu: number, values: readonly bigint[] = []): Environment =>
      withFields(this.environment(vcpu), fields, values);
    return {
      text,
      expression,
      compiled: (here) =>
        compileCondition(expression, {
          symbol: (name) => {
            // A local label is another one in each function.
            if (here === undefined && name.startsWith('.')) return 'unknown';
            return this.resolve(name, here ?? linear(0n));
          },
        }),
      holds: (vcpu, values) => holds(expression, seen(vcpu, values)),
      value: (vcpu, values) => evaluate(expression, seen(vcpu, values)).bits,
    };
  }
}

/** @throws BadInput */
const parsed = (text: string, what: string): Expression => {
  try {
    return parseExpression(text);
  } catch (error) {
    if (error instanceof ExpressionError) throw new BadInput(`${what} \`${text}\`: ${describeError(error)}`);
    throw error;
  }
};

const withFields = (environment: Environment, names: readonly string[], values: readonly bigint[]): Environment => {
  if (names.length === 0) return environment;
  return {
    name: (name, symbolOnly) => {
      const index = symbolOnly ? -1 : names.indexOf(name.toLowerCase());
      const bits = index < 0 ? undefined : values[index];
      return bits === undefined ? environment.name(name, symbolOnly) : { bits, signed: false, size: 8 };
    },
    read: (space, address, size) => environment.read(space, address, size),
    get natural() {
      return environment.natural;
    },
    ...(environment.functions === undefined ? {} : { functions: environment.functions }),
  };
};
