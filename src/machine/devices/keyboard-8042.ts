/**
 * The keyboard controller of the PC (8042), with a keyboard and a mouse on its two ports: data at 0x60, commands and
 * status at 0x64. It also drives the A20 line and the processor's reset.
 */

import type { Board, Device, Register } from './device';
import {
  type Keyboard,
  newKeyboard,
  newPs2Device,
  type Ps2Device,
  strike,
  take,
  tellKeyboard,
  tellMouse,
} from './ps2-keyboard';
import { breakPrefix, strokeOf, translate } from './scancodes';

const [keyboardInterrupt, auxInterrupt] = [1, 12];

const status = { full: 1, system: 4, command: 8, unlocked: 0x10, aux: 0x20 } as const;
const config = { keyboardInterrupt: 1, auxInterrupt: 2, keyboardOff: 0x10, auxOff: 0x20, translate: 0x40 } as const;
const output = { notReset: 1, a20: 2, keyboardFull: 0x10, auxFull: 0x20 } as const;

interface ControllerState {
  /** The command byte, address 0 of the controller's memory. */
  configuration: number;
  /** The rest of its 32 bytes of memory. */
  memory: number[];
  /** The byte at port 0x60, and whether it waits to be read. */
  data: number;
  full: boolean;
  /** The waiting byte is from the second port. */
  fromAux: boolean;
  /** The last write was to port 0x64. */
  wroteCommand: boolean;
  /** The command that waits for its byte at port 0x60, or -1. */
  command: number;
  /** The byte before was 0xF0, to be joined with the next by the translation. */
  breaking: boolean;
  /** Answers of the controller itself. */
  replies: number[];
  keyboard: Keyboard;
  mouse: Ps2Device;
  /** Keys to be struck as soon as the keyboard has room, each as its scan codes. */
  typing: number[][];
}

/** As firmware leaves it: keyboard on, interrupting, translated to set 1; the second port off. */
const afterSetup = (): ControllerState => ({
  configuration: config.keyboardInterrupt | status.system | config.auxOff | config.translate,
  memory: Array<number>(32).fill(0),
  data: 0,
  full: false,
  fromAux: false,
  wroteCommand: true,
  command: -1,
  breaking: false,
  replies: [],
  keyboard: newKeyboard(),
  mouse: newPs2Device(false),
  typing: [],
});

export interface A20Line {
  readonly a20: boolean;
  setA20(enabled: boolean): void;
}

export interface ControllerOptions {
  readonly a20: A20Line;
  /** The processor's reset line is pulsed. */
  readonly reset: () => void;
}

export class Keyboard8042 implements Device<ControllerState> {
  readonly name = '8042 keyboard controller';
  state = afterSetup();
  readonly ports: readonly Register[] = [
    {
      name: 'data',
      at: 0x60,
      size: 1,
      peek: () => this.state.data,
      read: () => this.#readData(),
      write: (value) => this.#writeData(value),
    },
    {
      name: 'status/command',
      at: 0x64,
      size: 1,
      peek: () => this.#status(),
      write: (value) => this.#writeCommand(value),
    },
  ];
  readonly inner: readonly Register[] = [
    {
      name: 'command byte',
      at: 0,
      size: 1,
      peek: () => this.state.configuration,
      write: (value) => {
        this.state.configuration = value;
        this.#updateLines();
        this.#fill();
      },
    },
    { name: 'output port', at: 1, size: 1, peek: () => outputPort(this.#controller()) },
    { name: 'keys to come', at: 2, size: 4, peek: () => this.state.typing.length },
  ];
  readonly #board: Board;
  readonly #options: ControllerOptions;

  constructor(board: Board, options: ControllerOptions) {
    this.#board = board;
    this.#options = options;
  }

  /** Types text on the keyboard, key by key, as fast as the guest reads. Characters without a key are left out. */
  type(text: string): void {
    for (const character of text) {
      const stroke = strokeOf(character);
      if (stroke.length > 0) this.state.typing.push([...stroke]);
    }
    this.#fill();
  }

  /** Sends bytes as the keyboard would, in scan code set 2. */
  scancodes(codes: readonly number[]): void {
    for (const code of codes) this.state.typing.push([code]);
    this.#fill();
  }

  reset(): void {
    const { typing } = this.state;
    this.state = { ...afterSetup(), typing };
    this.#updateLines();
    this.#fill();
  }

  nextEvent(): number {
    return Infinity;
  }

  advance(): void {}

  #status(): number {
    const { full, fromAux, wroteCommand, configuration } = this.state;
    return (
      status.unlocked |
      (full ? status.full : 0) |
      (full && fromAux ? status.aux : 0) |
      (wroteCommand ? status.command : 0) |
      (configuration & status.system)
    );
  }

  #readData(): number {
    const value = this.state.data;
    this.state.full = false;
    this.#updateLines();
    this.#fill();
    return value;
  }

  #writeData(value: number): void {
    const { state } = this;
    const { command } = state;
    state.wroteCommand = false;
    state.command = -1;
    const parameter = commandsWithByte.get(command);
    if (parameter) parameter(this.#controller(), value);
    else if (command >= 0x60 && command < 0x80) state.memory[command & 0x1f] = value;
    else {
      // A byte for the keyboard switches it on again.
      state.configuration &= ~config.keyboardOff;
      tellKeyboard(state.keyboard, value);
    }
    this.#updateLines();
    this.#fill();
  }

  #writeCommand(value: number): void {
    const { state } = this;
    state.wroteCommand = true;
    state.command = -1;
    const command = commands.get(value);
    if (commandsWithByte.has(value) || (value >= 0x60 && value < 0x80)) state.command = value;
    else if (command) command(this.#controller());
    else if (value > 0x20 && value < 0x40) state.replies.push(state.memory[value & 0x1f] ?? 0);
    // 0xF0–0xFF pulse the output lines whose bits are 0; only line 0, the reset, is connected.
    else if (value >= 0xf0 && !(value & output.notReset)) this.#options.reset();
    this.#updateLines();
    this.#fill();
  }

  #controller(): Controller {
    return { state: this.state, ...this.#options };
  }

  /** Moves the next byte to port 0x60: the controller's own answers first, then the keyboard's, then the mouse's. */
  #fill(): void {
    this.#strikeKeys();
    const { state } = this;
    while (!state.full) {
      const { configuration, replies, keyboard, mouse } = state;
      const reply = replies.shift();
      if (reply !== undefined) this.#show(reply, false);
      else if (keyboard.sending.length > 0 && !(configuration & config.keyboardOff)) this.#showKey(take(keyboard));
      else if (mouse.sending.length > 0 && !(configuration & config.auxOff)) this.#show(take(mouse), true);
      else break;
      this.#strikeKeys();
    }
  }

  #strikeKeys(): void {
    const { keyboard, typing } = this.state;
    while (typing[0] && strike(keyboard, typing[0])) typing.shift();
  }

  /** Translation joins the prefix of a released key with the code that follows. */
  #showKey(code: number): void {
    const { state } = this;
    if (!(state.configuration & config.translate) && state.keyboard.scancodeSet === 2) this.#show(code, false);
    else if (code === breakPrefix) state.breaking = true;
    else {
      this.#show(translate(code) | (state.breaking ? 0x80 : 0), false);
      state.breaking = false;
    }
  }

  #show(byte: number, fromAux: boolean): void {
    Object.assign(this.state, { data: byte, full: true, fromAux });
    this.#updateLines();
  }

  #updateLines(): void {
    const { full, fromAux, configuration } = this.state;
    this.#board.interruptLine(keyboardInterrupt, full && !fromAux && (configuration & config.keyboardInterrupt) !== 0);
    this.#board.interruptLine(auxInterrupt, full && fromAux && (configuration & config.auxInterrupt) !== 0);
  }
}

interface Controller extends ControllerOptions {
  readonly state: ControllerState;
}

function writeOutputPort({ a20, reset }: Controller, value: number): void {
  a20.setA20((value & output.a20) !== 0);
  if (!(value & output.notReset)) reset();
}

function outputPort({ a20, state }: Controller): number {
  return (
    output.notReset |
    (a20.a20 ? output.a20 : 0) |
    (state.full && !state.fromAux ? output.keyboardFull : 0) |
    (state.full && state.fromAux ? output.auxFull : 0) |
    0xc0
  );
}

type Command = (controller: Controller) => void;
type CommandWithByte = (controller: Controller, value: number) => void;

const setConfiguration = (set: number, clear: number): Command => {
  return ({ state }) => {
    state.configuration = (state.configuration & ~clear) | set;
  };
};

const reply = (value: (controller: Controller) => number): Command => {
  return (controller) => {
    controller.state.replies.push(value(controller));
  };
};

/** As if the port's device had sent the byte. */
const showFrom = (fromAux: boolean): CommandWithByte => {
  return ({ state }, value) => {
    Object.assign(state, { data: value, full: true, fromAux });
  };
};

/** Commands that are complete with their byte at port 0x64. */
const commands: ReadonlyMap<number, Command> = new Map<number, Command>([
  [0x20, reply(({ state }) => state.configuration)],
  [0xa7, setConfiguration(config.auxOff, 0)],
  [0xa8, setConfiguration(0, config.auxOff)],
  // Test of the second port, of the controller, of the first port: all well.
  [0xa9, reply(() => 0x00)],
  [0xaa, reply(() => 0x55)],
  [0xab, reply(() => 0x00)],
  [0xad, setConfiguration(config.keyboardOff, 0)],
  [0xae, setConfiguration(0, config.keyboardOff)],
  // Input port: not locked, colour display.
  [0xc0, reply(() => 0x80)],
  [0xd0, reply(outputPort)],
  // Used by HP and others to switch A20.
  [0xdd, ({ a20 }) => a20.setA20(false)],
  [0xdf, ({ a20 }) => a20.setA20(true)],
  [0xe0, reply(() => 0x00)],
]);

/** Commands that take a byte at port 0x60. */
const commandsWithByte: ReadonlyMap<number, CommandWithByte> = new Map<number, CommandWithByte>([
  [0x60, (controller, value) => setConfiguration(value & 0x7f, 0xff)(controller)],
  [0xd1, writeOutputPort],
  [0xd2, showFrom(false)],
  [0xd3, showFrom(true)],
  [0xd4, tellAux],
]);

/** A byte for the second port switches it on again. */
function tellAux({ state }: Controller, value: number): void {
  state.configuration &= ~config.auxOff;
  tellMouse(state.mouse, value);
}
