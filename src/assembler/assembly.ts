/**
 * Runs the statements until nothing moves any more: each pass gives every label its place, and the sizes of jumps and
 * numbers follow from the places that the pass before has found. The messages are those of the last pass.
 */

import { resolveAddress, withLongDisplacement } from './address';
import { isConstantOperand } from './constant-operands';
import { dataBytes } from './data';
import { AssemblyProblem, type Place } from './diagnostics';
import type { DirectiveAction, SectionRequest } from './directives';
import { type Encoded, prefixBytes } from './encoder';
import type { Expression } from './expression';
import type { Instruction, Operand, Prefixes } from './instruction';
import { choose } from './matching';
import { operandKind } from './operand-kinds';
import type { OperandSyntax } from './operands';
import { type Image, layOut, makeImage, newSection, type Section, type SectionAttributes } from './sections';
import type { Action, Label, Statement } from './statement';
import { type Meaning, type SymbolEntry, type SymbolKind, SymbolTable } from './symbols';
import { evaluate, inSection, isPlain, plain, type Scope, signed, unknownValue, type Value } from './value';

export interface Message extends Place {
  readonly message: string;
}

export interface AssembledLine {
  readonly address: bigint;
  readonly line: number;
  /** The bytes are written as data. */
  readonly data: boolean;
  /** The row only marks where the section ends. */
  readonly end: boolean;
}

export interface Assembled {
  readonly origin: bigint;
  readonly image: Image;
  readonly symbols: readonly SymbolEntry[];
  readonly lines: readonly AssembledLine[];
  readonly errors: readonly Message[];
  readonly warnings: readonly Message[];
}

const maximumPasses = 200;
/** From this pass on an instruction that was long stays long. */
const patientPasses = 40;
/** Bytes of an image beyond which the source is surely wrong. */
const maximumImage = 1 << 28;

export function runPasses(statements: readonly Statement[], defaultOrigin: bigint): Assembled {
  return new Passes(statements, defaultOrigin).run();
}

class Passes {
  private readonly statements: readonly Statement[];
  private readonly symbols = new SymbolTable();
  private readonly sections = new Map<string, Section>();
  /** Instructions without labels are encoded once. */
  private readonly constantInstructions = new Map<Statement, Encoded>();
  /** Instructions that have become shorter late, and must not again, because the passes would not settle. */
  private readonly longForms = new Set<Statement>();
  private readonly lengths = new Map<Statement, number>();
  private origin: bigint;
  private originPlace: Place | undefined;
  private pass = 0;
  private changed = false;
  private section: Section;
  /** After ABSOLUTE: labels are numbers that count from here. */
  private absolute: bigint | undefined;
  private errors: Message[] = [];
  private warnings: Message[] = [];
  private lines: { section: Section; offset: number; line: number; data: boolean }[] = [];

  constructor(statements: readonly Statement[], defaultOrigin: bigint) {
    this.statements = statements;
    this.origin = defaultOrigin;
    this.section = this.openSection({ name: '.text', numbers: [] });
  }

  run(): Assembled {
    let problems: readonly string[] = [];
    do {
      this.runOnce();
      const layout = layOut([...this.sections.values()], this.origin);
      problems = layout.problems;
      if (layout.moved) this.changed = true;
    } while (this.changed && this.pass < maximumPasses);
    if (this.changed)
      this.error({ line: 1, column: 1 }, 'the sizes of the program do not settle: a size depends on itself');
    for (const problem of problems) this.error({ line: 1, column: 1 }, problem);
    return {
      origin: this.origin,
      image: this.image(),
      symbols: this.symbols.entries(),
      lines: this.lineRows(),
      errors: this.errors,
      warnings: this.warnings,
    };
  }

  private image(): Image {
    const sections = [...this.sections.values()];
    for (const section of sections) {
      const end = section.loadAddress + BigInt(section.length);
      if (section.loadAddress < this.origin || end - this.origin > maximumImage) {
        this.error(
          { line: 1, column: 1 },
          `section ${section.name} does not fit in an image that starts at the origin`,
        );
        return { bytes: new Uint8Array(), zeros: 0 };
      }
    }
    return makeImage(sections, this.origin);
  }

  private runOnce(): void {
    this.pass++;
    this.changed = this.pass === 1;
    this.errors = [];
    this.warnings = [];
    this.lines = [];
    this.absolute = undefined;
    for (const section of this.sections.values()) section.reset();
    this.section = this.openSection({ name: '.text', numbers: [] });
    let pending: string[] = [];
    for (const statement of this.statements) {
      const { action, label } = statement;
      try {
        if (label !== undefined && action.kind !== 'equ') {
          pending.push(label.name);
          this.defineLabel(label);
        }
      } catch (error) {
        this.report(error);
      }
      if (action.kind !== 'nothing') {
        for (const name of pending) this.symbols.setKind(name, holdsData(action) ? 'data' : 'code');
        pending = [];
      }
      try {
        this.execute(statement);
      } catch (error) {
        this.report(error);
      }
    }
  }

  private execute(statement: Statement): void {
    const { action } = statement;
    const from = this.section;
    const before = from.length;
    const count = statement.times === undefined ? 1 : this.times(statement.times);
    const start = this.location();
    switch (action.kind) {
      case 'instruction':
        this.requireContents(statement);
        for (let round = 0; round < count; round++) this.instruction(statement, action, start);
        break;
      case 'prefixes':
        this.requireContents(statement);
        this.section.fill(prefixBytes(action.prefixes, statement.bits), count);
        break;
      case 'data': {
        this.requireContents(statement);
        const scope = this.scope(start);
        const bytes = dataBytes(action.size, action.items, scope, (place, message) => this.warn(place, message));
        this.requireRoom(bytes.length * count, statement);
        this.section.fill(bytes, count);
        break;
      }
      case 'reserve': {
        const size = this.constant(action.count, 'the number of elements', start);
        if (size < 0n) throw new AssemblyProblem(action.count, `${size} elements cannot be reserved`);
        this.advance(Number(size) * action.size * count, 0, statement);
        break;
      }
      default:
        this.directive(statement, action, start);
    }
    if (this.section === from && from.length > before && this.absolute === undefined && from.contents) {
      if (action.kind !== 'align')
        this.lines.push({ section: from, offset: before, line: statement.line, data: action.kind === 'data' });
    }
  }

  private directive(statement: Statement, action: Action, start: Value): void {
    switch (action.kind) {
      case 'equ':
        if (statement.label !== undefined) {
          this.defineConstant(statement.label, evaluate(action.expression, this.scope(start)));
        }
        break;
      case 'org': {
        const origin = this.constant(action.expression, 'the origin', start);
        if (this.originPlace !== undefined && this.originPlace !== statement) {
          throw new AssemblyProblem(statement, 'the program has its `org` already: there can be one');
        }
        this.originPlace = statement;
        if (origin !== this.origin) this.changed = true;
        this.origin = origin;
        break;
      }
      case 'section':
        this.absolute = undefined;
        this.section = this.openSection(action.request);
        break;
      case 'absolute':
        this.absolute = evaluate(action.expression, this.scope(start)).number;
        break;
      case 'align':
        this.align(statement, action, start);
        break;
      case 'sectalign':
        this.raiseAlignment(this.boundary(action.boundary, start));
        break;
    }
  }

  private instruction(statement: Statement, action: Extract<Action, { kind: 'instruction' }>, start: Value): void {
    const known = this.constantInstructions.get(statement);
    if (known !== undefined) {
      this.emit(known, action.place);
      return;
    }
    const { bits } = statement;
    const scope = this.scope(start);
    const keepLong = this.longForms.has(statement);
    const operands = action.list.operands.map((operand) =>
      this.operand(operand, statement, scope, action.prefixes, keepLong),
    );
    const instruction: Instruction = {
      name: action.name,
      named: action.named,
      line: action.place.line,
      column: action.place.column,
      operands,
      rounding: action.list.rounding,
      prefixes: action.prefixes,
      bits,
      address: this.location().number,
      section: this.section,
      keepLong,
    };
    const { form, encoded } = choose(instruction);
    if (this.pass > patientPasses) this.restrainLength(statement, encoded.bytes.length);
    this.emit(encoded, action.place);
    const isConstant =
      action.list.operands.every(isConstantOperand) &&
      form.kinds.every((kind) => operandKind(kind).field !== 'relative');
    if (isConstant) this.constantInstructions.set(statement, encoded);
  }

  private restrainLength(statement: Statement, length: number): void {
    const before = this.lengths.get(statement);
    this.lengths.set(statement, length);
    if (before === undefined || length >= before || this.longForms.has(statement)) return;
    this.longForms.add(statement);
    this.changed = true;
  }

  private emit({ bytes, warnings }: Encoded, place: Place): void {
    for (const message of warnings) this.warn(place, message);
    this.requireRoom(bytes.length, place);
    this.section.append(bytes);
  }

  private operand(
    syntax: OperandSyntax,
    { bits, relativeByDefault }: Statement,
    scope: Scope,
    prefixes: Prefixes,
    keepLong: boolean,
  ): Operand {
    const { line, column, size, decorations, body, distance, strict, to } = syntax;
    const place = { line, column, ...(size === undefined ? {} : { size }) };
    const withDistance = distance === undefined ? {} : { distance };
    switch (body.kind) {
      case 'register':
        return { kind: 'register', register: body.register, decorations, to, ...withDistance, ...place };
      case 'memory': {
        const value = evaluate(body.address.expression, scope);
        const written = resolveAddress(body.address, value, bits, relativeByDefault, prefixes.addressSize, syntax);
        const address = keepLong && !isConstantOperand(syntax) ? withLongDisplacement(written) : written;
        return { kind: 'memory', address, decorations, far: distance === 'far', ...place };
      }
      case 'far-pointer':
        return {
          kind: 'far-pointer',
          segment: evaluate(body.segment, scope),
          offset: evaluate(body.offset, scope),
          ...place,
        };
      case 'value': {
        const value = evaluate(body.expression, scope);
        if (value.registers.length > 0) {
          throw new AssemblyProblem(body.expression, 'an expression with registers is an address: put it in brackets');
        }
        return { kind: 'immediate', value, strict, ...withDistance, ...place };
      }
    }
  }

  private align(
    statement: Statement,
    { boundary, filler }: Extract<DirectiveAction, { kind: 'align' }>,
    start: Value,
  ): void {
    const unit = this.boundary(boundary, start);
    this.raiseAlignment(unit);
    const position = this.absolute === undefined ? this.section.length : Number(this.absolute % BigInt(unit));
    const gap = (unit - (position % unit)) % unit;
    if (filler === 'reserve' || !this.section.contents || this.absolute !== undefined) this.advance(gap, 0, statement);
    else if (filler === 'nop') this.advance(gap, 0x90, statement);
    else {
      const bytes = dataBytes(filler.size, filler.items, this.scope(start), (place, message) =>
        this.warn(place, message),
      );
      this.requireRoom(bytes.length * gap, statement);
      this.section.fill(bytes, gap);
    }
  }

  private boundary(expression: Expression, start: Value): number {
    const value = this.constant(expression, 'the boundary', start);
    if (value <= 0n || value > 1n << 28n || (value & (value - 1n)) !== 0n) {
      throw new AssemblyProblem(expression, `${value} is no boundary: it must be a power of two`);
    }
    return Number(value);
  }

  private raiseAlignment(unit: number): void {
    if (this.absolute === undefined && unit > this.section.align) {
      this.section.align = unit;
      this.changed = true;
    }
  }

  /** Moves on by `count` bytes that hold `filler`. */
  private advance(count: number, filler: number, place: Place): void {
    if (this.absolute !== undefined) {
      this.absolute += BigInt(count);
      return;
    }
    this.requireRoom(count, place);
    this.section.fill(Uint8Array.of(filler), count);
  }

  private requireRoom(count: number, place: Place): void {
    if (this.section.length + count > maximumImage) {
      throw new AssemblyProblem(place, `the program is larger than ${maximumImage >> 20} MiB`);
    }
  }

  private requireContents(place: Place): void {
    if (this.absolute !== undefined) {
      throw new AssemblyProblem(
        place,
        'only resb and its kin can stand after `absolute`: begin with `section .text` again',
      );
    }
    if (!this.section.contents) {
      throw new AssemblyProblem(place, `section ${this.section.name} holds no contents: use resb, or another section`);
    }
  }

  private times(expression: Expression): number {
    const value = evaluate(expression, this.scope(this.location()));
    if (value.unknown) return 0;
    if (!isPlain(value)) throw new AssemblyProblem(expression, '`times` needs a constant: `510 - ($ - $$)`');
    const count = signed(value);
    if (count < 0n) {
      throw new AssemblyProblem(
        expression,
        `\`times\` cannot repeat ${count} times: what stands before is ${-count} too long`,
      );
    }
    if (count > BigInt(maximumImage)) {
      throw new AssemblyProblem(
        expression,
        `${count} times is too often: an image has at most ${maximumImage >> 20} MiB`,
      );
    }
    return Number(count);
  }

  private constant(expression: Expression, what: string, start: Value): bigint {
    const value = evaluate(expression, this.scope(start));
    if (value.unknown) return 0n;
    if (!isPlain(value)) throw new AssemblyProblem(expression, `${what} must be a constant, not a label`);
    const number = signed(value);
    if (number > BigInt(maximumImage) && what !== 'the origin') {
      throw new AssemblyProblem(expression, `${what} is too large: ${number}`);
    }
    return number;
  }

  private location(): Value {
    if (this.absolute !== undefined) return plain(this.absolute);
    return inSection(this.section, this.section.address + BigInt(this.section.length));
  }

  private scope(start: Value): Scope {
    return {
      here: () => start,
      sectionStart: () => (this.absolute === undefined ? inSection(this.section, this.section.address) : plain(0n)),
      symbol: (name, place) => this.lookUp(name, place),
    };
  }

  private lookUp(name: string, place: Place): Value {
    const value = this.symbols.find(name);
    if (value !== undefined) return value;
    if (this.pass === 1) return unknownValue;
    throw new AssemblyProblem(place, `\`${name}\` is not defined${this.symbols.suggestion(name)}`);
  }

  private define(label: Label, meaning: Meaning, kind: SymbolKind): void {
    if (this.symbols.define(label.name, label, meaning, kind)) this.changed = true;
  }

  private defineLabel(label: Label): void {
    const { section, absolute } = this;
    const meaning = absolute === undefined ? { section, offset: section.length } : { value: plain(absolute) };
    this.define(label, meaning, 'code');
  }

  private defineConstant(label: Label, value: Value): void {
    if (value.registers.length > 0) throw new AssemblyProblem(label, '`equ` names a number, not a register');
    if (value.unknown) this.changed = true;
    else this.define(label, { value }, 'constant');
  }

  private openSection(request: SectionRequest): Section {
    const existing = this.sections.get(request.name);
    const asked: { -readonly [Key in keyof SectionAttributes]: SectionAttributes[Key] } = {};
    for (const [name, expression] of request.numbers) {
      if (name === 'start' || name === 'vstart') asked[name] = this.constant(expression, name, plain(0n));
      else asked[name] = this.boundary(expression, plain(0n));
    }
    if (request.follows !== undefined) asked.follows = request.follows;
    if (request.vfollows !== undefined) asked.vfollows = request.vfollows;
    if (request.contents !== undefined) asked.contents = request.contents;
    if (existing === undefined) {
      const section = newSection(request.name, asked);
      section.attributes = asked;
      this.sections.set(request.name, section);
      this.changed = true;
      return section;
    }
    existing.attributes = { ...existing.attributes, ...asked };
    if (asked.align !== undefined && asked.align > existing.align) existing.align = asked.align;
    return existing;
  }

  private lineRows(): AssembledLine[] {
    const rows = this.lines.map(({ section, offset, line, data }) => ({
      address: section.address + BigInt(offset),
      line,
      data,
      end: false,
    }));
    for (const section of this.sections.values()) {
      if (section.contents && section.length > 0) {
        rows.push({ address: section.address + BigInt(section.length), line: 0, data: false, end: true });
      }
    }
    const starts = new Set(rows.filter(({ end }) => !end).map(({ address }) => address));
    return rows
      .filter(({ end, address }) => !end || !starts.has(address))
      .sort((left, right) => (left.address < right.address ? -1 : left.address > right.address ? 1 : 0));
  }

  private report(error: unknown): void {
    if (!(error instanceof AssemblyProblem)) throw error;
    this.error(error.place, error.message);
  }

  private error(place: Place, message: string): void {
    this.errors.push({ line: place.line, column: place.column, message });
  }

  private warn(place: Place, message: string): void {
    this.warnings.push({ line: place.line, column: place.column, message });
  }
}

const holdsData = (action: Action): boolean => action.kind === 'data' || action.kind === 'reserve';
