/** Runs that were repeated for a time, before and after: how much more was done, with an interval. */
import { bootstrap } from "../statistics.ts";

export { type Interval, median } from "../statistics.ts";

/** Of work per time: mean seconds before over mean seconds after; both resampled, each by itself. */
export function ratioOfMeans(
  before: readonly number[],
  after: readonly number[],
): { readonly value: number; readonly ci95: readonly [low: number, high: number] } {
  // One list of draws serves both: each takes its own part of it. Both lengths divide the range, so that no run comes up more often.
  const ci95 = bootstrap(2 * before.length * after.length, (draw) => {
    const of = (values: readonly number[], from: number) =>
      mean(values.map((_, i) => values[draw[from + i]! % values.length]!));
    return of(before, 0) / of(after, before.length);
  });
  return { value: mean(before) / mean(after), ci95 };
}

export function mean(values: readonly number[]): number {
  return values.reduce((sum, value) => sum + value, 0) / values.length;
}
