/** Why a guest does not exit with one reason, or for one exception, where it stands. */

import { BadInput } from '../../program/program';
import { exception, exceptions } from '../../x86/exceptions';
import { type ExitReasonName, exitReasonName, exitReasons } from '../../x86/vmx/exit-reasons';
import { vectorName } from '../explain';
import type { Item } from '../item';
import type { Session } from '../session';
import { type Answer, answer, behind } from './answer';
import { whyNoEvent } from './boundaries';
import { exceptionItem } from './exceptions';
import { guestOf, type InGuest, memoryItem } from './in-guest';
import { whyNext } from './instruction';

const said = ({ name, meaning = '', children }: Item): Answer =>
  answer(`${name}: ${meaning}`, children === undefined ? [] : children());

/** Exceptions share their reason with NMIs. */
const exceptionsAndNmi = (guest: InGuest): Answer => {
  const bitmap = exceptionItem(guest.vmx);
  const nmi = whyNoEvent(guest, 'EXCEPTION_NMI') ?? '';
  return answer(`NMI: ${nmi}; ${bitmap.name}: ${bitmap.meaning}`, bitmap.children?.() ?? []);
};

const inMemory = (guest: InGuest, session: Session): Answer => said(memoryItem(guest, session));

/** Only the delivery of an exception can end in one. */
function tripleFault({ index }: InGuest, session: Session): Answer {
  const next = whyNext(session, index);
  if (next.exit === exitReasons.TRIPLE_FAULT.number) return next;
  return next.vector === undefined
    ? answer(
        'no exit: the next instruction raises no exception that could be foreseen, and only the delivery of #DF could fail',
      )
    : behind(`no exit: ${vectorName(next.vector)} is delivered without another fault, or exits itself: `, next);
}

/** Reasons that neither an instruction nor a boundary gives. */
const rows: Partial<Record<ExitReasonName, (guest: InGuest, session: Session) => Answer>> = {
  EXCEPTION_NMI: exceptionsAndNmi,
  TRIPLE_FAULT: tripleFault,
  EPT_VIOLATION: inMemory,
  EPT_MISCONFIGURATION: inMemory,
};

const ofException = (guest: InGuest, mnemonic: string): Answer | undefined => {
  const row = exceptions.find((one) => one.mnemonic === mnemonic && one.vector !== exception.NMI);
  const found =
    row &&
    exceptionItem(guest.vmx)
      .children?.()
      .find(({ name }) => name === row.mnemonic);
  return found === undefined ? undefined : said(found);
};

/** The reason with this number or name, or the exception: `7`, `INTERRUPT_WINDOW`, `#PF`. @throws BadInput */
const reasonOf = (what: string): ExitReasonName | undefined => {
  if (/^\d+$/.test(what)) return exitReasonName(Number(what));
  const name = what.toUpperCase();
  return Object.hasOwn(exitReasons, name) ? (name as ExitReasonName) : undefined;
};

/** All others are an instruction's: the next one may be it. */
const byInstruction = (session: Session, index: number, reason: ExitReasonName): Answer => {
  const next = whyNext(session, index);
  return next.exit === exitReasons[reason].number ? next : behind('the next instruction is another one: ', next);
};

/** @param what a basic exit reason's number or name, or an exception as `#PF`. @throws BadInput */
export const whyNot = (session: Session, index: number, what: string): Answer => {
  const guest = guestOf(session, session.vcpu(index));
  const reason = reasonOf(what);
  const isException = what.startsWith('#');
  if (reason === undefined && !isException)
    throw new BadInput(
      `${what} is no exit reason: why takes last, next, a reason (INTERRUPT_WINDOW, 7) or an exception (#PF)`,
    );
  if (guest === undefined) return answer('the vCPU is in no guest: nothing exits');
  if (reason === undefined) {
    const found = ofException(guest, what.toUpperCase());
    if (found === undefined) throw new BadInput(`${what} is no exception`);
    return found;
  }
  const row = rows[reason];
  if (row !== undefined) return row(guest, session);
  const event = whyNoEvent(guest, reason);
  return event === undefined ? byInstruction(session, index, reason) : answer(event);
};
