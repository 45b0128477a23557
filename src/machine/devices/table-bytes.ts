/** Bytes of a firmware table as they are put together: little-endian fields one after the other, with a checksum. */

export class TableBytes {
  readonly #bytes: number[] = [];

  get length(): number {
    return this.#bytes.length;
  }

  /** A field of 1, 2, 4 or 8 bytes. */
  number(value: number, size: 1 | 2 | 4 | 8): this {
    for (let byte = 0; byte < size; byte++) this.#bytes.push(Math.floor(value / 2 ** (8 * byte)) & 0xff);
    return this;
  }

  bytes(...values: readonly number[]): this {
    this.#bytes.push(...values);
    return this;
  }

  zeros(count: number): this {
    return this.bytes(...Array<number>(count).fill(0));
  }

  /** ASCII, filled with `fill` up to `size`. */
  text(text: string, size = text.length, fill = 0): this {
    for (let i = 0; i < size; i++) this.#bytes.push(i < text.length ? text.charCodeAt(i) : fill);
    return this;
  }

  append(other: TableBytes): this {
    return this.bytes(...other.#bytes);
  }

  /** Sets the byte at `at` so that the bytes from the start up to `end` sum to zero. */
  checksum(at: number, end = this.#bytes.length): this {
    this.#bytes[at] = 0;
    this.#bytes[at] = -this.#bytes.slice(0, end).reduce((sum, byte) => sum + byte, 0) & 0xff;
    return this;
  }

  toArray(): Uint8Array {
    return Uint8Array.from(this.#bytes);
  }
}
