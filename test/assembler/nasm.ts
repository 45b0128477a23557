/** The real nasm as an oracle. */

import { spawnSync } from 'node:child_process';
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';

const version = spawnSync('nasm', ['-v'], { encoding: 'utf8' });

/** Why the oracle cannot be asked, or undefined when it can. */
export const nasmMissing = version.status === 0 ? undefined : 'nasm is not installed';

export interface NasmResult {
  /** Undefined when there were errors. */
  readonly bytes: Uint8Array | undefined;
  /** Messages by line; those of a panic too. */
  readonly errors: ReadonlyMap<number, string>;
  /** Offset of the first byte of each line that emits any. */
  readonly offsets: ReadonlyMap<number, number>;
}

export function nasm(source: string): NasmResult {
  const folder = mkdtempSync(join(tmpdir(), 'ringside-nasm-'));
  try {
    const input = join(folder, 'a.asm');
    const output = join(folder, 'a.bin');
    const listing = join(folder, 'a.lst');
    writeFileSync(input, source);
    const run = spawnSync('nasm', ['-f', 'bin', '-w-all', '-l', listing, '-o', output, input], {
      encoding: 'utf8',
      maxBuffer: 1 << 28,
    });
    const errors = new Map<number, string>();
    for (const [, line, message] of run.stderr.matchAll(/a\.asm:(\d+): (?:error: )?(.*)/g)) {
      errors.set(Number(line), message ?? '');
    }
    if (run.status !== 0) {
      if (errors.size === 0) errors.set(0, run.stderr);
      return { bytes: undefined, errors, offsets: new Map() };
    }
    const offsets = new Map<number, number>();
    for (const [, line, offset] of readFileSync(listing, 'latin1').matchAll(/^ *(\d+) ([0-9A-F]{8}) /gm)) {
      if (!offsets.has(Number(line))) offsets.set(Number(line), Number.parseInt(offset ?? '', 16));
    }
    return { bytes: readFileSync(output), errors, offsets };
  } finally {
    rmSync(folder, { recursive: true });
  }
}

/** Drops the lines that nasm refuses until it takes the rest. The program begins with the lines of `head`. */
export function accepted(
  head: readonly string[],
  lines: readonly string[],
  tail: readonly string[] = [],
): { lines: string[]; result: NasmResult } {
  let rest = [...lines];
  for (;;) {
    const result = nasm([...head, ...rest, ...tail, ''].join('\n'));
    if (result.bytes !== undefined) return { lines: rest, result };
    const kept = rest.filter((_, index) => !result.errors.has(index + 1 + head.length));
    if (kept.length === rest.length) throw new Error([...result.errors.values()][0] ?? 'nasm failed');
    rest = kept;
  }
}
