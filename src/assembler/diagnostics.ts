/** What the assembler tells the user: one line each, with the place it speaks of. */

/** Line and column count from 1; the column is that of the first character concerned. */
export interface Diagnostic {
  readonly file: string;
  readonly line: number;
  readonly column: number;
  readonly message: string;
}

export interface Place {
  readonly line: number;
  readonly column: number;
}

/** Thrown inside the assembler to give up one statement; never leaves it. */
export class AssemblyProblem extends Error {
  readonly place: Place;

  constructor(place: Place, message: string) {
    super(message);
    this.place = place;
  }
}

export const formatDiagnostic = ({ file, line, column, message }: Diagnostic): string =>
  `${file}:${line}:${column}: ${message}`;
