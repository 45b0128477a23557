/**
 * The serial port of the PC, after National Semiconductor's PC16550D data sheet. Bytes that the guest sends reach the
 * sink at once; bytes for the guest arrive one character time apart, as over a cable whose sender waits while the FIFO
 * is full. The PC's wiring is part of it: OUT2 gates the interrupt, and nothing is connected but the data lines.
 */

import type { Board, Device, Register } from './device';

const clockHertz = 1_843_200;
const fifoSize = 16;
const triggerLevels = [1, 4, 8, 14] as const;
/** The FIFO's time-out, in characters without any FIFO access. */
const timeoutCharacters = 4;

const ier = { received: 1, transmitEmpty: 2, lineStatus: 4, modemStatus: 8 } as const;
const iir = {
  none: 1,
  lineStatus: 6,
  received: 4,
  timeout: 12,
  transmitEmpty: 2,
  modemStatus: 0,
  fifos: 0xc0,
} as const;
const fcr = { enable: 1, resetReceiver: 2, kept: 0xc9 } as const;
const lcr = { stop: 4, parity: 8, break: 0x40, divisor: 0x80 } as const;
const mcr = { dtr: 1, rts: 2, out1: 4, out2: 8, loop: 0x10, writable: 0x1f } as const;
const lsr = { ready: 1, overrun: 2, break: 0x10, empty: 0x60, fifoError: 0x80, interrupting: 0x1e } as const;
const msr = { cts: 0x10, dsr: 0x20, ring: 0x40, carrier: 0x80, levels: 0xf0, ringEnded: 4 } as const;

interface UartState {
  ier: number;
  fcr: number;
  lcr: number;
  mcr: number;
  scratch: number;
  divisor: number;
  /** Error bits of the line status register, kept until it is read. */
  errors: number;
  /** Change bits of the modem status register, kept until it is read. */
  changes: number;
  /** The transmitter-empty interrupt, until IIR is read as its source or a byte is written. */
  transmitInterrupt: boolean;
  timedOut: boolean;
  /** Received characters: the byte, and above it the line status bits that came with it. */
  fifo: number[];
  /** Virtual time of the last access to the receiver FIFO. */
  fifoTouched: number;
  /** Bytes on their way to the guest. */
  incoming: number[];
  /** Virtual time at which the line is free for the next character. */
  lineFree: number;
}

const powerOn = (): UartState => ({
  ier: 0,
  fcr: 0,
  lcr: 3,
  mcr: 0,
  scratch: 0,
  divisor: 1,
  errors: 0,
  changes: 0,
  transmitInterrupt: false,
  timedOut: false,
  fifo: [],
  fifoTouched: 0,
  incoming: [],
  lineFree: 0,
});

export interface UartOptions {
  /** As the user knows it: `COM1`. */
  readonly name: string;
  /** First of eight ports. */
  readonly base: number;
  readonly interrupt: number;
  readonly sink: (byte: number) => void;
}

export class Uart16550 implements Device<UartState> {
  readonly name: string;
  state = powerOn();
  readonly ports: readonly Register[];
  readonly inner: readonly Register[] = this.#innerRegisters();
  readonly #board: Board;
  readonly #options: UartOptions;

  constructor(board: Board, options: UartOptions) {
    this.name = `16550 ${options.name}`;
    this.#board = board;
    this.#options = options;
    this.ports = this.#registers(options.base);
  }

  /** Puts bytes on the line to the guest; they arrive one character time apart. */
  receive(bytes: Iterable<number>): void {
    const { state } = this;
    if (state.incoming.length === 0) state.lineFree = Math.max(state.lineFree, this.#board.now());
    for (const byte of bytes) state.incoming.push(byte & 0xff);
    this.advance(this.#board.now());
  }

  reset(): void {
    const { incoming } = this.state;
    this.state = { ...powerOn(), incoming, lineFree: this.#board.now(), fifoTouched: this.#board.now() };
    this.#updateLine();
  }

  nextEvent(): number {
    const { state } = this;
    const arrival = state.incoming.length > 0 && this.#hasRoom() ? state.lineFree : Infinity;
    return Math.min(arrival, this.#timeoutDue());
  }

  advance(now: number): void {
    for (let due = this.nextEvent(); due <= now; due = this.nextEvent()) {
      if (due === this.#timeoutDue()) {
        this.state.timedOut = true;
        this.#updateLine();
      } else this.#arrive(due);
    }
  }

  #registers(base: number): readonly Register[] {
    return [
      {
        name: 'RBR/THR/DLL',
        at: base,
        size: 1,
        peek: () => (this.#latched() ? this.state.divisor & 0xff : (this.state.fifo[0] ?? 0) & 0xff),
        read: () => (this.#latched() ? this.state.divisor & 0xff : this.#readBuffer()),
        write: (value) => (this.#latched() ? this.#setDivisor(0xff00, value) : this.#transmit(value)),
      },
      {
        name: 'IER/DLM',
        at: base + 1,
        size: 1,
        peek: () => (this.#latched() ? this.state.divisor >> 8 : this.state.ier),
        write: (value) => (this.#latched() ? this.#setDivisor(0x00ff, value << 8) : this.#enableInterrupts(value)),
      },
      {
        name: 'IIR/FCR',
        at: base + 2,
        size: 1,
        peek: () => this.#identification(),
        read: () => this.#readIdentification(),
        write: (value) => this.#controlFifo(value),
      },
      {
        name: 'LCR',
        at: base + 3,
        size: 1,
        peek: () => this.state.lcr,
        write: (value) => this.#controlLine(value),
      },
      { name: 'MCR', at: base + 4, size: 1, peek: () => this.state.mcr, write: (value) => this.#controlModem(value) },
      { name: 'LSR', at: base + 5, size: 1, peek: () => this.#lineStatus(), read: () => this.#readLineStatus() },
      { name: 'MSR', at: base + 6, size: 1, peek: () => this.#modemStatus(), read: () => this.#readModemStatus() },
      {
        name: 'SCR',
        at: base + 7,
        size: 1,
        peek: () => this.state.scratch,
        write: (value) => {
          this.state.scratch = value;
        },
      },
    ];
  }

  /** What DLAB hides, and what can only be written at its port. */
  #innerRegisters(): readonly Register[] {
    return [
      {
        name: 'divisor',
        at: 0,
        size: 2,
        peek: () => this.state.divisor,
        write: (value) => this.#setDivisor(0, value),
      },
      {
        name: 'IER',
        at: 1,
        size: 1,
        peek: () => this.state.ier,
        write: (value) => this.#enableInterrupts(value),
      },
      { name: 'FCR', at: 2, size: 1, peek: () => this.state.fcr, write: (value) => this.#controlFifo(value) },
      { name: 'received', at: 3, size: 1, peek: () => this.state.fifo.length },
      { name: 'on the line', at: 4, size: 4, peek: () => this.state.incoming.length },
    ];
  }

  // Transmitter

  /** The byte leaves at once, so the holding register is empty again: the request falls and rises, a new edge. */
  #transmit(byte: number): void {
    this.state.transmitInterrupt = false;
    this.#updateLine();
    if (this.#looping()) this.#enterFifo(byte, this.#board.now());
    else this.#options.sink(byte);
    this.state.transmitInterrupt = true;
    this.#updateLine();
  }

  // Receiver

  #hasRoom(): boolean {
    return !this.#looping() && this.state.fifo.length < this.#capacity();
  }

  #capacity(): number {
    return this.state.fcr & fcr.enable ? fifoSize : 1;
  }

  #arrive(now: number): void {
    const byte = this.state.incoming.shift() ?? 0;
    this.state.lineFree = now + this.#characterTime();
    this.#enterFifo(byte, now);
    this.#updateLine();
  }

  #enterFifo(character: number, now: number): void {
    const { state } = this;
    if (state.fifo.length >= this.#capacity()) {
      state.errors |= lsr.overrun;
      if (!(state.fcr & fcr.enable)) state.fifo[0] = character;
    } else state.fifo.push(character);
    this.#touchFifo(now);
    this.#revealErrors();
  }

  #readBuffer(): number {
    const { state } = this;
    const now = this.#board.now();
    const sending = this.#hasRoom();
    const character = state.fifo.shift() ?? 0;
    if (!sending) this.#resumeSender();
    this.#touchFifo(now);
    this.#revealErrors();
    this.#updateLine();
    return character & 0xff;
  }

  /** The sender has waited while there was no room: its next character takes its time from here. */
  #resumeSender(): void {
    this.state.lineFree = Math.max(this.state.lineFree, this.#board.now() + this.#characterTime());
  }

  #touchFifo(now: number): void {
    this.state.fifoTouched = now;
    this.state.timedOut = false;
  }

  /** Errors belong to a character and show in the line status once it is at the top of the FIFO. */
  #revealErrors(): void {
    const [top] = this.state.fifo;
    if (top === undefined || top < 0x100) return;
    this.state.errors |= top >> 8;
    this.state.fifo[0] = top & 0xff;
  }

  #timeoutDue(): number {
    const { state } = this;
    if (!(state.fcr & fcr.enable) || state.timedOut) return Infinity;
    if (state.fifo.length === 0 || state.fifo.length >= this.#triggerLevel()) return Infinity;
    return state.fifoTouched + timeoutCharacters * this.#characterTime();
  }

  #triggerLevel(): number {
    return this.state.fcr & fcr.enable ? (triggerLevels[this.state.fcr >> 6] ?? 1) : 1;
  }

  /** Ticks that one character takes: start bit, data bits, parity, stop bits. */
  #characterTime(): number {
    const { lcr: line, divisor } = this.state;
    const bits = 1 + 5 + (line & 3) + (line & lcr.parity ? 1 : 0) + (line & lcr.stop ? 2 : 1);
    return Math.ceil((bits * 16 * Math.max(divisor, 1) * this.#board.frequency) / clockHertz);
  }

  // Registers

  #latched(): boolean {
    return (this.state.lcr & lcr.divisor) !== 0;
  }

  #looping(): boolean {
    return (this.state.mcr & mcr.loop) !== 0;
  }

  #setDivisor(kept: number, value: number): void {
    this.state.divisor = (this.state.divisor & kept) | value;
  }

  #enableInterrupts(value: number): void {
    const before = this.state.ier;
    this.state.ier = value & 0xf;
    if (this.state.ier & ~before & ier.transmitEmpty) this.state.transmitInterrupt = true;
    this.#updateLine();
  }

  #controlFifo(value: number): void {
    const { state } = this;
    const toggled = (state.fcr ^ value) & fcr.enable;
    const sending = this.#hasRoom();
    state.fcr = value & fcr.enable ? value & fcr.kept : 0;
    if (toggled || value & fcr.resetReceiver) {
      state.fifo = [];
      this.#touchFifo(this.#board.now());
    }
    if (!sending) this.#resumeSender();
    this.#updateLine();
  }

  #controlLine(value: number): void {
    const breaks = value & ~this.state.lcr & lcr.break;
    this.state.lcr = value;
    if (breaks && this.#looping()) this.#enterFifo(lsr.break << 8, this.#board.now());
    this.#updateLine();
  }

  #controlModem(value: number): void {
    const before = this.#modemLevels();
    const sending = this.#hasRoom();
    this.state.mcr = value & mcr.writable;
    if (!sending) this.#resumeSender();
    const after = this.#modemLevels();
    const changed = (before ^ after) & msr.levels & ~msr.ring;
    this.state.changes |= changed >> 4;
    if (before & ~after & msr.ring) this.state.changes |= msr.ringEnded;
    this.#updateLine();
  }

  /** The four inputs: the cable's far end is always ready; in loop-back they are the port's own outputs. */
  #modemLevels(): number {
    const { mcr: control } = this.state;
    if (!this.#looping()) return msr.cts | msr.dsr | msr.carrier;
    return (
      (control & mcr.rts ? msr.cts : 0) |
      (control & mcr.dtr ? msr.dsr : 0) |
      (control & mcr.out1 ? msr.ring : 0) |
      (control & mcr.out2 ? msr.carrier : 0)
    );
  }

  #modemStatus(): number {
    return this.#modemLevels() | this.state.changes;
  }

  #readModemStatus(): number {
    const value = this.#modemStatus();
    this.state.changes = 0;
    this.#updateLine();
    return value;
  }

  #lineStatus(): number {
    const { fifo, errors, fcr: control } = this.state;
    const inFifo = control & fcr.enable && (errors & ~lsr.overrun || fifo.some((character) => character > 0xff));
    return lsr.empty | errors | (fifo.length > 0 ? lsr.ready : 0) | (inFifo ? lsr.fifoError : 0);
  }

  #readLineStatus(): number {
    const value = this.#lineStatus();
    this.state.errors = 0;
    this.#updateLine();
    return value;
  }

  // Interrupts

  /** The highest of the pending and enabled sources; the table is in the data sheet's order of priority. */
  #identification(): number {
    const { state } = this;
    const enabled = state.ier;
    const fifos = state.fcr & fcr.enable ? iir.fifos : 0;
    if (enabled & ier.lineStatus && state.errors & lsr.interrupting) return fifos | iir.lineStatus;
    if (enabled & ier.received && state.fifo.length >= this.#triggerLevel()) return fifos | iir.received;
    if (enabled & ier.received && state.timedOut) return fifos | iir.timeout;
    if (enabled & ier.transmitEmpty && state.transmitInterrupt) return fifos | iir.transmitEmpty;
    if (enabled & ier.modemStatus && state.changes) return fifos | iir.modemStatus;
    return fifos | iir.none;
  }

  #readIdentification(): number {
    const value = this.#identification();
    if ((value & 0xf) === iir.transmitEmpty) {
      this.state.transmitInterrupt = false;
      this.#updateLine();
    }
    return value;
  }

  /** OUT2 gates the interrupt onto the ISA bus; loop-back mode holds the OUT2 pin inactive. */
  #updateLine(): void {
    const gated = (this.state.mcr & (mcr.out2 | mcr.loop)) === mcr.out2;
    this.#board.interruptLine(this.#options.interrupt, gated && !(this.#identification() & iir.none));
  }
}
