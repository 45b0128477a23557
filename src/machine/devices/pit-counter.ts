/**
 * One counter of the 8254: its six modes as rows over the clocks elapsed since the counting element was loaded, and the
 * commands that act on it. All times are clocks of the timer's input.
 */

export interface Counter {
  /** The control word's lower six bits: access, mode, BCD. */
  control: number;
  gate: boolean;
  /** The count register as written, or -1 before the first complete count. */
  written: number;
  /** The first of two bytes of a count being written, or -1. */
  lowByte: number;
  /** The next byte read from an unlatched two-byte counter is the high one. */
  readsHigh: boolean;
  /** Bytes of the latched count, still to be read. */
  latched: number[];
  /** The latched status, or -1. */
  status: number;
  /** Clocks to count in the counting element's present run; 0 before anything was loaded. */
  length: number;
  /** Clock at which the counting element is loaded: it shows `length` there. */
  loaded: number;
  /** Clocks that had elapsed when the gate, or a half-written count, stopped the counting; -1 while it runs. */
  stopped: number;
  /** Output until the load takes place. */
  before: boolean;
  /** A count that takes effect at clock `nextFrom`, the end of a cycle (modes 2 and 3), or 0. */
  nextLength: number;
  nextFrom: number;
  /** As `loaded`, for that count: before `nextFrom` when it begins with the low half of mode 3. */
  nextLoaded: number;
  /** Clock from which the counting element holds what was written last; Infinity while that waits for the gate. */
  taken: number;
}

export const newCounter = (gate: boolean): Counter => ({
  control: 0x30,
  gate,
  written: -1,
  lowByte: -1,
  readsHigh: false,
  latched: [],
  status: -1,
  length: 0,
  loaded: 0,
  stopped: -1,
  before: true,
  nextLength: 0,
  nextFrom: 0,
  nextLoaded: 0,
  taken: Infinity,
});

const control = { bcd: 1, access: 0x30, lowOnly: 0x10, highOnly: 0x20 } as const;
const status = { output: 0x80, nullCount: 0x40 } as const;

/** What the gate does: `level` lets it count, `edge` starts it, `both` lets it count and starts a new cycle. */
type Gate = 'level' | 'edge' | 'both';

interface Mode {
  readonly gate: Gate;
  /** Output after the control word, and before the first load. */
  readonly initial: boolean;
  /** Output after `elapsed` clocks of a run over `n`. */
  output(elapsed: number, n: number): boolean;
  /** Count shown after `elapsed` clocks, before wrapping to the counter's digits. */
  count(elapsed: number, n: number): number;
  /** Elapsed clocks of the first output change after `elapsed`. */
  edge(elapsed: number, n: number): number;
}

const countDown = (elapsed: number, n: number): number => n - elapsed;

/** Mode 0, and mode 1 with its load by the gate: low until the count is over. */
const interruptOnTerminalCount: Mode = {
  gate: 'level',
  initial: false,
  output: (elapsed, n) => elapsed >= n,
  count: countDown,
  edge: (elapsed, n) => (elapsed < n ? n : Infinity),
};

/** Mode 2: low in the last clock of each cycle. A count of 1 is illegal; it never ends here. */
const rateGenerator: Mode = {
  gate: 'both',
  initial: true,
  output: (elapsed, n) => n === 1 || elapsed % n !== n - 1,
  count: (elapsed, n) => n - (elapsed % n),
  edge: (elapsed, n) => {
    if (n === 1) return Infinity;
    const within = elapsed % n;
    return elapsed - within + (within < n - 1 ? n - 1 : n);
  },
};

/** Mode 3: the high half has the odd clock. Counts by two, from the even number at or below n. */
const highHalf = (n: number): number => Math.ceil(n / 2);
const squareWave: Mode = {
  gate: 'both',
  initial: true,
  output: (elapsed, n) => n === 1 || elapsed % n < highHalf(n),
  count: (elapsed, n) => {
    const within = elapsed % n;
    const half = within < highHalf(n) ? within : within - highHalf(n);
    return n - (n % 2) - 2 * half;
  },
  edge: (elapsed, n) => {
    if (n === 1) return Infinity;
    const within = elapsed % n;
    return elapsed - within + (within < highHalf(n) ? highHalf(n) : n);
  },
};

/** Modes 4 and 5: low for one clock when the count is over. */
const strobe: Mode = {
  gate: 'level',
  initial: true,
  output: (elapsed, n) => elapsed !== n,
  count: countDown,
  edge: (elapsed, n) => (elapsed < n ? n : elapsed === n ? n + 1 : Infinity),
};

/** By the control word's three mode bits; the first of them is ignored in modes 2 and 3. */
const modes: readonly Mode[] = [
  interruptOnTerminalCount,
  { ...interruptOnTerminalCount, gate: 'edge', initial: true },
  rateGenerator,
  squareWave,
  strobe,
  { ...strobe, gate: 'edge' },
  rateGenerator,
  squareWave,
];

const modeOf = (counter: Counter): Mode => modes[(counter.control >> 1) & 7] ?? interruptOnTerminalCount;
/** In mode 0 the first byte of a new count stops the counting and sets OUT low. */
const isHalfWritten = (counter: Counter): boolean =>
  modeOf(counter) === interruptOnTerminalCount && counter.lowByte >= 0 && counter.length > 0;
const isTwoByte = (counter: Counter): boolean => (counter.control & control.access) === control.access;
const range = (counter: Counter): number => (counter.control & control.bcd ? 10_000 : 0x1_0000);

/** The run in effect at a clock: the present one, or the next once its time has come. */
function runAt(counter: Counter, clock: number): { length: number; elapsed: number } {
  const next = counter.nextLength > 0 && clock >= counter.nextFrom;
  const length = next ? counter.nextLength : counter.length;
  const elapsed = counter.stopped >= 0 ? counter.stopped : clock - (next ? counter.nextLoaded : counter.loaded);
  return { length, elapsed };
}

/** The level of OUT. */
export function outputAt(counter: Counter, clock: number): boolean {
  const mode = modeOf(counter);
  if (counter.stopped >= 0 && mode.gate === 'both') return true;
  if (isHalfWritten(counter)) return false;
  const { length, elapsed } = runAt(counter, clock);
  return length === 0 || elapsed < 0 ? counter.before : mode.output(elapsed, length);
}

/** The clock of the next change of OUT after `clock`; Infinity when there is none. */
export function nextEdge(counter: Counter, clock: number): number {
  const mode = modeOf(counter);
  const { length, elapsed } = runAt(counter, clock);
  if (length === 0 || counter.stopped >= 0) return Infinity;
  if (elapsed < 0) {
    const starts = mode.output(0, length) !== counter.before;
    return clock - elapsed + (starts ? 0 : mode.edge(0, length));
  }
  const edge = clock - elapsed + mode.edge(elapsed, length);
  const { nextFrom } = counter;
  if (counter.nextLength === 0 || clock >= nextFrom || edge < nextFrom) return edge;
  return outputAt(counter, nextFrom) !== outputAt(counter, nextFrom - 1) ? nextFrom : nextEdge(counter, nextFrom);
}

/** What the counting element shows, in the counter's digits. */
export function countAt(counter: Counter, clock: number): number {
  const { length, elapsed } = runAt(counter, clock);
  if (length === 0) return 0;
  const size = range(counter);
  const count = modeOf(counter).count(Math.max(elapsed, 0), length) % size;
  return encode(counter, count < 0 ? count + size : count);
}

/** A new control word stops the counter until a count is written. */
export function writeControl(counter: Counter, value: number): void {
  Object.assign(counter, { ...newCounter(counter.gate), control: value & 0x3f });
  counter.before = modeOf(counter).initial;
}

export function writeCounter(counter: Counter, value: number, clock: number): void {
  const access = counter.control & control.access;
  if (access === control.lowOnly) writeCount(counter, value, clock);
  else if (access === control.highOnly) writeCount(counter, value << 8, clock);
  else if (counter.lowByte < 0) {
    counter.lowByte = value;
    if (isHalfWritten(counter) && counter.stopped < 0) counter.stopped = Math.max(runAt(counter, clock).elapsed, 0);
  } else {
    const low = counter.lowByte;
    counter.lowByte = -1;
    writeCount(counter, low | (value << 8), clock);
  }
}

/** The count takes effect at the next clock, at the end of the cycle, or when the gate rises, as the mode says. */
function writeCount(counter: Counter, written: number, clock: number): void {
  const mode = modeOf(counter);
  const length = decode(counter, written);
  counter.written = written;
  counter.taken = Infinity;
  if (mode.gate === 'level') {
    counter.before = mode.initial && outputAt(counter, clock);
    load(counter, length, clock + 1);
    if (!counter.gate) counter.stopped = 0;
  } else if (mode.gate === 'both' && counter.gate) {
    const { elapsed } = runAt(counter, clock);
    if (counter.length === 0) load(counter, length, clock + 1);
    else if (elapsed < 0) load(counter, length, clock - elapsed);
    else queue(counter, length, clock);
  }
}

function load(counter: Counter, length: number, clock: number): void {
  Object.assign(counter, { length, loaded: clock, stopped: -1, nextLength: 0, taken: clock });
}

/** Modes 2 and 3 finish their cycle (half-cycle in mode 3) with the old count. */
function queue(counter: Counter, length: number, clock: number): void {
  const present = runAt(counter, clock);
  counter.loaded = clock - present.elapsed;
  counter.length = present.length;
  const within = present.elapsed % present.length;
  const cycle = clock - within;
  const half = highHalf(present.length);
  const endsHigh = modeOf(counter) === squareWave && within < half;
  counter.nextLength = length;
  counter.nextFrom = cycle + (endsHigh ? half : present.length);
  // A run that begins with its low half is one whose high half lies in the past.
  counter.nextLoaded = counter.nextFrom - (endsHigh ? highHalf(length) : 0);
  counter.taken = counter.nextFrom;
}

export function setGate(counter: Counter, gate: boolean, clock: number): void {
  if (counter.gate === gate) return;
  const mode = modeOf(counter);
  const before = outputAt(counter, clock);
  const { length, elapsed } = runAt(counter, clock);
  counter.gate = gate;
  if (mode.gate === 'level') {
    if (length === 0 || isHalfWritten(counter)) return;
    if (gate) counter.loaded = clock - counter.stopped;
    counter.stopped = gate ? -1 : Math.max(elapsed, 0);
  } else if (gate && counter.written >= 0) {
    counter.before = before;
    load(counter, decode(counter, counter.written), clock + 1);
  } else if (!gate && mode.gate === 'both' && length > 0) {
    counter.length = length;
    counter.stopped = Math.max(elapsed, 0);
    counter.nextLength = 0;
    if (clock < counter.taken) counter.taken = Infinity;
  }
}

// Reading

const bytesOf = (counter: Counter, count: number): number[] =>
  isTwoByte(counter)
    ? [count & 0xff, count >> 8]
    : [(counter.control & control.access) === control.highOnly ? count >> 8 : count & 0xff];

/** The counter latch command: the count is held until it is read; further commands are ignored until then. */
export function latchCommand(counter: Counter, clock: number): void {
  if (counter.latched.length === 0) counter.latched = bytesOf(counter, countAt(counter, clock));
}

/** The read-back command: latches count, status or both of the selected counters. */
export function readBack(counter: Counter, command: number, index: number, clock: number): void {
  if (!(command & (2 << index))) return;
  if (!(command & 0x20)) latchCommand(counter, clock);
  if (!(command & 0x10) && counter.status < 0) counter.status = statusAt(counter, clock);
}

function statusAt(counter: Counter, clock: number): number {
  const output = outputAt(counter, clock) ? status.output : 0;
  return output | (clock < counter.taken ? status.nullCount : 0) | counter.control;
}

export function peekCounter(counter: Counter, clock: number): number {
  if (counter.status >= 0) return counter.status;
  const [latched] = counter.latched;
  if (latched !== undefined) return latched;
  const bytes = bytesOf(counter, countAt(counter, clock));
  return bytes[isTwoByte(counter) && counter.readsHigh ? 1 : 0] ?? 0;
}

export function readCounter(counter: Counter, clock: number): number {
  const value = peekCounter(counter, clock);
  if (counter.status >= 0) counter.status = -1;
  else if (counter.latched.length > 0) counter.latched.shift();
  else if (isTwoByte(counter)) counter.readsHigh = !counter.readsHigh;
  return value;
}

// Digits

const digits = [1, 10, 100, 1000] as const;

function decode(counter: Counter, written: number): number {
  if (written === 0) return range(counter);
  if (!(counter.control & control.bcd)) return written;
  return digits.reduce((sum, weight, digit) => sum + ((written >> (4 * digit)) & 0xf) * weight, 0);
}

function encode(counter: Counter, count: number): number {
  if (!(counter.control & control.bcd)) return count;
  return digits.reduce((sum, weight, digit) => sum | ((Math.floor(count / weight) % 10) << (4 * digit)), 0);
}
