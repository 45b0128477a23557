/** Int 15h, functions 0x2400-0x2403: the A20 gate, through port 0x92. */

import type { BiosCall } from './call';
import { type Service, service, ticks } from './host';

const PORT_92 = 0x92;
const A20 = 2;
/** Bit 0: the keyboard controller can do it; bit 1: port 0x92 can. */
const BOTH_WAYS = 3;

const done = (call: BiosCall): void => {
  call.setFlag('CF', false);
  call.set('ah', 0);
};

export const a20Services: Record<string, Service> = {
  'a20.disable': service(ticks.device, (call) => {
    call.out(PORT_92, call.in(PORT_92) & ~A20);
    done(call);
  }),
  'a20.enable': service(ticks.device, (call) => {
    call.out(PORT_92, call.in(PORT_92) | A20);
    done(call);
  }),
  'a20.status': service(ticks.device, (call) => {
    call.set('al', call.in(PORT_92) & A20 ? 1 : 0);
    done(call);
  }),
  'a20.support': service(ticks.short, (call) => {
    call.set('bx', BOTH_WAYS);
    done(call);
  }),
};
