import { beforeEach, expect, test } from 'vitest';
import { IoBus, MmioBus } from '../../src/machine/devices/bus';
import { VgaText } from '../../src/machine/devices/vga-text';
import { TestBoard } from './test-board';

let board: TestBoard;
let vga: VgaText;
let io: IoBus;
let mmio: MmioBus;

beforeEach(() => {
  board = new TestBoard(31_469_000);
  vga = new VgaText(board);
  io = new IoBus([vga]);
  mmio = new MmioBus([vga]);
});

const out = (port: number, value: number): void => io.write(port, 1, value);
const inb = (port: number): number => io.read(port, 1);
const setCrtc = (index: number, value: number): void => io.write(0x3d4, 2, index | (value << 8));
const print = (address: number, text: string): void => {
  for (const [i, character] of [...text].entries()) mmio.write(address + 2 * i, 2, 0x0700 | character.charCodeAt(0));
};

test('the screen has 25 rows of 80 columns, blank after reset', () => {
  expect(vga.screen()).toEqual(Array(25).fill(' '.repeat(80)));
  expect(mmio.read(0xb8000, 4)).toBe(0x0720_0720);
});

test('shows the text memory, in code page 437', () => {
  print(0xb8000, 'Hello');
  mmio.write(0xb8000 + 160 * 24 + 158, 1, 0xdb);
  mmio.write(0xb8000 + 160, 4, 0x07b1_0701);
  const screen = vga.screen();
  expect(screen[0]?.trimEnd()).toBe('Hello');
  expect(screen[24]?.[79]).toBe('█');
  expect(screen[1]?.slice(0, 2)).toBe('☺▒');
});

test('the start address moves the screen over the memory', () => {
  print(0xb8000 + 160, 'second line');
  setCrtc(0x0c, 0);
  setCrtc(0x0d, 80);
  expect(vga.screen()[0]?.trimEnd()).toBe('second line');
});

test('the cursor is where its registers say', () => {
  expect(vga.cursor()).toEqual({ row: 0, column: 0 });
  setCrtc(0x0e, (3 * 80 + 7) >> 8);
  setCrtc(0x0f, (3 * 80 + 7) & 0xff);
  expect(vga.cursor()).toEqual({ row: 3, column: 7 });
  setCrtc(0x0a, 0x20);
  expect(vga.cursor()).toBeUndefined();
});

test('CRTC registers read back; the protected ones do not change', () => {
  out(0x3d4, 0x0f);
  out(0x3d5, 0x42);
  expect([inb(0x3d4), inb(0x3d5)]).toEqual([0x0f, 0x42]);
  setCrtc(0x00, 0);
  setCrtc(0x07, 0);
  out(0x3d4, 0x00);
  expect(inb(0x3d5)).toBe(0x5f);
  out(0x3d4, 0x07);
  expect(inb(0x3d5)).toBe(0x0f);
  out(0x3d4, 0x40);
  expect(inb(0x3d5)).toBe(0);
});

test('50 rows with an 8-line font', () => {
  setCrtc(0x09, 0x47);
  expect(vga.screen().length).toBe(50);
});

test('the attribute port takes index and value in turns, an index after reading input status 1', () => {
  inb(0x3da);
  out(0x3c0, 0x10);
  expect(inb(0x3c1)).toBe(0x0c);
  out(0x3c0, 0x04);
  expect([inb(0x3c0), inb(0x3c1)]).toEqual([0x10, 0x04]);
  out(0x3c0, 0x20);
  inb(0x3da);
  out(0x3c0, 0x30);
  expect(inb(0x3c1)).toBe(0x04);
});

test('the palette takes three bytes a colour', () => {
  out(0x3c8, 1);
  for (const value of [0x3f, 0x15, 0xff]) out(0x3c9, value);
  out(0x3c7, 1);
  expect([inb(0x3c9), inb(0x3c9), inb(0x3c9), inb(0x3c9), inb(0x3c8)]).toEqual([0x3f, 0x15, 0x3f, 0, 2]);
});

test('input status 1 shows blanking and vertical retrace as time passes', () => {
  const status = (line: number): number => {
    board.time = line * 1000;
    return inb(0x3da) & 9;
  };
  expect([status(0), status(399), status(400), status(412), status(414), status(449)]).toEqual([0, 0, 1, 9, 1, 0]);
});

test('miscellaneous output is written at 0x3C2 and read at 0x3CC', () => {
  expect(inb(0x3cc)).toBe(0x67);
  out(0x3c2, 0x63);
  expect(inb(0x3cc)).toBe(0x63);
});
