/** Int 08h, the tick of the timer, and int 1Ah, which tells the time in ticks. */

import { dataArea } from './data-area';
import { type Service, service, ticks } from './host';

const INT = 0xcd;
const USER_TICK = 0x1c;
const PIC_COMMAND = 0x20;
const END_OF_INTERRUPT = 0x20;

export const timerServices: Record<string, Service> = {
  'timer.tick': [
    ...service(ticks.short, (call) => call.write(dataArea.ticks, 4, call.read(dataArea.ticks, 4) + 1)),
    INT,
    USER_TICK,
    ...service(ticks.device, (call) => call.out(PIC_COMMAND, END_OF_INTERRUPT)),
  ],
  'time.ticks': service(ticks.short, (call) => {
    const now = call.read(dataArea.ticks, 4);
    call.set('cx', now >>> 16);
    call.set('dx', now);
    call.set('al', 0);
  }),
};
