/** One seed, whatever happens: a fault in the controller itself counts as one that it did not stand. */
import { runSwarm, type SwarmRun } from "./swarm_run.ts";

export function runSeed(seed: number): SwarmRun {
  try {
    return runSwarm(seed);
  } catch (error) {
    const what = error instanceof Error ? (error.stack ?? error.message) : String(error);
    return { seed, faults: [`Invariant 1: it threw ${what}`], steps: 0, convergedAfterMs: null };
  }
}
