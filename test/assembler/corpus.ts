/** Lines of assembly that exercise every form of every instruction, in NASM's syntax. */

import { allMnemonics, type Bits, type Form, formsOf, modeBit } from '../../src/assembler/forms';

const sizeWords: Readonly<Record<number, string>> = {
  1: 'byte ',
  2: 'word ',
  4: 'dword ',
  8: 'qword ',
  10: 'tword ',
  16: 'oword ',
  32: 'yword ',
  64: 'zword ',
};

const memories: Readonly<Record<Bits, readonly string[]>> = {
  16: ['[bx+si+4]', '[0x1234]', '[ebx+ecx*4+0x100]', '[bp]', '[es:di-1]'],
  32: ['[ebx+4]', '[0x12345678]', '[esp+ecx*8+0x1000]', '[ebp]', '[fs:eax]', '[bx+di]'],
  64: ['[rbx+4]', '[0x12345678]', '[r12+r13*8+0x1000]', '[rbp]', '[gs:rax]', '[ecx]', '[rel $+0x100]', '[r13]'],
};

const vectorMemories = (bits: Bits, register: string): readonly string[] =>
  bits === 64
    ? [`[rax+${register}1*4]`, `[r14+${register}12*8+0x40]`, `[${register}3*2+0x100]`]
    : [`[eax+${register}1*4]`, `[ebp+${register}2*1+0x40]`];

const wide = (prefix: string, bits: Bits): readonly string[] =>
  bits === 64 ? [`${prefix}1`, `${prefix}9`, `${prefix}7`, `${prefix}14`] : [`${prefix}1`, `${prefix}7`, `${prefix}2`];

const general: Readonly<Record<number, readonly [readonly string[], readonly string[]]>> = {
  8: [
    ['bl', 'ch', 'al', 'dh'],
    ['r9b', 'sil', 'al', 'r15b'],
  ],
  16: [
    ['bx', 'si', 'ax', 'cx'],
    ['r9w', 'r15w', 'ax', 'r8w'],
  ],
  32: [
    ['ebx', 'esi', 'eax', 'ecx'],
    ['r9d', 'r15d', 'eax', 'r8d'],
  ],
  64: [
    ['rbx', 'rsi', 'rax', 'rcx'],
    ['r9', 'r15', 'rax', 'r8'],
  ],
};

const generalRegisters = (size: number, bits: Bits): readonly string[] => {
  const [low, high] = general[size] ?? [[], []];
  return bits === 64 ? [...low, ...high] : low;
};

const immediates: Readonly<Record<string, readonly string[]>> = {
  imm4_m2z: ['2', '1'],
  imm8: ['5', '0x80', '1', '-1'],
  imm8_const_1: ['1'],
  imm8sex16: ['5', '-128'],
  imm8sex32: ['5', '-128'],
  imm8sex64: ['5', '-128'],
  imm16: ['0x1234', '1', '0xffff', '0x80'],
  imm32: ['0x12345678', '1', '0xffffffff', '0x80'],
  imm32sex64: ['0x12345678', '1', '-0x12345678', '0x80'],
  imm64: ['0x123456789abcdef0', '1', '-1', '0x80000000'],
};

/** What can stand in the source for a kind of operand. */
function texts(form: Form, kind: string, bits: Bits): readonly string[] {
  const fixed = immediates[kind];
  if (fixed !== undefined) return fixed;
  if (/^(br|xbegin|brdisp)/.test(kind))
    return kind.endsWith('_1') ? ['$+10', '$-20', 'short $'] : ['$+10', '$+0x1000', 'near $'];
  if (kind === 'farbr2_2' || kind === 'farbr4_2') return ['8:0x1234', 'word 8:0x1234', 'dword 8:0x1234'];
  const vector = /^mem_vsib\d\d([xyz])$/.exec(kind);
  if (vector !== null) return vectorMemories(bits, `${vector[1]}mm`).flatMap((text) => sized(form, text));
  if (kind === 'mem_offs') return ['[0x1234]', '[fs:0x7f]', ...(bits === 64 ? ['[qword 0x123456789]'] : [])];
  if (kind.startsWith('mem') || kind === 'sibmem') {
    const far = form.mnemonic === 'jmp' || form.mnemonic === 'call' ? 'far ' : '';
    return memories[bits].flatMap((text) => sized(form, text)).map((text) => far + text);
  }
  const match = /^(r8|r16|r32|r64|mm|xmm|ymm|zmm|bnd|k)_or_mem/.exec(kind);
  if (match !== null) {
    const registers = registersOf(match[1] ?? '', bits);
    return [...registers, ...memories[bits].flatMap((text) => sized(form, text))];
  }
  const register = /^(r8|r16|r32|r64|seg|mm|xmmp3|zmmp3|xmm|ymm|zmm|bnd|kp1|k|cr|dr|tr|tmm)_/.exec(kind);
  if (register !== null) return registersOf(register[1] ?? '', bits);
  if (kind === 'sti_opcode') return ['st1', 'st7', 'st0'];
  return [kind];
}

const sized = (form: Form, text: string): readonly string[] => {
  const word = sizeWords[form.memorySize];
  return word === undefined ? [text] : [word + text, text];
};

function registersOf(name: string, bits: Bits): readonly string[] {
  switch (name) {
    case 'r8':
    case 'r16':
    case 'r32':
    case 'r64':
      return generalRegisters(Number(name.slice(1)), bits);
    case 'seg':
      return ['ds', 'fs', 'es'];
    case 'cr':
      return bits === 64 ? ['cr0', 'cr4', 'cr8'] : ['cr0', 'cr3'];
    case 'dr':
      return ['dr7', 'dr0'];
    case 'tr':
      return ['tr6', 'tr3'];
    case 'bnd':
      return ['bnd1', 'bnd3'];
    case 'k':
      return ['k1', 'k7'];
    case 'kp1':
      return ['k2', 'k6'];
    case 'mm':
      return ['mm1', 'mm7'];
    case 'tmm':
      return ['tmm1', 'tmm2', 'tmm3', 'tmm4'];
    case 'xmmp3':
      return ['xmm4', 'xmm0'];
    case 'zmmp3':
      return ['zmm4', 'zmm0'];
    default:
      return wide(name, bits);
  }
}

/** The lines of one form, every operand text at least once. */
function linesOf(form: Form, bits: Bits): readonly string[] {
  const kinds = form.written.map(({ name }) => name);
  const columns = kinds.map((kind) => texts(form, kind, bits));
  if (columns.length === 0) return [form.mnemonic];
  const count = Math.max(...columns.map((column) => column.length));
  const mask = form.needsMask ? '{k2}' : '';
  const lines: string[] = [];
  for (let index = 0; index < count; index++) {
    // Each column turns at its own pace, so that low and high registers meet.
    const operands = columns.map((column, place) => column[(index + place * (index >> 2)) % column.length] ?? '');
    const [first = '', ...rest] = operands;
    const decorated = kinds[0]?.startsWith('mem_vsib') ? `${first}${mask}` : `${first}${mask}`;
    lines.push(`${form.mnemonic} ${[decorated, ...rest].join(', ')}`);
    if (form.encoding === 'evex' && index < 2) lines.push(...evexVariants(form, operands));
  }
  return lines;
}

function evexVariants(form: Form, operands: readonly string[]): readonly string[] {
  const lines: string[] = [];
  const [first = '', ...rest] = operands;
  const line = (...parts: string[]): string => `${form.mnemonic} ${parts.join(', ')}`;
  if (form.maskable) lines.push(line(`${first}{k3}${form.zeroable && !first.includes('[') ? '{z}' : ''}`, ...rest));
  const highest = [first, ...rest].map((text) => text.replace(/^([xyz]mm)\d+$/, '$130'));
  lines.push(line(...(form.needsMask ? [`${highest[0]}{k1}`, ...highest.slice(1)] : highest)));
  const registers = operands.map((text) => (text.includes('[') ? '' : text));
  if (form.broadcasts) {
    const ratio = form.memorySize / form.broadcastSize;
    const memory = `[rax+${form.broadcastSize * 3}]{1to${ratio}}`;
    const place = form.kinds.findIndex((kind) => kind.includes('_or_mem'));
    if (place >= 0) lines.push(line(...operands.map((text, index) => (index === place ? memory : text))));
  }
  if (registers.every((text) => text !== '')) {
    if (form.rounds) lines.push(line(...operands, '{rz-sae}'), line(...withRounding(operands, '{ru-sae}')));
    else if (form.suppressesExceptions)
      lines.push(line(...operands, '{sae}'), line(...withRounding(operands, '{sae}')));
  }
  return lines;
}

/** Before an immediate at the end the rounding stands behind the last register. */
const withRounding = (operands: readonly string[], rounding: string): readonly string[] => {
  const last = operands.map((text) => /^[a-z]/.test(text)).lastIndexOf(true);
  return [...operands.slice(0, last + 1), rounding, ...operands.slice(last + 1)];
};

/**
 * Lines for a mode, each once. The vector extensions have the same addresses everywhere, so a few lines of each form
 * do unless `all` is asked for.
 */
export function corpus(bits: Bits, all: boolean): readonly string[] {
  const lines = new Set<string>();
  for (const mnemonic of allMnemonics()) {
    for (const form of formsOf(mnemonic)) {
      if ((form.modes & modeBit(bits)) === 0) continue;
      const own = linesOf(form, bits);
      const count = all || form.encoding === 'legacy' ? own.length : bits === 64 ? 6 : 2;
      // From both ends: registers stand in front, addresses behind.
      for (const line of own.slice(0, Math.ceil(count / 2))) lines.add(line);
      for (const line of own.slice(-Math.ceil(count / 2))) lines.add(line);
    }
  }
  return [...lines];
}
