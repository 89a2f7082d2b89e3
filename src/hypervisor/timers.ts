/**
 * How this layer waits. It never asks what time it is: it only asks to be called later, so that an adapter runs
 * on real timers and the simulated host on timers of its own.
 */
import type { Milliseconds } from "../core/units.ts";

export interface Timers {
  /** Calls back once, after `delay`; the returned function cancels it. */
  after(delay: Milliseconds, callback: () => void): () => void;
}

/** Node's own timers. None of them keeps the process alive by itself. */
export const nodeTimers: Timers = {
  after(delay, callback) {
    const timer = setTimeout(callback, delay);
    timer.unref();
    return () => clearTimeout(timer);
  },
};
