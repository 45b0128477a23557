/** Lines of NASM's preprocessor, which this version does not have: each gets its message, bodies are passed over. */

import { AssemblyProblem } from './diagnostics';
import type { LogicalLine } from './lexer';

const closing: Readonly<Record<string, string>> = {
  macro: 'endmacro',
  imacro: 'endmacro',
  rmacro: 'endmacro',
  rep: 'endrep',
  comment: 'endcomment',
};

const instead: Readonly<Record<string, string>> = {
  define: ': write `name equ value`',
  idefine: ': write `name equ value`',
  assign: ': write `name equ value`',
  rep: ': write `times count` before one instruction',
  include: ': put everything into one file',
};

const silent = new Set(['else', 'elif', 'endif', 'endmacro', 'endrep', 'endcomment', 'line', 'pragma']);

export class Preprocessor {
  private waitingFor: string | undefined;

  /** True for the lines of a body that is not assembled. */
  skips(line: LogicalLine): boolean {
    if (this.waitingFor === undefined) return false;
    if (line.preprocessor === this.waitingFor) this.waitingFor = undefined;
    return true;
  }

  refuse({ preprocessor, line }: LogicalLine): AssemblyProblem | undefined {
    if (preprocessor === undefined || silent.has(preprocessor)) return undefined;
    this.waitingFor = closing[preprocessor];
    const message = `macros are not supported in this version: \`%${preprocessor}\`${instead[preprocessor] ?? ''}`;
    return new AssemblyProblem({ line, column: 1 }, message);
  }
}
