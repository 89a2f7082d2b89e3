/** What a guest has counted since boot becomes a rate, from one report to the next. */
import type { Milliseconds } from "../../core/units.ts";

/** On the guest's own clock. */
export interface Counted {
  readonly atMs: Milliseconds;
  readonly total: number;
}

/** Reports that follow a command at once would make a rate of a handful. */
const APART_MS_MIN: Milliseconds = 1_000;

/**
 * Per second. A guest may say anything: what does not grow has no rate, `null`. `"too soon"`: what was told before holds, and
 * the next report is compared with the same one.
 */
export function rateBetween(before: Counted, after: Counted): number | null | "too soon" {
  const elapsedMs = after.atMs - before.atMs;
  const grown = after.total - before.total;
  if (elapsedMs < 0 || grown < 0) return null;
  return elapsedMs < APART_MS_MIN ? "too soon" : Math.round((MS_PER_SECOND * grown) / elapsedMs);
}

const MS_PER_SECOND = 1_000;
