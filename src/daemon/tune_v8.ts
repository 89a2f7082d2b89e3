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

/** V8's own: bytes of bytecode that a function runs before it is considered for optimising. */
const INTERRUPT_BUDGET = 67_584;

let isSmall = false;

/**
 * Left alone, V8 doubles the young generation whenever enough has survived in it, up to some 30 MB, and keeps what it
 * compiled for long: a daemon that has nearly nothing to do grows all the same. And it optimises functions that are called once
 * a second, one after the other for hours, at 2 to 40 ms each: a third of what an idle daemon takes. They may run for twenty
 * times as long before; where there is work, such as a hundred clients of the API, that is soon over. To be called before the
 * program's modules are loaded.
 */
export function keepSmall(): void {
  isSmall = true;
  setFlagsFromString(`--interrupt-budget=${20 * INTERRUPT_BUDGET}`);
  setFlagsFromString("--semi-space-growth-factor=1");
  setFlagsFromString("--optimize-for-size");
}

/** Gives speed precedence again, as V8 does by itself, once the host turns out to be large. */
export function growWithHost(domains: number): void {
  if (!isSmall || domains <= DOMAINS_OF_SMALL_HOST) return;
  isSmall = false;
  setFlagsFromString(`--interrupt-budget=${INTERRUPT_BUDGET}`);
  setFlagsFromString("--semi-space-growth-factor=2");
  setFlagsFromString("--no-optimize-for-size");
}
