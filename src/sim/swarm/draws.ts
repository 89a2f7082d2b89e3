/** A stream of draws from one seed, for what is drawn in order: a swarm's options and its misfortunes. */
import { bits, keyOf, uniform } from "../engine/draw.ts";

export interface Draws {
  /** An integer from 0 to `n - 1`. */
  below(n: number): number;
  /** An integer from `low` to `high`, both included. */
  between(low: number, high: number): number;
  chance(probability: number): boolean;
  pick<Item>(items: readonly Item[]): Item;
}

export function drawsOf(seed: number, stream: number): Draws {
  const key = keyOf(seed, stream);
  let n = 0;
  const next = (): number => uniform(bits(key, n++));
  const below = (bound: number): number => Math.floor(next() * bound);
  return {
    below,
    between: (low, high) => low + below(high - low + 1),
    chance: (probability) => next() < probability,
    pick: (items) => items[below(items.length)],
  };
}
