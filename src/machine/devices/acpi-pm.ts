/**
 * ACPI's fixed hardware, "ACPI Hardware Specification": PM1 event and control blocks and the power management timer, at the
 * ports where QEMU has them. The board has no legacy mode: SCI_EN is always set.
 */

import type { Board, Device, Register } from './device';
import { Oscillator } from './oscillator';

export const acpiPorts = { event: 0x600, control: 0x604, timer: 0x608 } as const;
/** What the _S5 object names: the SLP_TYP of power off. */
export const sleepTypeOfS5 = 0;
export const sciInterrupt = 9;

const timerHertz = 3_579_545;
/** The timer has 24 bits; its status bit is set whenever the highest changes. */
const timerRange = 2 ** 24;
const halfRange = 2 ** 23;

const event = { timer: 1, writable: 0x0721 } as const;
const control = { sciEnabled: 1, sleepTypeShift: 10, sleepType: 0x1c00, sleepEnable: 0x2000 } as const;

interface PmState {
  /** Status bits that had come up before `cleared`. */
  status: number;
  enable: number;
  control: number;
  /** Virtual time after which the timer's status comes up anew. */
  cleared: number;
  line: boolean;
  /** Virtual time of the next interrupt. */
  due: number;
}

const powerOn = (cleared: number): PmState => ({
  status: 0,
  enable: 0,
  control: 0,
  cleared,
  line: false,
  due: Infinity,
});

export class AcpiPm implements Device<PmState> {
  readonly name = 'ACPI PM';
  state = powerOn(0);
  readonly ports: readonly Register[] = [
    {
      name: 'PM1_STS',
      at: acpiPorts.event,
      size: 2,
      peek: () => this.#status(),
      write: (value) => this.#clearStatus(value),
    },
    {
      name: 'PM1_EN',
      at: acpiPorts.event + 2,
      size: 2,
      peek: () => this.state.enable,
      write: (value) => {
        this.#settle();
        this.state.enable = value & event.writable;
        this.#schedule();
      },
    },
    {
      name: 'PM1_CNT',
      at: acpiPorts.control,
      size: 2,
      peek: () => this.state.control | control.sciEnabled,
      write: (value) => this.#setControl(value),
    },
    { name: 'PM_TMR', at: acpiPorts.timer, size: 4, peek: () => this.#timer() % timerRange },
  ];
  readonly #board: Board;
  readonly #clock: Oscillator;
  readonly #powerOff: () => void;

  constructor(board: Board, powerOff: () => void) {
    this.#board = board;
    this.#clock = new Oscillator(timerHertz, board.frequency);
    this.#powerOff = powerOff;
  }

  reset(): void {
    this.state = powerOn(this.#board.now());
    this.#board.interruptLine(sciInterrupt, false);
  }

  nextEvent(): number {
    return this.state.due;
  }

  advance(now: number): void {
    if (now < this.state.due) return;
    this.state.due = Infinity;
    this.#drive(true);
  }

  #timer(): number {
    return this.#clock.ticksAt(this.#board.now());
  }

  #status(): number {
    return this.state.status | (this.#nextOverflow() <= this.#board.now() ? event.timer : 0);
  }

  /** The first change of the timer's highest bit after the status was cleared. */
  #nextOverflow(): number {
    const halves = Math.floor(this.#clock.ticksAt(this.state.cleared) / halfRange) + 1;
    return this.#clock.timeOf(halves * halfRange);
  }

  #settle(): void {
    this.state.status = this.#status();
    this.state.cleared = this.#board.now();
  }

  /** Status bits are cleared by writing ones. */
  #clearStatus(value: number): void {
    this.#settle();
    this.state.status &= ~value;
    this.#schedule();
  }

  #setControl(value: number): void {
    this.state.control = value & control.sleepType;
    const type = (value & control.sleepType) >> control.sleepTypeShift;
    if (value & control.sleepEnable && type === sleepTypeOfS5) this.#powerOff();
  }

  #schedule(): void {
    const { state } = this;
    const pending = (this.#status() & state.enable) !== 0;
    this.#drive(pending);
    state.due = !pending && state.enable & event.timer ? this.#nextOverflow() : Infinity;
  }

  #drive(level: boolean): void {
    if (this.state.line === level) return;
    this.state.line = level;
    this.#board.interruptLine(sciInterrupt, level);
  }
}
