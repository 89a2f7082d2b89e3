/**
 * Keeps one connection open for as long as it is wanted: connects, waits for it to end, and tries again after a
 * pause that doubles with each failure in a row.
 */
import type { Milliseconds } from "../core/units.ts";
import type { Timers } from "./timers.ts";

export interface KeptConnection {
  /** Something has changed over there: try now instead of at the end of the pause. */
  retryNow(): void;
  stop(): void;
}

export interface KeepConnectedOptions {
  readonly timers: Timers;
  /** Resolves when connected; the inner promise resolves when the connection has ended, with the reason. */
  readonly connect: () => Promise<{ readonly ended: Promise<Error> }>;
  /** A try failed, or a connection ended. */
  readonly onFailure: (error: Error) => void;
}

/** Short, so that a guest that just started is found at once. */
export const PAUSE_FIRST_MS: Milliseconds = 50;
/** Long enough to cost nothing, short enough that a person who mended something sees it work. */
export const PAUSE_LAST_MS: Milliseconds = 5_000;

export function keepConnected(options: KeepConnectedOptions): KeptConnection {
  const { timers, connect, onFailure } = options;
  let stopped = false;
  let pause = PAUSE_FIRST_MS;
  let wake: (() => void) | null = null;

  async function live(): Promise<void> {
    while (!stopped) {
      try {
        const { ended } = await connect();
        pause = PAUSE_FIRST_MS;
        const error = await ended;
        if (!stopped) onFailure(error);
      } catch (error) {
        if (!stopped) onFailure(error instanceof Error ? error : new Error(String(error)));
      }
      await pauseUnlessStopped();
    }
  }
  function pauseUnlessStopped(): Promise<void> {
    if (stopped) return Promise.resolve();
    const length = pause;
    pause = Math.min(2 * pause, PAUSE_LAST_MS);
    return new Promise((resolve) => {
      const cancel = timers.after(length, end);
      wake = end;
      function end(): void {
        cancel();
        wake = null;
        resolve();
      }
    });
  }

  void live();
  return {
    retryNow() {
      pause = PAUSE_FIRST_MS;
      wake?.();
    },
    stop() {
      stopped = true;
      wake?.();
    },
  };
}
