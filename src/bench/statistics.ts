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

/** The 2.5th and 97.5th percentile of a statistic over resamples; `draw` holds indices with repetition. */
export function bootstrap(count: number, statistic: (draw: readonly number[]) => number): Interval {
  const draw = seeded(SEED);
  const estimates = Array.from({ length: RESAMPLES }, () =>
    statistic(Array.from({ length: count }, () => draw(count))),
  );
  return [percentile(estimates, 0.025), percentile(estimates, 0.975)];
}
