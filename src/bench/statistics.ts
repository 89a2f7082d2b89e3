/**
 * Medians and percentiles, and how far to trust them: 95 % intervals by the percentile bootstrap (Efron, Annals of Statistics 7, 1979),
 * with a fixed seed, so that the same rows give the same interval.
 */
import { seeded } from "./seeded.ts";

export type Interval = readonly [low: number, high: number];

const RESAMPLES = 2000;
const SEED = 0x5eed;

/** The mean of the middle two for an even number; NaN for none. */
export function median(values: readonly number[]): number {
  const sorted = [...values].sort((a, b) => a - b);
  const middle = sorted.length / 2;
  if (sorted.length === 0) return Number.NaN;
  return Number.isInteger(middle) ? (sorted[middle - 1]! + sorted[middle]!) / 2 : sorted[Math.floor(middle)]!;
}

/** Nearest rank; `fraction` from 0 to 1. */
export function percentile(values: readonly number[], fraction: number): number {
  const sorted = Float64Array.from(values).sort();
  return sorted[Math.max(0, Math.ceil(fraction * sorted.length) - 1)] ?? Number.NaN;
}

export function medianInterval(values: readonly number[]): Interval {
  return bootstrap(values.length, (draw) => median(draw.map((i) => values[i]!)));
}

export function percentileInterval(values: readonly number[], fraction: number): Interval {
  return bootstrap(values.length, (draw) =>
    percentile(
      draw.map((i) => values[i]!),
      fraction,
    ),
  );
}

/** The median of the pairs' ratios a/b, and its interval; pairs are samples of the same round. */
export function ratioInterval(
  a: readonly number[],
  b: readonly number[],
): { readonly ratio: number; readonly ci95: Interval } {
  const ratios = a.map((value, i) => value / b[i]!);
  return { ratio: median(ratios), ci95: medianInterval(ratios) };
}

/**
 * A percentile of all that was measured in the blocks of `a`, over that of `b`; its interval resamples whole pairs of
 * blocks (Künsch, Annals of Statistics 17, 1989), because what is measured in one block is not independent. `a[i]` and
 * `b[i]` are blocks of the same round.
 */
export function blockRatioInterval(
  a: readonly (readonly number[])[],
  b: readonly (readonly number[])[],
  fraction: number,
): { readonly ratio: number; readonly ci95: Interval } {
  const [over, under] = [sortedBlocks(a), sortedBlocks(b)];
  const ratio = (draw: readonly number[]) => {
    const times = a.map(() => 0);
    for (const i of draw) times[i]! += 1;
    return percentileOf(over, times, fraction) / percentileOf(under, times, fraction);
  };
  return { ratio: ratio(a.map((_, i) => i)), ci95: bootstrap(a.length, ratio) };
}

interface SortedBlocks {
  /** Descending, with the block that each value is of. */
  readonly values: readonly { readonly value: number; readonly block: number }[];
  readonly lengths: readonly number[];
}

function sortedBlocks(blocks: readonly (readonly number[])[]): SortedBlocks {
  const values = blocks.flatMap((block, i) => block.map((value) => ({ value, block: i })));
  return { values: values.sort((x, y) => y.value - x.value), lengths: blocks.map(({ length }) => length) };
}

/** Nearest rank, each block counted so many times. */
function percentileOf({ values, lengths }: SortedBlocks, times: readonly number[], fraction: number): number {
  const count = lengths.reduce((sum, length, i) => sum + length * times[i]!, 0);
  let above = count - Math.max(1, Math.ceil(fraction * count));
  for (const { value, block } of values) {
    above -= times[block]!;
    if (above < 0) return value;
  }
  return Number.NaN;
}

/** The 2.5th and 97.5th percentile of a statistic over resamples; `draw` holds indices with repetition. */
export function bootstrap(count: number, statistic: (draw: readonly number[]) => number): Interval {
  const draw = seeded(SEED);
  const estimates = Array.from({ length: RESAMPLES }, () =>
    statistic(Array.from({ length: count }, () => draw(count))),
  );
  return [percentile(estimates, 0.025), percentile(estimates, 0.975)];
}
