/** Each source of interrupts reaches a guest, at its rate, through the controllers that a kernel would set up. */

import { describe, expect, test } from 'vitest';
import { prepare } from '../../src/program/prepare';
import type { Guest } from '../guest';
import { has, startInQemu } from '../program/qemu';
import { eoi, interruptGuest, periods } from './interrupt-guest';

const EXIT = { reason: 'guest-exit', value: 0 };
/** Between two halted waits, delivery differs by a few instructions. */
const LATENCY = 60;

/** The same guest ends on QEMU, too: what it sets up is what a PC wants. */
const expectOnQemu = (guest: Guest): void => {
  if (!has('nasm', 'qemu-system-x86_64')) return;
  expect(startInQemu(prepare(guest.program, { memoryBytes: 64 * 0x100000 }))).toMatchObject({ status: 1 });
};

const expectPeriod = (guest: Guest, count: number, seconds: number): void => {
  expect(guest.run(1_000_000)).toEqual(EXIT);
  const expected = seconds * guest.machine.model.frequency;
  const found = periods(guest);
  expect(found).toHaveLength(count - 1);
  for (const period of found) expect(Math.abs(period - expected)).toBeLessThan(LATENCY);
  expect(guest.faults).toEqual([]);
  expectOnQemu(guest);
};

const pit = (mode: number, divisor: number): string => `
        mov     al, ${mode}
        out     0x43, al
        mov     al, ${divisor & 0xff}
        out     0x40, al
        mov     al, ${divisor >> 8}
        out     0x40, al`;
const apicOn = 'mov dword [rbx + 0xf0], 0x1ff';
/** Pin of the I/O APIC to the first processor. */
const redirect = (pin: number, vector: number): string => `
        mov     dword [r8], ${0x11 + pin * 2}
        mov     dword [r8 + 0x10], 0
        mov     dword [r8], ${0x10 + pin * 2}
        mov     dword [r8 + 0x10], ${vector}`;

const PIT_SECONDS = 1193 / 1_193_181.6666;

describe('timers', () => {
  test('the 8254 by the 8259', () => {
    const setup = `${pit(0x34, 1193)}\nmov al, 0xfe\nout 0x21, al`;
    expectPeriod(interruptGuest({ vector: 0x08, setup, handler: eoi.master, count: 10 }), 10, PIT_SECONDS);
  });
  test('the 8254 by the I/O APIC, at pin 2', () => {
    const setup = `${apicOn}\n${redirect(2, 0x42)}\n${pit(0x34, 1193)}`;
    expectPeriod(interruptGuest({ vector: 0x42, setup, handler: eoi.apic, count: 10 }), 10, PIT_SECONDS);
  });
  test('the local APIC, periodic', () => {
    const setup = `${apicOn}
        mov     dword [rbx + 0x3e0], 0xb     ; divided by 1
        mov     dword [rbx + 0x320], 0x20050
        mov     dword [rbx + 0x380], 20000`;
    const guest = interruptGuest({ vector: 0x50, setup, handler: eoi.apic, count: 10 });
    expect(guest.run(1_000_000)).toEqual(EXIT);
    const found = periods(guest);
    // The bus clock divides the time-stamp counter's evenly or nearly so.
    const mean = found.reduce((sum, period) => sum + period, 0) / found.length;
    expect(found).toHaveLength(9);
    for (const period of found) expect(Math.abs(period - mean)).toBeLessThan(LATENCY);
    expect(mean).toBeGreaterThanOrEqual(20000 - LATENCY);
    expectOnQemu(guest);
  });
  test('the local APIC, one-shot: once', () => {
    const setup = `${apicOn}
        mov     dword [rbx + 0x3e0], 0xb
        mov     dword [rbx + 0x320], 0x51
        mov     dword [rbx + 0x380], 20000`;
    const guest = interruptGuest({ vector: 0x51, setup, handler: eoi.apic, count: 2 });
    // Nothing else will ever come.
    expect(guest.run(1_000_000)).toEqual({ reason: 'halted', never: false });
    expect(guest.memory(guest.symbol('count'), 4)).toBe(1n);
    expect(guest.events.filter(({ kind }) => kind === 'irq')).toMatchObject([{ vector: 0x51 }]);
  });
  test('the local APIC, TSC deadline: not before it', () => {
    const setup = `${apicOn}
        mov     dword [rbx + 0x320], 0x40052
        rdtsc
        add     eax, 1000000
        adc     edx, 0
        mov     [data], eax
        mov     [data + 4], edx
        mov     ecx, 0x6e0
        wrmsr`;
    const guest = interruptGuest({ vector: 0x52, setup, handler: eoi.apic, count: 1 });
    expect(guest.run(1_000_000)).toEqual(EXIT);
    const late = guest.memory(guest.symbol('times_'), 8) - guest.memory(guest.symbol('data'), 8);
    expect(late).toBeGreaterThanOrEqual(0n);
    expect(late).toBeLessThan(BigInt(LATENCY));
    expect(guest.machine.devices.localApics[0]?.readMsr(0x6e0)).toBe(0n);
  });
  test('the RTC, periodic', () => {
    const setup = `
        mov     al, 0x0a
        out     0x70, al
        mov     al, 0x26
        out     0x71, al
        mov     al, 0x0b
        out     0x70, al
        mov     al, 0x42
        out     0x71, al
        mov     al, 0xfb
        out     0x21, al
        mov     al, 0xfe
        out     0xa1, al`;
    const handler = `mov al, 0x0c\nout 0x70, al\nin al, 0x71\nmov [data], al\n${eoi.slave}`;
    const guest = interruptGuest({ vector: 0x70, setup, handler, count: 10 });
    expectPeriod(guest, 10, 1 / 1024);
    // IRQF and PF.
    expect(guest.memory(guest.symbol('data'), 1)).toBe(0xc0n);
  });
});

describe('input', () => {
  test('a byte at COM1 interrupts by line 4', () => {
    const setup = `
        mov     dx, 0x3f9
        mov     al, 1
        out     dx, al
        mov     dx, 0x3fc
        mov     al, 8
        out     dx, al
        mov     al, 0xef
        out     0x21, al`;
    const handler = `mov dx, 0x3f8\nin al, dx\nmov ecx, [count]\nmov [data + rcx - 1], al\n${eoi.master}`;
    const guest = interruptGuest({ vector: 0x0c, setup, handler, count: 3 });
    expect(guest.run(100_000)).toEqual({ reason: 'halted', never: false });
    guest.machine.input({ kind: 'serial', bytes: [0x61, 0x62, 0x63] });
    expect(guest.run(100_000)).toEqual(EXIT);
    expect(guest.memory(guest.symbol('data'), 4)).toBe(0x636261n);
  });
  test('a key interrupts by line 1, for its press and its release', () => {
    const setup = 'mov al, 0xfd\nout 0x21, al';
    const handler = `in al, 0x60\nmov ecx, [count]\nmov [data + rcx - 1], al\n${eoi.master}`;
    const guest = interruptGuest({ vector: 0x09, setup, handler, count: 2 });
    expect(guest.run(100_000)).toEqual({ reason: 'halted', never: false });
    guest.machine.input({ kind: 'keys', scancodes: [0x1c, 0xf0, 0x1c] });
    expect(guest.run(100_000)).toEqual(EXIT);
    expect(guest.memory(guest.symbol('data'), 4)).toBe(0x9e1en);
  });
  test('an NMI comes with interrupts off', () => {
    const guest = interruptGuest({ vector: 2, setup: 'spin: cmp dword [count], 0\nje spin', handler: '', count: 1 });
    guest.run(1_000);
    guest.machine.input({ kind: 'nmi', vcpu: 0 });
    expect(guest.run(1_000)).toEqual(EXIT);
  });
});
