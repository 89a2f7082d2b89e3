/** What V8 is told about the daemon's main thread; docs/decisions.md says what each was measured to do. */
import { setFlagsFromString } from "node:v8";

/**
 * V8 learns that a plan's objects live long, moves their birthplace to the old space, finds them dead at the next
 * collection and throws the planner's compiled code away: plans then take ten times as long for a while. Without that
 * one optimisation the 99th percentile of a plan for 1,000 domains fell from some 40 ms to 10 ms.
 *
 * To be called once, before the first plan.
 */
export function keepPlansFast(): void {
  setFlagsFromString("--no-allocation-site-pretenuring");
}

/**
 * A plan for so many domains leaves about as much behind as the smallest young generation holds. Planning for many more with
 * that takes several times as long, so their host pays for a larger one.
 */
const DOMAINS_OF_SMALL_HOST = 32;

let isSmall = false;

/**
 * Left alone, V8 doubles the young generation whenever enough has survived in it, up to some 30 MB, and keeps what it
 * compiled for long: a daemon that has nearly nothing to do grows all the same. To be called before the program's modules
 * are loaded.
 */
export function keepMemorySmall(): void {
  isSmall = true;
  setFlagsFromString("--semi-space-growth-factor=1");
  setFlagsFromString("--optimize-for-size");
}

/** Gives speed precedence again, as V8 does by itself, once the host turns out to be large. */
export function growWithHost(domains: number): void {
  if (!isSmall || domains <= DOMAINS_OF_SMALL_HOST) return;
  isSmall = false;
  setFlagsFromString("--semi-space-growth-factor=2");
  setFlagsFromString("--no-optimize-for-size");
}
