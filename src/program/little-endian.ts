/** Reading and writing little-endian numbers in byte arrays. Callers check bounds first: they can say what is missing. */

const view = (bytes: Uint8Array): DataView => new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);

export const read8 = (bytes: Uint8Array, offset: number): number => view(bytes).getUint8(offset);
export const read16 = (bytes: Uint8Array, offset: number): number => view(bytes).getUint16(offset, true);
export const read32 = (bytes: Uint8Array, offset: number): number => view(bytes).getUint32(offset, true);
export const read64 = (bytes: Uint8Array, offset: number): bigint => view(bytes).getBigUint64(offset, true);

export const write8 = (bytes: Uint8Array, offset: number, value: number): void => view(bytes).setUint8(offset, value);
export const write16 = (bytes: Uint8Array, offset: number, value: number): void =>
  view(bytes).setUint16(offset, value, true);
export const write32 = (bytes: Uint8Array, offset: number, value: number): void =>
  view(bytes).setUint32(offset, value, true);
export const write64 = (bytes: Uint8Array, offset: number, value: bigint): void =>
  view(bytes).setBigUint64(offset, value, true);
