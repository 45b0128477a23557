/** Bits of devices' registers, by the names that the devices give them. Each table follows its device's data sheet. */

import type { RegisterBits } from '../../x86/control-registers';

const bit = (at: number, meaning: string, width = 1) => ({ bit: at, width, meaning });

/** Intel SDM vol. 3, "Local Vector Table". */
const localVector: RegisterBits = {
  vector: bit(0, 'vector', 8),
  mode: bit(8, 'delivery mode', 3),
  pending: bit(12, 'delivery status'),
  low: bit(13, 'active low'),
  irr: bit(14, 'remote IRR: being served'),
  level: bit(15, 'level-triggered'),
  masked: bit(16, 'masked'),
};

/** Intel's 82093AA data sheet, "I/O Redirection Table Registers". */
const redirection: RegisterBits = {
  vector: bit(0, 'vector', 8),
  mode: bit(8, 'delivery mode', 3),
  logical: bit(11, 'logical destination'),
  pending: bit(12, 'delivery status'),
  low: bit(13, 'active low'),
  irr: bit(14, 'remote IRR: being served'),
  level: bit(15, 'level-triggered'),
  masked: bit(16, 'masked'),
};

const uart: Readonly<Record<string, RegisterBits>> = {
  IER: {
    erbfi: bit(0, 'received data'),
    etbei: bit(1, 'transmitter empty'),
    elsi: bit(2, 'line status'),
    edssi: bit(3, 'modem status'),
  },
  'IIR/FCR': {
    none: bit(0, 'no interrupt pending'),
    id: bit(1, 'source of the interrupt', 3),
    fifos: bit(6, 'FIFOs on', 2),
  },
  FCR: { enable: bit(0, 'FIFOs on'), trigger: bit(6, 'receiver trigger level', 2) },
  LCR: {
    wls: bit(0, 'data bits less 5', 2),
    stb: bit(2, 'two stop bits'),
    pen: bit(3, 'parity'),
    eps: bit(4, 'even parity'),
    stick: bit(5, 'stick parity'),
    break: bit(6, 'break'),
    dlab: bit(7, 'divisor latch access'),
  },
  MCR: {
    dtr: bit(0, 'data terminal ready'),
    rts: bit(1, 'request to send'),
    out1: bit(2, 'OUT1'),
    out2: bit(3, 'OUT2: interrupts reach the controller'),
    loop: bit(4, 'loopback'),
  },
  LSR: {
    dr: bit(0, 'data ready'),
    oe: bit(1, 'overrun'),
    pe: bit(2, 'parity error'),
    fe: bit(3, 'framing error'),
    bi: bit(4, 'break'),
    thre: bit(5, 'transmitter holding register empty'),
    temt: bit(6, 'transmitter empty'),
    fifoerror: bit(7, 'error in the FIFO'),
  },
  MSR: {
    changes: bit(0, 'changes', 4),
    cts: bit(4, 'clear to send'),
    dsr: bit(5, 'data set ready'),
    ri: bit(6, 'ring'),
    dcd: bit(7, 'carrier'),
  },
};

const keyboard: Readonly<Record<string, RegisterBits>> = {
  'status/command': {
    obf: bit(0, 'a byte waits at port 0x60'),
    ibf: bit(1, 'the controller has not taken the last byte'),
    sys: bit(2, 'system flag'),
    command: bit(3, 'the last write was a command'),
    unlocked: bit(4, 'keyboard not locked'),
    aux: bit(5, 'the byte is from the second port'),
    timeout: bit(6, 'time-out'),
    parity: bit(7, 'parity error'),
  },
  'command byte': {
    int1: bit(0, 'interrupt of the keyboard'),
    int2: bit(1, 'interrupt of the second port'),
    sys: bit(2, 'system flag'),
    off1: bit(4, 'keyboard off'),
    off2: bit(5, 'second port off'),
    translate: bit(6, 'translation to scan code set 1'),
  },
};

const clock: Readonly<Record<string, RegisterBits>> = {
  'register A': { rate: bit(0, 'periodic rate', 4), divider: bit(4, 'divider', 3), uip: bit(7, 'update in progress') },
  'register B': {
    dse: bit(0, 'daylight saving'),
    hours24: bit(1, '24 hours'),
    binary: bit(2, 'binary, not BCD'),
    sqwe: bit(3, 'square wave'),
    uie: bit(4, 'interrupt at the end of updates'),
    aie: bit(5, 'alarm interrupt'),
    pie: bit(6, 'periodic interrupt'),
    set: bit(7, 'updates stopped'),
  },
  'register C': {
    uf: bit(4, 'update ended'),
    af: bit(5, 'alarm'),
    pf: bit(6, 'periodic'),
    irqf: bit(7, 'interrupt requested'),
  },
};

const apic: Readonly<Record<string, RegisterBits>> = {
  SVR: { vector: bit(0, 'spurious vector', 8), enable: bit(8, 'APIC enabled by software') },
  TPR: { subclass: bit(0, 'subclass', 4), class: bit(4, 'priority class', 4) },
  ...Object.fromEntries(
    ['timer', 'thermal', 'performance', 'LINT0', 'LINT1', 'error'].map((name) => [`LVT ${name}`, localVector]),
  ),
  'LVT timer': { ...localVector, timer: bit(17, 'one-shot 0, periodic 1, TSC deadline 2', 2) },
};

const timer: Readonly<Record<string, RegisterBits>> = {
  ...Object.fromEntries(
    [0, 1, 2].map((n): [string, RegisterBits] => [
      `control ${n}`,
      { bcd: bit(0, 'BCD'), mode: bit(1, 'mode', 3), access: bit(4, 'bytes: 1 low, 2 high, 3 both', 2) },
    ]),
  ),
  'system control B': {
    gate2: bit(0, 'gate of counter 2'),
    speaker: bit(1, 'speaker on'),
    refresh: bit(4, 'refresh toggle'),
    out2: bit(5, 'output of counter 2'),
  },
};

const lines = (first: number): RegisterBits =>
  Object.fromEntries(Array.from({ length: 8 }, (_, n) => [`irq${first + n}`, bit(n, `line ${first + n}`)]));
const pic: Readonly<Record<string, RegisterBits>> = Object.fromEntries(
  [0, 8].flatMap((first, n) =>
    [`IRR ${n + 1}`, `ISR ${n + 1}`, `mask ${n + 1}`, `ELCR${n + 1}`].map((name) => [name, lines(first)]),
  ),
);

const ioApic: Readonly<Record<string, RegisterBits>> = {
  ...Object.fromEntries(Array.from({ length: 24 }, (_, pin) => [`pin ${pin}`, redirection])),
  ...Object.fromEntries(
    Array.from({ length: 24 }, (_, pin) => [
      `pin ${pin} destination`,
      { id: bit(24, 'APIC ID or logical destination', 8) },
    ]),
  ),
};

/** By the first word of a device's names. */
export const deviceBits: Readonly<Record<string, Readonly<Record<string, RegisterBits>>>> = {
  com1: uart,
  keyboard,
  rtc: clock,
  pit: timer,
  pic,
  ioapic: ioApic,
  lapic: apic,
  port92: {
    'system control A': { reset: bit(0, 'resets the processor when it rises'), a20: bit(1, 'address line 20 open') },
  },
};
