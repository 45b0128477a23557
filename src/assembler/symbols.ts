/** The names of a program: labels, which move with their section from pass to pass, and the constants of `equ`. */

import { AssemblyProblem, type Place } from './diagnostics';
import type { Section } from './sections';
import { inSection, type Value } from './value';

export type SymbolKind = 'code' | 'data' | 'constant';

export interface SymbolEntry {
  readonly name: string;
  readonly value: bigint;
  readonly kind: SymbolKind;
}

/** Where a name gets its value: a place in a section, or a number. */
export type Meaning = { readonly section: Section; readonly offset: number } | { readonly value: Value };

interface Definition {
  readonly place: Place;
  meaning: Meaning;
  kind: SymbolKind;
}

export class SymbolTable {
  private readonly definitions = new Map<string, Definition>();

  /**
   * Gives the name its meaning in this pass.
   *
   * @returns Whether that is another one than in the pass before.
   * @throws AssemblyProblem when another line defines the name.
   */
  define(name: string, place: Place, meaning: Meaning, kind: SymbolKind): boolean {
    const before = this.definitions.get(name);
    if (before === undefined) {
      this.definitions.set(name, { place, meaning, kind });
      return true;
    }
    if (before.place.line !== place.line || before.place.column !== place.column) {
      throw new AssemblyProblem(place, `\`${name}\` is defined already in line ${before.place.line}`);
    }
    const changed = !isSame(before.meaning, meaning);
    before.meaning = meaning;
    return changed;
  }

  /** Says what a label stands before, once that is known. */
  setKind(name: string, kind: SymbolKind): void {
    const definition = this.definitions.get(name);
    if (definition !== undefined) definition.kind = kind;
  }

  /** The value by the addresses of the last layout, or undefined when nothing has defined the name yet. */
  find(name: string): Value | undefined {
    const definition = this.definitions.get(name);
    return definition === undefined ? undefined : currentValue(definition.meaning);
  }

  /** A name that was probably meant, as the end of a message. */
  suggestion(name: string): string {
    const meant = [...this.definitions.keys()].find((other) => other.toLowerCase() === name.toLowerCase());
    return meant === undefined ? '' : `: did you mean \`${meant}\`?`;
  }

  entries(): readonly SymbolEntry[] {
    return [...this.definitions].map(([name, { meaning, kind }]) => ({
      name,
      value: currentValue(meaning).number,
      kind,
    }));
  }
}

const currentValue = (meaning: Meaning): Value =>
  'value' in meaning ? meaning.value : inSection(meaning.section, meaning.section.address + BigInt(meaning.offset));

const isSame = (left: Meaning, right: Meaning): boolean =>
  'value' in left
    ? 'value' in right && left.value.number === right.value.number
    : !('value' in right) && left.section === right.section && left.offset === right.offset;
