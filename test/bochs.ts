/** Bochs as the distribution has it: a second opinion, run on an image or a disk to its end. */

import { spawnSync } from 'node:child_process';
import { existsSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';

export const hasBochs = (): boolean => ['bochs', 'script'].every((name) => spawnSync('which', [name]).status === 0);

/** What it starts: an image in memory that the first instruction jumps to, without a BIOS; or a disk, with one. */
export type BochsBoot = { readonly image: Uint8Array; readonly at: number } | { readonly disk: Uint8Array };

export interface BochsOptions {
  readonly model?: string;
  readonly megabytes?: number;
  /** Instructions that make a second of the guest's clock. */
  readonly ips?: number;
  /** Commands of its debugger, which the distribution's build has switched on. */
  readonly commands?: readonly string[];
  /** Milliseconds after which it is ended. */
  readonly patience?: number;
}

export interface BochsRun {
  /** What the guest wrote to COM1; undefined where it never did. */
  readonly serial: Uint8Array | undefined;
  readonly log: string;
  /** How long the process took. */
  readonly seconds: number;
}

const HEADS = 16;
const SECTORS = 63;
const SECTOR = 512;

export const runOnBochs = (boot: BochsBoot, options: BochsOptions = {}): BochsRun => {
  const {
    model = 'corei7_haswell_4770',
    megabytes = 16,
    ips = 1_000_000,
    commands = ['c'],
    patience = 120_000,
  } = options;
  const folder = mkdtempSync(join(tmpdir(), 'ringside-bochs-'));
  const file = (name: string): string => join(folder, name);
  try {
    const configuration = [
      'display_library: term',
      'sound: driver=dummy, waveoutdrv=dummy',
      'speaker: enabled=0',
      `megs: ${megabytes}`,
      `cpu: model=${model}, ips=${ips}, reset_on_triple_fault=0`,
      `com1: enabled=1, mode=file, dev=${file('com1')}`,
      ...('disk' in boot ? withDisk(boot.disk, file) : withImage(boot.image, boot.at, file)),
      'boot: disk',
      `log: ${file('log')}`,
      'panic: action=fatal',
      'error: action=ignore',
    ];
    writeFileSync(file('bochsrc'), configuration.join('\n'));
    writeFileSync(file('commands'), commands.map((command) => `${command}\n`).join(''));
    const start = performance.now();
    // Its debugger and the display in the terminal both want a terminal: `script` is one.
    spawnSync('script', ['-qec', `bochs -q -f ${file('bochsrc')} -rc ${file('commands')}`, '/dev/null'], {
      stdio: ['pipe', 'ignore', 'ignore'],
      env: { ...process.env, TERM: 'xterm' },
      timeout: patience,
    });
    const seconds = (performance.now() - start) / 1000;
    const read = (name: string) => (existsSync(file(name)) ? readFileSync(file(name)) : undefined);
    return { serial: read('com1'), log: read('log')?.toString('latin1') ?? '', seconds };
  } finally {
    rmSync(folder, { recursive: true });
  }
};

type Place = (name: string) => string;

/** A ROM of our own that jumps to the image. */
const withImage = (image: Uint8Array, at: number, file: Place): string[] => {
  const rom = new Uint8Array(65536);
  rom.set([0xea, at & 0xff, at >>> 8, 0, 0], 0xfff0);
  writeFileSync(file('rom'), rom);
  writeFileSync(file('image'), image);
  return [`romimage: file=${file('rom')}`, `optramimage1: file=${file('image')}, address=${at}`];
};

const withDisk = (disk: Uint8Array, file: Place): string[] => {
  writeFileSync(file('disk'), disk);
  const cylinders = disk.length / (HEADS * SECTORS * SECTOR);
  const geometry = `cylinders=${cylinders}, heads=${HEADS}, spt=${SECTORS}`;
  return [
    'romimage: file=/usr/share/bochs/BIOS-bochs-latest',
    'vgaromimage: file=/usr/share/bochs/VGABIOS-lgpl-latest',
    `ata0-master: type=disk, path=${file('disk')}, mode=flat, ${geometry}`,
  ];
};
