/**
 * QEMU's firmware configuration device, by its specification "QEMU Firmware Configuration (fw_cfg) Device": a selector at
 * port 0x510, data byte by byte at 0x511. The DMA interface is not there, and the ID says so.
 */

import type { Device, Register } from './device';

const key = {
  signature: 0x00,
  id: 0x01,
  ramSize: 0x03,
  cpus: 0x05,
  maxCpus: 0x0f,
  directory: 0x19,
  files: 0x20,
} as const;
/** Bit 14 of a selector asks for writing, which no item allows any more; bit 15 selects items of the architecture. */
const selectorMask = 0xbfff;
const nameSize = 56;
const entrySize = 8 + nameSize;
const traditionalInterface = 1;

export interface FwCfgFile {
  /** As guests look it up: `etc/e820`, `opt/…`; at most 55 bytes. */
  readonly name: string;
  readonly bytes: Uint8Array;
}

export interface FwCfgOptions {
  readonly memoryBytes: number;
  readonly cpus: number;
  readonly files: readonly FwCfgFile[];
}

export class FwCfg implements Device<{ selector: number; offset: number }> {
  readonly name = 'fw_cfg';
  state = { selector: 0, offset: 0 };
  readonly ports: readonly Register[] = [
    {
      name: 'selector',
      at: 0x510,
      size: 2,
      peek: () => this.state.selector,
      write: (value) => {
        this.state = { selector: value & selectorMask, offset: 0 };
      },
    },
    {
      name: 'data',
      at: 0x511,
      size: 1,
      peek: () => this.#byte(),
      read: () => {
        const value = this.#byte();
        this.state.offset++;
        return value;
      },
    },
  ];
  readonly #items: ReadonlyMap<number, Uint8Array>;

  constructor({ memoryBytes, cpus, files }: FwCfgOptions) {
    const sorted = [...files].sort((a, b) => (a.name < b.name ? -1 : 1));
    this.#items = new Map([
      [key.signature, new TextEncoder().encode('QEMU')],
      [key.id, littleEndian(traditionalInterface, 4)],
      [key.ramSize, littleEndian(memoryBytes, 8)],
      [key.cpus, littleEndian(cpus, 2)],
      [key.maxCpus, littleEndian(cpus, 2)],
      [key.directory, directory(sorted)],
      ...sorted.map(({ bytes }, index) => [key.files + index, bytes] as const),
    ]);
  }

  reset(): void {
    this.state = { selector: 0, offset: 0 };
  }

  nextEvent(): number {
    return Infinity;
  }

  advance(): void {}

  /** Beyond an item's end, and of items that are not there, zeros are read. */
  #byte(): number {
    return this.#items.get(this.state.selector)?.[this.state.offset] ?? 0;
  }
}

const littleEndian = (value: number, size: number): Uint8Array =>
  Uint8Array.from({ length: size }, (_, byte) => Math.floor(value / 2 ** (8 * byte)) & 0xff);

/** The file directory: a count, then size, selector and name of each file; big-endian. */
function directory(files: readonly FwCfgFile[]): Uint8Array {
  const bytes = new Uint8Array(4 + files.length * entrySize);
  const view = new DataView(bytes.buffer);
  view.setUint32(0, files.length);
  for (const [index, file] of files.entries()) {
    const at = 4 + index * entrySize;
    view.setUint32(at, file.bytes.length);
    view.setUint16(at + 4, key.files + index);
    bytes.set(new TextEncoder().encode(file.name).subarray(0, nameSize - 1), at + 8);
  }
  return bytes;
}
