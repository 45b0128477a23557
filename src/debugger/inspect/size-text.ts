/** Sizes in words. */

/** `4 KiB`, `2 MiB`: in the largest unit that fits. */
export const sizeText = (bytes: number): string => {
  for (const [unit, size] of [
    ['TiB', 2 ** 40],
    ['GiB', 2 ** 30],
    ['MiB', 2 ** 20],
  ] as const)
    if (bytes >= size && bytes % size === 0) return `${bytes / size} ${unit}`;
  return `${bytes / 1024} KiB`;
};
