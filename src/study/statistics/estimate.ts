/**
 * Estimates from independent replications, each with its 95 % interval by Student's t.
 *
 * Times are compared on a log scale, pair by pair: replication r of both policies drew the same numbers (common random
 * numbers), so the noise they share cancels. The correlation that was obtained is told, because the method can fail.
 */
import { studentQuantile } from "./student_t.ts";

export type Interval = readonly [low: number, high: number];

export interface Estimate {
  readonly value: number;
  /** Of the value, not of single replications. Equal to the value when all replications agree; infinite for one. */
  readonly ci95: Interval;
  readonly n: number;
}

export interface PairedEstimate extends Estimate {
  /** Pearson's, between the logarithms of both; NaN when one does not vary. */
  readonly correlation: number;
}

export function meanEstimate(values: readonly number[]): Estimate {
  const n = values.length;
  const value = mean(values);
  if (n < 2) return { value, ci95: [Number.NEGATIVE_INFINITY, Number.POSITIVE_INFINITY], n };
  const half = studentQuantile(0.975, n - 1) * Math.sqrt(variance(values) / n);
  return { value, ci95: [value - half, value + half], n };
}

/** The geometric mean of positive values. */
export function geometricEstimate(values: readonly number[]): Estimate {
  return mapped(meanEstimate(values.map(Math.log)), Math.exp);
}

/** The geometric mean of a_r / b_r over the replications r. */
export function pairedRatio(a: readonly number[], b: readonly number[]): PairedEstimate {
  const n = Math.min(a.length, b.length);
  const [logA, logB] = [a, b].map((values) => values.slice(0, n).map(Math.log)) as [number[], number[]];
  const estimate = mapped(meanEstimate(logA.map((value, i) => value - logB[i]!)), Math.exp);
  return { ...estimate, correlation: correlation(logA, logB) };
}

/** An estimate seen through a monotone function; the interval's ends change places when it falls. */
export function mapped(estimate: Estimate, through: (value: number) => number): Estimate {
  const ends = estimate.ci95.map(through).sort((x, y) => x - y);
  return { value: through(estimate.value), ci95: [ends[0]!, ends[1]!], n: estimate.n };
}

/** Half the width of the interval, as a part of the value. */
export function relativeHalfWidth({ value, ci95 }: Estimate): number {
  return (ci95[1] - ci95[0]) / 2 / Math.abs(value);
}

export function mean(values: readonly number[]): number {
  return values.reduce((sum, value) => sum + value, 0) / values.length;
}

/** Of a sample: divided by n - 1. */
export function variance(values: readonly number[]): number {
  const middle = mean(values);
  return values.reduce((sum, value) => sum + (value - middle) ** 2, 0) / (values.length - 1);
}

export function correlation(a: readonly number[], b: readonly number[]): number {
  const [meanA, meanB] = [mean(a), mean(b)];
  const covariance = mean(a.map((value, i) => (value - meanA) * (b[i]! - meanB)));
  const spread = Math.sqrt(mean(a.map((x) => (x - meanA) ** 2)) * mean(b.map((x) => (x - meanB) ** 2)));
  // Values that are equal but for the last bits of their logarithms do not vary.
  return spread < 1e-18 ? Number.NaN : covariance / spread;
}
