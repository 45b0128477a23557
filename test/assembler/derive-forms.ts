/**
 * Derives the assembler's table of instruction forms from iced-x86's opcode table, as the source text of
 * src/assembler/forms-data.ts. The table is kept as a file because asking iced for 4,900 opcodes at start-up costs more
 * time than assembling a program; forms-data.test.ts keeps the file equal to what this derives.
 */

import {
  Code,
  CodeExt,
  DecoderOptions,
  EncodingKind,
  MemorySizeExt,
  Mnemonic,
  OpCodeOperandKind,
  TupleType,
} from 'iced-x86';

/** In the order of the flag bits in a form's row. */
const flags = [
  'defaultOpSize64',
  'forceOpSize64',
  'isLIG',
  'isWIG',
  'isWIG32',
  'fwait',
  'canUseLockPrefix',
  'canUseOpMaskRegister',
  'requireOpMaskRegister',
  'canUseZeroingMasking',
  'canBroadcast',
  'canUseRoundingControl',
  'canSuppressAllExceptions',
] as const;

export function deriveFormsSource(): string {
  const rows = new Map<string, string[]>();
  const kinds: string[] = [];
  for (const code of Object.values(Code)) {
    if (typeof code !== 'number') continue;
    const info = CodeExt.opCode(code);
    // MVEX and its neighbours on Knights Corner reuse the mnemonics of EVEX, and NASM has no syntax for them.
    const isKnightsCorner = info.encoding === EncodingKind.MVEX || info.decoderOption === DecoderOptions.KNC;
    if (info.isInstruction && !isKnightsCorner) {
      const mnemonic = Mnemonic[info.mnemonic]?.toLowerCase() ?? '';
      const operands = Array.from({ length: info.opCount }, (_, index) => {
        const kind = OpCodeOperandKind[info.opKind(index)] ?? '';
        if (!kinds.includes(kind)) kinds.push(kind);
        return kinds.indexOf(kind).toString(36).padStart(2, '0');
      });
      // Encodings of one vendor or of retired processors come after the others: 64-bit mode, any mode.
      const rare = info.decoderOption !== 0 ? 2 : info.mode64 && !info.intelDecoder64 ? 1 : 0;
      const row = [
        (info.mode16 ? 1 : 0) | (info.mode32 ? 2 : 0) | (info.mode64 ? 4 : 0),
        info.encoding,
        info.mandatoryPrefix,
        info.table,
        info.opCode.toString(16).padStart(info.opCodeLength * 2, '0'),
        info.groupIndex < 0 ? '' : info.groupIndex,
        info.rmGroupIndex < 0 ? '' : info.rmGroupIndex,
        info.operandSize,
        info.addressSize,
        info.L,
        info.W,
        flags.reduce((bits, flag, bit) => bits | (info[flag] ? 1 << bit : 0), 0).toString(36),
        rare,
        MemorySizeExt.size(info.memorySize),
        MemorySizeExt.elementSize(info.broadcastMemorySize),
        /^N(\d+)/.exec(TupleType[info.tupleType] ?? '')?.[1] ?? 1,
        operands.join(''),
      ];
      rows.set(mnemonic, [...(rows.get(mnemonic) ?? []), row.join(',')]);
    }
    info.free();
  }
  const lines = [...rows].map(([mnemonic, forms]) => `${mnemonic} ${forms.join(' ')}`);
  return [
    '/** Instruction forms by mnemonic, derived from iced-x86 by test/assembler/derive-forms.ts: run its test with -u. */',
    '',
    `export const operandKinds =\n  '${kinds.join(' ')}';`,
    '',
    `export const formRows = \`\n${lines.join('\n')}\n\`;`,
    '',
  ].join('\n');
}
