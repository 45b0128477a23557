/** The processor at hand as an oracle: compiles native.c and feeds it batches of cases. */

import { execFileSync, spawnSync } from 'node:child_process';
import { existsSync, mkdtempSync, readFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { CODE_SIZE, type Case } from './cases';

/** What a case left behind, on whatever executed it. */
export interface Outcome {
  readonly gpr: BigUint64Array;
  readonly flags: number;
  readonly rip: bigint;
  /** Exception that ended the case: 3 is the breakpoint at its end. */
  readonly vector: number;
  /** Faulting address of a page fault, else 0. */
  readonly address: bigint;
  /** Checksum of the data. */
  readonly sum: number;
}

const INPUT = CODE_SIZE + 17 * 8;
const OUTPUT = 16 * 8 + 3 * 8 + 2 * 4;

/** Flags of /proc/cpuinfo that mnemonics need. */
const needs: readonly (readonly [RegExp, string])[] = [
  [/^(andn|bextr|bls|tzcnt)/, 'bmi1'],
  [/^(bzhi|mulx|pdep|pext|rorx|sarx|shlx|shrx)$/, 'bmi2'],
  [/^ad[co]x$/, 'adx'],
  [/^lzcnt$/, 'abm'],
  [/^popcnt$/, 'popcnt'],
  [/^movbe$/, 'movbe'],
  [/^crc32$/, 'sse4_2'],
  [/^cmpxchg16b$/, 'cx16'],
  [/^clflushopt$/, 'clflushopt'],
  [/^clwb$/, 'clwb'],
  [/^prefetchw/, '3dnowprefetch'],
  [/^[ls]ahf$/, 'lahf_lm'],
];

import { writeFileSync } from 'node:fs';
const await0 = (b: Buffer) => writeFileSync('/tmp/h7/input', b);
export class Native {
  private constructor(
    private readonly program: string,
    private readonly features: ReadonlySet<string>,
  ) {}

  /** Undefined, with the reason, where there is no such processor or no compiler. */
  static open(): Native | string {
    if (process.arch !== 'x64' || process.platform !== 'linux') return 'the host is not x86-64 Linux';
    if (spawnSync('gcc', ['--version']).status !== 0) return 'gcc is not installed';
    const program = join(mkdtempSync(join(tmpdir(), 'ringside-native-')), 'native');
    execFileSync('gcc', ['-O2', '-o', program, join(import.meta.dirname, 'native.c')]);
    const info = existsSync('/proc/cpuinfo') ? readFileSync('/proc/cpuinfo', 'utf8') : '';
    return new Native(program, new Set((/^flags\s*:(.*)$/m.exec(info)?.[1] ?? '').trim().split(' ')));
  }

  supports(mnemonic: string): boolean {
    return needs.every(([pattern, feature]) => !pattern.test(mnemonic) || this.features.has(feature));
  }

  /** Runs the cases one after the other, each on fresh data. @throws Error when the host cannot */
  run(cases: readonly Case[], bits: 32 | 64, data: bigint, template: Uint8Array): Outcome[] {
    const input = Buffer.alloc(16 + template.length + cases.length * INPUT, 0xcc);
    input.writeUInt32LE(cases.length, 0);
    input.writeUInt32LE(bits, 4);
    input.writeBigUInt64LE(data, 8);
    input.set(template, 16);
    let at = 16 + template.length;
    for (const { code, gpr, flags } of cases) {
      input.set(code, at);
      gpr.forEach((value, n) => input.writeBigUInt64LE(value, at + CODE_SIZE + n * 8));
      input.writeBigUInt64LE(BigInt(flags), at + CODE_SIZE + 128);
      at += INPUT;
    }
    if (process.env.DUMP) (await0)(input);
    const { status, stdout, stderr, signal } = spawnSync(this.program, { input, maxBuffer: 2 ** 28 });
    if (status !== 0 || stdout.length !== cases.length * OUTPUT)
      throw new Error(`the native run ended with ${signal ?? status}: ${stderr}`);
    const view = new DataView(stdout.buffer, stdout.byteOffset, stdout.length);
    return cases.map((_, index) => {
      const from = index * OUTPUT;
      const word = (n: number) => view.getBigUint64(from + n * 8, true);
      return {
        gpr: BigUint64Array.from({ length: 16 }, (_, n) => word(n)),
        flags: Number(word(16)),
        rip: word(17),
        address: word(18),
        vector: view.getUint32(from + 152, true),
        sum: view.getUint32(from + 156, true),
      };
    });
  }
}
