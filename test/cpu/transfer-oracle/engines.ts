/** Runs an image of kernel.asm to its end and gives what it reported: a line of words for each case. */

import type { Program } from '../../../src/program/program';
import { linear, physical } from '../../../src/x86/address';
import { runOnBochs } from '../../bochs';
import { Guest } from '../../guest';
import { LOAD } from './image';

const END_OF_CASE = 0xfedcba98;
const END = 0x0fedcba9;

const linesOf = (bytes: Uint8Array): string[] => {
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.length);
  const lines: string[] = [];
  let line: string[] = [];
  for (let at = 0; at + 4 <= bytes.length; at += 4) {
    const word = view.getUint32(at, true);
    if (word === END) return lines;
    if (word === END_OF_CASE) {
      lines.push(line.join(' '));
      line = [];
    } else line.push(word.toString(16).padStart(8, '0'));
  }
  return [...lines, `it ended early: ${line.join(' ')}`];
};

export const reportOfRingside = (image: Uint8Array): string[] => {
  const bytes: number[] = [];
  const program: Program = {
    name: 'transfers',
    segments: [{ physical: physical(LOAD), bytes: image, size: image.length }],
    start: { kind: 'direct', bits: 16, entry: linear(BigInt(LOAD)) },
    symbols: [],
    lines: [],
  };
  const guest = new Guest(program, { console: (byte) => bytes.push(byte) });
  for (let turns = 0; turns < 50; turns++) if (guest.run(1_000_000).reason !== 'limit') break;
  return linesOf(Uint8Array.from(bytes));
};

/** @throws Error with Bochs's own log when it reported nothing */
export const reportOfBochs = (image: Uint8Array): string[] => {
  const { serial, log } = runOnBochs({ image, at: LOAD });
  if (serial === undefined) throw new Error(log);
  return linesOf(serial);
};
