/** Linear memory for one look: each page is translated and read once, however often it is looked at. */

import type { Cpu } from '../machine/cpu/cpu';
import { type LinearAddress, linear } from '../x86/address';
import { peekLinear } from './guest-memory';

const PAGE = 4096;
const OFFSET = 0xfffn;

export class PageCache {
  private readonly cpu: Cpu;
  private readonly pages = new Map<bigint, DataView>();

  constructor(cpu: Cpu) {
    this.cpu = cpu;
  }

  /** Bytes from an address up to the first that is not mapped. */
  read(address: LinearAddress, length: number): Uint8Array {
    const offset = Number(address & OFFSET);
    const { buffer, byteLength } = this.page(address & ~OFFSET);
    if (offset + length <= byteLength) return new Uint8Array(buffer, offset, length);
    return peekLinear(this.cpu, address, length);
  }

  /** A little-endian value; undefined where a byte of it is not mapped. */
  value(address: LinearAddress, size: 2 | 4 | 8): bigint | undefined {
    const offset = Number(address & OFFSET);
    if (offset + size > PAGE) return across(peekLinear(this.cpu, address, size), size);
    const page = this.page(address & ~OFFSET);
    if (page.byteLength === 0) return undefined;
    if (size === 8) return page.getBigUint64(offset, true);
    return BigInt(size === 4 ? page.getUint32(offset, true) : page.getUint16(offset, true));
  }

  private page(base: bigint): DataView {
    let page = this.pages.get(base);
    if (page === undefined) {
      page = new DataView(peekLinear(this.cpu, linear(base), PAGE).slice().buffer);
      this.pages.set(base, page);
    }
    return page;
  }
}

const across = (bytes: Uint8Array, size: number): bigint | undefined =>
  bytes.length < size ? undefined : bytes.reduceRight((sum, byte) => (sum << 8n) | BigInt(byte), 0n);
