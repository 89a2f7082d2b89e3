/**
 * V8 learns that a plan's objects live long, moves their birthplace to the old space, finds them dead at the next
 * collection and throws the planner's compiled code away: plans then take ten times as long for a while. Without that
 * one optimisation the 99th percentile of a plan for 1,000 domains fell from some 40 ms to 10 ms (docs/decisions.md).
 */
import { setFlagsFromString } from "node:v8";

/** To be called once, before the first plan. */
export function keepPlansFast(): void {
  setFlagsFromString("--no-allocation-site-pretenuring");
}
