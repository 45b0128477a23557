/**
 * Which definition executes what iced-x86 decoded. Most instructions need no row: the definition's name is the
 * mnemonic in lower case, its size the first operand's (its only size, where it has one), its form the operands as
 * iced lists them, under these rules:
 *
 * - general register -> `r` (1st, 2nd, 3rd register operand in op0, op1, op2; CL and AX are registers like others);
 *   memory -> `m`; immediate -> `i` (the implied 1 of D1 shifts is one; a second immediate goes into op2);
 * - a segment register operand is an `i`: its number ES CS SS DS FS GS = 0-5;
 * - memory that is implied by the mnemonic (strings, XLAT) is no operand: those have rows with an empty form.
 *
 * F3 0F BC/BD on a processor without BMI1/LZCNT is BSF/BSR: iced's DecoderOptions.NoMPFX_0FBC and NoMPFX_0FBD.
 */

import { Code, type Instruction, OpKind, Register } from 'iced-x86';
import type { Size } from '../emitter';

export interface Naming {
  /** Name of the definition. */
  readonly name: string;
  /** Operand size, where it is not the first operand's. */
  readonly size?: Size;
  /** Operands of the record, where they are not iced's. */
  readonly form?: '' | 'r,i' | 'i,r';
}

type Sized = Partial<Record<Size, Code | readonly Code[]>>;

const sized = (name: string, codes: Sized, form?: ''): [Code, Naming][] =>
  Object.entries(codes).flatMap(([size, list]) =>
    [list]
      .flat()
      .map((code): [Code, Naming] => [
        code as Code,
        { name, size: Number(size) as Size, ...(form === undefined ? {} : { form }) },
      ]),
  );
const same = (naming: Naming, codes: readonly Code[]): [Code, Naming][] => codes.map((code) => [code, naming]);

const strings: Readonly<Record<'movs' | 'cmps' | 'stos' | 'lods' | 'scas', Sized>> = {
  movs: { 8: Code.Movsb_m8_m8, 16: Code.Movsw_m16_m16, 32: Code.Movsd_m32_m32, 64: Code.Movsq_m64_m64 },
  cmps: { 8: Code.Cmpsb_m8_m8, 16: Code.Cmpsw_m16_m16, 32: Code.Cmpsd_m32_m32, 64: Code.Cmpsq_m64_m64 },
  stos: { 8: Code.Stosb_m8_AL, 16: Code.Stosw_m16_AX, 32: Code.Stosd_m32_EAX, 64: Code.Stosq_m64_RAX },
  lods: { 8: Code.Lodsb_AL_m8, 16: Code.Lodsw_AX_m16, 32: Code.Lodsd_EAX_m32, 64: Code.Lodsq_RAX_m64 },
  scas: { 8: Code.Scasb_AL_m8, 16: Code.Scasw_AX_m16, 32: Code.Scasd_EAX_m32, 64: Code.Scasq_RAX_m64 },
};

/** Instructions that do nothing here; their operands are not even looked at. */
const idle: readonly Code[] = [
  ...[Code.Nopw, Code.Nopd, Code.Nopq, Code.Nop_rm16, Code.Nop_rm32, Code.Nop_rm64],
  ...[Code.Endbr32, Code.Endbr64, Code.Rdsspd_r32, Code.Rdsspq_r64, Code.Cldemote_m8],
  ...[Code.Prefetchnta_m8, Code.Prefetcht0_m8, Code.Prefetcht1_m8, Code.Prefetcht2_m8],
  ...[Code.Prefetch_m8, Code.Prefetchw_m8, Code.Prefetchwt1_m8, Code.Prefetchit0_m8, Code.Prefetchit1_m8],
  ...[Code.Prefetchreserved3_m8, Code.Prefetchreserved4_m8, Code.Prefetchreserved5_m8],
  ...[Code.Prefetchreserved6_m8, Code.Prefetchreserved7_m8],
  ...[Code.Reservednop_rm16_r16_0F0D, Code.Reservednop_rm32_r32_0F0D, Code.Reservednop_rm64_r64_0F0D],
  ...[Code.Reservednop_rm16_r16_0F18, Code.Reservednop_rm32_r32_0F18, Code.Reservednop_rm64_r64_0F18],
  ...[Code.Reservednop_rm16_r16_0F19, Code.Reservednop_rm32_r32_0F19, Code.Reservednop_rm64_r64_0F19],
  ...[Code.Reservednop_rm16_r16_0F1A, Code.Reservednop_rm32_r32_0F1A, Code.Reservednop_rm64_r64_0F1A],
  ...[Code.Reservednop_rm16_r16_0F1B, Code.Reservednop_rm32_r32_0F1B, Code.Reservednop_rm64_r64_0F1B],
  ...[Code.Reservednop_rm16_r16_0F1C, Code.Reservednop_rm32_r32_0F1C, Code.Reservednop_rm64_r64_0F1C],
  ...[Code.Reservednop_rm16_r16_0F1D, Code.Reservednop_rm32_r32_0F1D, Code.Reservednop_rm64_r64_0F1D],
  ...[Code.Reservednop_rm16_r16_0F1E, Code.Reservednop_rm32_r32_0F1E, Code.Reservednop_rm64_r64_0F1E],
  ...[Code.Reservednop_rm16_r16_0F1F, Code.Reservednop_rm32_r32_0F1F, Code.Reservednop_rm64_r64_0F1F],
  ...[Code.Lfence, Code.Lfence_E9, Code.Lfence_EA, Code.Lfence_EB, Code.Lfence_EC, Code.Lfence_ED, Code.Lfence_EE],
  ...[Code.Lfence_EF, Code.Mfence, Code.Mfence_F1, Code.Mfence_F2, Code.Mfence_F3, Code.Mfence_F4, Code.Mfence_F5],
  ...[Code.Mfence_F6, Code.Mfence_F7, Code.Sfence, Code.Sfence_F9, Code.Sfence_FA, Code.Sfence_FB, Code.Sfence_FC],
  ...[Code.Sfence_FD, Code.Sfence_FE, Code.Sfence_FF],
];

const undefinedOpcodes: readonly Code[] = [
  ...[Code.Ud0, Code.Ud0_r16_rm16, Code.Ud0_r32_rm32, Code.Ud0_r64_rm64],
  ...[Code.Ud1_r16_rm16, Code.Ud1_r32_rm32, Code.Ud1_r64_rm64, Code.Ud2],
];

/** By iced's code; what is not here follows the rules above. Repeated string instructions: see `namingOf`. */
const namings: ReadonlyMap<Code, Naming> = new Map([
  ...Object.entries(strings).flatMap(([name, codes]) => sized(name, codes, '')),
  ...same({ name: 'xlatb', size: 8, form: '' }, [Code.Xlat_m8]),
  ...same({ name: 'nop', size: 64, form: '' }, idle),
  ...same({ name: 'ud', size: 64, form: '' }, undefinedOpcodes),
  ...same({ name: 'clflush', size: 8 }, [Code.Clflush_m8, Code.Clflushopt_m8, Code.Clwb_m8]),

  ...sized('movzx.8', { 16: Code.Movzx_r16_rm8, 32: Code.Movzx_r32_rm8, 64: Code.Movzx_r64_rm8 }),
  ...sized('movzx.16', { 16: Code.Movzx_r16_rm16, 32: Code.Movzx_r32_rm16, 64: Code.Movzx_r64_rm16 }),
  ...sized('movsx.8', { 16: Code.Movsx_r16_rm8, 32: Code.Movsx_r32_rm8, 64: Code.Movsx_r64_rm8 }),
  ...sized('movsx.16', { 16: Code.Movsx_r16_rm16, 32: Code.Movsx_r32_rm16, 64: Code.Movsx_r64_rm16 }),
  ...sized('movsxd.32', { 32: Code.Movsxd_r32_rm32, 64: Code.Movsxd_r64_rm32 }),
  ...sized('mov', {
    8: [Code.Mov_AL_moffs8, Code.Mov_moffs8_AL],
    16: [Code.Movsxd_r16_rm16, Code.Mov_AX_moffs16, Code.Mov_moffs16_AX],
    32: [Code.Mov_EAX_moffs32, Code.Mov_moffs32_EAX],
    64: [Code.Mov_RAX_moffs64, Code.Mov_moffs64_RAX],
  }),
  ...sized('mov.sreg', { 16: Code.Mov_rm16_Sreg, 32: Code.Mov_r32m16_Sreg, 64: Code.Mov_r64m16_Sreg }),

  ...sized('imul.1', { 8: Code.Imul_rm8, 16: Code.Imul_rm16, 32: Code.Imul_rm32, 64: Code.Imul_rm64 }),
  ...sized('imul.3', {
    16: [Code.Imul_r16_rm16_imm8, Code.Imul_r16_rm16_imm16],
    32: [Code.Imul_r32_rm32_imm8, Code.Imul_r32_rm32_imm32],
    64: [Code.Imul_r64_rm64_imm8, Code.Imul_r64_rm64_imm32],
  }),
  ...sized('shl', {
    8: [Code.Sal_rm8_1, Code.Sal_rm8_CL, Code.Sal_rm8_imm8],
    16: [Code.Sal_rm16_1, Code.Sal_rm16_CL, Code.Sal_rm16_imm8],
    32: [Code.Sal_rm32_1, Code.Sal_rm32_CL, Code.Sal_rm32_imm8],
    64: [Code.Sal_rm64_1, Code.Sal_rm64_CL, Code.Sal_rm64_imm8],
  }),
  ...sized('crc32.8', { 32: Code.Crc32_r32_rm8, 64: Code.Crc32_r64_rm8 }),
  ...sized('crc32.16', { 32: Code.Crc32_r32_rm16 }),
  ...sized('crc32.32', { 32: Code.Crc32_r32_rm32 }),
  ...sized('crc32.64', { 64: Code.Crc32_r64_rm64 }),
  ...sized('cmpxchg8b', { 64: Code.Cmpxchg8b_m64 }),
  ...sized('cmpxchg16b', { 64: Code.Cmpxchg16b_m128 }),

  ...sized('push', {
    16: [Code.Push_imm16, Code.Pushw_imm8],
    32: [Code.Pushd_imm32, Code.Pushd_imm8],
    64: [Code.Pushq_imm32, Code.Pushq_imm8],
  }),
  ...sized('push.sreg', {
    16: [Code.Pushw_ES, Code.Pushw_CS, Code.Pushw_SS, Code.Pushw_DS, Code.Pushw_FS, Code.Pushw_GS],
    32: [Code.Pushd_ES, Code.Pushd_CS, Code.Pushd_SS, Code.Pushd_DS, Code.Pushd_FS, Code.Pushd_GS],
    64: [Code.Pushq_FS, Code.Pushq_GS],
  }),
  ...sized('pusha', { 16: Code.Pushaw, 32: Code.Pushad }),
  ...sized('popa', { 16: Code.Popaw, 32: Code.Popad }),
  ...sized('pushf', { 16: Code.Pushfw, 32: Code.Pushfd, 64: Code.Pushfq }),
  ...sized('popf', { 16: Code.Popfw, 32: Code.Popfd, 64: Code.Popfq }),
  ...sized('enter', { 16: Code.Enterw_imm16_imm8, 32: Code.Enterd_imm16_imm8, 64: Code.Enterq_imm16_imm8 }),
  ...sized('leave', { 16: Code.Leavew, 32: Code.Leaved, 64: Code.Leaveq }),
  ...sized('jrcxz', {
    16: [Code.Jcxz_rel8_16, Code.Jecxz_rel8_16, Code.Jrcxz_rel8_16],
    32: [Code.Jcxz_rel8_32, Code.Jecxz_rel8_32],
    64: [Code.Jecxz_rel8_64, Code.Jrcxz_rel8_64],
  }),
  ...sized('ret', {
    16: [Code.Retnw, Code.Retnw_imm16],
    32: [Code.Retnd, Code.Retnd_imm16],
    64: [Code.Retnq, Code.Retnq_imm16],
  }),
]);

/** Repeated, a string instruction is a definition of its own: for these two ZF ends the repetition. */
const comparing = new Set(['cmps', 'scas']);
const repeated = new Map<Naming, { readonly f3: Naming; readonly f2: Naming }>(
  [...namings.values()]
    .filter(({ name }) => name in strings)
    .map((naming) => {
      const { name } = naming;
      return [
        naming,
        comparing.has(name)
          ? { f3: { ...naming, name: `repe.${name}` }, f2: { ...naming, name: `repne.${name}` } }
          : { f3: { ...naming, name: `rep.${name}` }, f2: { ...naming, name: `rep.${name}` } },
      ];
    }),
);

/** POP with a base of rSP works with the moved stack pointer. */
const popBased = new Map<Code, Naming>([
  [Code.Pop_rm16, { name: 'pop.based', size: 16 }],
  [Code.Pop_rm32, { name: 'pop.based', size: 32 }],
  [Code.Pop_rm64, { name: 'pop.based', size: 64 }],
]);

/** Absolute 64-bit addresses that are no sign-extended displacement: the offset is the record's immediate. */
const absolute = new Map<Code, Naming>([
  [Code.Mov_AL_moffs8, { name: 'mov.load', size: 8, form: 'r,i' }],
  [Code.Mov_AX_moffs16, { name: 'mov.load', size: 16, form: 'r,i' }],
  [Code.Mov_EAX_moffs32, { name: 'mov.load', size: 32, form: 'r,i' }],
  [Code.Mov_RAX_moffs64, { name: 'mov.load', size: 64, form: 'r,i' }],
  [Code.Mov_moffs8_AL, { name: 'mov.store', size: 8, form: 'i,r' }],
  [Code.Mov_moffs16_AX, { name: 'mov.store', size: 16, form: 'i,r' }],
  [Code.Mov_moffs32_EAX, { name: 'mov.store', size: 32, form: 'i,r' }],
  [Code.Mov_moffs64_RAX, { name: 'mov.store', size: 64, form: 'i,r' }],
]);

/** The definition for a decoded instruction, where it is not simply called by the mnemonic. */
export const namingOf = (instruction: Instruction): Naming | undefined => {
  const { code } = instruction;
  const moffs = absolute.get(code);
  if (moffs && instruction.memoryDisplSize === 8) {
    const offset = instruction.memoryDisplacement;
    if (BigInt.asIntN(32, offset) !== BigInt.asIntN(64, offset)) return moffs;
  }
  const naming = namings.get(code);
  if (naming) {
    const ways = repeated.get(naming);
    if (ways && instruction.hasRepePrefix) return ways.f3;
    if (ways && instruction.hasRepnePrefix) return ways.f2;
    return naming;
  }
  const based = popBased.get(code);
  if (based && instruction.op0Kind === OpKind.Memory) {
    const base = instruction.memoryBase;
    return base === Register.RSP || base === Register.ESP ? based : undefined;
  }
  return undefined;
};
