import { beforeEach, describe, expect, test } from 'vitest';
import { ApicBus } from '../../src/machine/devices/apic-bus';
import { MmioBus } from '../../src/machine/devices/bus';
import { LocalApic } from '../../src/machine/devices/local-apic';
import { TestBoard } from './test-board';

const base = 0xfee0_0000;
const [ID, VERSION, TPR, PPR, EOI, LDR, DFR, SVR] = [0x20, 0x30, 0x80, 0xa0, 0xb0, 0xd0, 0xe0, 0xf0];
const [ISR, TMR, IRR, ESR, ICR, ICR_HIGH] = [0x100, 0x180, 0x200, 0x280, 0x300, 0x310];
const [TIMER, LINT0, LINT1, ERROR, INITIAL, CURRENT, DIVIDE] = [0x320, 0x350, 0x360, 0x370, 0x380, 0x390, 0x3e0];

let board: TestBoard;
let bus: ApicBus;
let apics: LocalApic[];
let mmio: MmioBus[];
let signals: string[];
let ended: number[];

// Ten ticks are one clock of the 100 MHz bus.
beforeEach(() => {
  board = new TestBoard(1_000_000_000);
  bus = new ApicBus();
  ended = [];
  bus.onEndOfInterrupt((vector) => ended.push(vector));
  signals = [];
  apics = [0, 1, 2].map(
    (id) =>
      new LocalApic(board, {
        id,
        bus,
        signals: {
          interrupt: () => signals.push(`interrupt ${id}`),
          nmi: () => signals.push(`nmi ${id}`),
          init: () => signals.push(`init ${id}`),
          startup: (vector) => signals.push(`startup ${id} ${vector}`),
        },
      }),
  );
  mmio = apics.map((apic) => new MmioBus([apic]));
  for (const cpu of [0, 1, 2]) write(SVR, 0x1ff, cpu);
});

const apic = (cpu = 0): LocalApic => apics[cpu] as LocalApic;
const read = (offset: number, cpu = 0): number => mmio[cpu]?.read(base + offset, 4) ?? -1;
const write = (offset: number, value: number, cpu = 0): void => mmio[cpu]?.write(base + offset, 4, value);
const send = (icr: number, destination = 0): void => {
  write(ICR_HIGH, destination << 24);
  write(ICR, icr);
};
const requested = (cpu: number): number => {
  for (let word = 7; word >= 0; word--) {
    const bits = read(IRR + 0x10 * word, cpu);
    if (bits) return 32 * word + 31 - Math.clz32(bits);
  }
  return -1;
};
const wait = (ticks: number): void => {
  board.time += ticks;
  for (const each of apics) each.advance(board.time);
};

test('after reset it is disabled by software, its entries masked but for LINT0 of the bootstrap processor', () => {
  for (const each of apics) each.reset();
  expect([ID, VERSION, TPR, SVR, LDR, DFR].map((offset) => read(offset, 1))).toEqual([
    0x0100_0000, 0x0005_0015, 0, 0xff, 0, 0xffff_ffff,
  ]);
  expect([TIMER, LINT0, LINT1, ERROR].map((offset) => read(offset, 1))).toEqual([0x10000, 0x10000, 0x10000, 0x10000]);
  expect(read(LINT0)).toBe(0x700);
});

describe('priorities', () => {
  beforeEach(() => {
    send(0x4_4051);
    send(0x4_4062);
  });

  test('the highest vector goes first and blocks its class and those below', () => {
    expect(apic().highestPending()).toBe(0x62);
    expect(apic().acknowledge()).toBe(0x62);
    expect([read(ISR + 0x30), read(IRR + 0x20), read(PPR), apic().highestPending()]).toEqual([4, 0x20000, 0x60, -1]);
    send(0x4_4065);
    expect(apic().highestPending()).toBe(-1);
    send(0x4_4070);
    expect(apic().highestPending()).toBe(0x70);
  });

  test('EOI ends the highest in service', () => {
    apic().acknowledge();
    write(EOI, 0);
    expect([read(ISR + 0x30), apic().highestPending()]).toEqual([0, 0x51]);
  });

  test('the task priority holds back its class; CR8 is its upper half', () => {
    write(TPR, 0x60);
    expect([apic().cr8, read(PPR), apic().highestPending()]).toEqual([6, 0x60, -1]);
    apic().cr8 = 5;
    expect([read(TPR), apic().highestPending()]).toEqual([0x50, 0x62]);
  });

  test('of equal classes the task priority is the processor priority', () => {
    apic().acknowledge();
    write(TPR, 0x6a);
    expect(read(PPR)).toBe(0x6a);
    write(TPR, 0x5a);
    expect(read(PPR)).toBe(0x60);
  });

  test('lowering it tells the processor', () => {
    apic().cr8 = 15;
    signals = [];
    apic().cr8 = 5;
    expect(signals).toEqual(['interrupt 0']);
  });

  test('an acknowledge with nothing pending gives the spurious vector and puts nothing in service', () => {
    apic().cr8 = 15;
    expect([apic().acknowledge(), read(ISR + 0x70)]).toEqual([0xff, 0]);
  });
});

describe('interprocessor interrupts', () => {
  test('physical destination', () => {
    send(0x4040, 2);
    expect([requested(0), requested(1), requested(2)]).toEqual([-1, -1, 0x40]);
  });

  test('physical broadcast', () => {
    send(0x4040, 0xff);
    expect([requested(0), requested(1), requested(2)]).toEqual([0x40, 0x40, 0x40]);
  });

  test('shorthands: self, all, all but self', () => {
    send(0x4_4040);
    expect([requested(0), requested(1), requested(2)]).toEqual([0x40, -1, -1]);
    send(0x8_4050);
    expect([requested(0), requested(1), requested(2)]).toEqual([0x50, 0x50, 0x50]);
    send(0xc_4060);
    expect([requested(0), requested(1), requested(2)]).toEqual([0x50, 0x60, 0x60]);
  });

  test('logical destination, flat model: one bit each', () => {
    for (const cpu of [0, 1, 2]) write(LDR, (1 << cpu) << 24, cpu);
    send(0x4840, 0b101);
    expect([requested(0), requested(1), requested(2)]).toEqual([0x40, -1, 0x40]);
  });

  test('logical destination, cluster model: cluster and bits', () => {
    for (const cpu of [0, 1, 2]) {
      write(DFR, 0x0fff_ffff, cpu);
      write(LDR, (cpu < 2 ? 0x11 << cpu : 0x21) << 24, cpu);
    }
    write(LDR, 0x1200_0000, 1);
    send(0x4840, 0x13);
    expect([requested(0), requested(1), requested(2)]).toEqual([0x40, 0x40, -1]);
    send(0x4850, 0x21);
    expect([requested(0), requested(1), requested(2)]).toEqual([0x40, 0x40, 0x50]);
    write(LDR, 0x1c00_0000, 1);
    send(0x4860, 0x14);
    expect([requested(0), requested(1), requested(2)]).toEqual([0x40, 0x60, 0x50]);
  });

  test('lowest priority goes to the enabled one of lowest processor priority', () => {
    write(TPR, 0x30, 0);
    write(TPR, 0x20, 1);
    write(SVR, 0xff, 2);
    send(0x4140, 0xff);
    expect([requested(0), requested(1), requested(2)]).toEqual([-1, 0x40, -1]);
  });

  test('NMI, INIT and start-up reach the processor, also one that is disabled by software', () => {
    write(SVR, 0xff, 1);
    write(TPR, 0x50, 1);
    signals = [];
    send(0x4400, 1);
    send(0xc500, 1);
    send(0x8500, 1);
    send(0x4608, 1);
    expect(signals).toEqual(['nmi 1', 'init 1', 'startup 1 8']);
    expect([read(TPR, 1), read(SVR, 1), read(ID, 1)]).toEqual([0, 0xff, 0x0100_0000]);
  });

  test('a vector below 16 is not sent, and is an error', () => {
    write(ERROR, 0x33);
    send(0x400f, 1);
    expect([requested(1), read(ESR), apic().highestPending()]).toEqual([-1, 0, 0x33]);
    write(ESR, 0);
    expect(read(ESR)).toBe(0x20);
    write(ESR, 0);
    expect(read(ESR)).toBe(0);
  });

  test('an APIC disabled by software takes no fixed interrupt, and masks all its entries', () => {
    write(LINT1, 0x400);
    write(SVR, 0xff);
    send(0x4_4040);
    expect([requested(0), read(LINT1)]).toEqual([-1, 0x10400]);
    write(LINT1, 0x400);
    expect(read(LINT1)).toBe(0x10400);
  });
});

test('a message with a vector below 16 is an error of the receiver', () => {
  bus.send({ mode: 'fixed', vector: 15, level: false, destination: { to: 'physical', id: 1 } });
  write(ESR, 0, 1);
  expect([requested(1), read(ESR, 1)]).toEqual([-1, 0x40]);
});

test.each([
  ['timer', TIMER, 0x7_00ff],
  ['thermal', 0x330, 0x1_07ff],
  ['performance', 0x340, 0x1_07ff],
  ['LINT0', LINT0, 0x1_a7ff],
  ['LINT1', LINT1, 0x1_a7ff],
  ['error', ERROR, 0x1_00ff],
])('writable bits of the %s entry', (_, offset, bits) => {
  write(offset, 0xffff_ffff);
  expect(read(offset)).toBe(bits);
});

test('touching an address without a register is an error', () => {
  read(0x40);
  write(ESR, 0);
  expect(read(ESR)).toBe(0x80);
});

describe('timer', () => {
  beforeEach(() => write(DIVIDE, 0xb));

  test('one-shot: counts down on the bus clock, interrupts at zero, once', () => {
    write(TIMER, 0x40);
    write(INITIAL, 100);
    expect([read(CURRENT), apic().nextEvent()]).toEqual([100, 1000]);
    wait(999);
    expect([read(CURRENT), requested(0)]).toEqual([1, -1]);
    wait(1);
    expect([read(CURRENT), requested(0), apic().nextEvent()]).toEqual([0, 0x40, Infinity]);
  });

  test.each([
    [0x0, 2],
    [0x1, 4],
    [0x2, 8],
    [0x3, 16],
    [0x8, 32],
    [0x9, 64],
    [0xa, 128],
    [0xb, 1],
  ])('divide configuration %i divides by %i', (divide, divisor) => {
    write(DIVIDE, divide);
    write(TIMER, 0x40);
    write(INITIAL, 7);
    expect([read(DIVIDE), apic().nextEvent()]).toEqual([divide, 70 * divisor]);
  });

  test('periodic: interrupts for ever, without drift', () => {
    board = new TestBoard(2_893_299_000);
    apics[0] = new LocalApic(board, {
      id: 0,
      bus,
      signals: { interrupt() {}, nmi() {}, init() {}, startup() {} },
    });
    mmio[0] = new MmioBus([apic()]);
    write(SVR, 0x1ff);
    write(DIVIDE, 0x3);
    write(TIMER, 0x2_0040);
    write(INITIAL, 6250);
    for (let i = 1; i <= 1000; i++) {
      expect(apic().nextEvent()).toBe(2_893_299 * i);
      board.time = apic().nextEvent();
      apic().advance(board.time);
      expect(apic().acknowledge()).toBe(0x40);
      write(EOI, 0);
    }
    expect(read(CURRENT)).toBe(6250);
  });

  test('looked at late, a periodic timer has one request and its present period', () => {
    write(TIMER, 0x2_0040);
    write(INITIAL, 100);
    wait(12_345);
    expect([requested(0), read(CURRENT), apic().nextEvent()]).toEqual([0x40, 66, 13_000]);
  });

  test('masked it counts without interrupting, and nothing is made up for later', () => {
    write(TIMER, 0x3_0040);
    write(INITIAL, 100);
    expect(apic().nextEvent()).toBe(Infinity);
    wait(2500);
    write(TIMER, 0x2_0040);
    expect([read(CURRENT), requested(0), apic().nextEvent()]).toEqual([50, -1, 3000]);
  });

  test('masked, the count is seen to go on: to zero and stay, or round and round', () => {
    write(TIMER, 0x1_0040);
    write(INITIAL, 100);
    wait(400);
    expect(read(CURRENT)).toBe(60);
    wait(1000);
    expect(read(CURRENT)).toBe(0);
    write(TIMER, 0x3_0040);
    write(INITIAL, 100);
    wait(1400);
    expect(read(CURRENT)).toBe(60);
  });

  test('a new divisor goes on from the present count', () => {
    write(TIMER, 0x40);
    write(INITIAL, 100);
    wait(400);
    write(DIVIDE, 0x0);
    expect([read(CURRENT), apic().nextEvent()]).toEqual([60, 400 + 1200]);
  });

  test('between one-shot and periodic the count goes on', () => {
    write(TIMER, 0x40);
    write(INITIAL, 100);
    wait(400);
    write(TIMER, 0x2_0040);
    expect([read(CURRENT), apic().nextEvent()]).toEqual([60, 1000]);
    wait(1600);
    expect([read(CURRENT), apic().nextEvent()]).toEqual([100, 3000]);
    wait(100);
    write(TIMER, 0x40);
    expect([read(CURRENT), apic().nextEvent()]).toEqual([90, 3000]);
  });

  test('initial count 0 stops it', () => {
    write(TIMER, 0x2_0040);
    write(INITIAL, 100);
    write(INITIAL, 0);
    expect([read(CURRENT), apic().nextEvent()]).toEqual([0, Infinity]);
  });

  describe('TSC deadline', () => {
    beforeEach(() => write(TIMER, 0x4_0040));

    test('fires when the TSC reaches the deadline, which then reads zero', () => {
      expect(apic().writeMsr(0x6e0, 500n)).toBe(true);
      expect([apic().nextEvent(), apic().readMsr(0x6e0), read(CURRENT)]).toEqual([500, 500n, 0]);
      wait(500);
      expect([requested(0), apic().readMsr(0x6e0), apic().nextEvent()]).toEqual([0x40, 0n, Infinity]);
    });

    test('a deadline in the past fires at once', () => {
      wait(1000);
      apic().writeMsr(0x6e0, 10n);
      expect(apic().nextEvent()).toBe(1000);
    });

    test('zero disarms, the initial count is ignored, leaving the mode disarms', () => {
      apic().writeMsr(0x6e0, 500n);
      apic().writeMsr(0x6e0, 0n);
      expect(apic().nextEvent()).toBe(Infinity);
      write(INITIAL, 10);
      expect(apic().nextEvent()).toBe(Infinity);
      apic().writeMsr(0x6e0, 500n);
      write(TIMER, 0x40);
      expect([apic().nextEvent(), apic().readMsr(0x6e0)]).toEqual([Infinity, 0n]);
      apic().writeMsr(0x6e0, 500n);
      expect(apic().nextEvent()).toBe(Infinity);
    });

    test('compares with the TSC as the guest has set it', () => {
      wait(100);
      apic().writeMsr(0x6e0, 500n);
      apic().setTscOffset(-100n);
      expect(apic().nextEvent()).toBe(600);
    });

    test('all ones never come', () => {
      apic().writeMsr(0x6e0, 0xffff_ffff_ffff_ffffn);
      expect([apic().nextEvent(), apic().readMsr(0x6e0)]).toEqual([Infinity, 0xffff_ffff_ffff_ffffn]);
    });
  });
});

describe('local pins', () => {
  test('LINT0 as ExtINT follows the 8259', () => {
    write(LINT0, 0x700);
    expect(apic().externalPending).toBe(false);
    apic().setPin(0, true);
    expect([apic().externalPending, apic().highestPending(), signals]).toEqual([true, -1, ['interrupt 0']]);
    write(LINT0, 0x10700);
    expect(apic().externalPending).toBe(false);
    write(LINT0, 0x8700);
    expect([apic().externalPending, signals.length]).toEqual([true, 2]);
    apic().setPin(0, false);
    expect(apic().externalPending).toBe(false);
  });

  test('a fixed edge requests once per edge', () => {
    write(LINT0, 0x40);
    apic().setPin(0, true);
    expect([read(TMR + 0x20), apic().acknowledge()]).toEqual([0, 0x40]);
    write(EOI, 0);
    expect(requested(0)).toBe(-1);
    apic().setPin(0, false);
    apic().setPin(0, true);
    expect(requested(0)).toBe(0x40);
  });

  test('a fixed level requests again at EOI while the pin is asserted', () => {
    write(LINT0, 0x8040);
    apic().setPin(0, true);
    expect([read(LINT0), read(TMR + 0x20)]).toEqual([0xc040, 1]);
    apic().acknowledge();
    write(EOI, 0);
    expect([requested(0), read(LINT0)]).toEqual([0x40, 0xc040]);
    apic().acknowledge();
    apic().setPin(0, false);
    write(EOI, 0);
    expect([requested(0), read(LINT0)]).toEqual([-1, 0x8040]);
  });

  test('LINT1 as NMI', () => {
    write(LINT1, 0x400);
    apic().setPin(1, true);
    expect(signals).toEqual(['nmi 0']);
  });

  test('switched off by IA32_APIC_BASE, LINT0 is INTR and the window is gone', () => {
    write(LINT0, 0x10000);
    apic().setPin(0, true);
    expect(apic().externalPending).toBe(false);
    expect(apic().writeMsr(0x1b, 0xfee0_0100n)).toBe(true);
    expect([apic().externalPending, apic().highestPending(), read(ID)]).toEqual([true, -1, 0xffff_ffff]);
    apic().writeMsr(0x1b, 0xfee0_0900n);
    expect(read(SVR)).toBe(0xff);
  });
});

test('the performance entry masks itself when it fires', () => {
  write(0x340, 0x55);
  apic().raise('performance');
  expect([requested(0), read(0x340)]).toEqual([0x55, 0x10055]);
});

test('a level-triggered interrupt is broadcast when it ends, an edge-triggered one is not', () => {
  bus.send({ mode: 'fixed', vector: 0x41, level: true, destination: { to: 'physical', id: 0 } });
  send(0x4_4042);
  expect([read(TMR + 0x20), apic().acknowledge()]).toEqual([2, 0x42]);
  write(EOI, 0);
  expect(ended).toEqual([]);
  apic().acknowledge();
  write(EOI, 0);
  expect(ended).toEqual([0x41]);
});

test('IA32_APIC_BASE moves the window', () => {
  expect(apic().readMsr(0x1b)).toBe(0xfee0_0900n);
  expect(apic(1).readMsr(0x1b)).toBe(0xfee0_0800n);
  apic().writeMsr(0x1b, 0x1_2000_0900n);
  expect([mmio[0]?.claims(base), mmio[0]?.read(0x1_2000_0030, 4)]).toEqual([false, 0x5_0015]);
});

describe('x2APIC mode', () => {
  const write2 = (index: number, value: bigint, cpu = 0): boolean => apic(cpu).writeMsr(index, value);
  beforeEach(() => {
    for (const each of apics) each.writeMsr(0x1b, (each.readMsr(0x1b) ?? 0n) | 0x400n);
  });

  test('is entered from xAPIC mode only, and left only by switching off', () => {
    expect(write2(0x1b, 0xfee0_0900n)).toBe(false);
    expect(write2(0x1b, 0xfee0_0100n)).toBe(true);
    expect(write2(0x1b, 0xfee0_0d00n)).toBe(false);
    expect(write2(0x1b, 0xfee0_0900n)).toBe(true);
    expect(write2(0x1b, 0xfee0_0d00n)).toBe(true);
    expect(apic().readMsr(0x1b)).toBe(0xfee0_0d00n);
    expect(write2(0x1b, 0xfee0_0d01n)).toBe(false);
  });

  test('has its registers as MSRs and not in memory', () => {
    expect(mmio[1]?.claims(base)).toBe(false);
    expect([0x802, 0x803, 0x80d, 0x80f].map((index) => apic(1).readMsr(index))).toEqual([1n, 0x5_0015n, 2n, 0x1ffn]);
  });

  test('without it there are no such MSRs', () => {
    write2(0x1b, 0xfee0_0100n);
    expect([apic().readMsr(0x802), write2(0x808, 0n)]).toEqual([undefined, false]);
  });

  test.each([
    ['reserved bits of TPR', 0x808, 0x100n],
    ['upper half of TPR', 0x808, 0x1_0000_0000n],
    ['EOI other than 0', 0x80b, 1n],
    ['ESR other than 0', 0x828, 1n],
    ['read-only ID', 0x802, 0n],
    ['read-only LDR', 0x80d, 0n],
    ['DFR, which is gone', 0x80e, 0n],
    ['ICR high, which is gone', 0x831, 0n],
    ['reserved bits of SVR', 0x80f, 0x1000n],
    ['beyond the registers', 0x8ff, 0n],
  ])('refuses to write: %s', (_, index, value) => expect(write2(index, value)).toBe(false));

  test.each([
    ['EOI', 0x80b],
    ['self IPI', 0x83f],
    ['ICR high', 0x831],
    ['APR', 0x809],
  ])('refuses to read: %s', (_, index) => expect(apic().readMsr(index)).toBeUndefined());

  test('ICR is one register of 64 bits, with a 32-bit destination', () => {
    expect(write2(0x830, 0x2_0000_4044n)).toBe(true);
    expect([apic(1).highestPending(), apic(2).highestPending(), apic().readMsr(0x830)]).toEqual([
      -1,
      0x44,
      0x2_0000_4044n,
    ]);
    write2(0x830, 0xffff_ffff_0000_4055n);
    expect(apics.map((each) => each.highestPending())).toEqual([0x55, 0x55, 0x55]);
    write2(0x830, 0x0000_0003_0000_4866n);
    expect(apics.map((each) => each.highestPending())).toEqual([0x66, 0x66, 0x55]);
  });

  test('self IPI', () => {
    expect(write2(0x83f, 0x77n)).toBe(true);
    expect(apic().highestPending()).toBe(0x77);
  });

  test('INIT keeps the mode', () => {
    write2(0x830, 0x1_0000_4500n);
    expect(apic(1).readMsr(0x1b)).toBe(0xfee0_0c00n);
    expect(apic(1).readMsr(0x80d)).toBe(2n);
  });
});
