/** Symbols from text: what `nm` prints (also System.map and kallsyms), the maps of GNU ld and of NASM, `address name`. */

import { linear } from '../x86/address';
import type { ProgramSymbol } from './program';

type Kind = ProgramSymbol['kind'];

interface LineForm {
  readonly pattern: RegExp;
  readonly size?: number;
  readonly type?: number;
  readonly address: number;
  readonly name: number;
}

const NAME = '([A-Za-z_$?@.][\\w$?@.~#<>:]*)';
const HEX = '(?:0x)?([0-9a-fA-F]{2,16})';

/** The first that fits counts. The numbers are those of the pattern's groups. */
const forms: readonly LineForm[] = [
  {
    pattern: new RegExp(`^${HEX} ${HEX} ([A-Za-z]) ${NAME}(?:\\s+\\[\\w+\\])?$`),
    address: 1,
    size: 2,
    type: 3,
    name: 4,
  },
  { pattern: new RegExp(`^${HEX} ([A-Za-z]) ${NAME}(?:\\s+\\[\\w+\\])?$`), address: 1, type: 2, name: 3 },
  // NASM's map: real address, virtual address.
  { pattern: new RegExp(`^\\s+${HEX}\\s+${HEX}\\s+${NAME}$`), address: 2, name: 3 },
  // GNU ld's map names symbols behind an indented address; `. = …` and sections are none.
  { pattern: /^\s{8,}0x([0-9a-f]+)\s+([A-Za-z_$][\w$.@]*)(?: = .*)?$/, address: 1, name: 2 },
  { pattern: new RegExp(`^${HEX}\\s+${NAME}$`), address: 1, name: 2 },
];

/** The letters of nm: T, W and their local forms are code, A is no address. */
const kindOfLetter = (letter: string | undefined): Kind => {
  if (letter === undefined || /[tTwWiI]/.test(letter)) return 'code';
  return /[aA]/.test(letter) ? 'constant' : 'data';
};

/** Lines of other forms are passed over. */
export const mapSymbols = (text: string): ProgramSymbol[] => {
  const symbols: ProgramSymbol[] = [];
  for (const line of text.split(/\r?\n/)) {
    const form = forms.find(({ pattern }) => pattern.test(line));
    const groups = form?.pattern.exec(line);
    if (form === undefined || groups === null || groups === undefined) continue;
    const { address, size, type, name } = form;
    symbols.push({
      name: groups[name] as string,
      address: linear(BigInt(`0x${groups[address]}`)),
      size: size === undefined ? 0 : Number(`0x${groups[size]}`),
      kind: kindOfLetter(type === undefined ? undefined : groups[type]),
    });
  }
  return symbols;
};
