/**
 * What hangs on the two PS/2 ports: a keyboard (IBM PS/2 technical reference, "Keyboard") and a mouse that answers its
 * commands and never moves. Both are plain state with the bytes they have to send.
 */

/** Bytes that a keyboard holds. */
const bufferSize = 16;

const answer = { acknowledge: 0xfa, resend: 0xfe, selfTestPassed: 0xaa, echo: 0xee } as const;

export interface Ps2Device {
  /** Bytes on their way to the controller. */
  sending: number[];
  /** The command that waits for its parameter, or -1. */
  command: number;
  /** Sends what its user does. */
  scanning: boolean;
  lastSent: number;
}

export interface Keyboard extends Ps2Device {
  scancodeSet: number;
  leds: number;
}

export const newPs2Device = (scanning: boolean): Ps2Device => ({ sending: [], command: -1, scanning, lastSent: 0 });
export const newKeyboard = (): Keyboard => ({ ...newPs2Device(true), scancodeSet: 2, leds: 0 });

/** Strikes a key, given as its scan code bytes in set 2. @returns false when the keyboard takes none now. */
export function strike(keyboard: Keyboard, codes: readonly number[]): boolean {
  if (!keyboard.scanning || keyboard.sending.length + codes.length > bufferSize) return false;
  keyboard.sending.push(...codes);
  return true;
}

type Command<D extends Ps2Device> = (device: D) => readonly number[];
type Parameter<D extends Ps2Device> = (device: D, value: number) => readonly number[];

interface Vocabulary<D extends Ps2Device> {
  /** What follows the acknowledgement of each command. */
  readonly commands: ReadonlyMap<number, Command<D>>;
  /** Commands that take a parameter, and what follows its acknowledgement. */
  readonly parameters: ReadonlyMap<number, Parameter<D>>;
}

const nothing = (): readonly number[] => [];

function keyboardDefaults(keyboard: Keyboard): readonly number[] {
  Object.assign(keyboard, { scancodeSet: 2, leds: 0, sending: [] });
  return [];
}

const keyboardVocabulary: Vocabulary<Keyboard> = {
  commands: new Map<number, Command<Keyboard>>([
    // Identify: an MF2 keyboard.
    [0xf2, () => [0xab, 0x83]],
    [0xf4, (keyboard) => scan(keyboard, true)],
    [0xf5, (keyboard) => scan(keyboard, false, keyboardDefaults(keyboard))],
    [0xf6, keyboardDefaults],
    // All keys typematic, make/break, …: of interest to set 3 only.
    [0xf7, nothing],
    [0xf8, nothing],
    [0xf9, nothing],
    [0xfa, nothing],
    [0xff, (keyboard) => scan(keyboard, true, keyboardDefaults(keyboard), [answer.selfTestPassed])],
  ]),
  parameters: new Map<number, Parameter<Keyboard>>([
    [0xed, setLeds],
    [0xf0, setScancodes],
    [0xf3, nothing],
  ]),
};

function setLeds(keyboard: Keyboard, leds: number): readonly number[] {
  keyboard.leds = leds & 7;
  return [];
}

function setScancodes(keyboard: Keyboard, set: number): readonly number[] {
  if (set === 0) return [keyboard.scancodeSet];
  if (set === 1 || set === 2) keyboard.scancodeSet = set;
  return [];
}

const mouseVocabulary: Vocabulary<Ps2Device> = {
  commands: new Map<number, Command<Ps2Device>>([
    [0xe6, nothing],
    [0xe7, nothing],
    // Status: stream mode, resolution 4 counts per millimetre, 100 reports in a second.
    [0xe9, (mouse) => [mouse.scanning ? 0x20 : 0x00, 0x02, 0x64]],
    [0xea, nothing],
    // Read data: no button, no movement.
    [0xeb, () => [0x08, 0x00, 0x00]],
    [0xf0, nothing],
    [0xf2, () => [0x00]],
    [0xf4, (mouse) => scan(mouse, true)],
    [0xf5, (mouse) => scan(mouse, false)],
    [0xf6, (mouse) => scan(mouse, false)],
    [0xff, (mouse) => scan(mouse, false, [answer.selfTestPassed, 0x00])],
  ]),
  parameters: new Map<number, Parameter<Ps2Device>>([
    [0xe8, nothing],
    [0xf3, nothing],
  ]),
};

/** Switches the device's user on or off; what was not sent yet is forgotten. */
function scan(device: Ps2Device, scanning: boolean, ...replies: (readonly number[])[]): readonly number[] {
  Object.assign(device, { scanning, sending: [] });
  return replies.flat();
}

export const tellKeyboard = (keyboard: Keyboard, byte: number): void => {
  if (byte === 0xee && keyboard.command < 0) send(keyboard, [answer.echo]);
  else tell(keyboard, byte, keyboardVocabulary);
};

export const tellMouse = (mouse: Ps2Device, byte: number): void => tell(mouse, byte, mouseVocabulary);

/** The next byte for the controller. */
export function take(device: Ps2Device): number {
  device.lastSent = device.sending.shift() ?? 0;
  return device.lastSent;
}

function tell<D extends Ps2Device>(device: D, byte: number, { commands, parameters }: Vocabulary<D>): void {
  const pending = device.command;
  device.command = -1;
  const parameter = parameters.get(pending);
  // A parameter has its top bit clear; a command in its place is obeyed.
  if (parameter && byte < 0x80) send(device, [answer.acknowledge, ...parameter(device, byte)]);
  else if (byte === answer.resend) send(device, [device.lastSent]);
  else if (parameters.has(byte)) {
    device.command = byte;
    send(device, [answer.acknowledge]);
  } else {
    const command = commands.get(byte);
    send(device, command ? [answer.acknowledge, ...command(device)] : [answer.resend]);
  }
}

/** An answer goes before keys that were struck earlier and not sent yet. */
function send(device: Ps2Device, bytes: readonly number[]): void {
  device.sending.unshift(...bytes);
}
