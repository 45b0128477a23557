/** A 128-bit hash of plain values, fast rather than secret: equal states give equal hashes on every machine. */

const encoder = new TextEncoder();

export class Hash {
  private a = 0x243f6a88;
  private b = 0x85a308d3;
  private c = 0x13198a2e;
  private d = 0x03707344;

  private mix(word: number): void {
    this.a = Math.imul(this.a ^ word, 0x9e3779b1);
    this.a ^= this.a >>> 15;
    this.b = Math.imul(this.b + this.a, 0x85ebca77);
    this.b ^= this.b >>> 13;
    this.c = Math.imul(this.c ^ this.b, 0xc2b2ae3d);
    this.c ^= this.c >>> 16;
    this.d = Math.imul((this.d + this.c) ^ word, 0x27d4eb2f);
    this.d ^= this.d >>> 14;
    this.a = (this.a + this.d) | 0;
  }

  words(words: Uint32Array): void {
    this.mix(words.length);
    for (let n = 0; n < words.length; n++) this.mix(words[n] as number);
  }
  bytes(bytes: Uint8Array): void {
    this.mix(bytes.length);
    let n = 0;
    for (; n + 4 <= bytes.length; n += 4)
      this.mix(
        (bytes[n] as number) |
          ((bytes[n + 1] as number) << 8) |
          ((bytes[n + 2] as number) << 16) |
          ((bytes[n + 3] as number) << 24),
      );
    for (; n < bytes.length; n++) this.mix(bytes[n] as number);
  }
  number(value: number): void {
    this.mix(value | 0);
    this.mix(Math.floor(value / 2 ** 32) | 0);
  }
  big(value: bigint): void {
    this.mix(Number(BigInt.asIntN(32, value)));
    this.mix(Number(BigInt.asIntN(32, value >> 32n)));
  }
  /** Numbers, bigints, booleans, strings, arrays, typed arrays, plain objects (by sorted key) and null. */
  value(value: unknown): void {
    if (typeof value === 'number') {
      this.mix(1);
      this.number(value);
      this.mix((value % 1) * 2 ** 31);
    } else if (typeof value === 'bigint') {
      this.mix(2);
      this.big(value);
    } else if (typeof value === 'boolean') this.mix(value ? 3 : 4);
    else if (typeof value === 'string') this.bytes(encoder.encode(value));
    else if (value === null || value === undefined) this.mix(5);
    else if (value instanceof Uint8Array) this.bytes(value);
    else if (ArrayBuffer.isView(value)) this.bytes(new Uint8Array(value.buffer, value.byteOffset, value.byteLength));
    else if (Array.isArray(value)) {
      this.mix(value.length);
      for (const item of value) this.value(item);
    } else {
      const entries = Object.entries(value as object).sort(([a], [b]) => (a < b ? -1 : 1));
      this.mix(entries.length);
      for (const [key, item] of entries) {
        this.value(key);
        this.value(item);
      }
    }
  }

  digest(): string {
    for (let n = 0; n < 4; n++) this.mix(n);
    return [this.a, this.b, this.c, this.d].map((word) => (word >>> 0).toString(16).padStart(8, '0')).join('');
  }
  digest64(): bigint {
    for (let n = 0; n < 4; n++) this.mix(n);
    return (BigInt(this.a >>> 0) << 32n) | BigInt(this.b >>> 0);
  }
}
