/** Runs an image that reports what its cases did, on Ringside in this process and on Bochs: a line of words per case. */

import { spawnSync } from 'node:child_process';
import { existsSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import type { Program } from '../../src/program/program';
import { linear, physical } from '../../src/x86/address';
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

/** Bochs asks a terminal before it starts: `script` is one. */
export const hasBochs = (): boolean => ['bochs', 'script'].every((name) => spawnSync('which', [name]).status === 0);

/** @throws Error with Bochs's own log when it reported nothing */
export const onBochs = (image: Uint8Array): string[] => {
  const folder = mkdtempSync(join(tmpdir(), 'ringside-bochs-'));
  try {
    // No BIOS, no disk: a ROM that jumps to the image.
    const rom = new Uint8Array(65536);
    rom.set([0xea, LOAD & 0xff, LOAD >> 8, 0, 0], 0xfff0);
    writeFileSync(join(folder, 'rom'), rom);
    writeFileSync(join(folder, 'image'), image);
    const output = join(folder, 'com1');
    const configuration = [
      'display_library: term',
      'sound: driver=dummy, waveoutdrv=dummy',
      'speaker: enabled=0',
      'megs: 16',
      `romimage: file=${join(folder, 'rom')}`,
      `optramimage1: file=${join(folder, 'image')}, address=${LOAD}`,
      'cpu: model=corei7_haswell_4770, ips=1000000, reset_on_triple_fault=0',
      `com1: enabled=1, mode=file, dev=${output}`,
      `log: ${join(folder, 'log')}`,
      'panic: action=fatal',
      'error: action=ignore',
      'boot: disk',
    ];
    writeFileSync(join(folder, 'bochsrc'), configuration.join('\n'));
    spawnSync('script', ['-qec', `bochs -q -f ${join(folder, 'bochsrc')}`, '/dev/null'], {
      input: 'c\n',
      stdio: ['pipe', 'ignore', 'ignore'],
      env: { ...process.env, TERM: 'xterm' },
      timeout: PATIENCE_MS,
    });
    if (!existsSync(output)) throw new Error(readFileSync(join(folder, 'log'), 'latin1'));
    return linesOf(readFileSync(output));
  } finally {
    rmSync(folder, { recursive: true });
  }
};
