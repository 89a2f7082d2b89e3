/** Reductions of execution time, and what is made of several of them. All in percent. */
import { type Estimate, mapped, type PairedEstimate, pairedRatio } from "../statistics/estimate.ts";
import type { Finding } from "./claim.ts";
import type { Results } from "./results.ts";

/** What `policy` takes off the time of `plain`, from pairs of replications. Below zero: it takes longer. */
export function reduction(results: Results, plain: string, policy: string): PairedEstimate {
  const ratio = pairedRatio(results.times(policy), results.times(plain));
  return { ...mapped(ratio, (value) => 100 * (1 - value)), correlation: ratio.correlation };
}

/** The kernel time of `plain` over that of `policy`. */
export function kernelFactor(results: Results, plain: string, policy: string): PairedEstimate {
  return pairedRatio(results.kernelTimes(plain), results.kernelTimes(policy));
}

/**
 * The mean of estimates of different things. The programs are fixed, not a sample of programs, so only the replications
 * are random: independent errors add in squares.
 */
export function meanOf(estimates: readonly Estimate[]): Estimate {
  const value = estimates.reduce((sum, each) => sum + each.value, 0) / estimates.length;
  const half = Math.hypot(...estimates.map(({ ci95 }) => (ci95[1] - ci95[0]) / 2)) / estimates.length;
  return { value, ci95: [value - half, value + half], n: Math.min(...estimates.map(({ n }) => n)) };
}

/** The end of a range, with the interval of the one that stands there. */
export function lowest(estimates: readonly Estimate[]): Estimate {
  return estimates.reduce((a, b) => (b.value < a.value ? b : a));
}

export function highest(estimates: readonly Estimate[]): Estimate {
  return estimates.reduce((a, b) => (a.value < b.value ? b : a));
}

/** A comparison as a finding, with the correlation that common random numbers obtained. */
export function paired(estimate: PairedEstimate): Finding {
  const { correlation, n } = estimate;
  const told = Number.isNaN(correlation) ? "one side does not vary" : `correlation ${correlation.toFixed(2)}`;
  return { estimate, note: `${told}, n = ${n}` };
}
