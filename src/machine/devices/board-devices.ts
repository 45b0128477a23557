/** All devices of the PC, wired together: interrupt lines, buses, and the clock that drives them in order of time. */

import { AcpiPm, sciInterrupt } from './acpi-pm';
import { ApicBus } from './apic-bus';
import { IoBus, MmioBus } from './bus';
import { CmosRtc } from './cmos-rtc';
import { DebugConsole } from './debug-console';
import { DebugExit } from './debug-exit';
import type { Board, Device } from './device';
import { FwCfg, type FwCfgFile } from './fw-cfg';
import { IoApic } from './io-apic';
import { Keyboard8042 } from './keyboard-8042';
import { LocalApic } from './local-apic';
import { Pic8259 } from './pic-8259';
import { Pit8254 } from './pit-8254';
import { Port92 } from './port-92';
import { Uart16550 } from './uart-16550';
import { hasVector } from './vector-set';
import { VgaText } from './vga-text';

export interface DeviceOptions {
  readonly cpus: number;
  readonly memoryBytes: number;
  /** Seconds since 1970-01-01 that the clock shows at virtual time 0. */
  readonly startTime: number;
  /** Further files that fw_cfg offers. */
  readonly files?: readonly FwCfgFile[];
  /** A byte that COM1 sends. */
  readonly serial: (byte: number) => void;
  /** A byte written to port 0xE9. */
  readonly console: (byte: number) => void;
  /** A write to the debug-exit port, with its value. */
  readonly exit: (value: number) => void;
  /** A device pulses the reset line; `by` is its name. */
  readonly reset: (by: string) => void;
  readonly powerOff: () => void;
  readonly a20: (enabled: boolean) => void;
  readonly processors: Processors;
}

/** What devices tell vCPU n. */
export interface Processors {
  /** An interrupt may be pending that was not before: ask `interruptPending`. */
  interrupt(cpu: number): void;
  nmi(cpu: number): void;
  /** INIT; the local APIC has been reset already. */
  init(cpu: number): void;
  /** Start-up IPI: `vector << 12` is the address, if the vCPU waits for one. */
  startup(cpu: number, vector: number): void;
}

export interface Devices {
  readonly com1: Uart16550;
  readonly debugConsole: DebugConsole;
  readonly debugExit: DebugExit;
  readonly pic: Pic8259;
  readonly pit: Pit8254;
  readonly rtc: CmosRtc;
  readonly keyboard: Keyboard8042;
  readonly port92: Port92;
  readonly vga: VgaText;
  readonly fwCfg: FwCfg;
  readonly acpiPm: AcpiPm;
  readonly ioApic: IoApic;
  /** By vCPU. */
  readonly localApics: readonly LocalApic[];
  /** Everything that has state, in the order in which events of the same time happen. */
  readonly all: readonly Device[];
  readonly io: IoBus;
  /** What each vCPU finds in physical memory: the board's windows and its own local APIC. */
  readonly mmio: readonly MmioBus[];
  /** Level of an ISA interrupt line. */
  interruptLine(line: number, level: boolean): void;
  /** Whether a maskable interrupt waits for this vCPU, whatever its IF says. */
  interruptPending(cpu: number): boolean;
  /** The processor takes the interrupt. @returns its vector. */
  acknowledgeInterrupt(cpu: number): number;
  /** The ISA line behind a vector that this vCPU has just taken; undefined for what a local APIC makes by itself. */
  lineOf(cpu: number, vector: number): number | undefined;
  /** Virtual time of the next change that some device makes by itself; `Infinity` when there is none. */
  nextEvent(): number;
  /** As `nextEvent`, of those changes only that could interrupt a processor as the controllers stand. */
  nextWake(): number;
  /** Lets everything happen that is due at or before `now`, in order of time. */
  advance(now: number): void;
  reset(): void;
}

/** The clock of the board; the devices' interrupt lines are wired here. */
export type BoardClock = Pick<Board, 'now' | 'frequency'>;

/** The timer's line 0 is wired to pin 2 of the I/O APIC; its pin 0 takes the 8259's INTR. */
const timerPin = 2;
const externalPin = 0;
const pinOf = (line: number): number => (line === 0 ? timerPin : line);

export function createDevices(clock: BoardClock, options: DeviceOptions): Devices {
  const { processors } = options;
  const bus = new ApicBus();
  const board: Board = {
    now: () => clock.now(),
    frequency: clock.frequency,
    interruptLine: (line, level) => {
      pic.setLine(line, level);
      ioApic.setPin(pinOf(line), level);
    },
  };
  const ioApic = new IoApic(bus, options.cpus & 0xf);
  const localApics = Array.from(
    { length: options.cpus },
    (_, id) =>
      new LocalApic(board, {
        id,
        bus,
        signals: {
          interrupt: () => processors.interrupt(id),
          nmi: () => processors.nmi(id),
          init: () => processors.init(id),
          startup: (vector) => processors.startup(id, vector),
        },
      }),
  );
  const pic = new Pic8259((level) => {
    for (const apic of localApics) apic.setPin(0, level);
    ioApic.setPin(externalPin, level);
  });
  const port92 = new Port92({ a20: options.a20, reset: () => options.reset('port 92') });
  const devices = {
    com1: new Uart16550(board, { name: 'COM1', base: 0x3f8, interrupt: 4, sink: options.serial }),
    debugConsole: new DebugConsole(options.console),
    debugExit: new DebugExit(options.exit),
    pit: new Pit8254(board),
    rtc: new CmosRtc(board, options),
    port92,
    keyboard: new Keyboard8042(board, { a20: port92, reset: () => options.reset('8042') }),
    vga: new VgaText(board),
    fwCfg: new FwCfg({ ...options, files: options.files ?? [] }),
    acpiPm: new AcpiPm(board, options.powerOff),
    pic,
    ioApic,
  };
  // The interrupt controllers come last: reset forgets the edges that the other devices' reset has made.
  const all: readonly Device[] = [...Object.values(devices), ...localApics];
  const lines: readonly (readonly [Device, number])[] = [
    [devices.com1, 4],
    [devices.pit, 0],
    [devices.rtc, 8],
    [devices.acpiPm, sciInterrupt],
  ];
  /** The devices that do something by themselves. */
  const timed: readonly Device[] = [...lines.map(([device]) => device), ...localApics];
  const earliest = (some: readonly Device[]): number =>
    some.reduce((next, device) => Math.min(next, device.nextEvent()), Infinity);
  const reaches = (pin: number): boolean =>
    ioApic.admits(pin, (vector) => localApics.some((apic) => apic.takes(vector)));
  const wakes = (line: number): boolean =>
    reaches(pinOf(line)) ||
    (pic.admits(line) && (localApics.some((apic) => apic.passesExternal) || reaches(externalPin)));
  const apicOf = (cpu: number): LocalApic => {
    const apic = localApics[cpu];
    if (!apic) throw new RangeError(`vCPU ${cpu} of ${localApics.length}`);
    return apic;
  };
  const reset = (): void => {
    for (const device of all) device.reset();
  };
  reset();
  return {
    ...devices,
    localApics,
    all,
    io: new IoBus(all),
    mmio: localApics.map((apic) => new MmioBus([devices.vga, ioApic, apic])),
    interruptLine: board.interruptLine,
    interruptPending: (cpu) => apicOf(cpu).highestPending() >= 0 || apicOf(cpu).externalPending,
    acknowledgeInterrupt: (cpu) => {
      const apic = apicOf(cpu);
      if (apic.highestPending() >= 0 || !apic.externalPending) return apic.acknowledge();
      apic.acknowledgeExternal();
      return pic.acknowledge();
    },
    lineOf: (cpu, vector) => {
      if (!hasVector(apicOf(cpu).state.isr, vector)) return pic.lineOf(vector);
      const pin = ioApic.pinOf(vector);
      return pin === timerPin ? 0 : pin;
    },
    nextEvent: () => earliest(timed),
    nextWake: () =>
      Math.min(
        ...localApics.map((apic) => apic.nextWake),
        earliest(lines.flatMap(([device, line]) => (wakes(line) ? [device] : []))),
      ),
    advance: (now) => {
      for (let due = earliest(timed); due <= now; due = earliest(timed)) {
        for (const device of timed) if (device.nextEvent() <= due) device.advance(due);
      }
    },
    reset,
  };
}
