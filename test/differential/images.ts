/** Runs an image that reports what its cases did, on Ringside in this process and on Bochs: a line of words per case. */

import type { Program } from '../../src/program/program';
import { linear, physical } from '../../src/x86/address';
import { runOnBochs } from '../bochs';
import { Guest } from '../guest';

/** Where images are loaded and started, in real mode. */
export const LOAD = 0x8000;
const END_OF_CASE = 0xfedcba98;
const END = 0x0fedcba9;
const PATIENCE_MS = 300_000;

const linesOf = (bytes: Uint8Array): string[] => {
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.length);
  const lines: string[] = [];
  let line: string[] = [];
  for (let at = 0; at + 4 <= bytes.length; at += 4) {
    const word = view.getUint32(at, true);
    if (word === END) break;
    if (word === END_OF_CASE) {
      lines.push(line.join(' '));
      line = [];
    } else line.push(word.toString(16));
  }
  return lines;
};

export const onRingside = (image: Uint8Array): string[] => {
  const bytes: number[] = [];
  const program: Program = {
    name: 'cases',
    segments: [{ physical: physical(LOAD), bytes: image, size: image.length }],
    start: { kind: 'direct', bits: 16, entry: linear(BigInt(LOAD)) },
    symbols: [],
    lines: [],
  };
  const guest = new Guest(program, { console: (byte) => bytes.push(byte) });
  for (let turns = 0; turns < 1000; turns++) if (guest.run(10_000_000).reason !== 'limit') break;
  return linesOf(Uint8Array.from(bytes));
};

/** @throws Error with Bochs's own log when it reported nothing */
export const onBochs = (image: Uint8Array): string[] => {
  const { serial, log } = runOnBochs({ image, at: LOAD }, { patience: PATIENCE_MS });
  if (serial === undefined) throw new Error(log);
  return linesOf(serial);
};
