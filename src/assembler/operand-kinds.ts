/** What iced-x86's kinds of operands accept, and where in the instruction they go. */

import type { RegisterClass } from './registers';

export type Field =
  /** ModRM.reg */
  | 'reg'
  /** ModRM.rm, a register or memory */
  | 'rm'
  | 'vvvv'
  /** The low three bits of the opcode */
  | 'opcode'
  /** The high four bits of an immediate byte */
  | 'is4'
  /** Fixed by the opcode */
  | 'fixed'
  /** Not written in NASM's syntax */
  | 'implied'
  | 'immediate'
  | 'relative'
  | 'far-pointer'
  | 'offset';

export interface OperandKind {
  /** As iced-x86 calls it. */
  readonly name: string;
  readonly field: Field;
  readonly classes: readonly RegisterClass[];
  /** The only register accepted. */
  readonly fixed?: string;
  readonly memory: boolean;
  /** Registers that the index of a vector address has. */
  readonly vectorIndex?: RegisterClass;
  /** Immediates and relative targets: bytes in the instruction. */
  readonly bytes: number;
  /** Immediates: bytes of the operation that they are extended to. */
  readonly extendsTo: number;
}

type Nameless = Omit<OperandKind, 'name'>;

const kind = (field: Field, classes: readonly RegisterClass[], rest: Partial<Nameless> = {}): Nameless => ({
  field,
  classes,
  memory: false,
  bytes: 0,
  extendsTo: 0,
  ...rest,
});

const byte: readonly RegisterClass[] = ['r8', 'r8-high'];
const memory = { memory: true };
const immediate = (bytes: number, extendsTo = bytes): Nameless => kind('immediate', [], { bytes, extendsTo });
const relative = (bytes: number): Nameless => kind('relative', [], { bytes });
const fixed = (name: string, registerClass: RegisterClass): Nameless => kind('fixed', [registerClass], { fixed: name });
const vector = (vectorIndex: RegisterClass): Nameless => kind('rm', [], { memory: true, vectorIndex });

const kinds: Readonly<Record<string, Nameless>> = {
  farbr2_2: kind('far-pointer', [], { bytes: 2 }),
  farbr4_2: kind('far-pointer', [], { bytes: 4 }),
  mem_offs: kind('offset', [], memory),
  mem: kind('rm', [], memory),
  mem_mpx: kind('rm', [], memory),
  mem_mib: kind('rm', [], memory),
  sibmem: kind('rm', [], memory),
  mem_vsib32x: vector('xmm'),
  mem_vsib64x: vector('xmm'),
  mem_vsib32y: vector('ymm'),
  mem_vsib64y: vector('ymm'),
  mem_vsib32z: vector('zmm'),
  mem_vsib64z: vector('zmm'),
  r8_or_mem: kind('rm', byte, memory),
  r16_or_mem: kind('rm', ['r16'], memory),
  r32_or_mem: kind('rm', ['r32'], memory),
  r32_or_mem_mpx: kind('rm', ['r32'], memory),
  r64_or_mem: kind('rm', ['r64'], memory),
  r64_or_mem_mpx: kind('rm', ['r64'], memory),
  mm_or_mem: kind('rm', ['mmx'], memory),
  xmm_or_mem: kind('rm', ['xmm'], memory),
  ymm_or_mem: kind('rm', ['ymm'], memory),
  zmm_or_mem: kind('rm', ['zmm'], memory),
  bnd_or_mem_mpx: kind('rm', ['bound'], memory),
  k_or_mem: kind('rm', ['mask'], memory),
  r8_reg: kind('reg', byte),
  r8_opcode: kind('opcode', byte),
  r16_reg: kind('reg', ['r16']),
  r16_reg_mem: kind('reg', ['r16']),
  r16_rm: kind('rm', ['r16']),
  r16_opcode: kind('opcode', ['r16']),
  r32_reg: kind('reg', ['r32']),
  r32_reg_mem: kind('reg', ['r32']),
  r32_rm: kind('rm', ['r32']),
  r32_opcode: kind('opcode', ['r32']),
  r32_vvvv: kind('vvvv', ['r32']),
  r64_reg: kind('reg', ['r64']),
  r64_reg_mem: kind('reg', ['r64']),
  r64_rm: kind('rm', ['r64']),
  r64_opcode: kind('opcode', ['r64']),
  r64_vvvv: kind('vvvv', ['r64']),
  seg_reg: kind('reg', ['segment']),
  k_reg: kind('reg', ['mask']),
  kp1_reg: kind('reg', ['mask']),
  k_rm: kind('rm', ['mask']),
  k_vvvv: kind('vvvv', ['mask']),
  mm_reg: kind('reg', ['mmx']),
  mm_rm: kind('rm', ['mmx']),
  xmm_reg: kind('reg', ['xmm']),
  xmm_rm: kind('rm', ['xmm']),
  xmm_vvvv: kind('vvvv', ['xmm']),
  xmmp3_vvvv: kind('vvvv', ['xmm']),
  xmm_is4: kind('is4', ['xmm']),
  xmm_is5: kind('is4', ['xmm']),
  ymm_reg: kind('reg', ['ymm']),
  ymm_rm: kind('rm', ['ymm']),
  ymm_vvvv: kind('vvvv', ['ymm']),
  ymm_is4: kind('is4', ['ymm']),
  ymm_is5: kind('is4', ['ymm']),
  zmm_reg: kind('reg', ['zmm']),
  zmm_rm: kind('rm', ['zmm']),
  zmm_vvvv: kind('vvvv', ['zmm']),
  zmmp3_vvvv: kind('vvvv', ['zmm']),
  cr_reg: kind('reg', ['control']),
  dr_reg: kind('reg', ['debug']),
  tr_reg: kind('reg', ['test']),
  bnd_reg: kind('reg', ['bound']),
  tmm_reg: kind('reg', ['tile']),
  tmm_rm: kind('rm', ['tile']),
  tmm_vvvv: kind('vvvv', ['tile']),
  es: fixed('es', 'segment'),
  cs: fixed('cs', 'segment'),
  ss: fixed('ss', 'segment'),
  ds: fixed('ds', 'segment'),
  fs: fixed('fs', 'segment'),
  gs: fixed('gs', 'segment'),
  al: fixed('al', 'r8'),
  cl: fixed('cl', 'r8'),
  ax: fixed('ax', 'r16'),
  dx: fixed('dx', 'r16'),
  eax: fixed('eax', 'r32'),
  rax: fixed('rax', 'r64'),
  st0: fixed('st0', 'x87'),
  sti_opcode: kind('opcode', ['x87']),
  imm4_m2z: immediate(1),
  imm8: immediate(1),
  imm8_const_1: immediate(0, 1),
  imm8sex16: immediate(1, 2),
  imm8sex32: immediate(1, 4),
  imm8sex64: immediate(1, 8),
  imm16: immediate(2),
  imm32: immediate(4),
  imm32sex64: immediate(4, 8),
  imm64: immediate(8),
  seg_rSI: kind('implied', [], memory),
  es_rDI: kind('implied', [], memory),
  seg_rDI: kind('implied', [], memory),
  seg_rBX_al: kind('implied', [], memory),
  br16_1: relative(1),
  br32_1: relative(1),
  br64_1: relative(1),
  br16_2: relative(2),
  br32_4: relative(4),
  br64_4: relative(4),
  xbegin_2: relative(2),
  xbegin_4: relative(4),
  brdisp_2: relative(2),
  brdisp_4: relative(4),
};

const named = new Map(Object.entries(kinds).map(([name, rest]): [string, OperandKind] => [name, { name, ...rest }]));

export function operandKind(name: string): OperandKind {
  const found = named.get(name);
  if (found === undefined) throw new RangeError(`no such kind of operand: ${name}`);
  return found;
}
