/** Linear memory for one look: each page is translated and read once, however often it is looked at. */

import type { Cpu } from '../machine/cpu/cpu';
import { type LinearAddress, linear } from '../x86/address';
import { peekLinear } from './guest-memory';

const PAGE = 4096;
const OFFSET = 0xfffn;

export class PageCache {
  private readonly cpu: Cpu;
  private readonly pages = new Map<bigint, Uint8Array>();
  private base = 0n;
  private end = 0n;
  private bytes: Uint8Array = new Uint8Array();
  private view: DataView = new DataView(new ArrayBuffer(0));

  constructor(cpu: Cpu) {
    this.cpu = cpu;
  }

  /** Bytes from an address up to the first that is not mapped. */
  read(address: LinearAddress, length: number): Uint8Array {
    const offset = this.open(address);
    if (offset + length > this.bytes.length) return peekLinear(this.cpu, address, length);
    return this.bytes.subarray(offset, offset + length);
  }

  /** A little-endian value; undefined where a byte of it is not mapped. */
  value(address: LinearAddress, size: 2 | 4 | 8): bigint | undefined {
    const offset = this.open(address);
    if (offset + size > PAGE) return across(peekLinear(this.cpu, address, size), size);
    if (this.bytes.length === 0) return undefined;
    if (size === 8) return this.view.getBigUint64(offset, true);
    return BigInt(size === 4 ? this.view.getUint32(offset, true) : this.view.getUint16(offset, true));
  }

  /** Makes the page of an address the one that is read; gives the offset in it. */
  private open(address: LinearAddress): number {
    if (address < this.base || address >= this.end) {
      this.base = address & ~OFFSET;
      this.end = this.base + BigInt(PAGE);
      let bytes = this.pages.get(this.base);
      if (bytes === undefined) {
        bytes = peekLinear(this.cpu, linear(this.base), PAGE);
        this.pages.set(this.base, bytes);
      }
      this.bytes = bytes;
      this.view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
    }
    return Number(address - this.base);
  }
}

const across = (bytes: Uint8Array, size: number): bigint | undefined =>
  bytes.length < size ? undefined : bytes.reduceRight((sum, byte) => (sum << 8n) | BigInt(byte), 0n);
