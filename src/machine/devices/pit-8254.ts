/**
 * The interval timer of the PC, after Intel's 8254 data sheet: counter 0 drives IRQ 0, counter 2 the speaker through
 * port 0x61. A counter keeps only when its counting element was loaded and with what; count, output and next edge follow
 * from the time, so that nothing drifts.
 */

import type { Board, Device, Register } from './device';
import { Oscillator } from './oscillator';
import {
  type Counter,
  countAt,
  latchCommand,
  newCounter,
  nextEdge,
  outputAt,
  peekCounter,
  readBack,
  readCounter,
  setGate,
  writeControl,
  writeCounter,
} from './pit-counter';

const inputHertz = 1_193_182;
/** Memory refresh toggles bit 4 of port 0x61 about every 15 µs: 18 input clocks, as counter 1 is set on the PC. */
const refreshClocks = 18;

const control = { counter: 6, readBack: 3, access: 4 } as const;
const port61 = { gate: 1, kept: 0xf, refresh: 0x10, output: 0x20 } as const;

interface PitState {
  counters: [Counter, Counter, Counter];
  /** Port 0x61: gate of counter 2, speaker enable, and the two parity enables. */
  systemControl: number;
  /** Level of IRQ 0. */
  output: boolean;
  /** Input clock of counter 0's next output change. */
  edge: number;
}

const powerOn = (): PitState => ({
  counters: [newCounter(true), newCounter(true), newCounter(false)],
  systemControl: 0,
  output: true,
  edge: Infinity,
});

export class Pit8254 implements Device<PitState> {
  readonly name = '8254 PIT';
  state = powerOn();
  readonly ports: readonly Register[] = [
    this.#counterRegister(0),
    this.#counterRegister(1),
    this.#counterRegister(2),
    { name: 'control word', at: 0x43, size: 1, peek: () => 0xff, write: (value) => this.#command(value) },
    {
      name: 'system control B',
      at: 0x61,
      size: 1,
      peek: () => this.#systemControl(),
      write: (value) => this.#setSystemControl(value),
    },
  ];
  readonly inner: readonly Register[] = ([0, 1, 2] as const).flatMap((index) => this.#innerRegisters(index));
  readonly #board: Board;
  readonly #clock: Oscillator;

  constructor(board: Board) {
    this.#board = board;
    this.#clock = new Oscillator(inputHertz, board.frequency);
  }

  /** Whether the speaker's membrane is held out: counter 2's output, if the data bit lets it through. */
  speaker(): boolean {
    return (this.state.systemControl & 2) !== 0 && outputAt(this.state.counters[2], this.#clocks());
  }

  reset(): void {
    this.state = powerOn();
    this.#board.interruptLine(0, true);
  }

  nextEvent(): number {
    return this.#clock.timeOf(this.state.edge);
  }

  /** Lets counter 0's output change; of many edges that are due together two and the last level are seen. */
  advance(now: number): void {
    const { state } = this;
    const clocks = this.#clock.ticksAt(now);
    if (clocks < state.edge) return;
    const [counter] = state.counters;
    const second = nextEdge(counter, state.edge);
    this.#drive(!state.output);
    if (second <= clocks) this.#drive(!state.output);
    this.#drive(outputAt(counter, clocks));
    state.edge = nextEdge(counter, clocks);
  }

  #clocks(): number {
    return this.#clock.ticksAt(this.#board.now());
  }

  #counterRegister(index: 0 | 1 | 2): Register {
    return {
      name: `counter ${index}`,
      at: 0x40 + index,
      size: 1,
      peek: () => peekCounter(this.state.counters[index], this.#clocks()),
      read: () => readCounter(this.state.counters[index], this.#clocks()),
      write: (value) => {
        this.#catchUp();
        writeCounter(this.state.counters[index], value, this.#clocks());
        this.#outputChanged(index);
      },
    };
  }

  #innerRegisters(index: 0 | 1 | 2): readonly Register[] {
    const shown: readonly [string, 1 | 2, (counter: Counter) => number][] = [
      ['count', 2, (counter) => countAt(counter, this.#clocks())],
      ['reload value', 2, ({ written }) => Math.max(0, written) & 0xffff],
      ['control', 1, ({ control: bits }) => bits],
      ['output', 1, (counter) => (outputAt(counter, this.#clocks()) ? 1 : 0)],
      ['gate', 1, ({ gate }) => (gate ? 1 : 0)],
    ];
    return shown.map(([name, size, read], at) => ({
      name: `${name} ${index}`,
      at: index * shown.length + at,
      size,
      peek: () => read(this.state.counters[index]),
    }));
  }

  #command(value: number): void {
    const selected = value >> control.counter;
    const clocks = this.#clocks();
    this.#catchUp();
    const counter = this.state.counters[selected];
    if (!counter) {
      for (const [index, each] of this.state.counters.entries()) readBack(each, value, index, clocks);
    } else if ((value >> control.access) & 3) {
      writeControl(counter, value);
      this.#outputChanged(selected);
    } else latchCommand(counter, clocks);
  }

  #systemControl(): number {
    const clocks = this.#clocks();
    const refresh = Math.floor(clocks / refreshClocks) % 2 ? port61.refresh : 0;
    return this.state.systemControl | refresh | (outputAt(this.state.counters[2], clocks) ? port61.output : 0);
  }

  #setSystemControl(value: number): void {
    this.state.systemControl = value & port61.kept;
    setGate(this.state.counters[2], (value & port61.gate) !== 0, this.#clocks());
  }

  /** Edges due before a write happen before it. */
  #catchUp(): void {
    this.advance(this.#board.now());
  }

  #outputChanged(index: number): void {
    if (index !== 0) return;
    const clocks = this.#clocks();
    this.#drive(outputAt(this.state.counters[0], clocks));
    this.state.edge = nextEdge(this.state.counters[0], clocks);
  }

  #drive(level: boolean): void {
    if (this.state.output === level) return;
    this.state.output = level;
    this.#board.interruptLine(0, level);
  }
}
