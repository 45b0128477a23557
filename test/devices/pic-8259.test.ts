import { beforeEach, describe, expect, test } from 'vitest';
import { IoBus } from '../../src/machine/devices/bus';
import { Pic8259 } from '../../src/machine/devices/pic-8259';

let pic: Pic8259;
let io: IoBus;
let output: boolean[];

const out = (port: number, value: number): void => io.write(port, 1, value);
const inb = (port: number): number => io.read(port, 1);
const irr = (port = 0x20): number => {
  out(port, 0x0a);
  return inb(port);
};
const isr = (port = 0x20): number => {
  out(port, 0x0b);
  return inb(port);
};

/** Vectors 0x20 and 0x28, as most kernels choose them. */
function initialize(icw4 = 0x01): void {
  for (const [port, base, cascade] of [
    [0x20, 0x20, 0x04],
    [0xa0, 0x28, 0x02],
  ] as const) {
    out(port, 0x11);
    out(port + 1, base);
    out(port + 1, cascade);
    out(port + 1, icw4);
  }
}

beforeEach(() => {
  output = [];
  pic = new Pic8259((level) => output.push(level));
  io = new IoBus([pic]);
  initialize();
});

test('a rising edge is acknowledged once, with the vector of its line', () => {
  pic.setLine(4, true);
  expect([pic.pending(), irr(), isr()]).toEqual([true, 0x10, 0]);
  expect(pic.acknowledge()).toBe(0x24);
  expect([pic.pending(), irr(), isr()]).toEqual([false, 0, 0x10]);
  out(0x20, 0x20);
  expect([pic.pending(), isr()]).toEqual([false, 0]);
  pic.setLine(4, false);
  pic.setLine(4, true);
  expect(pic.pending()).toBe(true);
});

test('an edge whose line falls before the acknowledge is gone: the answer is IR7, not in service', () => {
  pic.setLine(4, true);
  pic.setLine(4, false);
  expect([pic.pending(), pic.acknowledge(), isr()]).toEqual([false, 0x27, 0]);
});

test('a spurious request of the slave is IR15, and leaves IR2 of the master in service', () => {
  pic.setLine(12, true);
  out(0xa0, 0x0a);
  // The slave is masked between its INT and the acknowledge; the master has seen the edge.
  pic.state.slave.edges = 0;
  expect([pic.acknowledge(), isr(0x20), isr(0xa0)]).toEqual([0x2f, 0x04, 0]);
});

test('lower numbers interrupt the service of higher ones, not the other way round', () => {
  pic.setLine(3, true);
  expect(pic.acknowledge()).toBe(0x23);
  pic.setLine(5, true);
  expect(pic.pending()).toBe(false);
  pic.setLine(1, true);
  expect([pic.pending(), pic.acknowledge(), isr()]).toEqual([true, 0x21, 0x0a]);
  out(0x20, 0x20);
  expect([isr(), pic.pending()]).toEqual([0x08, false]);
  out(0x20, 0x20);
  expect([isr(), pic.pending(), pic.acknowledge()]).toEqual([0, true, 0x25]);
});

test('a masked request waits', () => {
  out(0x21, 0x10);
  pic.setLine(4, true);
  expect([pic.pending(), irr(), inb(0x21)]).toEqual([false, 0x10, 0x10]);
  out(0x21, 0);
  expect([pic.pending(), pic.acknowledge()]).toEqual([true, 0x24]);
});

test('the slave comes through IR2 and needs an EOI of its own', () => {
  pic.setLine(8, true);
  expect([pic.acknowledge(), isr(0x20), isr(0xa0)]).toEqual([0x28, 0x04, 0x01]);
  pic.setLine(9, true);
  out(0xa0, 0x20);
  expect(pic.pending()).toBe(false);
  out(0x20, 0x20);
  expect([pic.pending(), pic.acknowledge()]).toEqual([true, 0x29]);
});

test('INT falls with the acknowledge and rises for the next request', () => {
  initialize(0x03);
  output = [];
  pic.setLine(1, true);
  pic.setLine(4, true);
  expect(pic.acknowledge()).toBe(0x21);
  expect(output).toEqual([true, false, true]);
});

test('special fully nested mode lets the slave interrupt itself', () => {
  initialize(0x11);
  pic.setLine(12, true);
  expect(pic.acknowledge()).toBe(0x2c);
  pic.setLine(8, true);
  expect([pic.pending(), pic.acknowledge(), isr(0xa0)]).toEqual([true, 0x28, 0x11]);
});

test('without special fully nested mode it does not', () => {
  pic.setLine(12, true);
  pic.acknowledge();
  pic.setLine(8, true);
  expect(pic.pending()).toBe(false);
});

test('automatic EOI leaves nothing in service', () => {
  initialize(0x03);
  pic.setLine(4, true);
  expect([pic.acknowledge(), isr()]).toEqual([0x24, 0]);
});

test('the specific EOI ends the line it names', () => {
  pic.setLine(5, true);
  pic.acknowledge();
  pic.setLine(3, true);
  pic.acknowledge();
  out(0x20, 0x65);
  expect(isr()).toBe(0x08);
});

describe('rotation', () => {
  test('set priority: the named line becomes the lowest', () => {
    out(0x20, 0xc3);
    pic.setLine(1, true);
    pic.setLine(4, true);
    expect(pic.acknowledge()).toBe(0x24);
  });

  test('on non-specific EOI the line served becomes the lowest', () => {
    pic.setLine(4, true);
    pic.acknowledge();
    out(0x20, 0xa0);
    expect([pic.state.master.lowest, isr()]).toEqual([4, 0]);
  });

  test('on specific EOI the line named becomes the lowest', () => {
    pic.setLine(4, true);
    pic.acknowledge();
    out(0x20, 0xe4);
    expect([pic.state.master.lowest, isr()]).toEqual([4, 0]);
  });

  test('in automatic EOI mode with every acknowledge, until it is cleared', () => {
    initialize(0x03);
    out(0x20, 0x80);
    pic.setLine(0, true);
    pic.setLine(1, true);
    expect([pic.acknowledge(), pic.state.master.lowest]).toEqual([0x20, 0]);
    out(0x20, 0x00);
    expect([pic.acknowledge(), pic.state.master.lowest]).toEqual([0x21, 0]);
  });
});

test('special mask mode: a line in service and masked blocks nobody, and non-specific EOI does not see it', () => {
  pic.setLine(3, true);
  pic.acknowledge();
  out(0x21, 0x08);
  out(0x20, 0x68);
  pic.setLine(6, true);
  expect([pic.pending(), pic.acknowledge(), isr()]).toEqual([true, 0x26, 0x48]);
  out(0x20, 0x20);
  expect(isr()).toBe(0x08);
  out(0x20, 0x48);
  pic.setLine(5, true);
  expect(pic.pending()).toBe(false);
});

test('poll: the next read is the acknowledge', () => {
  expect([out(0x20, 0x0c), inb(0x20)]).toEqual([undefined, 0]);
  pic.setLine(4, true);
  out(0x20, 0x0c);
  expect([pic.ports[0]?.peek(), inb(0x20), isr(), pic.pending()]).toEqual([0x84, 0x84, 0x10, false]);
});

describe('level-triggered lines (ELCR)', () => {
  beforeEach(() => out(0x4d1, 0x02));

  test('the system lines stay edge-triggered', () => {
    out(0x4d0, 0xff);
    out(0x4d1, 0xff);
    expect([inb(0x4d0), inb(0x4d1)]).toEqual([0xf8, 0xde]);
  });

  test('a line that is asserted already requests when it becomes level-triggered', () => {
    pic.setLine(10, true);
    pic.acknowledge();
    out(0xa0, 0x20);
    out(0x20, 0x20);
    expect(pic.pending()).toBe(false);
    out(0x4d1, 0x04);
    expect(pic.pending()).toBe(true);
  });

  test('a line still asserted at the EOI requests again; one that fell does not', () => {
    pic.setLine(9, true);
    expect(pic.acknowledge()).toBe(0x29);
    out(0xa0, 0x20);
    out(0x20, 0x20);
    expect([pic.pending(), pic.acknowledge()]).toEqual([true, 0x29]);
    pic.setLine(9, false);
    out(0xa0, 0x20);
    out(0x20, 0x20);
    expect([pic.pending(), irr(0xa0)]).toEqual([false, 0]);
  });
});

test('ICW1 forgets edges, masks and service; a line that stays high is no new edge', () => {
  out(0x21, 0xff);
  pic.setLine(4, true);
  initialize();
  expect([pic.pending(), irr(), isr(), inb(0x21)]).toEqual([false, 0, 0, 0]);
});

test('a single chip without ICW4 expects two words', () => {
  out(0x20, 0x12);
  out(0x21, 0x40);
  out(0x21, 0xfe);
  expect([inb(0x21), pic.state.master.base]).toEqual([0xfe, 0x40]);
});

test('a line reaches the processor only through both masks', () => {
  out(0x21, 0xfb);
  out(0xa1, 0xfe);
  expect([0, 8, 9].map((line) => pic.admits(line))).toEqual([false, true, false]);
  out(0x21, 0xff);
  expect(pic.admits(8)).toBe(false);
});
