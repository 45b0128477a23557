/**
 * The assembler: source in NASM's syntax in, a flat image with its symbols and line table out, as `nasm -f bin` makes
 * it. All errors of a source are found in one run.
 */

import { BadInput, type LineRow, type Program, type ProgramSymbol } from '../program/program';
import { linear, physical } from '../x86/address';
import { type Message, runPasses } from './assembly';
import { AssemblyProblem, type Diagnostic, formatDiagnostic } from './diagnostics';
import { Cursor } from './expression';
import type { Bits } from './forms';
import { type LogicalLine, splitLines } from './lexer';
import { Preprocessor } from './preprocessor';
import { type Label, type ParserState, parseStatement, type Statement } from './statement';

export type { Diagnostic } from './diagnostics';

export interface AssembleOptions {
  /** The source's name for messages and the line table. */
  readonly file: string;
  /** Where a program without `org` is loaded, by its first `bits` directive. */
  readonly defaultOrigin?: (bits: Bits) => bigint;
}

export interface AssemblyResult {
  /** Of the first `bits` directive; 16 without one. */
  readonly bits: Bits;
  readonly origin: bigint;
  readonly bytes: Uint8Array;
  /** Memory behind the image that starts as zeros, in bytes. */
  readonly bssSize: number;
  readonly symbols: readonly ProgramSymbol[];
  readonly lines: readonly LineRow[];
  /** The image is empty when there are any. */
  readonly errors: readonly Diagnostic[];
  readonly warnings: readonly Diagnostic[];
}

/** The boot contract's origins: a boot sector's place in real mode, else the first byte above 1 MiB. */
const defaultOrigin = (bits: Bits): bigint => (bits === 16 ? 0x7c00n : 0x10_0000n);

export function assemble(source: string, options: AssembleOptions): AssemblyResult {
  const parsed = parse(splitLines(source));
  const bits = parsed.statements.find(({ action }) => action.kind === 'bits')?.bits ?? 16;
  const assembled = runPasses(parsed.statements, (options.defaultOrigin ?? defaultOrigin)(bits));
  const { file } = options;
  const diagnose = (messages: readonly Message[]): Diagnostic[] =>
    messages
      .map(({ line, column, message }) => ({ file, line, column, message }))
      .sort((left, right) => left.line - right.line || left.column - right.column);
  const errors = diagnose([...parsed.errors, ...assembled.errors]);
  return {
    bits,
    origin: assembled.origin,
    bytes: errors.length > 0 ? new Uint8Array() : assembled.image.bytes,
    bssSize: assembled.image.zeros,
    symbols: assembled.symbols.map(({ name, value, kind }) => ({ name, address: linear(value), size: 0, kind })),
    lines: assembled.lines.map(({ address, line, data, end }) => ({
      address: linear(address),
      file,
      line,
      ...(data ? { data: true as const } : {}),
      ...(end ? { end: true as const } : {}),
    })),
    errors,
    warnings: diagnose([...parsed.warnings, ...assembled.warnings]),
  };
}

/**
 * The program that starts at the image's first byte.
 *
 * @throws BadInput with one line per error.
 */
export function assembleProgram(source: string, options: AssembleOptions): Program {
  const { bits, origin, bytes, bssSize, symbols, lines, errors, warnings } = assemble(source, options);
  if (errors.length > 0) throw new BadInput(errors.map(formatDiagnostic).join('\n'));
  if (bytes.length === 0) throw new BadInput(`${options.file}: the source has no instructions and no data`);
  return {
    name: options.file,
    segments: [{ physical: physical(origin), bytes, size: bytes.length + bssSize }],
    start: { kind: 'direct', bits, entry: linear(origin) },
    symbols,
    lines,
    warnings: warnings.map((warning) => `${formatDiagnostic(warning)} (warning)`),
  };
}

interface Parsed {
  readonly statements: readonly Statement[];
  readonly errors: readonly Message[];
  readonly warnings: readonly Message[];
}

function parse(lines: readonly LogicalLine[]): Parsed {
  const statements: Statement[] = [];
  const errors: Message[] = [];
  const warnings: Message[] = [];
  const state: ParserState = { bits: 16, relativeByDefault: false, scope: '' };
  const preprocessor = new Preprocessor();
  for (const line of lines) {
    const fail = (error: unknown, label?: Label): void => {
      if (!(error instanceof AssemblyProblem)) throw error;
      errors.push({ ...error.place, message: error.message });
      // The label is there for other lines even if its own is wrong.
      if (label !== undefined) statements.push(labelOnly(label, state));
    };
    if (preprocessor.skips(line)) continue;
    const problem = preprocessor.refuse(line) ?? line.problem;
    if (problem !== undefined) {
      fail(problem);
      continue;
    }
    let label: Label | undefined;
    try {
      const cursor = new Cursor(line.tokens);
      const statement = parseStatement(cursor, state, (found) => {
        label = found;
      });
      statements.push(statement);
      if (statement.label !== undefined && !statement.label.colon && statement.action.kind === 'nothing') {
        const { name } = statement.label;
        warnings.push({
          line: statement.line,
          column: statement.column,
          message: `\`${name}\` stands alone and is taken as a label: write \`${name}:\` if it is one`,
        });
      }
    } catch (error) {
      fail(error, label);
    }
  }
  return { statements, errors, warnings };
}

const labelOnly = (label: Label, { bits, relativeByDefault }: ParserState): Statement => ({
  line: label.line,
  column: label.column,
  label,
  action: { kind: 'nothing' },
  bits,
  relativeByDefault,
});
