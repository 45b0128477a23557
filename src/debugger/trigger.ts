/** "If this holds, for the fifth time, stop or say that": one way for breakpoints, watches and events. */

import { BadInput } from '../program/program';
import type { Condition, Conditions, Constants, Shown } from './conditions';
import { describeError, ExpressionError } from './expression/syntax';
import { readInteger } from './machine-options';

export interface TriggerOptions {
  /** An expression; only where it is not 0 does the trigger count. */
  readonly condition?: string | undefined;
  /** `5` or `>= 5` from the fifth time on, `== 5` the fifth time, `% 5` every fifth time. */
  readonly hitCondition?: string | undefined;
  /** Instead of stopping, this text goes to the console; `{expression}` is replaced by its value. */
  readonly logMessage?: string | undefined;
  /** Removed when it is hit. */
  readonly temporary?: boolean | undefined;
  /** Kept, but never asked. */
  readonly enabled?: boolean | undefined;
}

export interface TriggerHost {
  readonly conditions: Conditions;
  /** A log message, made. */
  readonly log: (text: string) => void;
  /** The condition cannot be evaluated: it stops, and says why. */
  readonly problem: (text: string) => void;
}

export class Trigger {
  /** Where it is counted. */
  count: { value: number } = { value: 0 };
  readonly options: TriggerOptions;
  readonly condition: Condition | undefined;
  /** When to stop by the number of hits; undefined: always. */
  readonly counter: HitCounter | undefined;
  private readonly message: readonly (string | Shown)[] | undefined;
  private readonly host: TriggerHost;

  /**
   * @param fields names that what is judged adds to the language
   * @param constants names of values of those fields
   * @throws BadInput
   */
  constructor(
    options: TriggerOptions,
    host: TriggerHost,
    fields: readonly string[] = [],
    constants: Constants = new Map(),
  ) {
    const { condition, hitCondition, logMessage } = options;
    this.options = options;
    this.host = host;
    this.condition = isGiven(condition) ? host.conditions.read(condition, fields, constants) : undefined;
    this.counter = isGiven(hitCondition) ? readHitCondition(hitCondition) : undefined;
    this.message = isGiven(logMessage) ? readLogMessage(logMessage, host.conditions, fields) : undefined;
  }

  /** Counts, and logs. @returns whether to stop */
  isHit(vcpu: number, fields?: readonly bigint[]): boolean {
    if (this.options.enabled === false) return false;
    const { condition, host } = this;
    if (condition !== undefined) {
      try {
        if (!condition.holds(vcpu, fields)) return false;
      } catch (error) {
        if (!(error instanceof ExpressionError)) throw error;
        host.problem(`condition \`${condition.text}\`: ${describeError(error)}`);
        return true;
      }
    }
    this.hits++;
    if (this.counter !== undefined && !counters[this.counter.operator](this.hits, this.counter.wanted)) return false;
    if (this.message === undefined) return true;
    host.log(this.message.map((part) => (typeof part === 'string' ? part : textOf(part, vcpu, fields))).join(''));
    return false;
  }

  /** How often it was met with its condition true. */
  get hits(): number {
    return this.count.value;
  }
  set hits(hits: number) {
    this.count.value = hits;
  }

  /** Does it say something instead of stopping? */
  get logs(): boolean {
    return this.message !== undefined;
  }
}

export interface HitCounter {
  readonly operator: keyof typeof counters;
  readonly wanted: number;
}

const counters = {
  '>=': (hits: number, wanted: number) => hits >= wanted,
  '>': (hits: number, wanted: number) => hits > wanted,
  '==': (hits: number, wanted: number) => hits === wanted,
  '<': (hits: number, wanted: number) => hits < wanted,
  '<=': (hits: number, wanted: number) => hits <= wanted,
  '%': (hits: number, wanted: number) => hits % wanted === 0,
} as const;

/** Other ways to write an operator. */
const spellings: Readonly<Record<string, HitCounter['operator']>> = { '': '>=', '=': '==' };

const isGiven = (text: string | undefined): text is string => text !== undefined && text.trim() !== '';

/** @throws BadInput */
const readHitCondition = (text: string): HitCounter => {
  const [, written = 'none', digits = ''] = /^\s*([<>=%]*)\s*(\w+)\s*$/.exec(text) ?? [];
  const operator = spellings[written] ?? written;
  const wanted = readInteger(digits);
  if (!isOperator(operator) || wanted === undefined || (operator === '%' && wanted === 0n))
    throw new BadInput(`hit count \`${text}\`: write 5, >= 5, == 5 or % 5`);
  return { operator, wanted: Number(wanted) };
};

const isOperator = (text: string): text is HitCounter['operator'] => Object.hasOwn(counters, text);

/** Text and the expressions in its braces; `{{` is a brace. @throws BadInput */
const readLogMessage = (text: string, conditions: Conditions, fields: readonly string[]): (string | Shown)[] => {
  const parts: (string | Shown)[] = [];
  const pattern = /\{\{|\}\}|\{([^{}]*)\}|[^{}]+|[{}]/g;
  for (const [piece, inner] of text.matchAll(pattern)) {
    if (inner !== undefined) parts.push(conditions.shown(inner, fields));
    else parts.push(piece === '{{' ? '{' : piece === '}}' ? '}' : piece);
  }
  return parts;
};

const textOf = (part: Shown, vcpu: number, fields: readonly bigint[] | undefined): string => {
  try {
    return part(vcpu, fields);
  } catch (error) {
    if (error instanceof ExpressionError) return `<${describeError(error)}>`;
    throw error;
  }
};
