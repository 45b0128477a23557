/** Spelling: the right name that is written most like a wrong one. */

/** The candidate that is written most like a word, if any is near. */
export const nearest = (word: string, candidates: readonly string[]): string | undefined => {
  const plain = (text: string): string => text.replace(/^-+/, '').toLowerCase();
  const wanted = plain(word);
  let best: string | undefined;
  let bestDistance = Math.max(2, Math.floor(wanted.length / 2)) + 1;
  for (const candidate of candidates) {
    const name = plain(candidate);
    const distance = wanted.length > 1 && name.startsWith(wanted) ? 1 : editDistance(wanted, name);
    // Where half of it is wrong, nothing is left that is alike.
    if (distance < bestDistance && (distance === 1 || 2 * distance < Math.max(wanted.length, name.length))) {
      best = candidate;
      bestDistance = distance;
    }
  }
  return best;
};

/** Letters to insert, delete or replace; two swapped neighbours count as one. */
const editDistance = (a: string, b: string): number => {
  let older: number[] = [];
  let row = Array.from({ length: b.length + 1 }, (_, column) => column);
  for (let i = 1; i <= a.length; i++) {
    const next = [i];
    for (let j = 1; j <= b.length; j++) {
      const same = a[i - 1] === b[j - 1] ? 0 : 1;
      let cost = Math.min((next[j - 1] as number) + 1, (row[j] as number) + 1, (row[j - 1] as number) + same);
      if (i > 1 && j > 1 && a[i - 1] === b[j - 2] && a[i - 2] === b[j - 1])
        cost = Math.min(cost, (older[j - 2] as number) + 1);
      next.push(cost);
    }
    older = row;
    row = next;
  }
  return row[b.length] as number;
};
