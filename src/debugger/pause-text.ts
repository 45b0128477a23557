/** Why the machine stopped, in words. */

import type { FaultRecord, MachineEvent } from '../machine/core/event';
import type { Machine } from '../machine/pc';
import { hex } from '../x86/address';
import { placeText } from './address';
import { eventText, eventTitle } from './events/kinds';
import { explainFault } from './explain';
import type { ProgramInfo } from './program-info';
import type { Pause } from './run-control';
import { guestVcpuOf } from './sides';
import { currentAddress, modeAndRing } from './vcpu-view';
import type { Watched } from './watches';
import { explainExit } from './why/explain-exit';
import { shutdownKind, shutdownLines } from './why/shutdown';

interface Stopped {
  readonly machine: Machine;
  readonly info: ProgramInfo;
}

/** A pause in one line; with the session it tells the values of what decided, and where a guest was. */
export const pauseText = (pause: Pause, session?: Stopped): string => {
  switch (pause.reason) {
    case 'entry':
      return 'the program has not started yet';
    case 'step':
      return 'step';
    case 'pause':
      return 'paused';
    case 'breakpoint':
      return `breakpoint ${pause.ids.join(', ')}`;
    case 'watchpoint':
      return pause.hits.map(watchedText).join('; ');
    case 'fault':
      return explainFault({ ...pause.fault, cr2: pause.fault.address });
    case 'alone':
      return `only vCPU ${pause.vcpu} may run, and nothing can wake it up`;
    case 'event':
      return eventPauseText(pause.event, session);
    case 'ending':
      return endingText(pause);
  }
};

const eventPauseText = (event: MachineEvent, session: Stopped | undefined): string =>
  event.kind === 'vmexit' && session !== undefined
    ? `${explainExit(session.machine, event.vcpu, event)}${event.entryFailure ? '' : guestText(session, event.vcpu)}`
    : eventLine(event);

/** `; guest at 0x100140 guest+0x2 (64-bit, ring 0)` */
const guestText = ({ machine, info }: Stopped, index: number): string => {
  const vcpu = machine.cpus[index];
  const guest = vcpu && guestVcpuOf(vcpu);
  if (guest === undefined) return '';
  const address = currentAddress(guest);
  const name = info.nameOf(address);
  return `; guest at ${hex(address)}${name === undefined ? '' : ` ${name}`} (${modeAndRing(guest.state)})`;
};

/** Failures have words that stand alone; of other events the kind stands before what happened. */
const eventLine = (event: MachineEvent): string => {
  if (event.kind === 'vmfail') return eventTitle(event);
  if (event.kind === 'vmentry-failure') return `VM entry refused, ${eventText(event)}`;
  return kindAndText(event);
};

const kindAndText = (event: MachineEvent): string => `${event.kind} ${eventText(event)}`;

const accesses = { read: 'read', write: 'written', change: 'changed' } as const;

/** `watched memory written at 0x200000: 0x1 -> 0x5`, `cr3 changed: 0x1000 -> 0x2000`. */
const watchedText = ({ target, access, place, old, now }: Watched): string => {
  const what = 'register' in target ? `${target.register} ${accesses[access]}` : `watched memory ${accesses[access]}`;
  const where = place === undefined ? '' : ` at ${placeText(place)}`;
  return `${what}${where}${access === 'read' ? ` as ${hex(now)}` : `: ${hex(old)} -> ${hex(now)}`}`;
};

/** The faults that led to a triple fault, if that is what happened. */
export const chainOf = (pause: Pause): readonly FaultRecord[] =>
  pause.reason === 'ending' && pause.stop?.reason === 'triple-fault' ? pause.stop.chain : [];

/** What led to a shutdown, a line each, and the lint that somebody wanted to stop at. */
export const shutdownLinesOf = (pause: Pause): readonly string[] => {
  if (pause.reason !== 'ending' || pause.stop?.reason !== 'triple-fault') return [];
  const { stop, event } = pause;
  return [...shutdownLines(stop), ...(event?.kind === 'lint' ? [eventLine(event)] : [])];
};

const endingText = (pause: Pause & { readonly reason: 'ending' }): string => {
  const { ending, stop } = pause;
  switch (ending.outcome) {
    case 'guest-exit':
      return `the guest ended the run with status ${ending.exitCode}`;
    case 'power-off':
      return 'the guest powered the machine off';
    case 'halted':
      return 'the machine is halted: nothing can wake it up';
    case 'reset':
      return `reset${stop?.reason === 'reset' ? ` by ${stop.by}` : ''}`;
    case 'budget':
      return 'the instruction budget is used up';
    case 'no-progress':
      return 'no progress: a million steps without a completed instruction';
    case 'triple-fault':
      return stop?.reason === 'triple-fault'
        ? `${shutdownKind(stop)}: ${shutdownLinesOf(pause).join('; ')}`
        : 'triple fault';
    default:
      return ending.outcome;
  }
};
