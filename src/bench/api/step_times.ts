/**
 * Times every step of the daemon's loop: the processor time of its thread, which is the step's own, beside the time that
 * passed, which holds what the rest of the machine did meanwhile; and says in which of them garbage was collected.
 */
import { PerformanceObserver } from "node:perf_hooks";
import type { Stopwatch } from "../../daemon/stopwatch.ts";
import { threadTimeMs } from "./thread_time.ts";

export interface StepTime {
  /** Of the performance clock, in milliseconds. */
  readonly at: number;
  readonly wallMs: number;
  readonly processorMs: number;
}

export interface StepTimes {
  readonly stopwatch: Stopwatch;
  /** All since the last call. */
  takeSteps(): readonly StepTime[];
  /** Times that passed during looks, since the last call. */
  takeLooks(): readonly number[];
  /** Whether the loop's thread collected garbage during the step; true only once the next turn of the event loop came. */
  heldGarbageCollection(step: StepTime): boolean;
  close(): void;
}

export function timeSteps(): StepTimes {
  let steps: StepTime[] = [];
  let looks: number[] = [];
  const collections: { readonly from: number; readonly to: number }[] = [];
  const observer = new PerformanceObserver((seen) => {
    for (const { startTime, duration } of seen.getEntries()) {
      collections.push({ from: startTime, to: startTime + duration });
    }
  });
  observer.observe({ entryTypes: ["gc"] });
  return {
    stopwatch: (what) => {
      const at = performance.now();
      const from = what === "step" ? threadTimeMs() : 0;
      return () => {
        const processorMs = what === "step" ? threadTimeMs() - from : 0;
        const wallMs = performance.now() - at;
        if (what === "step") steps.push({ at, wallMs, processorMs });
        else looks.push(wallMs);
        return wallMs;
      };
    },
    takeSteps() {
      const taken = steps;
      steps = [];
      return taken;
    },
    takeLooks() {
      const taken = looks;
      looks = [];
      return taken;
    },
    heldGarbageCollection: ({ at, wallMs }) =>
      collections.some(({ from, to }) => from < at + wallMs && at < to),
    close: () => observer.disconnect(),
  };
}
