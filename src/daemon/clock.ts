/** The only clock: wall time that never runs backwards, in integer milliseconds since the epoch. */
import { performance } from "node:perf_hooks";
import type { Milliseconds } from "../core/units.ts";

export interface Clock {
  now(): Milliseconds;
}

/** Anchored once to the wall clock, then monotonic, so that a corrected wall clock shortens nobody's patience. */
export function systemClock(): Clock {
  const origin = Date.now() - performance.now();
  return { now: () => Math.round(origin + performance.now()) };
}
