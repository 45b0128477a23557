/** Ways to run a guest to its end: Ringside in this process, Bochs and QEMU as processes of their own. */

import { execFileSync, spawnSync } from 'node:child_process';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { coreBytes } from '../src/machine/core/binary';
import { Machine } from '../src/machine/pc';
import { prepare } from '../src/program/prepare';
import { linear, physical } from '../src/x86/address';
import { hasBochs, runOnBochs } from '../test/bochs';
import { type BenchGuest, disk, image } from './guests';

export interface Engine {
  readonly name: string;
  /** Has it VT-x? */
  readonly vmx?: true;
  /** Seconds that the guest took. */
  run(guest: BenchGuest, rounds: number): number;
}

const module = new WebAssembly.Module(coreBytes);

const bootInRingside = (guest: BenchGuest, rounds: number): Machine => {
  const bytes = image(guest, rounds);
  const machine = new Machine({ core: module, memoryBytes: 64 * 2 ** 20 });
  const program = {
    name: guest.name,
    segments: [{ physical: physical(0x10000), bytes, size: bytes.length }],
    start: { kind: 'direct', bits: 64, entry: linear(0x10000n) },
    symbols: [],
    lines: [],
  } as const;
  machine.load(prepare(program, { memoryBytes: machine.memoryBytes }));
  return machine;
};

export const ringside: Engine & { instructions: number } = {
  name: 'Ringside',
  instructions: 0,
  run(guest, rounds) {
    const machine = bootInRingside(guest, rounds);
    const start = performance.now();
    let stop = machine.run(2_000_000);
    while (stop.reason === 'limit') stop = machine.run(2_000_000);
    const seconds = (performance.now() - start) / 1000;
    if (stop.reason !== 'guest-exit')
      throw new Error(
        `${guest.name}: ${JSON.stringify(stop, (_, v) => (typeof v === 'bigint' ? `0x${v.toString(16)}` : v))}`,
      );
    ringside.instructions = machine.counters.retired;
    return seconds;
  },
};

const inFolder = (guest: BenchGuest, rounds: number, run: (file: string, folder: string) => void): number => {
  const folder = mkdtempSync(join(tmpdir(), 'ringside-bench-'));
  try {
    const file = join(folder, 'disk.img');
    writeFileSync(file, disk(guest, rounds));
    const start = performance.now();
    run(file, folder);
    return (performance.now() - start) / 1000;
  } finally {
    rmSync(folder, { recursive: true });
  }
};

export const installed = (command: string): boolean => spawnSync('which', [command]).status === 0;

const bochs: Engine = {
  name: 'Bochs',
  vmx: true,
  run: (guest, rounds) =>
    runOnBochs({ disk: disk(guest, rounds) }, { megabytes: 64, ips: 100_000_000, patience: 300_000 }).seconds,
};

const qemu: Engine = {
  name: 'QEMU TCG',
  run: (guest, rounds) =>
    inFolder(guest, rounds, (file) => {
      try {
        execFileSync(
          'qemu-system-x86_64',
          [
            '-accel',
            'tcg',
            '-cpu',
            'max',
            '-m',
            '64',
            '-display',
            'none',
            '-no-reboot',
            '-net',
            'none',
            '-device',
            'isa-debug-exit,iobase=0xf4,iosize=0x04',
            '-drive',
            `file=${file},format=raw`,
          ],
          { stdio: 'ignore', timeout: 300_000 },
        );
      } catch {
        // isa-debug-exit ends with status 1.
      }
    }),
};

export const peers: readonly Engine[] = [
  ...(hasBochs() ? [bochs] : []),
  ...(installed('qemu-system-x86_64') ? [qemu] : []),
];
