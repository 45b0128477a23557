/**
 * The two cascaded interrupt controllers of the PC, after Intel's 8259A data sheet: the slave's INT is the master's
 * IR2. ELCR, the chip set's edge/level control registers, chooses the trigger per line.
 */

import type { Device, Register } from './device';

const cascadeLine = 2;
const spuriousLine = 7;

const icw1 = { icw4: 1, single: 2, level: 8, start: 0x10 } as const;
const icw4 = { automaticEoi: 2, fullyNested: 0x10 } as const;
const ocw3 = { select: 8, readRegister: 2, isr: 1, poll: 4, setMask: 0x40, mask: 0x20 } as const;

interface Chip {
  /** Present levels of IR0–IR7. */
  lines: number;
  /** Rising edges not yet acknowledged; a line that falls takes its edge back. */
  edges: number;
  isr: number;
  imr: number;
  /** Lines that are level-triggered, by ELCR. */
  elcr: number;
  /** Vector of IR0. */
  base: number;
  icw1: number;
  icw3: number;
  icw4: number;
  /** The initialization word that the odd port expects next; 1 when initialization is done. */
  expects: 1 | 2 | 3 | 4;
  /** The line of lowest priority; the next one has the highest. */
  lowest: number;
  rotateOnAutomaticEoi: boolean;
  specialMask: boolean;
  readsIsr: boolean;
  polls: boolean;
  /** Level of the INT output. */
  output: boolean;
}

export interface PicLine {
  readonly vector: number;
  readonly asserted: boolean;
  readonly requested: boolean;
  readonly inService: boolean;
  readonly masked: boolean;
  readonly level: boolean;
}

/** All lines are masked until the chip is initialized. */
const powerOn = (): Chip => ({
  lines: 0,
  edges: 0,
  isr: 0,
  imr: 0xff,
  elcr: 0,
  base: 0,
  icw1: 0,
  icw3: 0,
  icw4: 0,
  expects: 1,
  lowest: 7,
  rotateOnAutomaticEoi: false,
  specialMask: false,
  readsIsr: false,
  polls: false,
  output: false,
});

type Which = 'master' | 'slave';

export class Pic8259 implements Device<Record<Which, Chip>> {
  readonly name = '8259 PIC';
  state = { master: powerOn(), slave: powerOn() };
  readonly ports: readonly Register[] = [
    ...this.#chipRegisters('master', 0x20),
    ...this.#chipRegisters('slave', 0xa0),
    this.#triggerRegister('ELCR1', 0x4d0, 'master', 0xf8),
    this.#triggerRegister('ELCR2', 0x4d1, 'slave', 0xde),
  ];
  readonly inner: readonly Register[] = [...this.#innerRegisters('master'), ...this.#innerRegisters('slave')];
  readonly #output: (level: boolean) => void;

  /** @param output receives the level of the master's INT, wired to LINT0 and to pin 0 of the I/O APIC. */
  constructor(output: (level: boolean) => void) {
    this.#output = output;
  }

  /** Sets the level of interrupt line 0–15; line 2 is taken by the cascade. */
  setLine(line: number, level: boolean): void {
    if (line === cascadeLine) return;
    setInput(line < 8 ? this.state.master : this.state.slave, line & 7, level);
    this.#update();
  }

  /** Whether INTR is asserted. */
  pending(): boolean {
    return this.state.master.output;
  }

  /** The interrupt acknowledge cycle of the processor. @returns the vector; that of IR7 when the request has gone. */
  acknowledge(): number {
    const { master, slave } = this.state;
    const line = accept(master);
    let vector = master.base + (line < 0 ? spuriousLine : line);
    if (line === cascadeLine) {
      const slaveLine = accept(slave);
      vector = slave.base + (slaveLine < 0 ? spuriousLine : slaveLine);
      this.#release(slave, master);
    } else this.#release(master);
    return vector;
  }

  /** A line as the chip stands: for people. */
  line(line: number): PicLine {
    const chip = line < 8 ? this.state.master : this.state.slave;
    const bit = 1 << (line & 7);
    return {
      vector: chip.base + (line & 7),
      asserted: (chip.lines & bit) !== 0,
      requested: (requests(chip) & bit) !== 0,
      inService: (chip.isr & bit) !== 0,
      masked: (chip.imr & bit) !== 0,
      level: (levelTriggered(chip) & bit) !== 0,
    };
  }

  /** The line whose vector an acknowledge cycle would give now, or -1; nothing is acknowledged. */
  next(): number {
    const line = nextRequest(this.state.master);
    if (line !== cascadeLine) return line;
    const slave = nextRequest(this.state.slave);
    return slave < 0 ? slave : slave + 8;
  }

  /** The line whose vector this is as the chips are programmed. */
  lineOf(vector: number): number | undefined {
    const { master, slave } = this.state;
    if (vector >= slave.base && vector < slave.base + 8) return vector - slave.base + 8;
    return vector >= master.base && vector < master.base + 8 ? vector - master.base : undefined;
  }

  /** Whether a request on this line could reach the processor as the masks, and what is in service, stand. */
  admits(line: number): boolean {
    const { master, slave } = this.state;
    return line < 8 ? admits(master, line) : admits(slave, line & 7) && admits(master, cascadeLine);
  }

  reset(): void {
    const { master, slave } = this.state;
    this.state = { master: { ...powerOn(), lines: master.lines }, slave: { ...powerOn(), lines: slave.lines } };
    this.state.master.lines &= ~(1 << cascadeLine);
    this.#output(false);
  }

  nextEvent(): number {
    return Infinity;
  }

  advance(): void {}

  #chipRegisters(which: Which, base: number): readonly Register[] {
    const name = which === 'master' ? '1' : '2';
    return [
      {
        name: `IRR${name}/ISR${name}`,
        at: base,
        size: 1,
        peek: () => this.#peekRequest(which),
        read: () => this.#readRequest(which),
        write: (value) => this.#writeEven(which, value),
      },
      {
        name: `IMR${name}`,
        at: base + 1,
        size: 1,
        peek: () => (this.state[which].polls ? pollWord(this.state[which]) : this.state[which].imr),
        read: () => (this.state[which].polls ? this.#poll(which) : this.state[which].imr),
        write: (value) => this.#writeOdd(which, value),
      },
    ];
  }

  #innerRegisters(which: Which): readonly Register[] {
    const name = which === 'master' ? '1' : '2';
    const shown: readonly [string, (chip: Chip) => number][] = [
      ['IRR', requests],
      ['ISR', (chip) => chip.isr],
      ['vector base', (chip) => chip.base],
      ['lowest priority', (chip) => chip.lowest],
      ['INT', (chip) => (chip.output ? 1 : 0)],
    ];
    return [
      ...shown.map(
        ([title, read], at): Register => ({
          name: `${title} ${name}`,
          at,
          size: 1,
          peek: () => read(this.state[which]),
        }),
      ),
      {
        // As OCW1, whatever word the port waits for.
        name: `mask ${name}`,
        at: shown.length,
        size: 1,
        peek: () => this.state[which].imr,
        write: (value) => {
          this.state[which].imr = value;
          this.#update();
        },
      },
    ];
  }

  #triggerRegister(name: string, at: number, which: Which, writable: number): Register {
    return {
      name,
      at,
      size: 1,
      peek: () => this.state[which].elcr,
      write: (value) => {
        this.state[which].elcr = value & writable;
        this.#update();
      },
    };
  }

  #peekRequest(which: Which): number {
    const chip = this.state[which];
    if (chip.polls) return pollWord(chip);
    return chip.readsIsr ? chip.isr : requests(chip);
  }

  #readRequest(which: Which): number {
    return this.state[which].polls ? this.#poll(which) : this.#peekRequest(which);
  }

  /** The poll command makes the next read an acknowledge cycle whose answer is the line. */
  #poll(which: Which): number {
    const chip = this.state[which];
    const word = pollWord(chip);
    chip.polls = false;
    accept(chip);
    this.#release(chip);
    return word;
  }

  #writeEven(which: Which, value: number): void {
    const chip = this.state[which];
    if (value & icw1.start) initialize(chip, value);
    else if (value & ocw3.select) operateRead(chip, value);
    else endOfInterrupt(chip, value);
    this.#update();
  }

  #writeOdd(which: Which, value: number): void {
    const chip = this.state[which];
    if (chip.expects === 1) chip.imr = value;
    else chip.expects = initializationWords[chip.expects](chip, value);
    this.#update();
  }

  /** An acknowledged chip lets INT fall before a further request raises it again: a new edge. */
  #release(...acknowledged: readonly Chip[]): void {
    for (const chip of acknowledged) this.#drive(chip, false);
    this.#update();
  }

  #update(): void {
    const { master, slave } = this.state;
    this.#drive(slave, nextRequest(slave) >= 0);
    this.#drive(master, nextRequest(master) >= 0);
  }

  #drive(chip: Chip, level: boolean): void {
    if (chip.output === level) return;
    chip.output = level;
    if (chip === this.state.slave) setInput(this.state.master, cascadeLine, level);
    else this.#output(level);
  }
}

const levelTriggered = (chip: Chip): number => (chip.icw1 & icw1.level ? 0xff : chip.elcr);

/** The interrupt request register. */
const requests = (chip: Chip): number => {
  const level = levelTriggered(chip);
  return (chip.edges & ~level) | (chip.lines & level);
};

function setInput(chip: Chip, line: number, level: boolean): void {
  const bit = 1 << line;
  if (level && !(chip.lines & bit)) chip.edges |= bit;
  if (!level) chip.edges &= ~bit;
  chip.lines = level ? chip.lines | bit : chip.lines & ~bit;
}

/** Lines in order of priority, from the highest. */
const byPriority = (chip: Chip): readonly number[] => orders[chip.lowest] ?? [];
const orders = Array.from({ length: 8 }, (_, lowest) => Array.from({ length: 8 }, (_, i) => (lowest + 1 + i) & 7));

/** The request that wins over the masks and over what is in service, or -1. */
function nextRequest(chip: Chip): number {
  const wanted = requests(chip) & ~chip.imr;
  if (wanted === 0) return -1;
  const blocking = chip.specialMask ? chip.isr & ~chip.imr : chip.isr;
  for (const line of byPriority(chip)) {
    const bit = 1 << line;
    // In special fully nested mode the slave may interrupt itself by a line of higher priority.
    const nests = line === cascadeLine && chip.icw4 & icw4.fullyNested;
    if (blocking & bit && !nests) return -1;
    if (wanted & bit) return line;
    if (blocking & bit) return -1;
  }
  return -1;
}

/** Whether a request of this line would win if it were the only one. */
const admits = (chip: Chip, line: number): boolean =>
  nextRequest({ ...chip, edges: 1 << line, lines: 1 << line }) === line;

/** Puts the winning request in service. @returns its line, or -1 when there is none (then nothing changes). */
function accept(chip: Chip): number {
  const line = nextRequest(chip);
  if (line < 0) return line;
  chip.edges &= ~(1 << line);
  if (!(chip.icw4 & icw4.automaticEoi)) chip.isr |= 1 << line;
  else if (chip.rotateOnAutomaticEoi) chip.lowest = line;
  return line;
}

const pollWord = (chip: Chip): number => {
  const line = nextRequest(chip);
  return line < 0 ? 0 : 0x80 | line;
};

// Initialization command words

function initialize(chip: Chip, value: number): void {
  chip.icw1 = value;
  chip.edges = 0;
  chip.isr = 0;
  chip.imr = 0;
  chip.icw4 = 0;
  chip.lowest = 7;
  chip.rotateOnAutomaticEoi = false;
  chip.specialMask = false;
  chip.readsIsr = false;
  chip.polls = false;
  chip.expects = 2;
}

const afterIcw3 = (chip: Chip): Chip['expects'] => (chip.icw1 & icw1.icw4 ? 4 : 1);

/** What each word sets; each row returns the word that follows. */
const initializationWords: Record<2 | 3 | 4, (chip: Chip, value: number) => Chip['expects']> = {
  2: (chip, value) => {
    chip.base = value & 0xf8;
    return chip.icw1 & icw1.single ? afterIcw3(chip) : 3;
  },
  3: (chip, value) => {
    chip.icw3 = value;
    return afterIcw3(chip);
  },
  4: (chip, value) => {
    chip.icw4 = value;
    return 1;
  },
};

// Operation command words

function operateRead(chip: Chip, value: number): void {
  if (value & ocw3.poll) chip.polls = true;
  if (value & ocw3.readRegister) chip.readsIsr = (value & ocw3.isr) !== 0;
  if (value & ocw3.setMask) chip.specialMask = (value & ocw3.mask) !== 0;
}

/** OCW2, indexed by its bits 7–5 (R, SL, EOI). */
const endOfInterruptCommands: readonly ((chip: Chip, line: number) => void)[] = [
  (chip) => {
    chip.rotateOnAutomaticEoi = false;
  },
  (chip) => endService(chip, highestInService(chip)),
  () => {},
  endService,
  (chip) => {
    chip.rotateOnAutomaticEoi = true;
  },
  (chip) => rotate(chip, highestInService(chip)),
  (chip, line) => {
    chip.lowest = line;
  },
  rotate,
];

const endOfInterrupt = (chip: Chip, value: number): void => endOfInterruptCommands[value >> 5]?.(chip, value & 7);

function endService(chip: Chip, line: number): void {
  if (line >= 0) chip.isr &= ~(1 << line);
}

function rotate(chip: Chip, line: number): void {
  if (line < 0) return;
  endService(chip, line);
  chip.lowest = line;
}

/** What a non-specific EOI ends; in special mask mode it does not see lines that are masked. */
function highestInService(chip: Chip): number {
  const visible = chip.specialMask ? chip.isr & ~chip.imr : chip.isr;
  return byPriority(chip).find((line) => visible & (1 << line)) ?? -1;
}
