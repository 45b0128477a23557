/**
 * Every opcode form that a definition of the core executes, and random encodings of it: built from iced-x86's opcode
 * table rather than searched among random bytes, so that rare forms come up as often as common ones.
 */

import {
  Code,
  CodeExt,
  Decoder,
  DecoderOptions,
  EncodingKind,
  type Instruction,
  MandatoryPrefix,
  Mnemonic,
  type OpCodeInfo,
  OpCodeOperandKind,
  OpCodeTableKind,
} from 'iced-x86';
import { planOf } from '../../src/machine/core/plan';
import type { Random } from './random';

export type Bits = 16 | 32 | 64;

export interface Encoding {
  readonly code: Code;
  readonly mnemonic: string;
  readonly operands: readonly string[];
  readonly operandSize: number;
  readonly addressSize: number;
  readonly wide: boolean;
  readonly vex: boolean;
  readonly table: OpCodeTableKind;
  readonly prefix: MandatoryPrefix;
  readonly opcode: readonly number[];
  readonly group: number;
  readonly lockable: boolean;
  readonly repeatable: boolean;
}

const describe = (code: Code, info: OpCodeInfo): Encoding => ({
  code,
  mnemonic: (Mnemonic[info.mnemonic] as string).toLowerCase(),
  operands: Array.from({ length: info.opCount }, (_, n) => OpCodeOperandKind[info.opKind(n)] as string),
  operandSize: info.operandSize,
  addressSize: info.addressSize,
  wide:
    info.encoding === EncodingKind.VEX
      ? info.W === 1
      : info.operandSize === 64 && !info.defaultOpSize64 && !info.forceOpSize64,
  vex: info.encoding === EncodingKind.VEX,
  table: info.table,
  prefix: info.mandatoryPrefix,
  opcode: info.opCodeLength === 2 ? [info.opCode >> 8, info.opCode & 0xff] : [info.opCode],
  group: info.groupIndex,
  lockable: info.canUseLockPrefix,
  repeatable: info.canUseRepPrefix || info.canUseRepnePrefix,
});

const hasModrm = ({ operands, group, vex }: Encoding): boolean =>
  vex || group >= 0 || operands.some((kind) => /_or_mem|^mem$|_reg|_rm$|^r\d+_reg_mem/.test(kind));

/** Values that break things more often than others. */
const small = (random: Random): number =>
  random.chance(0.5) ? random.below(68) : random.pick([0x7f, 0x80, 0xff, 0xfe, 0xf8, 0xf0, 1, 0, random.below(256)]);

export const interesting = (random: Random): bigint => {
  const kind = random.below(8);
  if (kind < 2) return random.u64();
  if (kind === 2) return BigInt(random.below(70));
  if (kind === 3) return BigInt.asUintN(64, -BigInt(random.below(70)));
  if (kind === 4) return 1n << BigInt(random.below(64));
  if (kind === 5) return BigInt.asUintN(64, (1n << BigInt(random.below(64))) - BigInt(random.below(3)));
  if (kind === 6) return BigInt.asUintN(64, BigInt.asIntN(random.pick([8, 16, 32]), random.u64()));
  return random.u64() & ((1n << BigInt(1 + random.below(64))) - 1n);
};

/** Registers that hold addresses of data in a case, and registers that hold small numbers. */
export interface Roles {
  readonly pointers: readonly number[];
  readonly indices: readonly number[];
}

/** Where the bytes go, and where data is: for RIP-relative and absolute operands. */
export interface Place {
  readonly bits: Bits;
  readonly rip: bigint;
  readonly data: bigint;
  readonly roles: Roles;
}

const little = (value: bigint, bytes: number): number[] =>
  Array.from({ length: bytes }, (_, n) => Number((value >> BigInt(n * 8)) & 0xffn));

/** FS is the C library's in programs, GS has no segment in 32-bit ones; in real mode CS holds the cases. */
const segmentPrefixes: Readonly<Record<Bits, readonly number[]>> = {
  16: [0x26, 0x36, 0x3e, 0x64, 0x65],
  32: [0x26, 0x2e, 0x36, 0x3e],
  64: [0x26, 0x2e, 0x36, 0x3e, 0x65],
};

const immediateBytes = (kind: string, addressBytes: number): number => {
  if (kind === 'imm8_const_1') return 0;
  if (/^imm8|^br\d+_1/.test(kind)) return 1;
  if (/^imm16|^br16_2/.test(kind)) return 2;
  if (/^imm32|^br\d+_4/.test(kind)) return 4;
  if (kind === 'imm64') return 8;
  return kind === 'mem_offs' ? addressBytes : 0;
};

/** Random bytes of an encoding. Branches get a displacement of 0. */
export const encode = (encoding: Encoding, random: Random, place: Place): number[] => {
  const { bits, roles } = place;
  const { operands } = encoding;
  const bytes: number[] = [];
  const long = bits === 64;
  const addressOverride = encoding.addressSize
    ? encoding.addressSize !== bits
    : random.chance({ 16: 0.2, 32: 0.03, 64: 0.08 }[bits]);
  const addressSize = addressOverride ? encoding.addressSize || (bits === 32 ? 16 : 32) : bits;
  let rexR = long && random.chance(0.4) ? 1 : 0;
  let rexX = 0;
  let rexB = 0;
  const tail: number[] = [];
  let relative = -1;

  const register = (): number => (long ? random.below(16) : random.below(8));
  const reg = encoding.group >= 0 ? encoding.group : operands.includes('seg_reg') ? random.below(6) : random.below(8);
  if (encoding.group >= 0 || operands.includes('seg_reg')) rexR = 0;
  let modrm: number[] = [];
  if (hasModrm(encoding)) {
    const memoryOnly = operands.some((kind) => kind === 'mem' || kind.endsWith('_reg_mem'));
    const registerOnly = !operands.some((kind) => kind === 'mem' || /_or_mem|_reg_mem/.test(kind));
    const memory = memoryOnly || (!registerOnly && random.chance(0.45));
    if (!memory) {
      const rm = register();
      rexB = rm >> 3;
      modrm = [0xc0 | (reg << 3) | (rm & 7)];
    } else if (addressSize === 16) {
      const mod = random.below(3);
      const rm = random.below(8);
      modrm = [(mod << 6) | (reg << 3) | rm];
      if (mod === 1) modrm.push(random.below(256));
      if (mod === 2 || (mod === 0 && rm === 6)) modrm.push(...little(random.u64(), 2));
    } else if (random.chance(0.12)) {
      // [disp32], RIP-relative in 64-bit mode
      const sib = long && random.chance(0.3);
      modrm = sib ? [(reg << 3) | 4, 0x25] : [(reg << 3) | 5];
      if (long && !sib) relative = bytes.length;
      modrm.push(...little(place.data + BigInt(random.below(256) - 128), 4));
    } else {
      const base = random.chance(0.93) ? random.pick(roles.pointers) : register();
      const index = random.chance(0.9) ? random.pick(roles.indices) : register();
      const indexed = random.chance(0.4) || (base & 7) === 4;
      const mod = (base & 7) === 5 ? 1 + random.below(2) : random.below(3);
      rexB = base >> 3;
      if (indexed) {
        const none = (base & 7) === 4 && random.chance(0.5);
        const used = none ? 4 : index === 4 ? 1 : index;
        rexX = used >> 3;
        modrm = [(mod << 6) | (reg << 3) | 4, (random.below(4) << 6) | ((used & 7) << 3) | (base & 7)];
      } else modrm = [(mod << 6) | (reg << 3) | (base & 7)];
      if (mod === 1) modrm.push((random.below(96) - 48) & 0xff);
      if (mod === 2) modrm.push(...little(BigInt(random.below(512) - 256), 4));
    }
  }
  const opcode = [...encoding.opcode];
  if (operands.some((kind) => kind.endsWith('_opcode'))) {
    const n = register();
    rexB = n >> 3;
    opcode[opcode.length - 1] = (opcode[opcode.length - 1] as number) | (n & 7);
  }
  for (const kind of operands) {
    const count = immediateBytes(kind, addressSize / 8);
    if (kind.startsWith('br')) tail.push(...little(0n, count));
    else if (kind === 'mem_offs') tail.push(...little(place.data + BigInt(random.below(256) - 128), count));
    else if (count === 1) tail.push(small(random));
    else if (count > 1) tail.push(...little(interesting(random), count));
  }

  if (random.chance(0.04)) bytes.push(random.pick(segmentPrefixes[bits]));
  if (addressOverride) bytes.push(0x67);
  if (encoding.vex) {
    const map = { [OpCodeTableKind.T0F]: 1, [OpCodeTableKind.T0F38]: 2, [OpCodeTableKind.T0F3A]: 3 }[
      encoding.table as 1
    ];
    const pp =
      { [MandatoryPrefix.P66]: 1, [MandatoryPrefix.PF3]: 2, [MandatoryPrefix.PF2]: 3 }[encoding.prefix as 2] ?? 0;
    const vvvv = operands.some((kind) => kind.endsWith('_vvvv')) ? register() : 0;
    bytes.push(0xc4, ((rexR ^ 1) << 7) | ((rexX ^ 1) << 6) | ((rexB ^ 1) << 5) | (map ?? 1));
    bytes.push((encoding.wide ? 0x80 : 0) | ((vvvv ^ 15) << 3) | pp);
  } else {
    if (encoding.lockable && random.chance(0.1)) bytes.push(0xf0);
    if (encoding.prefix === MandatoryPrefix.P66 || (encoding.operandSize === 16 && bits !== 16)) bytes.push(0x66);
    else if (encoding.operandSize === 32 && bits === 16) bytes.push(0x66);
    if (encoding.prefix === MandatoryPrefix.PF3) bytes.push(0xf3);
    if (encoding.prefix === MandatoryPrefix.PF2) bytes.push(0xf2);
    if (encoding.repeatable && random.chance(0.6)) bytes.push(random.pick([0xf2, 0xf3]));
    const rex = (encoding.wide ? 8 : 0) | (rexR << 2) | (rexX << 1) | rexB;
    if (long && (rex !== 0 || random.chance(0.1))) bytes.push(0x40 | rex);
    if (encoding.table !== OpCodeTableKind.Normal) bytes.push(0x0f);
    if (encoding.table === OpCodeTableKind.T0F38) bytes.push(0x38);
    if (encoding.table === OpCodeTableKind.T0F3A) bytes.push(0x3a);
  }
  bytes.push(...opcode, ...modrm, ...tail);
  if (relative >= 0) {
    const at = bytes.length - tail.length - 4;
    const target = place.data - place.rip - BigInt(bytes.length) + BigInt(random.below(256) - 128);
    little(BigInt.asUintN(32, target), 4).forEach((byte, n) => {
      bytes[at + n] = byte;
    });
  }
  return bytes;
};

/** What iced-x86 makes of the bytes; the caller frees it. */
export const decode = (bytes: readonly number[], bits: Bits, rip: bigint): Instruction => {
  const decoder = new Decoder(bits, new Uint8Array(bytes), DecoderOptions.None);
  decoder.ip = rip;
  const instruction = decoder.decode();
  decoder.free();
  return instruction;
};

/** The opcode forms that definitions execute in code of this size. */
export const encodings = (bits: Bits, random: Random, wanted: (encoding: Encoding) => boolean): Encoding[] => {
  const found: Encoding[] = [];
  const place: Place = { bits, rip: 0x10000000n, data: 0x20001000n, roles: { pointers: [3], indices: [1] } };
  for (const code of Object.values(Code)) {
    if (typeof code !== 'number') continue;
    const info = CodeExt.opCode(code);
    const usable =
      info.isInstruction &&
      (bits === 64 ? info.mode64 : bits === 32 ? info.mode32 : info.mode16) &&
      (info.encoding === EncodingKind.Legacy || info.encoding === EncodingKind.VEX);
    const encoding = usable ? describe(code, info) : undefined;
    info.free();
    if (!encoding || !wanted(encoding)) continue;
    for (let attempt = 0; attempt < 4; attempt++) {
      const instruction = decode(encode(encoding, random, place), bits, place.rip);
      const executed = instruction.code === code && planOf(instruction, bits) !== null;
      instruction.free();
      if (!executed) continue;
      found.push(encoding);
      break;
    }
  }
  return found;
};
