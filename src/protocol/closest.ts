/**
 * The known word that a mistyped one most likely stands for: the least edit distance (Damerau 1964: a letter added, lost, changed, or
 * swapped with its neighbour), if it is
 * small against the word's length. Ties go to a word with the same first letter, which is seldom mistyped, then to
 * the one that stands first.
 */
export function closest(word: string, known: readonly string[]): string | null {
  let best: { word: string; distance: number } | null = null;
  for (const candidate of known) {
    const beginsOtherwise = candidate[0] === word[0] ? 0 : 0.5;
    const distance = editDistance(word.toLowerCase(), candidate.toLowerCase()) + beginsOtherwise;
    if (best === null || distance < best.distance) best = { word: candidate, distance };
  }
  const isNear = best !== null && Math.floor(best.distance) <= Math.max(1, Math.floor(best.word.length / 3));
  return isNear ? best!.word : null;
}

/** Longer words are never meant as one of ours; it bounds the quadratic work. */
const WORD_LENGTH_MAX = 64;

function editDistance(a: string, b: string): number {
  if (WORD_LENGTH_MAX < a.length) return a.length;
  let beforePrevious: number[] = [];
  let previous = Array.from({ length: b.length + 1 }, (_, index) => index);
  for (let i = 1; i <= a.length; i++) {
    const row = [i];
    for (let j = 1; j <= b.length; j++) {
      const changed = previous[j - 1]! + (a[i - 1] === b[j - 1] ? 0 : 1);
      const isSwap = 1 < i && 1 < j && a[i - 1] === b[j - 2] && a[i - 2] === b[j - 1];
      const swapped = isSwap ? beforePrevious[j - 2]! + 1 : changed;
      row.push(Math.min(changed, swapped, previous[j]! + 1, row[j - 1]! + 1));
    }
    beforePrevious = previous;
    previous = row;
  }
  return previous[b.length]!;
}
