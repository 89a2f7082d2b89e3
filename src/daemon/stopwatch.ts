/** How the loop's own time is taken. Replaceable, because a benchmark wants processor time as well. */
import type { Milliseconds } from "../core/units.ts";

/** Begins; what comes back ends it, and says how long it took. */
export type Stopwatch = (what: "step" | "observation") => () => Milliseconds;

/** Time as it passes for everybody. */
export const wallStopwatch: Stopwatch = () => {
  const begin = performance.now();
  return () => performance.now() - begin;
};
