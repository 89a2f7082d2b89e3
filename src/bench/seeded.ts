/** Repeatable draws for the benchmark: the same seed gives the same hosts on every machine. */
export function seeded(seed: number): Draw {
  // A 32-bit linear congruential generator (constants of Knuth, The Art of Computer Programming, vol. 2, 3.3.4);
  // only its upper 16 bits are used, two steps for each draw.
  let state = seed >>> 0;
  const half = () => {
    state = (Math.imul(state, 1664525) + 1013904223) >>> 0;
    return state >>> 16;
  };
  return (below) => Math.floor(((half() * 65536 + half()) / 2 ** 32) * below);
}

/** An integer from 0 to `below - 1`. */
export type Draw = (below: number) => number;

export function pick<Item>(draw: Draw, items: readonly Item[]): Item {
  return items[draw(items.length)]!;
}
