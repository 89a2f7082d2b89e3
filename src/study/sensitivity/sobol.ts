/**
 * Variance-based sensitivity (I. Sobol', 1993): what part of a response's variance is due to a factor alone (first
 * order), and what part would be left if only it were unknown (total). Design after Saltelli et al. (Computer Physics
 * Communications 181, 2010), estimators of Jansen; cost: samples times (factors + 2) evaluations.
 *
 * The points are Latin hypercubes. Intervals are percentiles over resamples of the samples.
 */
import { bits, keyOf, uniform } from "../../sim/engine/draw.ts";
import type { Interval } from "../statistics/estimate.ts";
import type { Point } from "./morris.ts";

export interface SobolDesign {
  readonly a: readonly Point[];
  readonly b: readonly Point[];
  /** By factor: the points of `a` with this factor from `b`. */
  readonly mixed: readonly (readonly Point[])[];
}

export interface SobolIndex {
  readonly first: number;
  readonly firstCi95: Interval;
  readonly total: number;
  readonly totalCi95: Interval;
}

export function sobolDesign(factors: number, samples: number, seed: number): SobolDesign {
  const a = latinHypercube(factors, samples, keyOf(seed, 1));
  const b = latinHypercube(factors, samples, keyOf(seed, 2));
  const mixed = Array.from({ length: factors }, (_, f) =>
    a.map((point, s) => point.map((value, i) => (i === f ? b[s]![f]! : value))),
  );
  return { a, b, mixed };
}

export interface SobolValues {
  readonly a: readonly number[];
  readonly b: readonly number[];
  readonly mixed: readonly (readonly number[])[];
}

export function sobolIndices(values: SobolValues): SobolIndex[] {
  const samples = values.a.map((_, s) => s);
  return values.mixed.map((_, f): SobolIndex => {
    const resampled = Array.from({ length: RESAMPLES }, (__, r) =>
      indicesOf(
        values,
        f,
        samples.map((s) => (bits(keyOf(RESAMPLE_SEED, r), s) >>> 0) % samples.length),
      ),
    );
    return {
      ...indicesOf(values, f, samples),
      firstCi95: percentiles(resampled.map(({ first }) => first)),
      totalCi95: percentiles(resampled.map(({ total }) => total)),
    };
  });
}

const RESAMPLES = 500;
const RESAMPLE_SEED = 97;

function indicesOf(
  { a, b, mixed }: SobolValues,
  factor: number,
  samples: readonly number[],
): { readonly first: number; readonly total: number } {
  const both = samples.flatMap((s) => [a[s]!, b[s]!]);
  const mean = sum(both) / both.length;
  const variance = sum(both.map((value) => (value - mean) ** 2)) / both.length;
  // A response that does not vary has no causes.
  if (variance === 0) return { first: 0, total: 0 };
  const own = mixed[factor]!;
  const half = (other: readonly number[]): number =>
    sum(samples.map((s) => (other[s]! - own[s]!) ** 2)) / (2 * samples.length);
  return { first: 1 - half(b) / variance, total: half(a) / variance };
}

/** Each factor's range in as many slices as samples, one sample in each. */
function latinHypercube(factors: number, samples: number, key: number): Point[] {
  const columns = Array.from({ length: factors }, (_, f) => {
    const own = keyOf(key, f);
    return Array.from({ length: samples }, (__, s) => ({
      order: bits(own, 2 * s) >>> 0,
      value: (s + uniform(bits(own, 2 * s + 1))) / samples,
    }))
      .sort((x, y) => x.order - y.order)
      .map(({ value }) => value);
  });
  return Array.from({ length: samples }, (_, s) => columns.map((column) => column[s]!));
}

function percentiles(values: readonly number[]): Interval {
  const sorted = [...values].sort((x, y) => x - y);
  return [sorted[Math.floor(0.025 * sorted.length)]!, sorted[Math.ceil(0.975 * sorted.length) - 1]!];
}

function sum(values: readonly number[]): number {
  return values.reduce((x, y) => x + y, 0);
}
