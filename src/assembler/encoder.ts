/**
 * The bytes of an instruction in one of its forms. Prefixes come in NASM's order: wait, repeat, lock, segment, those of
 * sizes, the one that belongs to the opcode, REX. Intel SDM vol. 2, "Instruction Format".
 */

import { encodeAddress } from './address';
import { AssemblyProblem } from './diagnostics';
import type { Bits, Form } from './forms';
import type { Instruction, Operand, Prefixes } from './instruction';
import type { OperandKind } from './operand-kinds';
import { isPlain, signed, type Value } from './value';

/** An operand with the kind that the form wants at its place. */
export interface Assignment {
  readonly kind: OperandKind;
  readonly operand: Operand;
}

export interface Encoded {
  readonly bytes: Uint8Array;
  /** Without what VEX or REX happened to need: by this the shortest form is chosen. */
  readonly weight: number;
  readonly warnings: readonly string[];
}

type Memory = Extract<Operand, { kind: 'memory' }>;

const segmentPrefix: Readonly<Record<string, number>> = { es: 0x26, cs: 0x2e, ss: 0x36, ds: 0x3e, fs: 0x64, gs: 0x65 };
const mandatory: readonly (number | undefined)[] = [undefined, undefined, 0x66, 0xf3, 0xf2];
const mapBytes: readonly (readonly number[])[] = [[], [0x0f], [0x0f, 0x38], [0x0f, 0x3a]];
/** The opcode map's number in VEX, EVEX and XOP prefixes, by the table of the form. */
const mapNumber: readonly number[] = [0, 1, 2, 3, 5, 6, 8, 9, 10];

/** Instructions that work on 16 bits whatever the operand size: NASM writes no prefix for it. */
const sizeless = new Set(['arpl', 'lldt', 'lmsw', 'ltr', 'verr', 'verw']);

/** @throws AssemblyProblem when the operands fit but cannot be encoded together. */
export function encode(form: Form, operands: readonly Assignment[], instruction: Instruction): Encoded | undefined {
  const { bits, prefixes } = instruction;
  const slots = { reg: form.group ?? 0, rm: form.rmGroup, vvvv: 0, opcode: 0 };
  let memory: { operand: Memory; kind: string } | undefined;
  let hasModrm = form.group !== undefined || form.rmGroup !== undefined;
  let is4: number | undefined;
  let rexByte = false;
  let highByte = false;
  let offset: Memory | undefined;
  const immediates: { value: Value; bytes: number; operation: number; kind: string }[] = [];
  let relative: { operand: Extract<Operand, { kind: 'immediate' }>; bytes: number } | undefined;
  let far: { operand: Extract<Operand, { kind: 'far-pointer' }>; bytes: number } | undefined;

  for (const { kind, operand } of operands) {
    switch (operand.kind) {
      case 'register': {
        rexByte ||= operand.register.needsRex;
        highByte ||= operand.register.class === 'r8-high';
        if (kind.field === 'reg') slots.reg = operand.register.number;
        else if (kind.field === 'rm') slots.rm = operand.register.number;
        else if (kind.field === 'vvvv') slots.vvvv = operand.register.number;
        else if (kind.field === 'opcode') slots.opcode = operand.register.number;
        else if (kind.field === 'is4') is4 = operand.register.number;
        break;
      }
      case 'memory':
        if (kind.field === 'offset') offset = operand;
        else memory = { operand, kind: kind.name };
        break;
      case 'immediate':
        if (kind.field === 'relative') relative = { operand, bytes: kind.bytes };
        else immediates.push({ value: operand.value, bytes: kind.bytes, operation: kind.extendsTo, kind: kind.name });
        break;
      case 'far-pointer':
        far = { operand, bytes: kind.bytes };
        break;
    }
    if (kind.field === 'reg' || kind.field === 'rm') hasModrm = true;
  }

  const bytes: number[] = [];
  const warnings: string[] = [];
  const address = memory?.operand.address ?? offset?.address;
  const addressSize = addressSizeOf(form, address?.addressSize, prefixes.addressSize, instruction);

  // Prefixes.
  if ((form.wait && form.mnemonic !== 'fsetpm') || prefixes.wait) bytes.push(0x9b);
  if (prefixes.repeat !== undefined) bytes.push(prefixes.repeat);
  if (prefixes.lock) bytes.push(0xf0);
  if (address?.segment !== undefined && prefixes.segment !== undefined) {
    throw new AssemblyProblem(
      instruction,
      `two segment overrides: ${prefixes.segment.name} and ${address.segment.name}`,
    );
  }
  const segment = address?.segment ?? prefixes.segment;
  const segmentByte = segment === undefined ? undefined : segmentPrefix[segment.name];
  if (segmentByte !== undefined) bytes.push(segmentByte);
  const addressPrefix = addressSize !== bits;
  const sizePrefix = needsSizePrefix(form, operands, instruction);
  if (sizePrefix) bytes.push(0x66);
  if (addressPrefix) bytes.push(0x67);

  // The address.
  const encodedAddress =
    memory === undefined
      ? undefined
      : encodeAddress(
          memory.operand.address,
          bits,
          displacementScale(form, memory.operand),
          memory.kind === 'sibmem',
          memory.operand,
        );
  const rm = encodedAddress === undefined ? (slots.rm ?? 0) : 0;
  const b = encodedAddress?.rexB ?? ((rm | slots.opcode) >> 3) & 1;
  const x = encodedAddress?.rexX ?? (rm >> 4) & 1;
  const r = (slots.reg >> 3) & 1;

  // The opcode with the prefix that extends it.
  let saved = 0;
  if (form.encoding === 'legacy' || form.encoding === '3dnow') {
    const prefix = mandatory[form.mandatoryPrefix];
    if (prefix !== undefined) bytes.push(prefix);
    const wide =
      (form.operandSize === 64 &&
        !form.defaultSize64 &&
        !form.forcedSize64 &&
        !isSizeless(form) &&
        !narrow.has(form.mnemonic)) ||
      widened(form) ||
      prefixes.operandSize === 64;
    const rex = (wide ? 8 : 0) | (r << 2) | (x << 1) | b;
    if (rex !== 0 || rexByte) {
      if (bits !== 64) {
        throw new AssemblyProblem(
          instruction,
          `registers beyond the first eight exist in 64-bit code only, this is ${bits}-bit code`,
        );
      }
      if (highByte) {
        throw new AssemblyProblem(
          instruction,
          'ah, bh, ch and dh cannot stand in an instruction with a REX prefix: use al, bl, cl or dl',
        );
      }
      bytes.push(0x40 | rex);
      if (!wide) saved = 1;
    }
    if (form.encoding === '3dnow') bytes.push(0x0f, 0x0f);
    else {
      bytes.push(...(mapBytes[form.table] ?? []), ...form.opcode);
      const last = bytes.length - 1;
      bytes[last] = (bytes[last] ?? 0) | (slots.opcode & 7);
    }
  } else {
    if (bits !== 64 && [slots.reg, rm, slots.vvvv, b << 3, x << 3].some((number) => number > 7)) {
      throw new AssemblyProblem(
        instruction,
        `registers beyond the first eight exist in 64-bit code only, this is ${bits}-bit code`,
      );
    }
    const before = bytes.length;
    const vector = { r, x, b, vvvv: slots.vvvv, reg: slots.reg, rm, highIndex: encodedAddress?.highIndex ?? 0 };
    if (form.encoding === 'evex') pushEvex(bytes, form, vector, operands, instruction);
    else pushVex(bytes, form, vector, prefixes.encoding);
    saved = bytes.length - before;
    bytes.push(...form.opcode);
  }

  // ModRM and what follows.
  let relativeAt: number | undefined;
  if (encodedAddress !== undefined) {
    bytes.push(encodedAddress.modrm | ((slots.reg & 7) << 3));
    if (encodedAddress.sib !== undefined) bytes.push(encodedAddress.sib);
    if (memory?.operand.address.relative === true) relativeAt = bytes.length;
    else checkDisplacement(encodedAddress.displacement, encodedAddress.displacementBytes, bits, warnings);
    pushNumber(bytes, encodedAddress.displacement, encodedAddress.displacementBytes);
  } else if (hasModrm) {
    bytes.push(0xc0 | ((slots.reg & 7) << 3) | (rm & 7));
  }
  if (offset !== undefined) pushNumber(bytes, offset.address.displacement.number, addressSize / 8);
  if (form.encoding === '3dnow') bytes.push(...form.opcode);
  if (far !== undefined) {
    pushNumber(bytes, far.operand.offset.number, far.bytes);
    pushNumber(bytes, far.operand.segment.number, 2);
  }
  for (const { value, bytes: count, operation, kind } of immediates) {
    checkImmediate(value, count, operation, warnings);
    if (kind !== 'imm4_m2z') pushNumber(bytes, value.number, count);
  }
  if (is4 !== undefined) {
    const low = immediates.find(({ kind }) => kind === 'imm4_m2z')?.value.number ?? 0n;
    bytes.push(((is4 & 15) << 4) | Number(low & 15n));
  }
  if (relative !== undefined) {
    const target = relative.operand.value;
    const length = bytes.length + relative.bytes;
    const distance = BigInt.asIntN(64, target.number - instruction.address - BigInt(length));
    if (!target.unknown && relative.bytes === 1 && (distance < -128n || distance > 127n)) return undefined;
    pushNumber(bytes, target.unknown ? 0n : distance, relative.bytes);
  }
  if (relativeAt !== undefined && address !== undefined) {
    const distance = address.displacement.number - instruction.address - BigInt(bytes.length);
    const field: number[] = [];
    pushNumber(field, distance, 4);
    bytes.splice(relativeAt, 4, ...field);
  }
  return { bytes: Uint8Array.from(bytes), weight: bytes.length - saved, warnings };
}

/** MOV to a segment register takes 16 bits of any register; MOV from one to a 64-bit register clears the rest anyway. */
const isSizeless = (form: Form): boolean =>
  form.mnemonic === 'mov' && (form.kinds[0] === 'seg_reg' || (form.kinds[1] === 'seg_reg' && form.operandSize === 64));

/** Instructions whose 64-bit register gets zeros above 32 bits anyway: NASM saves the W bit. */
const narrow = new Set(['sldt', 'pextrb', 'vmovmskpd', 'vmovmskps', 'vpextrb', 'vpextrw', 'vpmovmskb']);

/** And the one where NASM sets it although 64-bit code needs none. */
const widened = (form: Form): boolean => form.mnemonic === 'invpcid' && form.kinds[0] === 'r64_reg';

function needsSizePrefix(form: Form, operands: readonly Assignment[], { bits, prefixes }: Instruction): boolean {
  const usual = bits === 16 ? 16 : 32;
  if (prefixes.operandSize !== undefined && prefixes.operandSize !== 64 && prefixes.operandSize !== usual) return true;
  if (form.operandSize === 0 || form.operandSize === 64 || isSizeless(form)) return false;
  if (sizeless.has(form.mnemonic) && operands.some(({ operand }) => operand.kind !== 'immediate')) return false;
  return form.operandSize !== usual;
}

function addressSizeOf(
  form: Form,
  ofAddress: number | undefined,
  ofPrefix: number | undefined,
  instruction: Instruction,
): number {
  if (ofAddress !== undefined && ofPrefix !== undefined && ofAddress !== ofPrefix) return ofPrefix;
  return ofAddress ?? ofPrefix ?? (form.addressSize === 0 ? instruction.bits : form.addressSize);
}

function displacementScale(form: Form, { decorations }: Memory): number {
  if (form.encoding !== 'evex') return 1;
  return decorations.broadcast === undefined ? form.displacementScale : form.broadcastSize;
}

interface VectorFields {
  readonly r: number;
  readonly x: number;
  readonly b: number;
  readonly vvvv: number;
  readonly reg: number;
  readonly rm: number;
  readonly highIndex: number;
}

/** Intel SDM vol. 2, "The VEX Prefix"; XOP has the same layout. */
function pushVex(bytes: number[], form: Form, fields: VectorFields, wanted: string | undefined): void {
  const { r, b, vvvv } = fields;
  const x = fields.x;
  const w = narrow.has(form.mnemonic) ? 0 : form.w;
  const pp = Math.max(form.mandatoryPrefix - 1, 0);
  const tail = ((~vvvv & 15) << 3) | (form.l << 2) | pp;
  if (form.encoding === 'vex' && x === 0 && b === 0 && w === 0 && form.table === 1 && wanted !== 'vex3') {
    bytes.push(0xc5, ((r ^ 1) << 7) | tail);
    return;
  }
  const map = mapNumber[form.table] ?? 0;
  bytes.push(
    form.encoding === 'xop' ? 0x8f : 0xc4,
    ((r ^ 1) << 7) | ((x ^ 1) << 6) | ((b ^ 1) << 5) | map,
    (w << 7) | tail,
  );
}

const roundingModes: Readonly<Record<string, number>> = { 'rn-sae': 0, 'rd-sae': 1, 'ru-sae': 2, 'rz-sae': 3 };

/** Intel SDM vol. 2, "Instruction Format and EVEX". */
function pushEvex(
  bytes: number[],
  form: Form,
  fields: VectorFields,
  operands: readonly Assignment[],
  instruction: Instruction,
): void {
  const decorations = operands.flatMap(({ operand }) => ('decorations' in operand ? [operand.decorations] : []));
  const mask = decorations.find((decoration) => decoration.mask !== undefined)?.mask ?? 0;
  const zeroing = decorations.some((decoration) => decoration.zeroing === true);
  const broadcast = decorations.some((decoration) => decoration.broadcast !== undefined);
  const { rounding } = instruction;
  const high = (number: number): number => (number >> 4) & 1;
  const pp = Math.max(form.mandatoryPrefix - 1, 0);
  const lengthBits = rounding === undefined ? form.l : (roundingModes[rounding] ?? 0);
  bytes.push(
    0x62,
    ((fields.r ^ 1) << 7) |
      ((fields.x ^ 1) << 6) |
      ((fields.b ^ 1) << 5) |
      ((high(fields.reg) ^ 1) << 4) |
      (mapNumber[form.table] ?? 0),
    ((narrow.has(form.mnemonic) ? 0 : form.w) << 7) | ((~fields.vvvv & 15) << 3) | 4 | pp,
    ((zeroing ? 1 : 0) << 7) |
      (lengthBits << 5) |
      ((broadcast || rounding !== undefined ? 1 : 0) << 4) |
      (((high(fields.vvvv) | fields.highIndex) ^ 1) << 3) |
      mask,
  );
}

function pushNumber(bytes: number[], number: bigint, count: number): void {
  if (count <= 4) {
    let low = Number(BigInt.asIntN(32, number));
    for (let index = 0; index < count; index++) {
      bytes.push(low & 0xff);
      low >>= 8;
    }
    return;
  }
  for (let index = 0; index < count; index++) bytes.push(Number((number >> BigInt(8 * index)) & 0xffn));
}

const sizeNames: Readonly<Record<number, string>> = { 1: 'byte', 2: 'word', 4: 'dword', 8: 'qword' };

function checkImmediate(value: Value, bytes: number, operation: number, warnings: string[]): void {
  if (!isPlain(value) || value.unknown || bytes === 0 || bytes === 8) return;
  const number = signed(value);
  const width = BigInt(8 * (bytes === operation || bytes === 1 ? operation : bytes));
  if (bytes === 4 && operation === 8) {
    if (number < -(1n << 31n) || number >= 1n << 31n) {
      warnings.push(`${number} does not fit in a signed dword, which this instruction extends to a qword`);
    }
  } else if (number < -(1n << (width - 1n)) || number >= 1n << width) {
    warnings.push(`${number} does not fit in a ${sizeNames[operation] ?? 'byte'}`);
  }
}

function checkDisplacement(number: bigint, bytes: number, bits: number, warnings: string[]): void {
  const value = BigInt.asIntN(64, number);
  if (bits === 64 && bytes === 4 && (value < -(1n << 31n) || value >= 1n << 31n)) {
    warnings.push(`the displacement ${value} does not fit in a signed dword`);
  }
}

/** Prefixes that stand alone. */
export function prefixBytes(prefixes: Prefixes, bits: Bits): Uint8Array {
  const usual = bits === 16 ? 16 : 32;
  const { operandSize, addressSize, segment } = prefixes;
  return Uint8Array.from([
    ...(prefixes.repeat === undefined ? [] : [prefixes.repeat]),
    ...(prefixes.lock ? [0xf0] : []),
    ...(segment === undefined ? [] : [segmentPrefix[segment.name] ?? 0]),
    ...(operandSize === undefined || operandSize === usual ? [] : [operandSize === 64 ? 0x48 : 0x66]),
    ...(addressSize === undefined || addressSize === bits ? [] : [0x67]),
  ]);
}
