import fc from 'fast-check';
import { beforeEach, describe, expect, test } from 'vitest';
import { IoBus } from '../../src/machine/devices/bus';
import { Pit8254 } from '../../src/machine/devices/pit-8254';
import { TestBoard } from './test-board';

const [channel0, channel2, command, port61] = [0x40, 0x42, 0x43, 0x61];

let board: TestBoard;
let pit: Pit8254;
let io: IoBus;

const out = (port: number, value: number): void => io.write(port, 1, value);
const inb = (port: number): number => io.read(port, 1);
const word = (port: number): number => inb(port) | (inb(port) << 8);
const count = (port: number, value: number): void => {
  out(port, value & 0xff);
  out(port, value >> 8);
};
/** Lets the given number of input clocks pass, each with its events. */
const clocks = (n: number): void => {
  for (let i = 0; i < n; i++) {
    board.time++;
    pit.advance(board.time);
  }
};
const irq = (): boolean => board.lines.get(0) ?? false;
/** OUT of counter 2, as port 0x61 shows it. */
const output = (): number => (inb(port61) >> 5) & 1;
/** The next n levels of counter 2's output, one per clock. */
const outputs = (n: number): string =>
  Array.from({ length: n }, () => {
    clocks(1);
    return output();
  }).join('');
const counts = (n: number, port = channel2): number[] =>
  Array.from({ length: n }, () => {
    clocks(1);
    return word(port);
  });

// One tick of the board is one clock of the timer.
beforeEach(() => {
  board = new TestBoard(1_193_182);
  pit = new Pit8254(board);
  io = new IoBus([pit]);
  pit.reset();
});

describe('mode 0, interrupt on terminal count', () => {
  beforeEach(() => {
    out(port61, 1);
    out(command, 0xb0);
  });

  test('OUT goes high N + 1 clocks after the count is written', () => {
    expect(output()).toBe(0);
    count(channel2, 4);
    expect(outputs(7)).toBe('0000111');
  });

  test('the count runs down to zero and wraps', () => {
    count(channel2, 2);
    expect(counts(5)).toEqual([2, 1, 0, 0xffff, 0xfffe]);
  });

  test('the gate stops the count', () => {
    count(channel2, 5);
    clocks(3);
    out(port61, 0);
    expect(counts(2)).toEqual([3, 3]);
    out(port61, 1);
    expect(outputs(4)).toBe('0011');
  });

  test('a count written while the gate is low ends N clocks after it rises', () => {
    out(port61, 0);
    count(channel2, 3);
    clocks(5);
    out(port61, 1);
    expect(outputs(4)).toBe('0011');
  });

  test('the first byte of a new count stops the counting and sets OUT low; the second starts again', () => {
    count(channel2, 2);
    clocks(5);
    expect(output()).toBe(1);
    out(channel2, 3);
    expect([output(), outputs(3)]).toEqual([0, '000']);
    out(channel2, 0);
    expect(outputs(5)).toBe('00011');
  });
});

describe('mode 1, hardware retriggerable one-shot', () => {
  beforeEach(() => {
    out(command, 0xb2);
    count(channel2, 3);
  });

  test('the gate starts a low pulse of N clocks with the next clock', () => {
    expect(outputs(3)).toBe('111');
    out(port61, 1);
    expect(outputs(6)).toBe('000111');
  });

  test('a second trigger makes the pulse longer, the gate going low does not end it', () => {
    out(port61, 1);
    clocks(2);
    out(port61, 0);
    clocks(1);
    out(port61, 1);
    expect(outputs(5)).toBe('00011');
  });

  test('a new count waits for the next trigger', () => {
    out(port61, 1);
    clocks(1);
    count(channel2, 5);
    expect(outputs(3)).toBe('001');
    out(port61, 0);
    out(port61, 1);
    expect(outputs(7)).toBe('0000011');
  });
});

describe('mode 2, rate generator', () => {
  beforeEach(() => {
    out(port61, 1);
    out(command, 0xb4);
  });

  test('OUT is low in the last clock of every N', () => {
    count(channel2, 4);
    expect(outputs(10)).toBe('1110111011');
  });

  test('the count goes from N to 1', () => {
    count(channel2, 3);
    expect(counts(7)).toEqual([3, 2, 1, 3, 2, 1, 3]);
  });

  test('a new count takes effect when the cycle ends', () => {
    count(channel2, 5);
    clocks(2);
    count(channel2, 3);
    expect(counts(8)).toEqual([3, 2, 1, 3, 2, 1, 3, 2]);
  });

  test('the gate going low sets OUT high at once; going high starts a new cycle', () => {
    count(channel2, 3);
    clocks(3);
    expect(output()).toBe(0);
    out(port61, 0);
    expect([output(), outputs(4)]).toEqual([1, '1111']);
    out(port61, 1);
    expect(outputs(5)).toBe('11011');
  });
});

describe('mode 3, square wave', () => {
  beforeEach(() => {
    out(port61, 1);
    out(command, 0xb6);
  });

  test('an even count is high and low for half of it', () => {
    count(channel2, 6);
    expect(outputs(13)).toBe('1110001110001');
  });

  test('an odd count is high one clock longer', () => {
    count(channel2, 5);
    expect(outputs(11)).toBe('11100111001');
  });

  test('the count goes down by two, twice in a cycle', () => {
    count(channel2, 6);
    expect(counts(7)).toEqual([6, 4, 2, 6, 4, 2, 6]);
    out(command, 0xb6);
    count(channel2, 5);
    expect(counts(6)).toEqual([4, 2, 0, 4, 2, 4]);
  });

  test('a new count takes effect when the half-cycle ends', () => {
    count(channel2, 6);
    clocks(2);
    count(channel2, 4);
    expect(outputs(9)).toBe('100110011');
    count(channel2, 8);
    expect(outputs(10)).toBe('0000111100');
  });
});

describe('modes 4 and 5, strobes', () => {
  test('software triggered: low for one clock, N + 1 clocks after the write, once', () => {
    out(port61, 1);
    out(command, 0xb8);
    count(channel2, 3);
    expect(outputs(7)).toBe('1110111');
  });

  test('hardware triggered: low for one clock, N + 1 clocks after the gate rises', () => {
    out(command, 0xba);
    count(channel2, 2);
    expect(outputs(4)).toBe('1111');
    out(port61, 1);
    expect(outputs(5)).toBe('11011');
  });
});

describe('IRQ 0', () => {
  test('rises with every cycle of mode 2', () => {
    out(command, 0x34);
    count(channel0, 100);
    expect([pit.nextEvent(), irq()]).toEqual([100, true]);
    board.time = 100;
    pit.advance(100);
    expect([irq(), pit.nextEvent()]).toEqual([false, 101]);
    board.time = 101;
    pit.advance(101);
    expect([irq(), pit.nextEvent()]).toEqual([true, 200]);
  });

  test('of many edges that are due together two and the last level are seen', () => {
    out(command, 0x34);
    count(channel0, 100);
    board.time = 550;
    pit.advance(550);
    expect([irq(), board.edges.get(0), pit.nextEvent()]).toEqual([true, 2, 600]);
    board.time = 700;
    pit.advance(700);
    expect([irq(), board.edges.get(0), pit.nextEvent()]).toEqual([false, 3, 701]);
  });

  test('mode 0 makes one edge and then none', () => {
    out(command, 0x30);
    expect(irq()).toBe(false);
    count(channel0, 10);
    expect(pit.nextEvent()).toBe(11);
    clocks(11);
    expect([irq(), pit.nextEvent()]).toEqual([true, Infinity]);
  });

  test('an unprogrammed timer never does anything', () => expect(pit.nextEvent()).toBe(Infinity));

  test('late or early looks change nothing: the state follows from the time alone', () => {
    const program = (): void => {
      board.time = 0;
      pit.reset();
      out(command, 0x36);
      count(channel0, 7);
    };
    fc.assert(
      fc.property(fc.array(fc.integer({ min: 0, max: 30 }), { maxLength: 20 }), (steps) => {
        program();
        for (const step of steps) {
          board.time += step;
          pit.advance(board.time);
        }
        const looked = structuredClone(pit.state);
        const end = board.time;
        program();
        board.time = end;
        pit.advance(end);
        expect(pit.state).toEqual(looked);
      }),
    );
  });

  test('a thousand seconds of 1,000 Hz have no drift', () => {
    board = new TestBoard(2_893_299_000);
    pit = new Pit8254(board);
    io = new IoBus([pit]);
    out(command, 0x34);
    count(channel0, 1193);
    // The load takes the first clock; the k-th cycle ends 1193 k clocks later.
    const cycle = 838_000;
    board.time = Math.floor((cycle * 1193 * 2_893_299_000) / 1_193_182);
    pit.advance(board.time);
    const exact = (BigInt(cycle * 1193) * 2_893_299_000n + 1_193_181n) / 1_193_182n;
    expect(BigInt(pit.nextEvent())).toBe(exact);
  });
});

describe('reading', () => {
  test('the latch command holds the count until both bytes are read', () => {
    out(command, 0x34);
    count(channel0, 0x1234);
    clocks(1);
    out(command, 0x00);
    clocks(5);
    out(command, 0x00);
    expect([word(channel0), word(channel0)]).toEqual([0x1234, 0x122f]);
  });

  test('read-back latches status and count of the chosen counters', () => {
    out(command, 0x34);
    out(command, 0xe2);
    expect(inb(channel0)).toBe(0xf4);
    count(channel0, 0x1234);
    out(command, 0xe2);
    expect(inb(channel0)).toBe(0xf4);
    clocks(1);
    out(command, 0xc2);
    clocks(9);
    expect([inb(channel0), word(channel0), word(channel0)]).toEqual([0xb4, 0x1234, 0x122b]);
  });

  test('one-byte access reads and writes the byte it names', () => {
    out(command, 0x14);
    out(channel0, 0x20);
    clocks(3);
    expect([inb(channel0), inb(channel0)]).toEqual([0x1e, 0x1e]);
    out(command, 0x24);
    out(channel0, 0x20);
    clocks(2);
    expect([inb(channel0), inb(channel0)]).toEqual([0x1f, 0x1f]);
  });

  test('BCD counts in decimal, and zero is ten thousand', () => {
    out(command, 0x31);
    count(channel0, 0x1000);
    expect(counts(3, channel0)).toEqual([0x1000, 0x0999, 0x0998]);
    out(command, 0x31);
    count(channel0, 0);
    expect(counts(3, channel0)).toEqual([0x0000, 0x9999, 0x9998]);
  });

  test('zero is 65,536', () => {
    out(command, 0x34);
    count(channel0, 0);
    expect(pit.nextEvent()).toBe(65_536);
    expect(counts(2, channel0)).toEqual([0, 0xffff]);
  });
});

test('port 0x61 keeps its four bits, shows the refresh toggle, and lets counter 2 drive the speaker', () => {
  out(port61, 0xff);
  expect(inb(port61) & 0x0f).toBe(0x0f);
  const refresh = (): number => inb(port61) & 0x10;
  expect(refresh()).toBe(0);
  clocks(18);
  expect(refresh()).toBe(0x10);
  clocks(18);
  expect(refresh()).toBe(0);
  out(command, 0xb6);
  count(channel2, 4);
  clocks(1);
  expect(pit.speaker()).toBe(true);
  clocks(2);
  expect(pit.speaker()).toBe(false);
  out(port61, 1);
  clocks(2);
  expect(pit.speaker()).toBe(false);
});
