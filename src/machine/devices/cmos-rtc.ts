/**
 * The clock and the battery-backed memory of the PC, after Motorola's MC146818 data sheet: ports 0x70 and 0x71. The time
 * of day is the given start time plus virtual time; the flags of register C follow from the time at which they were last
 * cleared, so that nothing needs to happen while nobody looks.
 */

import { dateOf, daysOf, weekdayOf } from './calendar';
import type { Board, Device, Register } from './device';
import { Oscillator } from './oscillator';

const interrupt = 8;
const crystalHertz = 32_768;
const secondsPerDay = 86_400;
/** Update in progress: 244 µs of warning and 1984 µs of update, in periods of the crystal. */
const updateClocks = Math.round((crystalHertz * (244 + 1984)) / 1_000_000);

const at = { registerA: 0x0a, registerB: 0x0b, registerC: 0x0c, registerD: 0x0d, century: 0x32 } as const;
const registerA = { rate: 0x0f, divider: 0x70, held: 0x60, updating: 0x80 } as const;
const registerB = { hours24: 2, binary: 4, updateEnded: 0x10, alarm: 0x20, set: 0x80, enables: 0x70 } as const;
const flag = { updateEnded: 0x10, alarm: 0x20, periodic: 0x40, any: 0x80 } as const;
const indexBits = 0x7f;
const nmiDisabled = 0x80;
const validMemory = 0x80;
/** An alarm byte with both upper bits set matches everything. */
const dontCare = 0xc0;

/** The time registers, by their addresses. */
const timeFields = {
  0: 'second',
  2: 'minute',
  4: 'hour',
  6: 'weekday',
  7: 'day',
  8: 'month',
  9: 'year',
} as const;
type TimeField = (typeof timeFields)[keyof typeof timeFields];

/** What the data sheet calls the first cells, and the one where the PC keeps the century. */
const cellNames: Readonly<Record<number, string>> = {
  ...timeFields,
  1: 'alarm second',
  3: 'alarm minute',
  5: 'alarm hour',
  [at.registerA]: 'register A',
  [at.registerB]: 'register B',
  [at.registerC]: 'register C',
  [at.registerD]: 'register D',
  [at.century]: 'century',
};

interface TimeOfDay {
  second: number;
  minute: number;
  hour: number;
  weekday: number;
  day: number;
  month: number;
  year: number;
}

interface RtcState {
  /** Port 0x70 as written. */
  index: number;
  memory: Uint8Array;
  /** The time that the registers showed at virtual time `since`, a tick of the seconds, as it was set. */
  time: TimeOfDay;
  since: number;
  /** Flags of register C that had come up before `cleared`. */
  flags: number;
  /** Virtual time after which flags come up anew. */
  cleared: number;
  line: boolean;
  /** Virtual time of the next interrupt. */
  due: number;
}

export interface RtcOptions {
  /** Seconds since 1970-01-01 at virtual time 0. */
  readonly startTime: number;
  readonly memoryBytes: number;
  readonly cpus: number;
}

export class CmosRtc implements Device<RtcState> {
  readonly name = 'MC146818 RTC';
  state: RtcState;
  readonly inner: readonly Register[] = Array.from({ length: indexBits + 1 }, (_, address) => ({
    name: cellNames[address] ?? `cell 0x${address.toString(16)}`,
    at: address,
    size: 1 as const,
    peek: () => this.peekMemory(address),
    ...(address === at.registerC || address === at.registerD
      ? {}
      : { write: (value: number) => this.#write(address, value) }),
  }));
  readonly ports: readonly Register[] = [
    {
      name: 'CMOS index',
      at: 0x70,
      size: 1,
      peek: () => this.state.index,
      read: () => 0xff,
      write: (value) => {
        this.state.index = value;
      },
    },
    {
      name: 'CMOS data',
      at: 0x71,
      size: 1,
      peek: () => this.peekMemory(this.state.index & indexBits),
      read: () => this.#read(this.state.index & indexBits),
      write: (value) => this.#write(this.state.index & indexBits, value),
    },
  ];
  readonly #board: Board;
  readonly #crystal: Oscillator;

  constructor(board: Board, options: RtcOptions) {
    this.#board = board;
    this.#crystal = new Oscillator(crystalHertz, board.frequency);
    this.state = {
      index: 0,
      memory: memoryAfterSetup(options),
      time: timeFrom(Math.floor(options.startTime)),
      since: 0,
      flags: 0,
      cleared: 0,
      line: false,
      due: Infinity,
    };
  }

  /** Whether port 0x70 lets non-maskable interrupts through. */
  get nmiEnabled(): boolean {
    return !(this.state.index & nmiDisabled);
  }

  /** A byte by its address, as the guest would read it, without clearing flags. */
  peekMemory(address: number): number {
    const { memory } = this.state;
    const field = timeFields[address as keyof typeof timeFields];
    if (field) return this.#encodeField(field);
    if (address === at.century) return this.#toDigits(Math.floor(this.#timeAt(this.#board.now()).year / 100));
    if (address === at.registerA) return (memory[address] ?? 0) | (this.#isUpdating() ? registerA.updating : 0);
    if (address === at.registerC) return this.#registerC(this.#board.now());
    if (address === at.registerD) return validMemory;
    return memory[address] ?? 0;
  }

  /** The clock and the memory run on; only the interrupts are switched off. */
  reset(): void {
    const { memory } = this.state;
    memory[at.registerB] = (memory[at.registerB] ?? 0) & ~(registerB.enables | 8);
    Object.assign(this.state, { flags: 0, cleared: this.#board.now(), due: Infinity, index: 0 });
    this.#drive(false);
  }

  nextEvent(): number {
    return this.state.due;
  }

  advance(now: number): void {
    if (now < this.state.due) return;
    this.state.due = Infinity;
    this.#drive(true);
  }

  // Registers

  #registerAt(address: number): number {
    return this.state.memory[address] ?? 0;
  }

  #read(address: number): number {
    const value = this.peekMemory(address);
    if (address !== at.registerC) return value;
    this.state.flags = 0;
    this.state.cleared = this.#board.now();
    this.#schedule();
    return value;
  }

  /** What has happened before the write is settled first, by the settings that held until now. */
  #write(address: number, value: number): void {
    const now = this.#board.now();
    const { state } = this;
    if (address === at.registerC || address === at.registerD) return;
    state.flags = this.#flags(now);
    state.cleared = now;
    const field = timeFields[address as keyof typeof timeFields];
    if (field) this.#setField(field, this.#decode(field, value), now);
    else if (address === at.century)
      this.#setField('year', this.#fromDigits(value) * 100 + (this.#yearAt(now) % 100), now);
    else if (address === at.registerA) this.#setRegisterA(value & ~registerA.updating, now);
    else if (address === at.registerB) this.#setRegisterB(value, now);
    else state.memory[address] = value;
    this.#schedule();
  }

  /** Leaving the divider's reset, the first update comes half a second later. */
  #setRegisterA(value: number, now: number): void {
    const held = this.#isHeld();
    const running = this.#isRunning();
    if (running) this.#bringTime(now);
    this.state.memory[at.registerA] = value;
    if (held && !this.#isHeld()) this.state.since = now - Math.floor(this.#board.frequency / 2);
  }

  /** SET stops the updates, so that the time can be set field by field, and takes back the update interrupt. */
  #setRegisterB(value: number, now: number): void {
    const before = this.#registerAt(at.registerB);
    this.#bringTime(now);
    this.state.memory[at.registerB] = value & registerB.set ? value & ~registerB.updateEnded : value;
    if (before & registerB.set && !(value & registerB.set)) this.#bringPhase(now);
  }

  #setField(field: TimeField, value: number, now: number): void {
    this.#bringTime(now);
    this.state.time[field] = value;
  }

  // Time

  /** The divider is held in reset: no seconds pass. */
  #isHeld(): boolean {
    return (this.#registerAt(at.registerA) & registerA.held) === registerA.held;
  }

  #isRunning(): boolean {
    return !this.#isHeld() && !(this.#registerAt(at.registerB) & registerB.set);
  }

  #secondsSince(now: number): number {
    return Math.floor((now - this.state.since) / this.#board.frequency);
  }

  #timeAt(now: number): TimeOfDay {
    const { time } = this.state;
    const seconds = this.#isRunning() ? this.#secondsSince(now) : 0;
    return seconds === 0 ? time : timeFrom(secondsOf(time) + seconds, time);
  }

  #yearAt(now: number): number {
    return this.#timeAt(now).year;
  }

  /** Makes `time` the present one, without moving the ticks of the seconds. */
  #bringTime(now: number): void {
    if (!this.#isRunning()) return;
    this.state.time = { ...this.#timeAt(now) };
    this.#bringPhase(now);
  }

  #bringPhase(now: number): void {
    this.state.since += this.#secondsSince(now) * this.#board.frequency;
  }

  #isUpdating(): boolean {
    if (!this.#isRunning()) return false;
    const now = this.#board.now();
    const next = this.state.since + (this.#secondsSince(now) + 1) * this.#board.frequency;
    return now >= next - this.#crystal.timeOf(updateClocks);
  }

  // Encoding

  #toDigits(value: number): number {
    if (this.#registerAt(at.registerB) & registerB.binary) return value & 0xff;
    return ((Math.floor(value / 10) % 10) << 4) | (value % 10);
  }

  #fromDigits(value: number): number {
    return this.#registerAt(at.registerB) & registerB.binary ? value : (value >> 4) * 10 + (value & 0xf);
  }

  #encodeField(field: TimeField): number {
    const value = this.#timeAt(this.#board.now())[field];
    if (field === 'year') return this.#toDigits(value % 100);
    if (field !== 'hour' || this.#registerAt(at.registerB) & registerB.hours24) return this.#toDigits(value);
    return this.#toDigits(value % 12 || 12) | (value >= 12 ? 0x80 : 0);
  }

  #decode(field: TimeField, value: number): number {
    if (field === 'year') return Math.floor(this.#yearAt(this.#board.now()) / 100) * 100 + this.#fromDigits(value);
    return field === 'hour' ? this.#decodeHour(value) : this.#fromDigits(value);
  }

  #decodeHour(value: number): number {
    if (this.#registerAt(at.registerB) & registerB.hours24) return this.#fromDigits(value);
    return (this.#fromDigits(value & 0x7f) % 12) + (value & 0x80 ? 12 : 0);
  }

  // Flags and interrupts

  #registerC(now: number): number {
    const flags = this.#flags(now);
    return flags | (flags & this.#registerAt(at.registerB) & registerB.enables ? flag.any : 0);
  }

  #flags(now: number): number {
    let { flags } = this.state;
    if (this.#nextPeriod() <= now) flags |= flag.periodic;
    if (this.#nextUpdate() <= now) flags |= flag.updateEnded;
    if (this.#nextAlarm() <= now) flags |= flag.alarm;
    return flags;
  }

  /** Each source's first time after the flags were cleared, if its interrupt is enabled. */
  #schedule(): void {
    const enabled = this.#registerAt(at.registerB);
    const { state } = this;
    if (this.#registerC(this.#board.now()) & flag.any) {
      state.due = Infinity;
      this.#drive(true);
      return;
    }
    this.#drive(false);
    state.due = Math.min(
      enabled & flag.periodic ? this.#nextPeriod() : Infinity,
      enabled & flag.updateEnded ? this.#nextUpdate() : Infinity,
      enabled & flag.alarm ? this.#nextAlarm() : Infinity,
    );
  }

  /** Rates 1 and 2 are 256 and 128 Hz at this crystal, as 8 and 9 are. */
  #nextPeriod(): number {
    const rate = this.#registerAt(at.registerA) & registerA.rate;
    if (rate === 0 || this.#isHeld()) return Infinity;
    const clocks = 2 ** ((rate < 3 ? rate + 7 : rate) - 1);
    const { since, cleared } = this.state;
    const periods = Math.floor(this.#crystal.ticksAt(cleared - since) / clocks) + 1;
    return since + this.#crystal.timeOf(periods * clocks);
  }

  #nextUpdate(): number {
    if (!this.#isRunning()) return Infinity;
    return this.state.since + (this.#secondsSince(this.state.cleared) + 1) * this.#board.frequency;
  }

  #nextAlarm(): number {
    if (!this.#isRunning()) return Infinity;
    const { since, cleared, time } = this.state;
    const first = this.#secondsSince(cleared) + 1;
    const start = (((secondsOf(time) + first) % secondsPerDay) + secondsPerDay) % secondsPerDay;
    const match = this.#alarmAfter(start);
    return since + (first + match) * this.#board.frequency;
  }

  /** Seconds from the given second of the day until the alarm matches; Infinity when it never does. */
  #alarmAfter(start: number): number {
    const hour = this.#alarmByte(0x05, (value) => this.#decodeHour(value));
    const minute = this.#alarmByte(0x03, (value) => this.#fromDigits(value));
    const second = this.#alarmByte(0x01, (value) => this.#fromDigits(value));
    for (let after = 0; after < secondsPerDay; ) {
      const time = (start + after) % secondsPerDay;
      if (!hour(Math.floor(time / 3600))) after += 3600 - (time % 3600);
      else if (!minute(Math.floor(time / 60) % 60)) after += 60 - (time % 60);
      else if (!second(time % 60)) after++;
      else return after;
    }
    return Infinity;
  }

  #alarmByte(address: number, decode: (value: number) => number): (present: number) => boolean {
    const value = this.#registerAt(address);
    if ((value & dontCare) === dontCare) return () => true;
    const wanted = decode(value);
    return (present) => present === wanted;
  }

  #drive(level: boolean): void {
    if (this.state.line === level) return;
    this.state.line = level;
    this.#board.interruptLine(interrupt, level);
  }
}

const secondsOf = (time: TimeOfDay): number =>
  daysOf(time) * secondsPerDay + time.hour * 3600 + time.minute * 60 + time.second;

/** @param set the time as the guest set it: its weekday is only counted on, right or wrong. */
function timeFrom(seconds: number, set?: TimeOfDay): TimeOfDay {
  const days = Math.floor(seconds / secondsPerDay);
  const rest = seconds - days * secondsPerDay;
  const passed = set ? days - daysOf(set) : 0;
  return {
    ...dateOf(days),
    weekday: set ? ((((set.weekday - 1 + passed) % 7) + 7) % 7) + 1 : weekdayOf(days),
    hour: Math.floor(rest / 3600),
    minute: Math.floor(rest / 60) % 60,
    second: rest % 60,
  };
}

/** What firmware leaves in the memory: the clock's settings, equipment, and how much memory there is. */
function memoryAfterSetup({ memoryBytes, cpus }: RtcOptions): Uint8Array {
  const memory = new Uint8Array(128);
  const kilobytes = Math.floor(memoryBytes / 1024);
  const extended = Math.min(Math.max(kilobytes - 1024, 0), 0xffff);
  const above16Megabytes = Math.min(Math.max(Math.floor((kilobytes - 16_384) / 64), 0), 0xffff);
  memory[at.registerA] = 0x26;
  memory[at.registerB] = registerB.hours24;
  // Mathematics coprocessor, 80 × 25 colour display.
  memory[0x14] = 0x22;
  for (const [address, value] of [
    [0x15, 640],
    [0x17, extended],
    [0x30, extended],
    [0x34, above16Megabytes],
  ] as const) {
    memory[address] = value & 0xff;
    memory[address + 1] = value >> 8;
  }
  memory[0x5f] = cpus - 1;
  const sum = memory.subarray(0x10, 0x2e).reduce((total, byte) => total + byte, 0);
  memory[0x2e] = sum >> 8;
  memory[0x2f] = sum & 0xff;
  return memory;
}
