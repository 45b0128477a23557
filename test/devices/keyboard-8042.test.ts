import { beforeEach, describe, expect, test } from 'vitest';
import { IoBus } from '../../src/machine/devices/bus';
import { Keyboard8042 } from '../../src/machine/devices/keyboard-8042';
import { Port92 } from '../../src/machine/devices/port-92';
import { TestBoard } from './test-board';

let board: TestBoard;
let keyboard: Keyboard8042;
let port92: Port92;
let io: IoBus;
let log: string[];

beforeEach(() => {
  board = new TestBoard();
  log = [];
  port92 = new Port92({ a20: (enabled) => log.push(`a20 ${enabled}`), reset: () => log.push('fast reset') });
  keyboard = new Keyboard8042(board, { a20: port92, reset: () => log.push('reset') });
  io = new IoBus([keyboard, port92]);
});

const command = (value: number): void => io.write(0x64, 1, value);
const data = (value: number): void => io.write(0x60, 1, value);
const status = (): number => io.read(0x64, 1);
/** Everything that waits at port 0x60. */
const drain = (): number[] => {
  const bytes: number[] = [];
  while (status() & 1 && bytes.length < 100) bytes.push(io.read(0x60, 1));
  return bytes;
};
const irq1 = (): boolean => board.lines.get(1) ?? false;
const irq12 = (): boolean => board.lines.get(12) ?? false;

test('idle: system flag, not locked, last write a command', () => expect(status()).toBe(0x1c));

describe('keys', () => {
  test('are translated to set 1, make and break', () => {
    keyboard.type('a');
    expect([status() & 1, irq1(), drain(), irq1()]).toEqual([1, true, [0x1e, 0x9e], false]);
  });

  test('with shift where the character needs it', () => {
    keyboard.type('A!\n');
    expect(drain()).toEqual([0x2a, 0x1e, 0x9e, 0xaa, 0x2a, 0x02, 0x82, 0xaa, 0x1c, 0x9c]);
  });

  test('each byte is an edge of IRQ 1', () => {
    keyboard.type('ab');
    drain();
    expect(board.edges.get(1)).toBe(4);
  });

  test('untranslated they are set 2', () => {
    command(0x60);
    data(0x05);
    keyboard.type('a');
    expect(drain()).toEqual([0x1c, 0xf0, 0x1c]);
  });

  test('long text waits outside until the keyboard has room', () => {
    const text = 'the quick brown fox jumps over the lazy dog';
    keyboard.type(text);
    expect(drain().length).toBe(2 * text.length);
  });

  test('the whole US keyboard in set 1', () => {
    const codes: Record<string, number> = { '1': 0x02, q: 0x10, p: 0x19, l: 0x26, ';': 0x27, '`': 0x29, '\\': 0x2b };
    for (const [character, code] of Object.entries({
      ...codes,
      z: 0x2c,
      '/': 0x35,
      ' ': 0x39,
      '\b': 0x0e,
      '\t': 0x0f,
    })) {
      keyboard.type(character);
      expect(drain(), character).toEqual([code, code | 0x80]);
    }
  });

  test('raw scan codes, with their prefix', () => {
    keyboard.scancodes([0xe0, 0x75, 0xe0, 0xf0, 0x75]);
    expect(drain()).toEqual([0xe0, 0x48, 0xe0, 0xc8]);
  });

  test('wait while the port is off', () => {
    command(0xad);
    keyboard.type('a');
    expect(status() & 1).toBe(0);
    command(0xae);
    expect(drain()).toEqual([0x1e, 0x9e]);
  });

  test('make no interrupt when the command byte says so', () => {
    command(0x60);
    data(0x44);
    keyboard.type('a');
    expect([status() & 1, irq1()]).toEqual([1, false]);
  });
});

describe('keyboard commands', () => {
  test.each([
    ['reset', [0xff], [0xfa, 0xaa]],
    ['identify (its second byte translated)', [0xf2], [0xfa, 0xab, 0x41]],
    ['echo', [0xee], [0xee]],
    ['lamps', [0xed, 0x07], [0xfa, 0xfa]],
    ['typematic rate', [0xf3, 0x20], [0xfa, 0xfa]],
    ['scan code set query (translated)', [0xf0, 0x00], [0xfa, 0xfa, 0x41]],
    ['enable', [0xf4], [0xfa]],
    ['unknown', [0x88], [0xfe]],
  ])('%s', (_, sent, received) => {
    for (const byte of sent) data(byte);
    expect(drain()).toEqual(received);
  });

  test('disabled, it keeps the keys until it is enabled', () => {
    data(0xf5);
    keyboard.type('a');
    expect(drain()).toEqual([0xfa]);
    data(0xf4);
    expect(drain()).toEqual([0xfa, 0x1e, 0x9e]);
  });

  test('resend repeats the last byte', () => {
    data(0xee);
    drain();
    data(0xfe);
    expect(drain()).toEqual([0xee]);
  });
});

describe('controller commands', () => {
  test.each([
    ['self test', 0xaa, 0x55],
    ['test of the first port', 0xab, 0x00],
    ['test of the second port', 0xa9, 0x00],
    ['command byte', 0x20, 0x65],
    ['input port', 0xc0, 0x80],
    ['output port', 0xd0, 0xc3],
  ])('%s', (_, code, answer) => {
    command(code);
    expect([status() & 0x21, drain()]).toEqual([1, [answer]]);
  });

  test('its memory', () => {
    command(0x65);
    data(0x5a);
    command(0x25);
    expect(drain()).toEqual([0x5a]);
  });

  test('second port on and off', () => {
    command(0xa8);
    command(0x20);
    expect(drain()).toEqual([0x45]);
    command(0xa7);
    command(0x20);
    expect(drain()).toEqual([0x65]);
  });

  test('the status says whether the last write was a command', () => {
    data(0xee);
    expect(status() & 8).toBe(0);
    command(0x20);
    expect(status() & 8).toBe(8);
  });

  test('0xD2 shows a byte as the keyboard would', () => {
    command(0xd2);
    data(0x42);
    expect([irq1(), drain()]).toEqual([true, [0x42]]);
  });

  test('0xD3 shows a byte as the mouse would', () => {
    command(0x60);
    data(0x47);
    command(0xd3);
    data(0x42);
    expect([status() & 0x21, irq12(), drain()]).toEqual([0x21, true, [0x42]]);
  });
});

describe('mouse', () => {
  const mouse = (byte: number): void => {
    command(0xd4);
    data(byte);
  };

  test.each([
    ['reset', [0xff], [0xfa, 0xaa, 0x00]],
    ['identify', [0xf2], [0xfa, 0x00]],
    ['sample rate', [0xf3, 100], [0xfa, 0xfa]],
    ['enable', [0xf4], [0xfa]],
    ['status', [0xe9], [0xfa, 0x00, 0x02, 0x64]],
    ['read', [0xeb], [0xfa, 0x08, 0x00, 0x00]],
  ])('%s', (_, sent, received) => {
    for (const byte of sent) mouse(byte);
    expect(status() & 0x20).toBe(0x20);
    expect(drain()).toEqual(received);
  });
});

describe('A20 and reset', () => {
  test('0xD1 writes the output port', () => {
    command(0xd1);
    data(0xdd);
    command(0xd0);
    expect([log, drain()]).toEqual([['a20 false'], [0xc1]]);
    command(0xd1);
    data(0xdf);
    expect(log).toEqual(['a20 false', 'a20 true']);
  });

  test('0xDD and 0xDF', () => {
    command(0xdd);
    command(0xdf);
    expect(log).toEqual(['a20 false', 'a20 true']);
  });

  test('0xFE pulses the reset line, 0xFF nothing', () => {
    command(0xff);
    expect(log).toEqual([]);
    command(0xfe);
    expect(log).toEqual(['reset']);
  });

  test('output port bit 0 clear resets', () => {
    command(0xd1);
    data(0xde);
    expect(log).toEqual(['reset']);
  });

  test('port 0x92 drives the same line', () => {
    expect(io.read(0x92, 1)).toBe(2);
    io.write(0x92, 1, 0);
    command(0xd0);
    expect([log, drain(), io.read(0x92, 1)]).toEqual([['a20 false'], [0xc1], 0]);
    command(0xdf);
    expect([log, io.read(0x92, 1)]).toEqual([['a20 false', 'a20 true'], 2]);
  });

  test('port 0x92 bit 0 resets', () => {
    io.write(0x92, 1, 3);
    expect(log).toEqual(['fast reset']);
  });
});

test('reset forgets what was on its way, but not what is still to be typed', () => {
  command(0xad);
  keyboard.type('aaaaaaaa');
  keyboard.reset();
  expect(drain()).toEqual([0x1e, 0x9e, 0x1e, 0x9e, 0x1e, 0x9e]);
});
