/** All devices of the PC, wired together: interrupt lines, buses, and the clock that drives them in order of time. */

import { IoBus } from './bus';
import { DebugConsole } from './debug-console';
import { DebugExit } from './debug-exit';
import type { Board, Device } from './device';
import { Pic8259 } from './pic-8259';
import { Pit8254 } from './pit-8254';
import { Uart16550 } from './uart-16550';

export interface DeviceOptions {
  readonly cpus: number;
  /** Bytes that COM1 sends. */
  readonly serial: (byte: number) => void;
  /** Bytes written to port 0xE9. */
  readonly console: (byte: number) => void;
  /** A write to the debug-exit port, with its value. */
  readonly exit: (value: number) => void;
}

export interface Devices {
  readonly com1: Uart16550;
  readonly debugConsole: DebugConsole;
  readonly debugExit: DebugExit;
  readonly pic: Pic8259;
  readonly pit: Pit8254;
  readonly all: readonly Device[];
  readonly io: IoBus;
  /** Level of an ISA interrupt line. */
  interruptLine(line: number, level: boolean): void;
  /** Virtual time of the next change that some device makes by itself; `Infinity` when there is none. */
  nextEvent(): number;
  /** Lets everything happen that is due at or before `now`, in order of time. */
  advance(now: number): void;
  reset(): void;
}

/** The clock of the board; the devices' interrupt lines are wired here. */
export type BoardClock = Pick<Board, 'now' | 'frequency'>;

export function createDevices(clock: BoardClock, options: DeviceOptions): Devices {
  const pic = new Pic8259(() => {});
  const interruptLine = (line: number, level: boolean): void => pic.setLine(line, level);
  const board: Board = { now: () => clock.now(), frequency: clock.frequency, interruptLine };
  const com1 = new Uart16550(board, { name: 'COM1', base: 0x3f8, interrupt: 4, sink: options.serial });
  const debugConsole = new DebugConsole(options.console);
  const debugExit = new DebugExit(options.exit);
  const pit = new Pit8254(board);
  const all: readonly Device[] = [pit, com1, debugConsole, debugExit, pic];
  const nextEvent = (): number => all.reduce((next, device) => Math.min(next, device.nextEvent()), Infinity);
  const reset = (): void => {
    for (const device of all) device.reset();
  };
  reset();
  return {
    com1,
    debugConsole,
    debugExit,
    pic,
    pit,
    all,
    io: new IoBus(all),
    interruptLine,
    nextEvent,
    advance: (now) => {
      for (let due = nextEvent(); due <= now; due = nextEvent()) {
        for (const device of all) if (device.nextEvent() <= due) device.advance(due);
      }
    },
    reset,
  };
}
