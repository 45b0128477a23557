/** A set of interrupt vectors as the local APIC keeps them in IRR, ISR and TMR: 256 bits in eight words. */

export const noVectors = (): number[] => [0, 0, 0, 0, 0, 0, 0, 0];

export function setVector(set: number[], vector: number): void {
  set[vector >> 5] = ((set[vector >> 5] ?? 0) | (1 << (vector & 31))) >>> 0;
}

export function clearVector(set: number[], vector: number): void {
  set[vector >> 5] = ((set[vector >> 5] ?? 0) & ~(1 << (vector & 31))) >>> 0;
}

export const hasVector = (set: readonly number[], vector: number): boolean =>
  ((set[vector >> 5] ?? 0) & (1 << (vector & 31))) !== 0;

/** The highest vector of the set, or -1. */
export function highestVector(set: readonly number[]): number {
  for (let word = 7; word >= 0; word--) {
    const bits = set[word] ?? 0;
    if (bits !== 0) return 32 * word + 31 - Math.clz32(bits);
  }
  return -1;
}
