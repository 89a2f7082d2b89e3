/**
 * Percentiles and how far to trust them: the 95 % interval of a percentile by bootstrap, that is from the same
 * percentile of many resamples with replacement (Efron, Annals of Statistics 7, 1979).
 */
import type { Draw } from "./seeded.ts";

/** Nearest rank; `fraction` from 0 to 1. */
export function percentile(samples: readonly number[], fraction: number): number {
  const sorted = Float64Array.from(samples).sort();
  return sorted[Math.max(0, Math.ceil(fraction * sorted.length) - 1)]!;
}

export function bootstrapInterval(samples: readonly number[], options: BootstrapOptions): [number, number] {
  const { fraction, resamples, draw } = options;
  const estimates = Array.from({ length: resamples }, () => {
    const resample = samples.map(() => samples[draw(samples.length)]!);
    return percentile(resample, fraction);
  });
  return [percentile(estimates, 0.025), percentile(estimates, 0.975)];
}

export interface BootstrapOptions {
  readonly fraction: number;
  readonly resamples: number;
  readonly draw: Draw;
}
