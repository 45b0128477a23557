/**
 * The local APIC of one vCPU, Intel SDM vol. 3, "Advanced Programmable Interrupt Controller (APIC)": its registers, in
 * memory (xAPIC) or as MSRs (x2APIC); which interrupt the processor takes next; messages from and to other APICs.
 */

import { type ApicBus, type Destination, deliveryModes, destinationOf, type InterruptMessage } from './apic-bus';
import type { Board, Device, MemoryWindow, Register } from './device';
import {
  type ApicRegister,
  afterInit,
  apicRegisters,
  type LocalApicState,
  type LocalSource,
  logicalX2,
  lvtBit,
  type RegisterActions,
  svr,
} from './local-apic-registers';
import { expire, newTimer, readDeadline, setDeadline, setTimerEntry, setTscOffset } from './local-apic-timer';
import { Oscillator } from './oscillator';
import { clearVector, hasVector, highestVector, setVector } from './vector-set';

/** The clock that the timer divides; the bus of the presets' processors. */
const busHertz = 100_000_000;
const windowBase = 0xfee0_0000;
const windowSize = 0x1000;

const apicBase = { processorIsBsp: 0x100n, x2: 0x400n, enable: 0x800n, address: 0xfffffffff000n } as const;
const msr = { apicBase: 0x1b, deadline: 0x6e0, first: 0x800, last: 0x8ff, icr: 0x830 } as const;
const errors = { sentIllegalVector: 0x20, receivedIllegalVector: 0x40, illegalRegister: 0x80 } as const;

/** What a local APIC tells its processor. */
export interface ProcessorSignals {
  /** An interrupt may be pending that was not before: ask `highestPending` and `externalPending`. */
  interrupt(): void;
  nmi(): void;
  init(): void;
  /** Start-up IPI: execution begins at `vector << 12` if the processor waits for it. */
  startup(vector: number): void;
}

export interface LocalApicOptions {
  readonly id: number;
  readonly bus: ApicBus;
  readonly signals: ProcessorSignals;
}

export class LocalApic implements Device<LocalApicState> {
  readonly name: string;
  state: LocalApicState;
  readonly window: MemoryWindow;
  readonly #board: Board;
  readonly #clock: Oscillator;
  readonly #options: LocalApicOptions;
  readonly #byOffset: ReadonlyMap<number, ApicRegister>;

  constructor(board: Board, options: LocalApicOptions) {
    this.name = `local APIC ${options.id}`;
    this.#board = board;
    this.#options = options;
    this.#clock = new Oscillator(busHertz, board.frequency);
    this.state = this.#powerOn();
    const registers = apicRegisters(this.#actions());
    this.#byOffset = new Map(registers.map((register) => [register.offset, register]));
    this.window = this.#makeWindow(registers);
    options.bus.attach(this);
  }

  // The processor's side

  /** The vector that the processor would take now, or -1: the highest request above the processor priority. */
  highestPending(): number {
    const vector = highestVector(this.state.irr);
    return this.takes(vector) ? vector : -1;
  }

  /** Whether a request of this vector is above the processor priority. */
  takes(vector: number): boolean {
    return this.state.enabled && vector >> 4 > this.priority() >> 4;
  }

  /** Virtual time at which the timer gives an interrupt that the processor takes; Infinity when none will come. */
  get nextWake(): number {
    const { due, lvt } = this.state.timer;
    return this.takes(lvt & 0xff) ? due : Infinity;
  }

  /** Puts the highest pending interrupt in service. @returns its vector, or the spurious one when there is none. */
  acknowledge(): number {
    const vector = this.highestPending();
    if (vector < 0) return this.state.svr & 0xff;
    clearVector(this.state.irr, vector);
    setVector(this.state.isr, vector);
    return vector;
  }

  /** Whether an interrupt of the 8259 gets through: by LINT0, by message, or because the APIC is switched off. */
  get externalPending(): boolean {
    const { enabled, pins, external } = this.state;
    return (pins[0] && this.passesExternal) || (enabled && external);
  }

  /** Whether the 8259's interrupts get through by the pin LINT0. */
  get passesExternal(): boolean {
    const { enabled, lvt } = this.state;
    return !enabled || (lvt.lint0 & (lvtBit.masked | 0x700)) === 0x700;
  }

  /** The processor fetches the vector from the 8259. */
  acknowledgeExternal(): void {
    this.state.external = false;
  }

  /** CR8 is the upper half of the task priority. */
  get cr8(): number {
    return this.state.tpr >> 4;
  }

  set cr8(value: number) {
    this.#setTaskPriority((value & 0xf) << 4);
  }

  /** IA32_APIC_BASE, IA32_TSC_DEADLINE and the x2APIC range. @returns undefined where RDMSR gives #GP. */
  readMsr(index: number): bigint | undefined {
    if (index === msr.apicBase) return this.#apicBase();
    if (index === msr.deadline) return readDeadline(this.state.timer, this.#board.now());
    const register = this.#x2Register(index);
    if (!register?.get || register.x2 === 'wo') return undefined;
    if (index === msr.icr) return (BigInt(this.state.icrHigh) << 32n) | BigInt(this.state.icrLow);
    return BigInt(register.get() >>> 0);
  }

  /** @returns false where WRMSR gives #GP. */
  writeMsr(index: number, value: bigint): boolean {
    if (index === msr.apicBase) return this.#setApicBase(value);
    if (index === msr.deadline) {
      setDeadline(this.state.timer, value, this.#clock, this.#board.now());
      return true;
    }
    const register = this.#x2Register(index);
    if (!register?.set || register.x2 === 'ro') return false;
    const upper = Number(value >> 32n);
    const lower = Number(value & 0xffff_ffffn);
    if ((upper !== 0 && index !== msr.icr) || (lower & ~(register.valid ?? 0)) !== 0) return false;
    if (index === msr.icr) this.state.icrHigh = upper;
    register.set(lower);
    return true;
  }

  /** What the guest's TSC is ahead of virtual time; the deadline is compared with that TSC. */
  setTscOffset(offset: bigint): void {
    setTscOffset(this.state.timer, offset, this.#clock, this.#board.now());
  }

  /** INIT, as the processor itself gets it; base address, mode and ID survive. */
  init(): void {
    const { id, base, enabled, x2, pins, timer } = this.state;
    this.state = afterInit({ id, base, enabled, x2, pins }, newTimer(timer.tscOffset));
  }

  // Pins and messages

  /** Sets the level of LINT0 (the 8259's INTR) or LINT1 (NMI). */
  setPin(pin: 0 | 1, level: boolean): void {
    const before = this.state.pins[pin];
    this.state.pins[pin] = level;
    if (level && !before) this.#pinRises(pin);
  }

  /** An interrupt from a local source, as its LVT entry says. */
  raise(source: LocalSource): void {
    const entry = this.state.lvt[source];
    if (entry & lvtBit.masked || !this.state.enabled) return;
    if (source === 'performance') this.state.lvt.performance |= lvtBit.masked;
    this.#deliver(entry, false);
  }

  isAddressedBy(destination: Destination): boolean {
    const { id, enabled } = this.state;
    if (!enabled) return false;
    if (destination.to === 'all') return true;
    if (destination.to === 'all-but') return id !== destination.id;
    if (destination.to === 'physical') return destination.id === id;
    return this.#isLogicalDestination(destination.id);
  }

  canArbitrate(): boolean {
    return this.#isSoftwareEnabled();
  }

  /** The processor priority register. */
  priority(): number {
    const { tpr, isr } = this.state;
    const inService = Math.max(highestVector(isr), 0);
    return tpr >> 4 >= inService >> 4 ? tpr : inService & 0xf0;
  }

  accept({ mode, vector, level }: InterruptMessage): void {
    const { signals } = this.#options;
    switch (mode) {
      case 'fixed':
      case 'lowest-priority':
        this.#request(vector, level);
        break;
      case 'external':
        this.state.external = true;
        signals.interrupt();
        break;
      case 'nmi':
        signals.nmi();
        break;
      case 'init':
        this.init();
        signals.init();
        break;
      case 'startup':
        signals.startup(vector);
        break;
    }
  }

  reset(): void {
    this.state = this.#powerOn();
  }

  nextEvent(): number {
    return this.state.timer.due;
  }

  advance(now: number): void {
    if (expire(this.state.timer, this.#clock, now)) this.#request(this.state.timer.lvt & 0xff, false);
  }

  /**
   * The bootstrap processor's LINT0 passes the 8259's interrupts from the start, as firmware sets it up and as QEMU
   * does without firmware; by the manual alone it would be masked.
   */
  #powerOn(): LocalApicState {
    const { id } = this.#options;
    const pins = this.state?.pins ?? [false, false];
    const state = afterInit({ id, base: windowBase, enabled: true, x2: false, pins }, newTimer([0, 0]));
    if (id === 0) state.lvt.lint0 = 0x700;
    return state;
  }

  // Registers

  #makeWindow(registers: readonly ApicRegister[]): MemoryWindow {
    const apic = this;
    return {
      get base() {
        const { base, enabled, x2 } = apic.state;
        return enabled && !x2 ? base : -1;
      },
      size: windowSize,
      registers: registers.filter(({ x }) => x).map(asMemoryRegister),
      stray: () => this.#fail(errors.illegalRegister),
    };
  }

  #actions(): RegisterActions {
    const apic = this;
    return {
      get state() {
        return apic.state;
      },
      clock: this.#clock,
      now: () => this.#board.now(),
      priority: () => this.priority(),
      setTaskPriority: (value) => this.#setTaskPriority(value),
      setSpurious: (value) => this.#setSpurious(value),
      endOfInterrupt: () => this.#endOfInterrupt(),
      send: () => this.#send(),
      sendToSelf: (vector) => this.#sendToSelf(vector),
      maskIfDisabled: (entry) => (this.#isSoftwareEnabled() ? entry : entry | lvtBit.masked),
      entryChanged: (source) => {
        if (source === 'lint0' || source === 'lint1') this.#pinStands(source === 'lint0' ? 0 : 1);
      },
    };
  }

  #x2Register(index: number): ApicRegister | undefined {
    if (!this.state.x2 || index < msr.first || index > msr.last) return undefined;
    const register = this.#byOffset.get((index - msr.first) << 4);
    return register?.x2 ? register : undefined;
  }

  #apicBase(): bigint {
    const { base, enabled, x2 } = this.state;
    const bsp = this.#options.id === 0 ? apicBase.processorIsBsp : 0n;
    return BigInt(base) | bsp | (x2 ? apicBase.x2 : 0n) | (enabled ? apicBase.enable : 0n);
  }

  /** "x2APIC State Transitions": from x2APIC mode only off, into it only from xAPIC mode. */
  #setApicBase(value: bigint): boolean {
    const enabled = (value & apicBase.enable) !== 0n;
    const x2 = (value & apicBase.x2) !== 0n;
    const allowed = apicBase.address | apicBase.enable | apicBase.x2 | apicBase.processorIsBsp;
    if (value & ~allowed) return false;
    const { state } = this;
    if ((x2 && !enabled) || (state.x2 && enabled && !x2) || (!state.enabled && x2)) return false;
    if (state.enabled !== enabled) this.init();
    const before = this.state.x2;
    this.state.enabled = enabled;
    this.state.x2 = x2;
    this.state.base = Number(value & apicBase.address);
    if (x2 && !before) {
      this.state.ldr = logicalX2(this.state.id);
      this.state.icrHigh = 0;
    }
    this.#options.signals.interrupt();
    return true;
  }

  #setTaskPriority(value: number): void {
    this.state.tpr = value;
    if (this.highestPending() >= 0) this.#options.signals.interrupt();
  }

  /** "Local APIC State After It Has Been Software Disabled": the masks of all LVT entries are set. */
  #setSpurious(value: number): void {
    const { state } = this;
    state.svr = value;
    if (value & svr.enable) return;
    for (const source of Object.keys(state.lvt) as LocalSource[]) state.lvt[source] |= lvtBit.masked;
    setTimerEntry(state.timer, state.timer.lvt | lvtBit.masked, this.#clock, this.#board.now());
  }

  #isSoftwareEnabled(): boolean {
    return this.state.enabled && (this.state.svr & svr.enable) !== 0;
  }

  // Requests

  #request(vector: number, level: boolean): void {
    if (!this.#isSoftwareEnabled()) return;
    if (vector < 16) {
      this.#fail(errors.receivedIllegalVector);
      return;
    }
    const { irr, tmr } = this.state;
    setVector(irr, vector);
    if (level) setVector(tmr, vector);
    else clearVector(tmr, vector);
    this.#options.signals.interrupt();
  }

  #deliver(entry: number, level: boolean): void {
    const mode = deliveryModes[(entry >> 8) & 7] ?? 'reserved';
    const vector = entry & 0xff;
    // From the pins and sources of the processor itself, a message to nobody else. ExtINT has only its pin's level.
    if (mode === 'external') this.#options.signals.interrupt();
    else this.accept({ mode, vector, level, destination: { to: 'physical', id: this.state.id } });
  }

  #pinRises(pin: 0 | 1): void {
    const entry = this.state.lvt[pin === 0 ? 'lint0' : 'lint1'];
    if (!this.state.enabled) this.#pinOfSwitchedOff(pin);
    else if (entry & lvtBit.masked) return;
    else if (isLevelTriggered(entry)) this.#pinStands(pin);
    else this.#deliver(entry, false);
  }

  /** With the APIC switched off, LINT0 is INTR and LINT1 is NMI. */
  #pinOfSwitchedOff(pin: 0 | 1): void {
    if (pin === 0) this.#options.signals.interrupt();
    else this.#options.signals.nmi();
  }

  /** A level-triggered pin requests while it is asserted and no earlier request is in service. */
  #pinStands(pin: 0 | 1): void {
    const source = pin === 0 ? 'lint0' : 'lint1';
    const entry = this.state.lvt[source];
    if (!this.state.pins[pin] || entry & lvtBit.masked) return;
    if (!isLevelTriggered(entry)) {
      if (deliveryModes[(entry >> 8) & 7] === 'external') this.#options.signals.interrupt();
    } else if (!(entry & lvtBit.remoteIrr)) {
      this.state.lvt[source] |= lvtBit.remoteIrr;
      this.#deliver(entry, true);
    }
  }

  #endOfInterrupt(): void {
    const { isr, tmr, lvt } = this.state;
    const vector = highestVector(isr);
    if (vector < 0) return;
    clearVector(isr, vector);
    if (hasVector(tmr, vector)) {
      this.#options.bus.endOfInterrupt(vector);
      for (const [pin, source] of [[0, 'lint0'] as const, [1, 'lint1'] as const]) {
        if (!(lvt[source] & lvtBit.remoteIrr) || (lvt[source] & 0xff) !== vector) continue;
        lvt[source] &= ~lvtBit.remoteIrr;
        this.#pinStands(pin);
      }
    }
    if (this.highestPending() >= 0) this.#options.signals.interrupt();
  }

  #fail(error: number): void {
    this.state.errors |= error;
    this.raise('error');
  }

  // Sending

  #send(): void {
    const { icrLow } = this.state;
    const mode = deliveryModes[(icrLow >> 8) & 7] ?? 'reserved';
    const vector = icrLow & 0xff;
    const level = (icrLow & 0x8000) !== 0;
    const asserted = (icrLow & 0x4000) !== 0;
    // INIT level de-assert only synchronizes arbitration, which newer processors do not have.
    if (mode === 'init' && level && !asserted) return;
    if (vector < 16 && (mode === 'fixed' || mode === 'lowest-priority')) {
      this.#fail(errors.sentIllegalVector);
      return;
    }
    this.#options.bus.send({ mode, vector, level: false, destination: this.#destination() });
  }

  #destination(): Destination {
    const { icrLow, icrHigh, id, x2 } = this.state;
    switch ((icrLow >> 18) & 3) {
      case 1:
        return { to: 'physical', id };
      case 2:
        return { to: 'all' };
      case 3:
        return { to: 'all-but', id };
      default:
        return destinationOf(icrLow, x2 ? icrHigh : icrHigh >>> 24, x2 ? 0xffff_ffff : 0xff);
    }
  }

  #sendToSelf(vector: number): void {
    if (vector < 16) this.#fail(errors.receivedIllegalVector);
    else this.#request(vector, false);
  }

  #isLogicalDestination(destination: number): boolean {
    const { ldr, dfr, x2 } = this.state;
    if (x2) return ldr >>> 16 === destination >>> 16 && (ldr & destination & 0xffff) !== 0;
    const own = ldr >>> 24;
    if (dfr >>> 28 === 0xf) return (own & destination) !== 0;
    return own >> 4 === destination >> 4 && (own & destination & 0xf) !== 0;
  }
}

/** Only fixed interrupts of a pin can be level-triggered; ExtINT and NMI follow the pin by themselves. */
const isLevelTriggered = (entry: number): boolean => (entry & (lvtBit.level | 0x700)) === lvtBit.level;

const asMemoryRegister = ({ name, offset, x, get, set }: ApicRegister): Register => ({
  name,
  at: offset,
  size: 4,
  peek: get ? () => get() >>> 0 : () => 0,
  ...(set && x !== 'ro' ? { write: set } : {}),
});
