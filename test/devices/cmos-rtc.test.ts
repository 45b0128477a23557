import { beforeEach, describe, expect, test } from 'vitest';
import { IoBus } from '../../src/machine/devices/bus';
import { dateOf, daysOf, weekdayOf } from '../../src/machine/devices/calendar';
import { CmosRtc } from '../../src/machine/devices/cmos-rtc';
import { TestBoard } from './test-board';

const frequency = 1_000_000_000;
const second = frequency;
const [A, B, C, D] = [0x0a, 0x0b, 0x0c, 0x0d];

let board: TestBoard;
let rtc: CmosRtc;
let io: IoBus;

const select = (seconds: number, options: { memoryBytes?: number; cpus?: number } = {}): void => {
  board = new TestBoard(frequency);
  rtc = new CmosRtc(board, {
    startTime: seconds,
    memoryBytes: options.memoryBytes ?? 64 << 20,
    cpus: options.cpus ?? 1,
  });
  io = new IoBus([rtc]);
};
const read = (index: number): number => {
  io.write(0x70, 1, index);
  return io.read(0x71, 1);
};
const write = (index: number, value: number): void => {
  io.write(0x70, 1, index);
  io.write(0x71, 1, value);
};
const wait = (ticks: number): void => {
  board.time += ticks;
  rtc.advance(board.time);
};
const irq = (): boolean => board.lines.get(8) ?? false;
/** Century, year, month, day, weekday, hour, minute, second, as hexadecimal digits. */
const time = (): string =>
  [0x32, 0x09, 0x08, 0x07, 0x06, 0x04, 0x02, 0x00].map((index) => read(index).toString(16).padStart(2, '0')).join(' ');

// 2024-02-28 23:59:58 UTC, a Wednesday.
beforeEach(() => select(1_709_164_798));

test('the calendar agrees with the Gregorian one over four centuries', () => {
  for (let days = -100_000; days < 100_000; days += 37) {
    const date = new Date(days * 86_400_000);
    const parts = { year: date.getUTCFullYear(), month: date.getUTCMonth() + 1, day: date.getUTCDate() };
    expect(dateOf(days)).toEqual(parts);
    expect(daysOf(parts)).toBe(days);
    expect(weekdayOf(days)).toBe(date.getUTCDay() + 1);
  }
});

describe('time', () => {
  test('shows the start time, in BCD and 24 hours', () => {
    expect([read(A), read(B), read(D), time()]).toEqual([0x26, 0x02, 0x80, '20 24 02 28 04 23 59 58']);
  });

  test('passes with virtual time, also over a leap day', () => {
    wait(second - 1);
    expect(time()).toBe('20 24 02 28 04 23 59 58');
    wait(1);
    expect(time()).toBe('20 24 02 28 04 23 59 59');
    wait(second);
    expect(time()).toBe('20 24 02 29 05 00 00 00');
    wait(86_400 * second);
    expect(time()).toBe('20 24 03 01 06 00 00 00');
  });

  test('binary and 12-hour formats', () => {
    write(B, 0x06);
    expect([read(4), read(2), read(0), read(9), read(0x32)]).toEqual([23, 59, 58, 24, 20]);
    write(B, 0x00);
    expect(read(4)).toBe(0x91);
    wait(2 * second);
    expect(read(4)).toBe(0x12);
    write(4, 0x92);
    expect(read(4)).toBe(0x92);
    write(B, 0x02);
    expect(read(4)).toBe(0x12);
  });

  test('SET stops it, so that it can be set field by field', () => {
    write(B, 0x82);
    wait(10 * second);
    expect(time()).toBe('20 24 02 28 04 23 59 58');
    for (const [index, value] of [
      [0x07, 0x31],
      [0x08, 0x12],
      [0x09, 0x99],
      [0x32, 0x19],
      [0x06, 0x06],
      [0x00, 0x59],
    ] as const) {
      write(index, value);
    }
    expect(time()).toBe('19 99 12 31 06 23 59 59');
    write(B, 0x02);
    wait(second);
    expect(time()).toBe('20 00 01 01 07 00 00 00');
  });

  test('a field set while it runs keeps the tick of the seconds', () => {
    wait(second / 4);
    write(0x00, 0x10);
    wait((3 * second) / 4 - 1);
    expect(read(0)).toBe(0x10);
    wait(1);
    expect(read(0)).toBe(0x11);
  });

  test('update in progress announces the next second', () => {
    const updating = (): number => read(A) & 0x80;
    expect(updating()).toBe(0);
    // 73 periods of 32,768 Hz before the second.
    wait(second - 2_227_785);
    expect(updating()).toBe(0);
    wait(1);
    expect(updating()).toBe(0x80);
    wait(2_227_784);
    expect(updating()).toBe(0);
    wait(second - 1);
    write(B, 0x82);
    expect(updating()).toBe(0);
  });

  test('the divider held in reset stops it; the first update comes half a second after', () => {
    write(A, 0x66);
    wait(5 * second);
    expect(read(0)).toBe(0x58);
    write(A, 0x26);
    wait(second / 2 - 1);
    expect(read(0)).toBe(0x58);
    wait(1);
    expect(read(0)).toBe(0x59);
  });
});

describe('interrupts', () => {
  test('periodic, 1024 Hz: every 32 periods of the crystal, without drift', () => {
    write(B, 0x42);
    for (let i = 1; i <= 3000; i++) {
      expect(rtc.nextEvent()).toBe(Math.ceil((i * second) / 1024));
      board.time = rtc.nextEvent();
      rtc.advance(board.time);
      expect([irq(), read(C) & 0xc0, irq()]).toEqual([true, 0xc0, false]);
    }
  });

  test.each([
    [1, 256],
    [2, 128],
    [3, 8192],
    [6, 1024],
    [15, 2],
  ])('rate %i is %i Hz', (rate, hertz) => {
    write(A, 0x20 | rate);
    write(B, 0x42);
    expect(rtc.nextEvent()).toBe(Math.ceil(second / hertz));
  });

  test('the line stays up until register C is read', () => {
    write(B, 0x42);
    wait(second / 2);
    expect([irq(), rtc.nextEvent()]).toEqual([true, Infinity]);
    expect(rtc.peekMemory(C)).toBe(0xc0);
    expect(read(C)).toBe(0xc0);
    expect([irq(), read(C)]).toEqual([false, 0]);
  });

  test('update ended, once in a second', () => {
    write(B, 0x12);
    expect(rtc.nextEvent()).toBe(second);
    wait(second);
    expect([irq(), read(C) & 0x90, rtc.nextEvent()]).toEqual([true, 0x90, 2 * second]);
  });

  test('the alarm, at its time of day', () => {
    write(0x01, 0x30);
    write(0x03, 0x00);
    write(0x05, 0x00);
    write(B, 0x22);
    expect(rtc.nextEvent()).toBe(32 * second);
    wait(32 * second);
    expect([irq(), read(C) & 0xa0]).toEqual([true, 0xa0]);
    expect(rtc.nextEvent()).toBe((32 + 86_400) * second);
  });

  test('alarm bytes that match everything', () => {
    write(0x01, 0x05);
    write(0x03, 0xff);
    write(0x05, 0xc0);
    write(B, 0x22);
    expect(rtc.nextEvent()).toBe(7 * second);
    wait(7 * second);
    read(C);
    expect(rtc.nextEvent()).toBe(67 * second);
  });

  test('an alarm for the very next second', () => {
    write(0x01, 0x59);
    write(0x03, 0x59);
    write(0x05, 0x23);
    write(B, 0x22);
    expect(rtc.nextEvent()).toBe(second);
  });

  test('an impossible alarm never comes', () => {
    write(0x05, 0x25);
    write(B, 0x22);
    expect(rtc.nextEvent()).toBe(Infinity);
  });

  test('another rate does not move the seconds', () => {
    wait(second / 4);
    write(A, 0x2f);
    write(B, 0x12);
    expect(rtc.nextEvent()).toBe(second);
  });

  test('a flag that has come up stays with those that follow', () => {
    write(A, 0x20);
    wait(second);
    write(A, 0x26);
    expect(read(C)).toBe(0x10);
    write(A, 0x20);
    wait(second);
    write(A, 0x26);
    wait(second / 2);
    // Midnight has passed, and the alarm bytes are zero.
    expect(read(C)).toBe(0x70);
  });

  test('flags come up without their interrupts', () => {
    wait(second);
    expect([irq(), read(C), read(C)]).toEqual([false, 0x50, 0]);
  });

  test('enabling an interrupt whose flag is up raises the line at once', () => {
    wait(second);
    write(B, 0x12);
    expect(irq()).toBe(true);
  });

  test('SET takes back the update interrupt and holds its flag', () => {
    write(B, 0x92);
    expect([read(B), rtc.nextEvent()]).toEqual([0x82, Infinity]);
    write(A, 0x20);
    read(C);
    wait(10 * second);
    expect(read(C)).toBe(0);
  });
});

test('reset switches the interrupts off and keeps time and memory', () => {
  write(0x40, 0xa5);
  write(B, 0x72);
  wait(second);
  rtc.reset();
  expect([irq(), read(B), read(C), rtc.nextEvent(), read(0x40)]).toEqual([false, 0x02, 0, Infinity, 0xa5]);
  expect(time()).toBe('20 24 02 28 04 23 59 59');
});

describe('memory', () => {
  const word = (index: number): number => read(index) | (read(index + 1) << 8);

  test.each([
    [1 << 20, 0, 0],
    [64 << 20, 63 * 1024, 48 * 16],
    [65 << 20, 64 * 1024 - 0, 49 * 16],
    [2 ** 31, 0xffff, 2032 * 16],
  ])('%i bytes', (memoryBytes, extended, above16) => {
    select(0, { memoryBytes });
    expect([word(0x15), word(0x17), word(0x30), word(0x34)]).toEqual([
      640,
      Math.min(extended, 0xffff),
      Math.min(extended, 0xffff),
      above16,
    ]);
  });

  test('processors, equipment, and a right checksum', () => {
    select(0, { cpus: 2 });
    let sum = 0;
    for (let index = 0x10; index < 0x2e; index++) sum += read(index);
    expect([read(0x5f), read(0x14), (read(0x2e) << 8) | read(0x2f)]).toEqual([1, 0x22, sum]);
  });

  test('the shutdown status is kept for the firmware', () => {
    write(0x0f, 0x0a);
    rtc.reset();
    expect(read(0x0f)).toBe(0x0a);
  });

  test('bit 7 of the index holds back non-maskable interrupts and is not part of it', () => {
    write(0x8f, 0x05);
    expect([rtc.nmiEnabled, read(0x0f), rtc.nmiEnabled]).toEqual([false, 0x05, true]);
    expect(io.read(0x70, 1)).toBe(0xff);
  });

  test('registers C and D are read-only', () => {
    write(D, 0);
    write(C, 0xff);
    expect([read(D), read(C)]).toEqual([0x80, 0]);
  });
});
