import { beforeEach, describe, expect, test } from 'vitest';
import { IoBus } from '../../src/machine/devices/bus';
import { Uart16550 } from '../../src/machine/devices/uart-16550';
import { TestBoard } from './test-board';

const [RBR, IER, IIR, LCR, MCR, LSR, MSR, SCR] = [0x3f8, 0x3f9, 0x3fa, 0x3fb, 0x3fc, 0x3fd, 0x3fe, 0x3ff];
const [THR, FCR] = [RBR, IIR];
/** Ten bits at 115,200 baud on a 1.8432 MHz machine: exactly 16 ticks each. */
const character = 160;

let board: TestBoard;
let sent: number[];
let uart: Uart16550;
let io: IoBus;

beforeEach(() => {
  board = new TestBoard(1_843_200);
  sent = [];
  uart = new Uart16550(board, { name: 'COM1', base: 0x3f8, interrupt: 4, sink: (byte) => sent.push(byte) });
  io = new IoBus([uart]);
  out(MCR, 0x0b);
});

const out = (port: number, value: number): void => io.write(port, 1, value);
const inb = (port: number): number => io.read(port, 1);
const pass = (ticks: number): void => {
  board.time += ticks;
  uart.advance(board.time);
};
const irq = (): boolean => board.lines.get(4) ?? false;

test('after reset nothing is received, the transmitter is empty, no interrupt is pending', () => {
  uart.reset();
  expect([IER, IIR, MCR, LSR, MSR].map(inb)).toEqual([0, 1, 0, 0x60, 0xb0]);
});

test('reset takes the interrupt back', () => {
  out(IER, 0x02);
  expect(irq()).toBe(true);
  uart.reset();
  expect(irq()).toBe(false);
});

test('bytes written to THR leave at once', () => {
  out(THR, 0x48);
  out(THR, 0x69);
  expect(sent).toEqual([0x48, 0x69]);
  expect(inb(LSR)).toBe(0x60);
});

test('the divisor latch is reached by DLAB and hides RBR and IER', () => {
  out(LCR, 0x83);
  out(THR, 0x0c);
  out(IER, 0x01);
  expect([inb(RBR), inb(IER), uart.state.divisor]).toEqual([0x0c, 0x01, 0x10c]);
  out(LCR, 0x03);
  expect([inb(IER), sent.length]).toEqual([0, 0]);
});

test('the scratch register keeps its byte', () => {
  out(SCR, 0xa5);
  expect(inb(SCR)).toBe(0xa5);
});

describe('receiver', () => {
  test('characters arrive one character time apart', () => {
    out(FCR, 0x01);
    uart.receive([1, 2, 3]);
    expect(uart.state.fifo).toEqual([1]);
    expect(uart.nextEvent()).toBe(character);
    pass(character - 1);
    expect(uart.state.fifo).toEqual([1]);
    pass(1);
    expect(uart.state.fifo).toEqual([1, 2]);
    pass(character);
    expect([inb(LSR), inb(RBR), inb(RBR), inb(RBR), inb(LSR)]).toEqual([0x61, 1, 2, 3, 0x60]);
  });

  test('without FIFO the sender waits until the byte is read, and each byte is an edge of its own', () => {
    out(IER, 0x01);
    uart.receive([1, 2]);
    pass(10 * character);
    expect([inb(LSR), inb(IIR), irq(), inb(RBR), irq(), inb(LSR)]).toEqual([0x61, 0x04, true, 1, false, 0x60]);
    expect(uart.nextEvent()).toBe(board.time + character);
    pass(character);
    expect([irq(), inb(RBR), board.edges.get(4)]).toEqual([true, 2, 2]);
  });

  test('a full FIFO holds the sender without overrun', () => {
    out(FCR, 0x01);
    uart.receive(Array.from({ length: 20 }, (_, i) => i));
    pass(100 * character);
    expect([uart.state.fifo.length, inb(LSR)]).toEqual([16, 0x61]);
    for (let i = 0; i < 20; i++) {
      expect(inb(RBR)).toBe(i);
      pass(character);
    }
    expect(inb(LSR)).toBe(0x60);
  });

  test('the received-data interrupt comes at the trigger level, the time-out after four characters of silence', () => {
    out(FCR, 0x41);
    out(IER, 0x01);
    uart.receive([1, 2, 3]);
    pass(2 * character);
    expect([irq(), inb(IIR)]).toEqual([false, 0xc1]);
    expect(uart.nextEvent()).toBe(6 * character);
    pass(4 * character);
    expect([irq(), inb(IIR)]).toEqual([true, 0xcc]);
    inb(RBR);
    expect([irq(), inb(IIR)]).toEqual([false, 0xc1]);
    uart.receive([4, 5]);
    pass(character);
    expect([irq(), inb(IIR)]).toEqual([true, 0xc4]);
  });

  test('FCR bit 1 empties the FIFO', () => {
    out(FCR, 0x01);
    uart.receive([1]);
    out(FCR, 0x03);
    expect(inb(LSR)).toBe(0x60);
  });
});

describe('transmitter interrupt', () => {
  test('enabling it while THR is empty requests at once; reading IIR as its source takes it back', () => {
    out(IER, 0x02);
    expect([irq(), uart.ports[2]?.peek(), inb(IIR), inb(IIR), irq()]).toEqual([true, 0x02, 0x02, 0x01, false]);
  });

  test('every byte written requests again, as a new edge', () => {
    out(IER, 0x02);
    out(THR, 0x41);
    expect([board.edges.get(4), inb(IIR)]).toEqual([2, 0x02]);
    out(THR, 0x42);
    expect([board.edges.get(4), irq()]).toEqual([3, true]);
  });

  test('reading IIR for another source leaves it pending', () => {
    out(IER, 0x03);
    uart.receive([7]);
    expect([inb(IIR), inb(RBR), inb(IIR), inb(IIR)]).toEqual([0x04, 7, 0x02, 0x01]);
  });
});

test('OUT2 gates the interrupt', () => {
  out(MCR, 0x03);
  out(IER, 0x02);
  expect([irq(), uart.ports[2]?.peek()]).toEqual([false, 0x02]);
  out(MCR, 0x0b);
  expect(irq()).toBe(true);
});

describe('loop-back', () => {
  beforeEach(() => out(MCR, 0x10));

  test('what is sent is received, and nothing leaves', () => {
    out(THR, 0xae);
    expect([sent, inb(LSR), inb(RBR)]).toEqual([[], 0x61, 0xae]);
  });

  test('the modem outputs are its inputs, with their changes', () => {
    expect(inb(MSR)).toBe(0x0b);
    out(MCR, 0x1a);
    expect([inb(MSR), inb(MSR)]).toEqual([0x99, 0x90]);
    out(MCR, 0x14);
    expect(inb(MSR)).toBe(0x49);
    out(MCR, 0x10);
    expect(inb(MSR)).toBe(0x04);
  });

  test('a character too many is an overrun: the highest interrupt, until LSR is read', () => {
    out(IER, 0x0f);
    inb(MSR);
    out(THR, 1);
    out(THR, 2);
    expect([inb(IIR), inb(LSR), inb(IIR), inb(RBR), inb(LSR)]).toEqual([0x06, 0x63, 0x04, 2, 0x60]);
  });

  test('a break is received as zero with BI', () => {
    out(IER, 0x04);
    out(LCR, 0x43);
    expect([inb(IIR), inb(LSR), inb(IIR), inb(RBR), inb(LSR)]).toEqual([0x06, 0x71, 0x01, 0, 0x60]);
  });
});

test('an error shows when its character is the next one; until then the FIFO only says that it holds one', () => {
  out(FCR, 0x01);
  out(MCR, 0x10);
  out(THR, 0x41);
  out(LCR, 0x43);
  out(THR, 0x43);
  expect([inb(LSR), inb(RBR), inb(LSR), inb(RBR), inb(LSR), inb(RBR)]).toEqual([0xe1, 0x41, 0xf1, 0, 0x61, 0x43]);
});

test('an overrun joins an error that waits already; a full FIFO keeps its oldest characters', () => {
  out(FCR, 0x01);
  out(MCR, 0x10);
  out(LCR, 0x43);
  for (let i = 1; i <= 16; i++) out(THR, i);
  expect(inb(LSR)).toBe(0xf3);
  expect(Array.from({ length: 16 }, () => inb(RBR))).toEqual([0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15]);
});

test('modem changes add up until they are read', () => {
  out(MCR, 0x14);
  inb(MSR);
  out(MCR, 0x16);
  out(MCR, 0x12);
  expect(inb(MSR)).toBe(0x15);
});

test('the modem status interrupt is the lowest', () => {
  out(IER, 0x0a);
  out(MCR, 0x19);
  out(MCR, 0x0b);
  expect([inb(IIR), inb(IIR), irq(), inb(MSR), inb(IIR), irq()]).toEqual([0x02, 0x00, true, 0xb1, 0x01, false]);
});
