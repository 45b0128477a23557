/** Random cases: a few instructions, the registers and flags they start from, and which flags they leave undefined. */

import { type Instruction, Mnemonic, Register, RflagsBits } from 'iced-x86';
import { type Bits, decode, type Encoding, encode, encodings, interesting, type Roles } from './encodings';
import { Random } from './random';

/** Bytes of code that a case may have; INT3 fills the rest. */
export const CODE_SIZE = 128;
export const CODE = 0x10000000n;
export const DATA = 0x20000000n;
export const DATA_SIZE = 8192;

export interface Case {
  readonly code: Uint8Array;
  readonly gpr: BigUint64Array;
  readonly flags: number;
  /** EFLAGS bits that the manual leaves undefined at the end, and those that it ever did. */
  readonly undefinedFlags: number;
  readonly everUndefined?: number;
  /** Where in the code its instructions start. */
  readonly starts: readonly number[];
}

/** EFLAGS bits not to compare: an exception may have come before the instruction that defined them again. */
export const openFlags = (one: Case, completed: boolean): number =>
  completed ? one.undefinedFlags : (one.everUndefined ?? one.undefinedFlags);

/** EFLAGS positions of iced's flag bits. */
const places: readonly (readonly [number, number])[] = [
  [RflagsBits.CF, 0x1],
  [RflagsBits.PF, 0x4],
  [RflagsBits.AF, 0x10],
  [RflagsBits.ZF, 0x40],
  [RflagsBits.SF, 0x80],
  [RflagsBits.OF, 0x800],
];
const eflags = (bits: number): number => places.reduce((all, [from, to]) => (bits & from ? all | to : all), 0);

/** Instructions that need company to be of use, or that a program may not execute at all. */
const excluded = /^(int|iret|sys|popf|(rd|wr)[fg]sbase|swapgs|ret|jmp|call|j[a-z]+|loop|loope|loopne)/;

/** Loading a segment register is the privileged architecture's. */
const loadsSegment = (mnemonic: string, [first = '']: readonly string[]): boolean =>
  /^(mov|pop)$/.test(mnemonic) && /^(seg_reg|[c-gs]s)$/.test(first);

const branches = /^(jmp|call|j[a-z]+|loop|loope|loopne)$/;

export class Generator {
  private readonly plain: readonly Encoding[];
  private readonly branches: readonly Encoding[];
  private readonly roles: Roles;

  constructor(
    readonly bits: Bits,
    private readonly random: Random,
    /** Does the processor at hand have it? */
    supported: (mnemonic: string) => boolean,
    /** Middle of the data. */
    private readonly data: bigint = DATA + 0x1000n,
  ) {
    this.roles =
      bits === 64
        ? { pointers: [3, 4, 5, 6, 7, 12, 13], indices: [1, 2, 8, 9, 14] }
        : { pointers: [3, 4, 5, 6, 7], indices: [1, 2] };
    this.plain = encodings(
      bits,
      random,
      ({ mnemonic, operands, vex }) =>
        !excluded.test(mnemonic) &&
        !loadsSegment(mnemonic, operands) &&
        supported(mnemonic) &&
        // Real mode does not know VEX; Bochs 2.7 does.
        !(vex && bits === 16),
    );
    this.branches = encodings(
      bits,
      random,
      ({ mnemonic, operands, operandSize }) =>
        branches.test(mnemonic) &&
        operands.every((kind) => kind.startsWith('br')) &&
        (bits === 16 || operandSize !== 16),
    );
  }

  /** The mnemonics that cases are made of. */
  get mnemonics(): Set<string> {
    return new Set([...this.plain, ...this.branches].map(({ mnemonic }) => mnemonic));
  }

  /** A case whose code will lie in slot `slot`. */
  next(slot: number, instructions: number): Case {
    const { random } = this;
    const start = this.bits === 16 ? 0n : CODE + BigInt(slot * CODE_SIZE);
    const code: number[] = [];
    const starts: number[] = [];
    let undefinedFlags = 0;
    let everUndefined = 0;
    /** A branch waits for its target: index of the byte behind it and size of the displacement. */
    let pending: { end: number; bytes: number } | undefined;
    for (let n = 0; n < instructions; n++) {
      if (!pending && random.chance(0.05)) {
        const { bytes, offsets, setsFlags } = this.company(start + BigInt(code.length));
        for (const offset of offsets) starts.push(code.length + offset);
        code.push(...bytes);
        if (setsFlags) undefinedFlags = 0;
      }
      const at = start + BigInt(code.length);
      starts.push(code.length);
      const { bytes, instruction } = this.instruction(at, undefinedFlags);
      undefinedFlags = this.tainted(instruction, undefinedFlags);
      everUndefined |= undefinedFlags;
      instruction.free();
      code.push(...bytes);
      if (pending) {
        patch(code, pending);
        pending = undefined;
      } else if (n + 1 < instructions && undefinedFlags === 0 && random.chance(0.12)) {
        starts.push(code.length);
        const size = this.branch(code);
        pending = { end: code.length, bytes: size };
      }
    }
    const gpr = this.registers();
    return { code: Uint8Array.from(code), gpr, flags: this.flags(), undefinedFlags, everUndefined, starts };
  }

  /** A random instruction that reads none of the flags in `undefinedFlags`. */
  private instruction(rip: bigint, undefinedFlags: number): { bytes: number[]; instruction: Instruction } {
    const { random, bits, data, roles } = this;
    for (;;) {
      const encoding = random.pick(this.plain);
      const bytes = encode(encoding, random, { bits, rip, data, roles });
      if (bytes.length > 15) continue;
      const instruction = decode(bytes, bits, rip);
      const good =
        instruction.code === encoding.code &&
        instruction.length === bytes.length &&
        (bits === 16 ? !changesStack(instruction) : instruction.segmentPrefix !== Register.FS) &&
        !(eflags(instruction.rflagsRead) & undefinedFlags) &&
        !(undefinedFlags && readsAllFlags.has(instruction.mnemonic));
      if (good) return { bytes, instruction };
      instruction.free();
    }
  }

  /** Instructions that make sense only together: a target or an image of flags, and what uses it. */
  private company(rip: bigint): { bytes: number[]; offsets: number[]; setsFlags: boolean } {
    const { random } = this;
    if (this.bits === 16) return this.shortCompany(Number(rip));
    const kind = random.below(8);
    if (kind < 2) {
      // PUSH image, POPF. Neither TF nor AC: they would trap. IF, IOPL, RF and VM are not the program's to change.
      const image = (random.u32() & 0xcd5) | (random.u32() & 0x237200);
      const narrow = kind === 1;
      const push = narrow ? [0x66, 0x68, image & 0xff, (image >> 8) & 0xff] : [0x68, ...bytesOf(image, 4)];
      return { bytes: [...push, ...(narrow ? [0x66] : []), 0x9d], offsets: [0, push.length], setsFlags: true };
    }
    const target = (length: number): number[] => bytesOf(Number(rip) + length, 4);
    const register = random.below(8);
    if (kind === 2) return { bytes: [0x68, ...target(6), 0xc3], offsets: [0, 5], setsFlags: false };
    if (kind === 3) return { bytes: [0x68, ...target(8), 0xc2, 16, 0], offsets: [0, 5], setsFlags: false };
    if (kind >= 6) {
      // PUSH target, JMP or CALL [rSP]
      const use = kind === 6 ? 0x24 : 0x14;
      return { bytes: [0x68, ...target(8), 0xff, use, 0x24], offsets: [0, 5], setsFlags: false };
    }
    const use = kind === 4 ? 0xe0 : 0xd0;
    return { bytes: [0xb8 | register, ...target(7), 0xff, use | register], offsets: [0, 5], setsFlags: false };
  }

  /** The same in 16-bit code at CPL 0, where POPF changes IF and IOPL too. */
  private shortCompany(ip: number): { bytes: number[]; offsets: number[]; setsFlags: boolean } {
    const { random } = this;
    const kind = random.below(5);
    if (kind < 2) {
      const image = (random.u32() & 0x7cd5) | (random.u32() & 0x237200);
      const push = kind === 0 ? [0x66, 0x68, ...bytesOf(image, 4), 0x66] : [0x68, ...bytesOf(image, 2)];
      return { bytes: [...push, 0x9d], offsets: [0], setsFlags: true };
    }
    const register = random.pick([0, 1, 2, 3, 6, 7]);
    if (kind === 2) return { bytes: [0x68, ...bytesOf(ip + 4, 2), 0xc3], offsets: [0], setsFlags: false };
    const use = kind === 3 ? 0xe0 : 0xd0;
    return { bytes: [0xb8 | register, ...bytesOf(ip + 5, 2), 0xff, use | register], offsets: [0], setsFlags: false };
  }

  private branch(code: number[]): number {
    const { random, bits, data, roles } = this;
    const encoding = random.pick(this.branches);
    code.push(...encode(encoding, random, { bits, rip: 0n, data, roles }));
    const kind = encoding.operands[0] as string;
    return kind.endsWith('_1') ? 1 : kind.endsWith('_2') ? 2 : 4;
  }

  private tainted(instruction: Instruction, before: number): number {
    const defined = eflags(instruction.rflagsWritten | instruction.rflagsCleared | instruction.rflagsSet);
    // A count or a mask of zero changes nothing: what was undefined may stay so.
    const surely = instruction.rflagsUndefined === 0 && !mayKeepFlags.has(instruction.mnemonic);
    return (surely ? before & ~defined : before) | eflags(instruction.rflagsUndefined);
  }

  private registers(): BigUint64Array {
    const { random, roles, data, bits } = this;
    const gpr = new BigUint64Array(16);
    for (let n = 0; n < (bits === 64 ? 16 : 8); n++) gpr[n] = interesting(random);
    for (const n of roles.indices)
      if (random.chance(0.7)) gpr[n] = BigInt.asUintN(64, BigInt(random.below(48) - (random.chance(0.3) ? 24 : 0)));
    for (const n of roles.pointers)
      if (random.chance(bits === 16 && n < 6 ? 1 : 0.9)) {
        // Sometimes around the end of a segment of 64 KiB.
        const middle = bits === 16 && random.chance(0.15) ? 0xff80n : data;
        gpr[n] = middle + BigInt(random.below(256) - 128);
      }
    if (random.chance(0.5)) gpr[4] = (gpr[4] as bigint) & ~7n;
    if (bits === 16) for (const n of [4, 5]) gpr[n] = (gpr[n] as bigint) & ~1n;
    if (bits !== 64) for (let n = 0; n < 8; n++) gpr[n] = BigInt.asUintN(32, gpr[n] as bigint);
    return gpr;
  }

  private flags(): number {
    return (this.random.u32() & 0x8d5) | 0x202 | (this.random.chance(0.3) ? 0x400 : 0);
  }
}

/**
 * In real mode a stack pointer of 1, 3 or 5 ends everything: not even an exception can be pushed. So it is even, and
 * nothing makes it odd.
 */
const changesStack = (instruction: Instruction): boolean =>
  [instruction.op0Register, instruction.op1Register].some((register) =>
    [Register.SP, Register.ESP, Register.SPL, Register.BP, Register.EBP].includes(register),
  );

const bytesOf = (value: number, count: number): number[] =>
  Array.from({ length: count }, (_, n) => (value >>> (8 * n)) & 0xff);

const readsAllFlags = new Set([Mnemonic.Pushf, Mnemonic.Pushfd, Mnemonic.Pushfq, Mnemonic.Lahf]);
const mayKeepFlags = new Set([
  ...[Mnemonic.Shl, Mnemonic.Sal, Mnemonic.Shr, Mnemonic.Sar, Mnemonic.Shld, Mnemonic.Shrd],
  ...[Mnemonic.Rol, Mnemonic.Ror, Mnemonic.Rcl, Mnemonic.Rcr],
  ...[Mnemonic.Cmpsb, Mnemonic.Cmpsw, Mnemonic.Cmpsd, Mnemonic.Cmpsq],
  ...[Mnemonic.Scasb, Mnemonic.Scasw, Mnemonic.Scasd, Mnemonic.Scasq],
]);

/** Lets the branch that ends at `end` go to the end of the code so far. */
const patch = (code: number[], { end, bytes }: { end: number; bytes: number }): void => {
  const distance = code.length - end;
  for (let n = 0; n < bytes; n++) code[end - bytes + n] = (distance >> (8 * n)) & 0xff;
};

/** Cases of 16-bit code for real-mode.asm. */
export const realModeCases = (seed: number, count: number): Case[] => {
  const random = new Random(seed);
  const generator = new Generator(16, random, () => true, 0x1000n);
  const cases: Case[] = [];
  while (cases.length < count) {
    const one = generator.next(0, 1 + random.below(3));
    if (one.code.length < REAL_MODE_CODE) cases.push(one);
  }
  return cases;
};
const REAL_MODE_CODE = 88;
