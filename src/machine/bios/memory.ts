/** Int 11h, int 12h and the memory functions of int 15h: equipment, and how much memory there is. */

import type { BiosCall } from './call';
import { dataArea } from './data-area';
import { type Host, type Service, service, ticks } from './host';

const KIB = 1024;
const MIB = 1024 * KIB;
const USABLE = 1;
/** `SMAP`. */
const SIGNATURE = 0x534d4150;
/** Bytes of an entry of the memory map: base and size of 8 bytes, type of 4. */
const ENTRY = 20;
const UNSUPPORTED = 0x86;

/** Bytes of RAM from 1 MiB. */
const extended = ({ memoryMap }: Host): number =>
  memoryMap.find(({ base, type }) => base === MIB && type === USABLE)?.size ?? 0;

export const memoryServices: Record<string, Service> = {
  equipment: service(ticks.short, (call) => call.set('ax', call.read(dataArea.equipment, 2))),
  'memory.low': service(ticks.short, (call) => call.set('ax', call.read(dataArea.lowMemory, 2))),
  'memory.extended': service(ticks.short, (call, host) => {
    call.setFlag('CF', false);
    call.set('ax', Math.min(extended(host) / KIB, 0xffff));
  }),
  'memory.e801': service(ticks.short, (call, host) => {
    const low = Math.min(extended(host), 15 * MIB);
    const blocks = Math.floor((extended(host) - low) / (64 * KIB));
    call.setFlag('CF', false);
    for (const name of ['ax', 'cx'] as const) call.set(name, low / KIB);
    for (const name of ['bx', 'dx'] as const) call.set(name, blocks);
  }),
  'memory.map': service(ticks.short, (call, host) => {
    const index = call.get('ebx');
    const range = host.memoryMap[index];
    if (!range || call.get('edx') !== SIGNATURE || call.get('ecx') < ENTRY) {
      call.setFlag('CF', true);
      call.set('ah', UNSUPPORTED);
      return;
    }
    writeEntry(call, range);
    call.setFlag('CF', false);
    call.set('eax', SIGNATURE);
    call.set('ecx', ENTRY);
    call.set('ebx', index + 1 < host.memoryMap.length ? index + 1 : 0);
  }),
};

const writeEntry = (call: BiosCall, { base, size, type }: Host['memoryMap'][number]): void => {
  const buffer = call.pointer('es', call.get('di'));
  call.probe(buffer, ENTRY);
  call.write(buffer, 8, base);
  call.write(buffer + 8, 8, size);
  call.write(buffer + 16, 4, type);
};
