/**
 * The local APIC's timer, Intel SDM vol. 3, "APIC Timer": one-shot and periodic on the divided bus clock, and the TSC
 * deadline. The current count follows from the time of the load; nothing counts, so nothing drifts.
 */

import type { Oscillator } from './oscillator';

/** By bits 18–17 of the timer's LVT entry; the fourth is reserved and never fires. */
const timerModes = ['one-shot', 'periodic', 'deadline', 'reserved'] as const;
type TimerMode = (typeof timerModes)[number];

/** By bits 3, 1 and 0 of the divide configuration register. */
const divisors = [2, 4, 8, 16, 32, 64, 128, 1] as const;

const modeBits = 17;
const masked = 0x1_0000;
const never = 2 ** 53;

export interface TimerState {
  /** The timer's LVT entry. */
  lvt: number;
  initial: number;
  /** The divide configuration register. */
  divide: number;
  running: boolean;
  /** Bus clock at which the present count-down began. */
  start: number;
  /** IA32_TSC_DEADLINE and what the guest's TSC is ahead of virtual time, as low and high halves. */
  deadline: [number, number];
  tscOffset: [number, number];
  /** Virtual time of the next interrupt; Infinity when none will come. */
  due: number;
}

export const newTimer = (tscOffset: [number, number]): TimerState => ({
  lvt: masked,
  initial: 0,
  divide: 0,
  running: false,
  start: 0,
  deadline: [0, 0],
  tscOffset,
  due: Infinity,
});

const toHalves = (value: bigint): [number, number] => [
  Number(value & 0xffff_ffffn),
  Number((value >> 32n) & 0xffff_ffffn),
];
const fromHalves = ([low, high]: readonly [number, number]): bigint => (BigInt(high) << 32n) | BigInt(low);

const modeOf = (timer: TimerState): TimerMode => timerModes[(timer.lvt >> modeBits) & 3] ?? 'reserved';
const divisorOf = (timer: TimerState): number => divisors[(timer.divide & 3) | ((timer.divide >> 1) & 4)] ?? 1;
const tscAt = (timer: TimerState, now: number): bigint => BigInt.asUintN(64, BigInt(now) + fromHalves(timer.tscOffset));

/** Whole counts since the count-down began. */
const elapsed = (timer: TimerState, clocks: number): number => Math.floor((clocks - timer.start) / divisorOf(timer));

export function currentCount(timer: TimerState, clock: Oscillator, now: number): number {
  if (!timer.running) return 0;
  const counts = elapsed(timer, clock.ticksAt(now));
  if (modeOf(timer) === 'periodic') return timer.initial - (counts % timer.initial);
  return Math.max(timer.initial - counts, 0);
}

export function setInitialCount(timer: TimerState, value: number, clock: Oscillator, now: number): void {
  if (modeOf(timer) === 'deadline') return;
  timer.initial = value;
  timer.running = value > 0;
  timer.start = clock.ticksAt(now);
  schedule(timer, clock, now);
}

/** The count goes on from where it is, at the new rate. */
export function setDivide(timer: TimerState, value: number, clock: Oscillator, now: number): void {
  settle(timer, clock, now);
  const counted = timer.running ? elapsed(timer, clock.ticksAt(now)) : 0;
  timer.divide = value & 0xb;
  timer.start = clock.ticksAt(now) - counted * divisorOf(timer);
  schedule(timer, clock, now);
}

/** A change between the deadline and the counting modes disarms the timer. */
export function setTimerEntry(timer: TimerState, value: number, clock: Oscillator, now: number): void {
  settle(timer, clock, now);
  const before = modeOf(timer);
  timer.lvt = value;
  if (before !== modeOf(timer) && (before === 'deadline' || modeOf(timer) === 'deadline')) {
    timer.running = false;
    timer.deadline = [0, 0];
  }
  schedule(timer, clock, now);
}

/** IA32_TSC_DEADLINE reads zero once the time has come, and in the counting modes. */
export function readDeadline(timer: TimerState, now: number): bigint {
  const deadline = fromHalves(timer.deadline);
  return tscAt(timer, now) >= deadline ? 0n : deadline;
}

/** In the counting modes the write is ignored. A time that has passed already is due at once. */
export function setDeadline(timer: TimerState, value: bigint, clock: Oscillator, now: number): void {
  if (modeOf(timer) !== 'deadline') return;
  timer.deadline = toHalves(value);
  schedule(timer, clock, now);
}

export function setTscOffset(timer: TimerState, offset: bigint, clock: Oscillator, now: number): void {
  timer.tscOffset = toHalves(BigInt.asUintN(64, offset));
  schedule(timer, clock, now);
}

/** Passes the interrupt that is due at or before `now`. @returns whether there was one. */
export function expire(timer: TimerState, clock: Oscillator, now: number): boolean {
  if (now < timer.due) return false;
  settle(timer, clock, now);
  schedule(timer, clock, now);
  return true;
}

/** Brings the state to `now`: what has ended is over, and a periodic count-down is the present one. */
function settle(timer: TimerState, clock: Oscillator, now: number): void {
  if (modeOf(timer) === 'deadline') {
    timer.deadline = toHalves(readDeadline(timer, now));
    return;
  }
  if (!timer.running) return;
  const periods = Math.floor(elapsed(timer, clock.ticksAt(now)) / timer.initial);
  if (periods === 0) return;
  if (modeOf(timer) === 'periodic') timer.start += periods * timer.initial * divisorOf(timer);
  else timer.running = false;
}

function schedule(timer: TimerState, clock: Oscillator, now: number): void {
  timer.due = timer.lvt & masked ? Infinity : expiry(timer, clock, now);
}

function expiry(timer: TimerState, clock: Oscillator, now: number): number {
  switch (modeOf(timer)) {
    case 'deadline': {
      const deadline = fromHalves(timer.deadline);
      if (deadline === 0n) return Infinity;
      const left = deadline - tscAt(timer, now);
      if (left <= 0n) return now;
      return left < never ? now + Number(left) : Infinity;
    }
    case 'reserved':
      return Infinity;
    default:
      return timer.running ? clock.timeOf(timer.start + timer.initial * divisorOf(timer)) : Infinity;
  }
}
