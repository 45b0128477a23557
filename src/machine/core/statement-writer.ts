/** Writing statements: locals, branches and loops, on top of which a back end says where operands are. */

import { c64, Emitter } from './emitter';
import { brIf, type Expr, getLocal, Label, loop, setLocal, type Type, when } from './wasm';

export abstract class StatementWriter extends Emitter {
  protected statements: Expr[] = [];
  /** Something was written already that cannot be taken back. */
  protected committed = false;

  /** Number of a local variable that is free. */
  protected abstract temporary(type: Type): number;

  do(statement: Expr): void {
    this.statements.push(statement);
  }
  let(value: Expr): Expr {
    if (value.opcode === 0x20 || value.opcode === 0x41 || value.opcode === 0x42) return value;
    const type = value.type as Type;
    const local = this.temporary(type);
    this.do(setLocal(local, value));
    return getLocal(local, type);
  }
  private collect(body: () => void): Expr[] {
    const outer = this.statements;
    this.statements = [];
    body();
    const inner = this.statements;
    this.statements = outer;
    return inner;
  }
  if(condition: Expr, then: () => void, otherwise?: () => void): void {
    const committed = this.committed;
    const yes = this.collect(then);
    const after = this.committed;
    this.committed = committed;
    const no = otherwise && this.collect(otherwise);
    this.committed ||= after;
    this.do(when(condition, yes, no));
  }
  choose(condition: Expr, then: () => Expr, otherwise: () => Expr): Expr {
    const result = this.variable(c64(0));
    this.if(
      condition,
      () => result.set(then()),
      () => result.set(otherwise()),
    );
    return result.get;
  }
  repeat(body: () => Expr): void {
    const again = new Label();
    const inner = this.collect(() => this.do(brIf(again, body())));
    this.do(loop(again, inner));
  }
  variable(initial: Expr): { get: Expr; set(value: Expr): void } {
    const local = this.temporary(initial.type as Type);
    this.do(setLocal(local, initial));
    return { get: getLocal(local, initial.type as Type), set: (value) => this.do(setLocal(local, value)) };
  }
}
