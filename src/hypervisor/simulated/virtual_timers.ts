/** Timers whose time moves only when told to: the simulated host's clock, and a test's. */
import type { Milliseconds } from "../../core/units.ts";
import type { Timers } from "../timers.ts";

export interface VirtualTimers extends Timers {
  now(): Milliseconds;
  /**
   * Lets time pass. What falls due runs in order of time, then of request; whatever it sets off through promises
   * has run before the next one fires. `elapse` is told of each stretch of time just before it ends.
   */
  advance(duration: Milliseconds, elapse?: (stretch: Milliseconds) => void): Promise<void>;
}

interface Due {
  readonly at: Milliseconds;
  readonly callback: () => void;
}

export function createVirtualTimers(): VirtualTimers {
  let now = 0;
  let due: Due[] = [];

  return {
    now: () => now,
    after(delay, callback) {
      const entry = { at: now + Math.max(0, delay), callback };
      const later = due.findIndex((other) => other.at > entry.at);
      due.splice(later === -1 ? due.length : later, 0, entry);
      return () => {
        due = due.filter((other) => other !== entry);
      };
    },
    async advance(duration, elapse) {
      const end = now + duration;
      await promisesToRun();
      for (let next = due[0]; next !== undefined && next.at <= end; next = due[0]) {
        due.shift();
        pass(next.at);
        next.callback();
        await promisesToRun();
      }
      pass(end);

      function pass(until: Milliseconds): void {
        if (now < until) elapse?.(until - now);
        now = Math.max(now, until);
      }
    },
  };
}

/** Node runs every promise that is ready before it comes to an immediate. */
function promisesToRun(): Promise<void> {
  return new Promise((resolve) => setImmediate(resolve));
}
