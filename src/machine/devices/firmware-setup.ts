/**
 * What a BIOS has done to the devices before it starts an operating system: interrupt controllers in the PC's classic
 * arrangement (INT 8 and INT 0x70), the 18.2 Hz tick, and the bootstrap processor's APIC in virtual wire mode.
 */

import type { Devices } from './board-devices';

const apic = { spurious: 0xfee0_00f0, lint0: 0xfee0_0350, lint1: 0xfee0_0360 } as const;

/** Writes to byte ports, in order. */
const portWrites: readonly (readonly [port: number, value: number])[] = [
  [0x20, 0x11],
  [0x21, 0x08],
  [0x21, 0x04],
  [0x21, 0x01],
  [0xa0, 0x11],
  [0xa1, 0x70],
  [0xa1, 0x02],
  [0xa1, 0x01],
  // Counter 0: square wave of 65,536 clocks. Counter 1: memory refresh.
  [0x43, 0x36],
  [0x40, 0x00],
  [0x40, 0x00],
  [0x43, 0x54],
  [0x41, 0x12],
];

/** @param unmasked the interrupt lines that the 8259s let through: none unless handlers are in place. */
export function setUpAsFirmware({ io, mmio }: Devices, unmasked: readonly number[] = []): void {
  for (const [port, value] of portWrites) io.write(port, 1, value);
  const mask = unmasked.reduce((bits, line) => bits & ~(1 << line) & ~(line >= 8 ? 4 : 0), 0xffff);
  io.write(0x21, 1, mask & 0xff);
  io.write(0xa1, 1, mask >> 8);
  const [bootstrap] = mmio;
  bootstrap?.write(apic.spurious, 4, 0x1ff);
  // ExtINT and NMI, level-triggered.
  bootstrap?.write(apic.lint0, 4, 0x8700);
  bootstrap?.write(apic.lint1, 4, 0x8400);
}
