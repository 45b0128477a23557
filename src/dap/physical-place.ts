/** A place in physical memory: what an address reaches now. */

import type { Place } from '../debugger/address';
import { physicalPlace as physicalOf } from '../debugger/guest-memory';
import type { Session } from '../debugger/session';

/** @param vcpu in whose address space it is. @throws BadInput where nothing is mapped */
export const physicalPlace = (session: Session, place: Place, vcpu = place.vcpu ?? session.machine.current): Place =>
  physicalOf(session.vcpu(vcpu).cpu, place);
