/** The header by which an image says that it is a kernel (Multiboot Specification 0.6.96, "OS image format"). */

import { read32 } from './little-endian';

export interface MultibootHeader {
  /** Where the header lies in the file. */
  readonly offset: number;
  readonly flags: number;
}

const MAGIC = 0x1bad_b002;
/** The whole header lies in the first so many bytes of the image. */
const SEARCHED = 8192;
const ALIGNMENT = 4;

/** The image gives its own load addresses, which count even when it is an ELF file. */
export const FLAG_ADDRESSES = 1 << 16;
export const FLAG_VIDEO = 1 << 2;
const FLAG_MODULES_ALIGNED = 1 << 0;
const FLAG_MEMORY = 1 << 1;
/** What a loader must be able to do; of these the lower sixteen bits are demands, the upper ones are offers. */
export const KNOWN_DEMANDS = FLAG_MODULES_ALIGNED | FLAG_MEMORY | FLAG_VIDEO;
export const DEMANDS = 0xffff;

export function findMultibootHeader(image: Uint8Array): MultibootHeader | null {
  const end = Math.min(image.length, SEARCHED);
  for (let offset = 0; offset + 12 <= end; offset += ALIGNMENT) {
    if (read32(image, offset) !== MAGIC) continue;
    const flags = read32(image, offset + 4);
    const checksum = read32(image, offset + 8);
    if ((MAGIC + flags + checksum) % 2 ** 32 === 0) return { offset, flags };
  }
  return null;
}
