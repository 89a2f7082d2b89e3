/** One round of looking at single threads, bounded by time: a guest may have any number of them. */
import type { Platform } from "../platform.ts";

export interface Scan {
  /** Asked before each thread: `false` when the time is over, and then the thread is counted as left out. */
  goesOn(): boolean;
  /** Threads left out so far. */
  leftOut(): number;
}

export function startScan(platform: Platform, maxMs: number): Scan {
  const endMs = platform.nowMs() + maxMs;
  let left = 0;
  return {
    goesOn() {
      if (platform.nowMs() < endMs) return true;
      left += 1;
      return false;
    },
    leftOut: () => left,
  };
}

/** For whoever was asked by a person, once. */
export const UNBOUNDED_SCAN: Scan = { goesOn: () => true, leftOut: () => 0 };
