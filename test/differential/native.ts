/** The processor at hand as an oracle: compiles native.c and feeds it batches of cases. */

import { execFileSync, spawnSync } from 'node:child_process';
import { existsSync, mkdtempSync, readFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { type Case, CODE_SIZE } from './cases';

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

/** What the manual leaves open beyond flags, and makers may do in different ways. */
const open = /^(bswap|shld|shrd|enter|cmpxchg|bsf|bsr|push|(rep.*)?(movs|stos|lods|cmps|scas)[bwdq])$/;

export class Native {
  private constructor(
    private readonly program: string,
    private readonly features: ReadonlySet<string>,
    /** The processor whose corner cases the core follows. */
    readonly intel: boolean,
  ) {}

  /** Undefined, with the reason, where there is no such processor or no compiler. */
  static open(): Native | string {
    if (process.arch !== 'x64' || process.platform !== 'linux') return 'the host is not x86-64 Linux';
    if (spawnSync('gcc', ['--version']).status !== 0) return 'gcc is not installed';
    const program = join(mkdtempSync(join(tmpdir(), 'ringside-native-')), 'native');
    execFileSync('gcc', ['-O2', '-mno-red-zone', '-o', program, join(import.meta.dirname, 'native.c')]);
    const info = existsSync('/proc/cpuinfo') ? readFileSync('/proc/cpuinfo', 'utf8') : '';
    const features = (/^flags\s*:(.*)$/m.exec(info)?.[1] ?? '').trim().split(' ');
    return new Native(program, new Set(features), info.includes('GenuineIntel'));
  }

  supports(mnemonic: string): boolean {
    if (!this.intel && open.test(mnemonic)) return false;
    return needs.every(([pattern, feature]) => !pattern.test(mnemonic) || this.features.has(feature));
  }

  /** Is there a 32-bit code segment? Tried out. */
  get has32(): boolean {
    try {
      const gpr = new BigUint64Array(16);
      // DEC EAX; NOP is REX.W NOP in 64-bit code.
      const tried = { code: Uint8Array.of(0x48, 0x90), gpr, flags: 0x202, undefinedFlags: 0, starts: [0] };
      return this.run([tried], 32, 0x20000000n, new Uint8Array(8192))[0]?.gpr[0] === 0xffffffffn;
    } catch {
      return false;
    }
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
      for (let n = 0; n < 16; n++) input.writeBigUInt64LE(gpr[n] as bigint, at + CODE_SIZE + n * 8);
      input.writeBigUInt64LE(BigInt(flags), at + CODE_SIZE + 128);
      at += INPUT;
    }
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
