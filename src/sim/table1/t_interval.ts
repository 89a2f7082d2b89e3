/** The mean of independent replications and its 95 % interval by Student's t. */

export interface Estimate {
  readonly mean: number;
  readonly ci95: readonly [low: number, high: number];
}

export function tInterval(values: readonly number[]): Estimate {
  const n = values.length;
  const mean = values.reduce((sum, value) => sum + value, 0) / n;
  if (n < 2) return { mean, ci95: [Number.NEGATIVE_INFINITY, Number.POSITIVE_INFINITY] };
  const variance = values.reduce((sum, value) => sum + (value - mean) ** 2, 0) / (n - 1);
  const half = quantile(n - 1) * Math.sqrt(variance / n);
  return { mean, ci95: [mean - half, mean + half] };
}

/** The 97.5 % quantiles of Student's t for 1 to 30 degrees of freedom, from any table of it. */
const QUANTILES = [
  12.706, 4.303, 3.182, 2.776, 2.571, 2.447, 2.365, 2.306, 2.262, 2.228, 2.201, 2.179, 2.16, 2.145, 2.131,
  2.12, 2.11, 2.101, 2.093, 2.086, 2.08, 2.074, 2.069, 2.064, 2.06, 2.056, 2.052, 2.048, 2.045, 2.042,
];

/** Beyond 30, the next lower tabled value: a little too wide. */
function quantile(freedom: number): number {
  return QUANTILES[Math.min(freedom, QUANTILES.length) - 1]!;
}
