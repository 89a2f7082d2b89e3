/** What there is to say of a time that was measured often. */
import { type Interval, percentile, percentileInterval } from "../statistics.ts";

export interface Distribution {
  readonly p50: number | null;
  readonly p90: number | null;
  readonly p99: number | null;
  readonly p50Ci95: Interval | null;
  readonly worst: number | null;
  readonly samples: number;
}

/** Percentiles by nearest rank; `null` for no samples. */
export function distributionOf(values: readonly number[]): Distribution {
  if (values.length === 0) {
    return { p50: null, p90: null, p99: null, p50Ci95: null, worst: null, samples: 0 };
  }
  return {
    p50: percentile(values, 0.5),
    p90: percentile(values, 0.9),
    p99: percentile(values, 0.99),
    p50Ci95: percentileInterval(values, 0.5),
    worst: Math.max(...values),
    samples: values.length,
  };
}
