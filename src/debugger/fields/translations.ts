/** Translations in the TLBs by name: `tlb.entries`, `tlb.0x400000.valid`; 0 drops them, as INVLPG and INVPCID do. */

import { BadInput } from '../../program/program';
import { bigWord, type FieldFamily } from './field';

const dropsOnly = (name: string, value: bigint): void => {
  if (value !== 0n) throw new BadInput(`${name} can only be set to 0, which drops translations; software adds none`);
};

export const translationFields: FieldFamily = {
  heads: () => ['tlb'],
  names: () => ['tlb.entries'],
  find: ({ machine, vcpu }, _, [word, name, pcid]) => {
    const { tlb } = vcpu.cpu.paging;
    if (word === 'entries')
      return {
        width: 16,
        read: () => BigInt([...tlb.entries()].length),
        write: (value) => {
          dropsOnly('tlb.entries', value);
          machine.input({ kind: 'invalidate', vcpu: vcpu.index });
        },
      };
    const linear = bigWord(word);
    const space = bigWord(pcid);
    if (linear === undefined || name !== 'valid' || (pcid !== undefined && space === undefined)) return undefined;
    return {
      width: 1,
      read: () => {
        for (const { linear: first, size, pcid: own } of tlb.entries())
          if (linear >= first && linear < first + BigInt(size) && (space === undefined || BigInt(own ?? -1) === space))
            return 1n;
        return 0n;
      },
      write: (value) => {
        dropsOnly('valid', value);
        const address = { kind: 'invalidate', vcpu: vcpu.index, linear } as const;
        machine.input(space === undefined ? address : { ...address, pcid: Number(space) });
      },
    };
  },
};
