/** Instructions that ask for an interrupt or an exception by themselves. */

import { type Instruction, Mnemonic } from 'iced-x86';
import { Fault, type Reason } from './fault';
import type { CpuState } from './state';

/** The vector of an INT n, 0 for an IRETQ; undefined for other instructions. */
export const transferVector = (instruction: Instruction): number | undefined =>
  instruction.mnemonic === Mnemonic.Int
    ? instruction.immediate8
    : instruction.mnemonic === Mnemonic.Iretq
      ? 0
      : undefined;

const raised: ReadonlyMap<Mnemonic, readonly [vector: number, why: Reason]> = new Map([
  [Mnemonic.Int3, [3, { rule: 'software.int3' }]],
  [Mnemonic.Into, [4, { rule: 'software.into' }]],
  [Mnemonic.Int1, [1, { rule: 'software.int1' }]],
]);
const OF = 1 << 11;

/** INT3, INT1 and INTO raise exceptions that no `Fault` stands for: who wants to be asked is asked about this one. */
export const softwareException = ({ mnemonic }: Instruction, cpu: CpuState): Fault | undefined => {
  const found = raised.get(mnemonic);
  if (found === undefined || (mnemonic === Mnemonic.Into && !(cpu.rflags & OF))) return undefined;
  return new Fault(...found);
};
