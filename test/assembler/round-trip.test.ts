import {
  Code,
  CodeExt,
  Decoder,
  DecoderOptions,
  Encoder,
  EncodingKind,
  Formatter,
  FormatterSyntax,
  Instruction,
  MemorySizeOptions,
  OpCodeOperandKind,
  OpKind,
  Register,
} from 'iced-x86';
import { expect, test } from 'vitest';
import { assemble } from '../../src/assembler/assemble';
import type { Bits } from '../../src/assembler/forms';

/** Where the instructions stand. */
const origin = 0x7000n;

interface Place {
  readonly instruction: Instruction;
  readonly operand: number;
  readonly bits: Bits;
}

const register =
  (value: Register) =>
  ({ instruction, operand }: Place): void => {
    instruction.setOpKind(operand, OpKind.Register);
    instruction.setOpRegister(operand, value);
  };

const memory =
  (index: Register = Register.None, wide = false) =>
  ({ instruction, operand, bits }: Place): void => {
    instruction.setOpKind(operand, OpKind.Memory);
    instruction.memoryBase = bits === 64 ? Register.RCX : bits === 32 ? Register.ECX : Register.BX;
    instruction.memoryIndex = index;
    instruction.memoryIndexScale = 1;
    instruction.memoryDisplSize = bits === 16 ? 2 : bits / 8;
    instruction.memoryDisplacement = 0x1234n;
    if ((index !== Register.None || wide) && bits === 16) {
      instruction.memoryBase = Register.ECX;
      instruction.memoryDisplSize = 4;
    }
  };

const string =
  (kinds: Readonly<Record<Bits, OpKind>>) =>
  ({ instruction, operand, bits }: Place): void =>
    instruction.setOpKind(operand, kinds[bits]);

const hasImmediateBefore = (instruction: Instruction, operand: number): boolean =>
  Array.from({ length: operand }, (_, index) => instruction.opKind(index)).some(
    (kind) => kind === OpKind.Immediate8 || kind === OpKind.Immediate16,
  );

const small =
  (kind: OpKind, value: number) =>
  ({ instruction, operand }: Place): void => {
    const isSecond = kind === OpKind.Immediate8 && hasImmediateBefore(instruction, operand);
    instruction.setOpKind(operand, isSecond ? OpKind.Immediate8_2nd : kind);
    if (isSecond) instruction.immediate8_2nd = value;
    else instruction.setImmediateI32(operand, value);
  };

const near =
  (kind: OpKind) =>
  ({ instruction, operand }: Place): void => {
    instruction.setOpKind(operand, kind);
    instruction.nearBranch64 = origin + 0x20n;
  };

const far =
  (kind: OpKind) =>
  ({ instruction, operand }: Place): void => {
    instruction.setOpKind(operand, kind);
    instruction.farBranchSelector = 8;
    if (kind === OpKind.FarBranch16) instruction.farBranch16 = 0x1234;
    else instruction.farBranch32 = 0x12345678;
  };

const immediate =
  (kind: OpKind, value: bigint) =>
  ({ instruction, operand }: Place): void => {
    instruction.setOpKind(operand, kind);
    instruction.setImmediateI64(operand, value);
  };

const offset = ({ instruction, operand, bits }: Place): void => {
  instruction.setOpKind(operand, OpKind.Memory);
  instruction.memoryDisplSize = bits / 8;
  instruction.memoryDisplacement = 0x1234n;
};

type Filler = (place: Place) => void;

/** How to fill an operand, by its kind's name. The first match counts. */
const fillers: readonly (readonly [RegExp, Filler])[] = [
  [/^farbr2_2$/, far(OpKind.FarBranch16)],
  [/^farbr4_2$/, far(OpKind.FarBranch32)],
  [/^mem_offs$/, offset],
  [/^mem_vsib..x$/, memory(Register.XMM2)],
  [/^mem_vsib..y$/, memory(Register.YMM2)],
  [/^mem_vsib..z$/, memory(Register.ZMM2)],
  [/^(mem_mpx|mem_mib|sibmem)/, memory(Register.None, true)],
  [/^mem$/, memory()],
  [/^r8_/, register(Register.BL)],
  [/^r16_/, register(Register.BX)],
  [/^r32_/, register(Register.EBX)],
  [/^r64_/, register(Register.RBX)],
  [/^mm_/, register(Register.MM3)],
  [/^xmmp3_/, register(Register.XMM4)],
  [/^zmmp3_/, register(Register.ZMM4)],
  [/^xmm_(vvvv|is)/, register(Register.XMM6)],
  [/^ymm_(vvvv|is)/, register(Register.YMM6)],
  [/^zmm_(vvvv|is)/, register(Register.ZMM6)],
  [/^xmm_(rm|or)/, register(Register.XMM7)],
  [/^ymm_(rm|or)/, register(Register.YMM7)],
  [/^zmm_(rm|or)/, register(Register.ZMM7)],
  [/^xmm_/, register(Register.XMM5)],
  [/^ymm_/, register(Register.YMM5)],
  [/^zmm_/, register(Register.ZMM5)],
  [/^bnd_/, register(Register.BND1)],
  [/^tmm_reg/, register(Register.TMM1)],
  [/^tmm_rm/, register(Register.TMM2)],
  [/^tmm_vvvv/, register(Register.TMM3)],
  [/^(k_|kp1_)/, register(Register.K2)],
  [/^seg_reg/, register(Register.FS)],
  [/^cr_/, register(Register.CR3)],
  [/^dr_/, register(Register.DR7)],
  [/^tr_/, register(Register.TR6)],
  [/^sti_/, register(Register.ST2)],
  [/^es$/, register(Register.ES)],
  [/^cs$/, register(Register.CS)],
  [/^ss$/, register(Register.SS)],
  [/^ds$/, register(Register.DS)],
  [/^fs$/, register(Register.FS)],
  [/^gs$/, register(Register.GS)],
  [/^al$/, register(Register.AL)],
  [/^cl$/, register(Register.CL)],
  [/^ax$/, register(Register.AX)],
  [/^dx$/, register(Register.DX)],
  [/^eax$/, register(Register.EAX)],
  [/^rax$/, register(Register.RAX)],
  [/^st0$/, register(Register.ST0)],
  [/^imm8_const_1$/, small(OpKind.Immediate8, 1)],
  [/^imm4_m2z$/, small(OpKind.Immediate8, 1)],
  [/^imm8$/, small(OpKind.Immediate8, 5)],
  [/^imm8sex16/, small(OpKind.Immediate8to16, 5)],
  [/^imm8sex32/, small(OpKind.Immediate8to32, 5)],
  [/^imm8sex64/, small(OpKind.Immediate8to64, 5)],
  [/^imm16/, small(OpKind.Immediate16, 0x1234)],
  [/^imm32sex64/, immediate(OpKind.Immediate32to64, 0x12345678n)],
  [/^imm32/, small(OpKind.Immediate32, 0x12345678)],
  [/^imm64/, immediate(OpKind.Immediate64, 0x123456789abcdef0n)],
  [/^br16/, near(OpKind.NearBranch16)],
  [/^(br32|brdisp_4)/, near(OpKind.NearBranch32)],
  [/^brdisp_2/, near(OpKind.NearBranch16)],
  [/^(br64)/, near(OpKind.NearBranch64)],
  [/^seg_rSI/, string({ 16: OpKind.MemorySegSI, 32: OpKind.MemorySegESI, 64: OpKind.MemorySegRSI })],
  [/^seg_rDI/, string({ 16: OpKind.MemorySegDI, 32: OpKind.MemorySegEDI, 64: OpKind.MemorySegRDI })],
  [/^es_rDI/, string({ 16: OpKind.MemoryESDI, 32: OpKind.MemoryESEDI, 64: OpKind.MemoryESRDI })],
];

/** XBEGIN's target is as wide as the code, whatever its operand size; XLAT's address is written with its registers. */
function fill(kind: string, useMemory: boolean, place: Place): boolean {
  const { instruction, operand, bits } = place;
  if (kind.startsWith('xbegin')) {
    near(bits === 64 ? OpKind.NearBranch64 : OpKind.NearBranch32)(place);
    return true;
  }
  if (kind === 'seg_rBX_al') {
    instruction.setOpKind(operand, OpKind.Memory);
    instruction.memoryBase = { 16: Register.BX, 32: Register.EBX, 64: Register.RBX }[bits];
    instruction.memoryIndex = Register.AL;
    instruction.memoryIndexScale = 1;
    return true;
  }
  if (useMemory && kind.includes('_or_mem')) {
    memory(Register.None, kind.endsWith('_mpx'))(place);
    return true;
  }
  const filler = fillers.find(([pattern]) => pattern.test(kind));
  filler?.[1](place);
  return filler !== undefined;
}

function build(code: Code, bits: Bits, useMemory: boolean): Instruction | undefined {
  const info = CodeExt.opCode(code);
  const instruction = new Instruction();
  instruction.code = code;
  if (info.requireOpMaskRegister) instruction.opMask = Register.K1;
  const complete = Array.from({ length: info.opCount }, (_, operand) =>
    fill(OpCodeOperandKind[info.opKind(operand)] ?? '', useMemory, { instruction, operand, bits }),
  ).every((filled) => filled);
  const kinds = Array.from({ length: info.opCount }, (_, operand) => OpCodeOperandKind[info.opKind(operand)]);
  if (kinds.includes('r16_reg_mem')) instruction.memoryBase = Register.BX;
  if (kinds.includes('r32_reg_mem')) instruction.memoryBase = Register.ECX;
  if (kinds.includes('r16_reg_mem')) instruction.memoryDisplSize = 2;
  if (kinds.includes('r32_reg_mem')) instruction.memoryDisplSize = 4;
  info.free();
  return complete ? instruction : undefined;
}

const formatter = new Formatter(FormatterSyntax.Nasm);
formatter.memorySizeOptions = MemorySizeOptions.Always;
formatter.hexPrefix = '0x';
formatter.hexSuffix = '';
formatter.usePseudoOps = true;

function decode(bytes: Uint8Array, bits: Bits, options: number): { text: string; mnemonic: number; length: number } {
  const decoder = new Decoder(bits, bytes, options);
  decoder.ip = origin;
  const instruction = decoder.decode();
  const result = { text: formatter.format(instruction), mnemonic: instruction.mnemonic, length: instruction.length };
  instruction.free();
  decoder.free();
  return result;
}

interface Case {
  readonly name: string;
  readonly text: string;
  readonly options: number;
}

function cases(bits: Bits): { cases: Case[]; skipped: string[] } {
  const found: Case[] = [];
  const skipped: string[] = [];
  for (const code of Object.values(Code)) {
    if (typeof code !== 'number') continue;
    const info = CodeExt.opCode(code);
    const relevant =
      info.isInstruction &&
      info.isAvailableInMode(bits) &&
      info.encoding !== EncodingKind.MVEX &&
      info.decoderOption !== DecoderOptions.KNC;
    const options = info.decoderOption | (bits === 64 && !info.intelDecoder64 ? DecoderOptions.AMD : 0);
    info.free();
    if (!relevant) continue;
    const name = Code[code] ?? '';
    for (const useMemory of [false, true]) {
      const instruction = build(code, bits, useMemory);
      const encoder = new Encoder(bits);
      try {
        if (instruction === undefined) throw new Error('no operands');
        encoder.encode(instruction, origin);
        const { text, mnemonic } = decode(encoder.takeBuffer(), bits, options);
        if (mnemonic === 0) throw new Error('not decoded');
        if (found.at(-1)?.text !== text) found.push({ name, text, options });
      } catch (error) {
        if (!useMemory) skipped.push(`${name}: ${error}`);
      }
      encoder.free();
      instruction?.free();
    }
  }
  return { cases: found, skipped };
}

/** What iced-x86 encodes and does not decode again with these operands. */
const undecodable = /^(Popw_CS|Montmul_\d\d|Ud0):/;

/** Where the text does not say which encoding it came from, or NASM has no words for it. */
const ambiguous: readonly (readonly [RegExp, string])[] = [
  [/^Reservednop/, 'written as a NOP with two operands'],
  [/^Pushd_imm32|^Push_imm16/, 'the size of the number is not written'],
  [/^Mov_Sreg_|^Mov_r64m16_Sreg/, 'NASM takes one form for registers of every size'],
  [/^Mov_rm64_imm32/, 'NASM writes the lower half'],
  [
    /^(Sal|Sldt_r64m16|V?pextr[bw]_r64m8|V?pextr[bw]_r64|VEX_Vpextr|EVEX_Vpextr|Pextr|VEX_Vmovmskp|VEX_Vpmovmskb)/i,
    'NASM saves the W bit',
  ],
  [/^Jmpe_disp/, 'for NASM the target is relative'],
  [/^Cyrix_/, 'two instructions have one name'],
  [/128kl|wide(128|256)kl|256kl/, 'NASM has no word for 384 bits'],
  [/^Lkgs_r32m16/, 'the operand is written as 16 bits'],
];

test.each<Bits>([16, 32, 64])('what iced-x86 writes is assembled to what iced-x86 reads, in %i-bit code', (bits) => {
  const { cases: all, skipped } = cases(bits);
  const failed = new Map<string, string>();
  for (const { name, text, options } of all) {
    const { bytes, errors } = assemble(`bits ${bits}\n${text}\n`, { file: 'a.asm', defaultOrigin: () => origin });
    const [problem] = errors;
    if (problem !== undefined) failed.set(name, `${text}: ${problem.message}`);
    else {
      const again = decode(bytes, bits, options);
      if (again.text !== text || again.length !== bytes.length) failed.set(name, `${text}: read as ${again.text}`);
    }
  }
  const unexplained = [...failed].filter(([name]) => !ambiguous.some(([pattern]) => pattern.test(name)));
  expect(unexplained).toEqual([]);
  const codes = new Set(all.map(({ name }) => name)).size;
  const covered = (codes - failed.size) / (codes + skipped.length);
  console.info(`${bits}-bit code: ${(100 * covered).toFixed(1)} % of ${codes + skipped.length} encodings come back`);
  expect(skipped.filter((line) => !undecodable.test(line))).toEqual([]);
  expect(covered).toBeGreaterThan(0.98);
});
