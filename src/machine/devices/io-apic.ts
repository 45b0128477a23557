/**
 * The I/O APIC, after Intel's 82093AA data sheet, with the EOI register of its successors (version 0x20): 24 pins, each
 * turned into a message by its entry of the redirection table.
 */

import { type ApicBus, deliveryModes, destinationOf } from './apic-bus';
import type { Device, MemoryWindow, Register } from './device';

const pins = 24;
export const ioApicBase = 0xfec0_0000;
const version = 0x20 | ((pins - 1) << 16);
const firstEntry = 0x10;

const entryBit = {
  activeLow: 0x2000,
  remoteIrr: 0x4000,
  level: 0x8000,
  masked: 0x1_0000,
  writable: 0x1_afff,
} as const;

interface IoApicState {
  id: number;
  /** IOREGSEL. */
  select: number;
  /** Lower and upper halves of the redirection table. */
  low: number[];
  high: number[];
  /** Electrical levels of the pins. */
  levels: boolean[];
}

const powerOn = (id: number, levels: boolean[]): IoApicState => ({
  id,
  select: 0,
  low: Array<number>(pins).fill(entryBit.masked),
  high: Array<number>(pins).fill(0),
  levels,
});

export class IoApic implements Device<IoApicState> {
  readonly name = 'I/O APIC';
  state: IoApicState;
  readonly window: MemoryWindow;
  readonly inner: readonly Register[];
  readonly #id: number;
  readonly #bus: ApicBus;

  constructor(bus: ApicBus, id: number) {
    this.#id = id;
    this.#bus = bus;
    this.state = powerOn(id, Array<boolean>(pins).fill(false));
    this.window = { base: ioApicBase, size: 0x1000, registers: this.#registers() };
    this.inner = this.#table();
    bus.onEndOfInterrupt((vector) => this.#endOfInterrupt(vector));
  }

  /** Sets the electrical level of a pin; ISA interrupts are active high. */
  setPin(pin: number, level: boolean): void {
    const before = this.#isAsserted(pin);
    this.state.levels[pin] = level;
    if (before || !this.#isAsserted(pin)) return;
    if (this.#entry(pin) & entryBit.level) this.#sendLevel(pin);
    else if (!(this.#entry(pin) & entryBit.masked)) this.#send(pin);
  }

  /** Whether a request on this pin could reach a processor; `takes` says which vectors one would accept. */
  admits(pin: number, takes: (vector: number) => boolean): boolean {
    const entry = this.#entry(pin);
    const mode = deliveryModes[(entry >> 8) & 7];
    const hasVector = mode === 'fixed' || mode === 'lowest-priority';
    return !(entry & entryBit.masked) && (!hasVector || takes(entry & 0xff));
  }

  /** The pin that sends this vector, if one does. */
  pinOf(vector: number): number | undefined {
    const pin = this.state.low.findIndex((entry) => !(entry & entryBit.masked) && (entry & 0xff) === vector);
    return pin < 0 ? undefined : pin;
  }

  reset(): void {
    this.state = powerOn(this.#id, this.state.levels);
  }

  nextEvent(): number {
    return Infinity;
  }

  advance(): void {}

  #registers(): readonly Register[] {
    return [
      {
        name: 'IOREGSEL',
        at: 0x00,
        size: 4,
        peek: () => this.state.select,
        write: (value) => {
          this.state.select = value & 0xff;
        },
      },
      {
        name: 'IOWIN',
        at: 0x10,
        size: 4,
        peek: () => this.#peekSelected(),
        write: (value) => this.#writeSelected(value),
      },
      { name: 'EOI', at: 0x40, size: 4, peek: () => 0, write: (value) => this.#endOfInterrupt(value & 0xff) },
    ];
  }

  /** What IOREGSEL selects, by its index. */
  #table(): readonly Register[] {
    const register = (name: string, at: number, readOnly = false): Register => ({
      name,
      at,
      size: 4,
      peek: () => this.#peekSelected(at),
      ...(readOnly ? {} : { write: (value) => this.#writeSelected(value, at) }),
    });
    const entries = Array.from({ length: pins }, (_, pin) => [
      register(`pin ${pin}`, firstEntry + pin * 2),
      register(`pin ${pin} destination`, firstEntry + pin * 2 + 1),
    ]);
    return [register('ID', 0), register('version', 1, true), ...entries.flat()];
  }

  #peekSelected(select = this.state.select): number {
    const { id, low, high } = this.state;
    if (select === 0 || select === 2) return id << 24;
    if (select === 1) return version;
    const pin = (select - firstEntry) >> 1;
    return (select & 1 ? high[pin] : low[pin]) ?? 0;
  }

  #writeSelected(value: number, select = this.state.select): void {
    const { state } = this;
    const pin = (select - firstEntry) >> 1;
    if (select === 0) state.id = (value >>> 24) & 0xf;
    if (pin < 0 || pin >= pins) return;
    if (select & 1) state.high[pin] = (value & 0xff00_0000) >>> 0;
    else this.#setEntry(pin, value);
  }

  /** Remote IRR is read-only, and has no meaning for edge-triggered entries. */
  #setEntry(pin: number, value: number): void {
    const remote = value & entryBit.level ? this.#entry(pin) & entryBit.remoteIrr : 0;
    this.state.low[pin] = (value & entryBit.writable) | remote;
    if (value & entryBit.level) this.#sendLevel(pin);
  }

  #entry(pin: number): number {
    return this.state.low[pin] ?? entryBit.masked;
  }

  #isAsserted(pin: number): boolean {
    return (this.state.levels[pin] ?? false) !== ((this.#entry(pin) & entryBit.activeLow) !== 0);
  }

  /** A level-triggered pin requests while it is asserted and its last message is not ended. */
  #sendLevel(pin: number): void {
    const entry = this.#entry(pin);
    if (entry & (entryBit.masked | entryBit.remoteIrr) || !this.#isAsserted(pin)) return;
    this.state.low[pin] = entry | entryBit.remoteIrr;
    this.#send(pin);
  }

  #send(pin: number): void {
    const entry = this.#entry(pin);
    this.#bus.send({
      mode: deliveryModes[(entry >> 8) & 7] ?? 'reserved',
      vector: entry & 0xff,
      level: (entry & entryBit.level) !== 0,
      destination: destinationOf(entry, (this.state.high[pin] ?? 0) >>> 24, 0xff),
    });
  }

  #endOfInterrupt(vector: number): void {
    for (let pin = 0; pin < pins; pin++) {
      const entry = this.#entry(pin);
      if (!(entry & entryBit.remoteIrr) || (entry & 0xff) !== vector) continue;
      this.state.low[pin] = entry & ~entryBit.remoteIrr;
      this.#sendLevel(pin);
    }
  }
}
