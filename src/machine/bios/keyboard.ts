/** Int 09h, which takes a key from the keyboard controller into the buffer, and int 16h, which hands it out. */

import { charactersOf } from '../devices/scancodes';
import type { BiosCall } from './call';
import { dataArea, shiftBits } from './data-area';
import { type Service, type ServiceItem, service, ticks } from './host';

const DATA_PORT = 0x60;
const PIC_COMMAND = 0x20;
const END_OF_INTERRUPT = 0x20;
const AREA = 0x400;

const RELEASED = 0x80;
const EXTENDED_PREFIX = 0xe0;
/** In `dataArea.keyboardFlags`. */
const PREFIX_SEEN = 2;
/** AL of keys that only the extended functions tell from those of the number pad. */
const EXTENDED_KEY = 0xe0;

/** Set 1 codes of the keys that are held. */
const held: ReadonlyMap<number, number> = new Map([
  [0x2a, shiftBits.leftShift],
  [0x36, shiftBits.rightShift],
  [0x1d, shiftBits.control],
  [0x38, shiftBits.alternate],
]);
/** Set 1 codes of the keys that switch. */
const switched: ReadonlyMap<number, number> = new Map([
  [0x3a, shiftBits.capitalsLock],
  [0x45, shiftBits.numberLock],
  [0x46, shiftBits.scrollLock],
]);

/** What a key of the main block gives, as AH and AL. */
const keyOf = (scan: number, shifts: number): number => {
  const [plain, shifted] = charactersOf(scan);
  if (shifts & shiftBits.alternate || plain === undefined) return scan << 8;
  const isLetter = plain >= 'a' && plain <= 'z';
  if (shifts & shiftBits.control) return (scan << 8) | (isLetter ? plain.charCodeAt(0) & 0x1f : 0);
  const shift = (shifts & (shiftBits.leftShift | shiftBits.rightShift)) !== 0;
  const capital = isLetter && (shifts & shiftBits.capitalsLock) !== 0;
  const character = shift !== capital ? shifted || plain : plain;
  return (scan << 8) | (character === '\n' ? 13 : character.charCodeAt(0));
};

const store = (call: BiosCall, key: number): void => {
  const tail = call.read(dataArea.keyTail, 2);
  const next = following(call, tail);
  if (next === call.read(dataArea.keyHead, 2)) return;
  call.write(AREA + tail, 2, key);
  call.write(dataArea.keyTail, 2, next);
};

const following = (call: BiosCall, at: number): number =>
  at + 2 >= call.read(dataArea.keyBufferEnd, 2) ? call.read(dataArea.keyBufferStart, 2) : at + 2;

const takeScancode = (call: BiosCall): void => {
  const code = call.in(DATA_PORT);
  const flags = call.read(dataArea.keyboardFlags, 1);
  const extended = (flags & PREFIX_SEEN) !== 0;
  call.write(dataArea.keyboardFlags, 1, code === EXTENDED_PREFIX ? flags | PREFIX_SEEN : flags & ~PREFIX_SEEN);
  const scan = code & ~RELEASED;
  const released = (code & RELEASED) !== 0;
  const shifts = call.read(dataArea.shifts, 1);
  const hold = held.get(scan);
  const toggle = extended ? undefined : switched.get(scan);
  if (code === EXTENDED_PREFIX) return;
  // The shift codes that the grey keys send around themselves are not the shift keys.
  if (extended && (scan === 0x2a || scan === 0x36)) return;
  if (hold) call.write(dataArea.shifts, 1, released ? shifts & ~hold : shifts | hold);
  else if (released) return;
  else if (toggle) call.write(dataArea.shifts, 1, shifts ^ toggle);
  else if (!extended) store(call, keyOf(scan, shifts));
  // Enter and slash of the number pad have their characters.
  else store(call, scan === 0x1c ? 0xe00d : scan === 0x35 ? 0xe02f : (scan << 8) | EXTENDED_KEY);
};

/** The key at the head of the buffer; undefined when it is empty. */
const peek = (call: BiosCall): number | undefined => {
  const head = call.read(dataArea.keyHead, 2);
  return head === call.read(dataArea.keyTail, 2) ? undefined : call.read(AREA + head, 2);
};

/** What the functions of the first PCs say of keys that those did not have. */
const plain = (key: number): number => {
  if (key >>> 8 === EXTENDED_PREFIX) return (key & 0xff) === 13 ? 0x1c0d : 0x352f;
  return (key & 0xff) === EXTENDED_KEY ? key & 0xff00 : key;
};
const asItIs = (key: number): number => key;

const [STI, HLT, JMP] = [0xfb, 0xf4, 0xeb];

/** Takes a key; while there is none, the processor waits with interrupts on. */
const read = (shown: (key: number) => number): Service => {
  const take: ServiceItem = {
    ticks: ticks.short,
    run: (call) => {
      const key = peek(call);
      if (key === undefined) return undefined;
      call.write(dataArea.keyHead, 2, following(call, call.read(dataArea.keyHead, 2)));
      call.set('ax', shown(key));
      return code.length;
    },
  };
  const code: readonly ServiceItem[] = [take, STI, HLT, JMP, 0x100 - 5];
  return code;
};

const look = (shown: (key: number) => number): Service =>
  service(ticks.short, (call) => {
    const key = peek(call);
    call.setFlag('ZF', key === undefined);
    if (key !== undefined) call.set('ax', shown(key));
  });

export const keyboardServices: Record<string, Service> = {
  'keyboard.key': service(ticks.device, (call) => {
    takeScancode(call);
    call.out(PIC_COMMAND, END_OF_INTERRUPT);
  }),
  'keyboard.read': read(plain),
  'keyboard.look': look(plain),
  'keyboard.shifts': service(ticks.short, (call) => call.set('al', call.read(dataArea.shifts, 1))),
  'keyboard.read-extended': read(asItIs),
  'keyboard.look-extended': look(asItIs),
};
