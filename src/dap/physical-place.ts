/** A place in physical memory: what a linear address reaches now. */

import { type Place, placeText } from '../debugger/address';
import type { Session } from '../debugger/session';
import { peekTranslation } from '../machine/cpu/look';
import { BadInput } from '../program/program';

/** @param vcpu in whose address space it is. @throws BadInput where nothing is mapped */
export const physicalPlace = (session: Session, place: Place, vcpu = place.vcpu ?? session.machine.current): Place => {
  if (place.space !== 'linear') return place;
  const { cpu } = session.vcpu(vcpu);
  const physical = peekTranslation(cpu, place.address);
  if (physical === undefined) throw new BadInput(`${placeText(place)}: nothing is mapped here`);
  return { space: 'phys', address: BigInt(physical), ...(place.vcpu === undefined ? {} : { vcpu: place.vcpu }) };
};
