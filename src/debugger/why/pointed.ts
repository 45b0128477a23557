/** A mnemonic that somebody points at in the source: of the instruction that comes next, or of the one that was the last. */

import { Mnemonic } from 'iced-x86';
import type { LinearAddress } from '../../x86/address';
import type { CodeView } from '../code-view';
import { recollectionOf } from '../inspect/recollection';
import { withInstruction } from '../instruction';
import type { Session } from '../session';
import { guestVcpuOf } from '../sides';
import { codeAddress, currentAddress } from '../vcpu-view';
import { lastExit } from './instruction';

interface Pointed {
  readonly view: CodeView;
  readonly at: LinearAddress;
  readonly ask: string;
}

const candidates = (session: Session, index: number): Pointed[] => {
  const vcpu = session.vcpu(index);
  const view = session.codeView(index);
  const next = { view, at: currentAddress(vcpu), ask: "why('next')" };
  const exited = lastExit(session, vcpu) === undefined ? undefined : guestVcpuOf(vcpu);
  const ask = "why('last')";
  if (exited !== undefined) {
    const at = currentAddress(exited);
    return [next, { view: session.codeView(index, 'guest', at), at, ask }];
  }
  const before = recollectionOf(session.machine).stateBeforeStep(index);
  return before === undefined ? [next] : [next, { view, at: codeAddress(before, before.rip), ask }];
};

/**
 * The expression that explains it; undefined where the word may be a name, or is of another instruction.
 * @param line where it stands, if that is known
 */
export const whyPointedAt = (session: Session, index: number, word: string, line?: number): string | undefined => {
  if (!/^[a-z][a-z0-9]*$/i.test(word)) return undefined;
  // `CPUID` is the number of an exit reason too, which only the line tells apart.
  if (line === undefined && session.environment(index).name(word, false) !== undefined) return undefined;
  return candidates(session, index).find(({ view, at }) => {
    if (line !== undefined && session.info.lines.at(at)?.line !== line) return false;
    const mnemonic = withInstruction(view, at, (instruction) => Mnemonic[instruction.mnemonic]);
    return mnemonic?.toLowerCase() === word.toLowerCase();
  })?.ask;
};
