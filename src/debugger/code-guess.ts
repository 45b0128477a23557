/**
 * The beginnings of instructions before an address where nothing is known. Decoding from a wrong start soon falls into
 * step with the right one, so the start on which most others come together is the most likely.
 */

import { Decoder, DecoderOptions, Instruction } from 'iced-x86';
import { type LinearAddress, linear } from '../x86/address';
import type { CodeView } from './code-view';
import { LONGEST, offsetOf } from './instruction';

const PAGE = 4096n;

/** At most `count` starts, ascending, the last of an instruction that ends at `end`; bytes stand alone where none fits. */
export const guessBackward = (view: CodeView, end: LinearAddress, count: number): LinearAddress[] => {
  const bytes = bytesBefore(view, end, count * LONGEST);
  const first = linear(end - BigInt(bytes.length));
  const lengths = lengthsOf(view, first, bytes);
  const votes = votesOf(lengths);
  const starts: LinearAddress[] = [];
  for (let at = bytes.length; at > 0 && starts.length < count; ) {
    at = likeliest(lengths, votes, at);
    starts.push(linear(first + BigInt(at)));
  }
  return starts.reverse();
};

/** The mapped bytes right before an address, at most so many. */
const bytesBefore = (view: CodeView, end: LinearAddress, most: number): Uint8Array => {
  const pieces: Uint8Array[] = [];
  let length = 0;
  for (let at = BigInt(end); length < most && at > 0n; ) {
    const base = (at - 1n) & ~(PAGE - 1n);
    const piece = view.read(linear(base), Number(at - base));
    if (piece.length < Number(at - base)) break;
    pieces.unshift(piece);
    length += piece.length;
    at = base;
  }
  const all = new Uint8Array(length);
  let offset = 0;
  for (const piece of pieces) {
    all.set(piece, offset);
    offset += piece.length;
  }
  return all.subarray(Math.max(0, length - most));
};

/** By offset: the length of the instruction there, 0 where there is none. */
const lengthsOf = (view: CodeView, first: LinearAddress, bytes: Uint8Array): Uint8Array => {
  const lengths = new Uint8Array(bytes.length);
  if (bytes.length === 0) return lengths;
  const decoder = new Decoder(view.bits, bytes, DecoderOptions.None);
  const instruction = new Instruction();
  const offset = offsetOf(view, first);
  for (let at = 0; at < bytes.length; at++) {
    decoder.position = at;
    decoder.ip = offset + BigInt(at);
    decoder.decodeOut(instruction);
    if (!instruction.isInvalid) lengths[at] = instruction.length;
  }
  instruction.free();
  decoder.free();
  return lengths;
};

/** By offset: from how many starts decoding comes through here. */
const votesOf = (lengths: Uint8Array): Uint32Array => {
  const votes = new Uint32Array(lengths.length + LONGEST + 1);
  for (let at = 0; at < lengths.length; at++) {
    const length = lengths[at] as number;
    if (length > 0) votes[at + length] = (votes[at + length] as number) + (votes[at] as number) + 1;
  }
  return votes;
};

/** The start of the instruction before `end` that most decodings come through. */
const likeliest = (lengths: Uint8Array, votes: Uint32Array, end: number): number => {
  let best = end - 1;
  let most = -1;
  for (let at = Math.max(0, end - LONGEST); at < end; at++)
    if (lengths[at] === end - at && (votes[at] as number) > most) {
      best = at;
      most = votes[at] as number;
    }
  return best;
};
