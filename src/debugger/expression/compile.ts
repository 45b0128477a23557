/**
 * From an expression to WebAssembly that gives the value which the evaluator gives, without a side effect. What only
 * TypeScript knows (counters, functions, devices, memory that is not mapped, a divisor of 0) branches to the site's
 * `undecided`, when it is reached.
 */

import type { Judged } from '../../machine/core/judge';
import { vcpuBase } from '../../machine/core/layout';
import { type Site, siteIn } from '../../machine/core/site';
import {
  block,
  br,
  brIf,
  type Expr,
  getLocal,
  i32,
  i64,
  Module,
  ret,
  select,
  setLocal,
  when,
} from '../../machine/core/wasm';
import { isFieldName } from '../vmcs/names';
import { msrReads, naturalBytes, registerReads } from './compile-names';
import type { BinaryOperator, Expression, ValueType } from './syntax';

/** What the names mean that are no registers. */
export interface Meanings {
  /** A number that is known here, as an i64: a field of an event. It hides everything else. */
  readonly field?: (name: string) => Expr | undefined;
  /** Address of a symbol; 'unknown' where it depends on where the vCPU is. */
  readonly symbol: (name: string) => bigint | 'unknown' | undefined;
  /** Does the processor have a model-specific register of this name? */
  readonly hasMsr: (name: string) => boolean;
}

interface Piece {
  readonly statements: readonly Expr[];
  /** An i64; evaluated once. */
  readonly value: Expr;
  readonly signed: boolean;
}

export const compileCondition =
  (expression: Expression, meanings: Meanings) =>
  (site: Site): Judged => {
    const { statements, value } = new Compiler(site, meanings).piece(expression);
    return { statements, holds: i64.ne(value, i64.const(0)) };
  };

/** What a compiled question answers: no, yes, or that TypeScript has to say. */
export const answer = { no: 0, yes: 1, undecided: 2 } as const;

/** A condition to be asked from outside of the core, with the values of its fields. */
export const compileQuestion = (
  expression: Expression,
  fields: readonly string[],
  meanings: Omit<Meanings, 'field'>,
  vcpu: number,
  memory: WebAssembly.Memory,
  constants: ReadonlyMap<string, bigint> = new Map(),
): ((...fields: bigint[]) => number) => {
  const module = new Module();
  const params = fields.map(() => 'i64' as const);
  const func = module.function('holds', params, 'i32', true);
  const site = siteIn(module, func, vcpuBase(vcpu));
  const field = (name: string) => {
    if (fields.includes(name)) return func.parameter(fields.indexOf(name));
    const constant = constants.get(name);
    return constant === undefined ? undefined : i64.const(constant);
  };
  const { statements, holds } = compileCondition(expression, { ...meanings, field })(site);
  func.body = [block(site.undecided, [...statements, ret(holds)]), ret(i32.const(answer.undecided))];
  const compiled = new WebAssembly.Module(module.encode() as BufferSource);
  const { exports } = new WebAssembly.Instance(compiled, { host: { memory } });
  return exports.holds as (...values: bigint[]) => number;
};

const MASKS = { 1: 0xffn, 2: 0xffffn, 4: 0xffff_ffffn } as const;
const extend = { 1: i64.extend8S, 2: i64.extend16S, 4: i64.extend32S } as const;
const loads = { 1: i64.load8u, 2: i64.load16u, 4: i64.load32u, 8: i64.load } as const;

class Compiler {
  constructor(
    private readonly site: Site,
    private readonly meanings: Meanings,
  ) {}

  piece(expression: Expression): Piece {
    switch (expression.kind) {
      case 'number':
        return plain(i64.const(expression.value));
      case 'name':
        return this.name(expression.name, expression.symbolOnly);
      case 'memory':
        return this.memory(expression);
      case 'cast':
        return cast(this.piece(expression.operand), expression.type);
      case 'unary':
        return this.unary(expression);
      case 'binary':
        return this.binary(expression);
      default:
        return this.unknown();
    }
  }

  /** Never a value: TypeScript has to say. */
  private unknown(): Piece {
    return { statements: [br(this.site.undecided)], value: i64.const(0), signed: false };
  }

  /** In the order of the evaluator's name sources. */
  private name(name: string, symbolOnly: boolean): Piece {
    const word = name.toLowerCase();
    if (!symbolOnly) {
      const own = this.meanings.field?.(word) ?? registerReads.get(word)?.(this.site);
      if (own !== undefined) return plain(own);
      if (word === 'vcpu') return plain(i64.const(vcpuAt(this.site.base)));
      if (elsewhere.has(word) || isVmcsName(word)) return this.unknown();
    }
    const symbol = this.meanings.symbol(name);
    if (typeof symbol === 'bigint') return plain(i64.const(symbol));
    const msr = symbol === undefined && !symbolOnly ? msrReads.get(word) : undefined;
    return msr === undefined || !this.meanings.hasMsr(word) ? this.unknown() : plain(msr(this.site));
  }

  private memory(expression: Expression & { readonly kind: 'memory' }): Piece {
    const { space, segment, type } = expression;
    // Tables of VMX guests are TypeScript's to walk.
    if (space === 'msr' || space === 'gpa' || space === 'guest') return this.unknown();
    const { site } = this;
    const address = this.piece(expression.address);
    const base = segment === undefined ? undefined : registerReads.get(`${segment}.base`)?.(site);
    const offset = base === undefined ? address.value : i64.add(address.value, base);
    const bytes = this.local('i32');
    const host = this.local('i32');
    const value = this.local('i64');
    const find = space === 'linear' ? site.linear : site.physical;
    const load = (size: 1 | 2 | 4 | 8) => value.set(loads[size](host.get));
    const read =
      type === undefined
        ? ([2, 4, 8] as const).map((size) => when(i32.eq(bytes.get, i32.const(size)), [load(size)]))
        : [load(type.size)];
    const statements = [
      ...address.statements,
      bytes.set(type === undefined ? naturalBytes(site) : i32.const(type.size)),
      host.set(find.call(offset, bytes.get)),
      brIf(site.undecided, i32.eqz(host.get)),
      ...read,
    ];
    return cast({ statements, value: value.get, signed: false }, { size: type?.size ?? 8, signed: !!type?.signed });
  }

  private unary({ operator, operand }: Expression & { readonly kind: 'unary' }): Piece {
    const { statements, value, signed } = this.piece(operand);
    switch (operator) {
      case '-':
        return { statements, value: i64.sub(i64.const(0), value), signed: true };
      case '+':
        return { statements, value, signed };
      case '~':
        return { statements, value: i64.xor(value, i64.const(-1)), signed };
      case '!':
        return { statements, value: i64.extendU(i64.eqz(value)), signed: false };
    }
  }

  private binary({ operator, left, right }: Expression & { readonly kind: 'binary' }): Piece {
    const a = this.piece(left);
    const b = this.piece(right);
    if (operator === '&&' || operator === '||') return this.guarded(operator, a, b);
    const statements = [...a.statements, ...b.statements];
    const signed = a.signed || b.signed;
    const compare = comparisons[operator]?.[signed ? 1 : 0];
    if (compare !== undefined) return { statements, value: i64.extendU(compare(a.value, b.value)), signed: false };
    if (operator === '/' || operator === '%') return this.divided(operator, a, b, signed);
    if (operator === '<<' || operator === '>>') return this.shifted(operator, a, b);
    const make = arithmetic[operator];
    return make === undefined ? this.unknown() : { statements, value: make(a.value, b.value), signed };
  }

  /** The right side is not looked at where the left one decides. */
  private guarded(operator: '&&' | '||', a: Piece, b: Piece): Piece {
    const result = this.local('i64');
    const truth = (piece: Piece) => result.set(i64.extendU(i64.ne(piece.value, i64.const(0))));
    const open = operator === '&&' ? i32.wrap(result.get) : i32.eqz(i32.wrap(result.get));
    const statements = [...a.statements, truth(a), when(open, [...b.statements, truth(b)])];
    return { statements, value: result.get, signed: false };
  }

  /** WebAssembly would trap at a divisor of 0, and at -1 where the quotient overflows. */
  private divided(operator: '/' | '%', a: Piece, b: Piece, signed: boolean): Piece {
    const [dividend, divisor] = [this.local('i64'), this.local('i64')];
    const statements = [
      ...a.statements,
      dividend.set(a.value),
      ...b.statements,
      divisor.set(b.value),
      brIf(this.site.undecided, i64.eqz(divisor.get)),
    ];
    if (!signed) {
      const make = operator === '/' ? i64.divU : i64.remU;
      return { statements, value: make(dividend.get, divisor.get), signed };
    }
    const result = this.local('i64');
    const negated = operator === '/' ? i64.sub(i64.const(0), dividend.get) : i64.const(0);
    const make = operator === '/' ? i64.divS : i64.remS;
    const divide = when(
      i64.eq(divisor.get, i64.const(-1)),
      [result.set(negated)],
      [result.set(make(dividend.get, divisor.get))],
    );
    return { statements: [...statements, divide], value: result.get, signed };
  }

  /** WebAssembly takes counts modulo 64. */
  private shifted(operator: '<<' | '>>', a: Piece, b: Piece): Piece {
    const [value, count] = [this.local('i64'), this.local('i64')];
    const statements = [...a.statements, value.set(a.value), ...b.statements, count.set(b.value)];
    const make = operator === '<<' ? i64.shl : a.signed ? i64.shrS : i64.shrU;
    const beyond = operator === '>>' && a.signed ? i64.shrS(value.get, i64.const(63)) : i64.const(0);
    const within = i64.ltU(count.get, i64.const(64));
    return { statements, value: select(within, make(value.get, count.get), beyond), signed: a.signed };
  }

  private local(type: 'i32' | 'i64') {
    const index = this.site.func.local(type);
    return { get: getLocal(index, type), set: (value: Expr) => setLocal(index, value) };
  }
}

/** Names before symbols whose values only TypeScript knows. */
const elsewhere: ReadonlySet<string> = new Set(['step', 'retired', 'vtime', 'cr8']);

/** A field of the current VMCS or of another one, which hides symbols where there is one. */
const isVmcsName = (word: string): boolean => {
  const [first = ''] = word.split('.', 1);
  return first === 'vmcs' || isFieldName(first);
};

/** Index of the vCPU whose state is there. */
const vcpuAt = (base: number): number => (base - vcpuBase(0)) / (vcpuBase(1) - vcpuBase(0));

const plain = (value: Expr): Piece => ({ statements: [], value, signed: false });

const cast = ({ statements, value }: Piece, { size, signed }: ValueType): Piece => {
  if (size === 8) return { statements, value, signed };
  return { statements, value: signed ? extend[size](value) : i64.and(value, i64.const(MASKS[size])), signed };
};

type Binary = (a: Expr, b: Expr) => Expr;

/** Unsigned and signed. */
const comparisons: Readonly<Partial<Record<BinaryOperator, readonly [Binary, Binary]>>> = {
  '==': [i64.eq, i64.eq],
  '!=': [i64.ne, i64.ne],
  '<': [i64.ltU, i64.ltS],
  '<=': [i64.leU, i64.leS],
  '>': [i64.gtU, i64.gtS],
  '>=': [i64.geU, i64.geS],
};

const arithmetic: Readonly<Partial<Record<BinaryOperator, Binary>>> = {
  '|': i64.or,
  '^': i64.xor,
  '&': i64.and,
  '+': i64.add,
  '-': i64.sub,
  '*': i64.mul,
};
