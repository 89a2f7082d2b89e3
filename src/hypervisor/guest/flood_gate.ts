/**
 * Bounds what a guest may send in a second, in bytes and in messages. What comes beyond is counted and not looked
 * at, and nothing more is read until the second is over: a flooding guest fills its own queue, not our time.
 */
import type { Timers } from "../timers.ts";

export interface FloodGate {
  /** How many of so many bytes may be looked at. */
  admitBytes(count: number): number;
  /** Whether one more message may be looked at. */
  admitMessage(): boolean;
  /** A command was sent: what answers it soon is no flood, however often we ask. */
  expectAnswer(): void;
  stop(): void;
}

/** Four of the longest honest frames (protocol/frame.ts); a usual report has a few hundred bytes. */
export const BYTES_PER_SECOND_MAX = 1_048_576;
/** Beside its answers an honest guest reports a few times per second; each report may set off an observation. */
export const MESSAGES_PER_SECOND_MAX = 50;
/** The answer, the report after it, and reports of progress. */
export const MESSAGES_PER_ANSWER = 4;

const WINDOW_MS = 1_000;

export interface FloodGateOptions {
  readonly timers: Timers;
  /** Called once per second in which there was too much. */
  readonly onFlood: () => void;
  /** The second is over. */
  readonly onCalm: () => void;
}

export function createFloodGate({ timers, onFlood, onCalm }: FloodGateOptions): FloodGate {
  let bytes = 0;
  let messages = 0;
  let owed = 0;
  let flooded = false;
  let cancel: (() => void) | null = null;

  function open(): void {
    cancel ??= timers.after(WINDOW_MS, () => {
      const wasFlooded = flooded;
      bytes = 0;
      messages = 0;
      owed = 0;
      flooded = false;
      cancel = null;
      if (wasFlooded) onCalm();
    });
  }
  function flood(): void {
    if (flooded) return;
    flooded = true;
    onFlood();
  }

  return {
    admitBytes(count) {
      open();
      const admitted = flooded ? 0 : Math.min(count, BYTES_PER_SECOND_MAX - bytes);
      bytes += admitted;
      if (admitted < count) flood();
      return admitted;
    },
    admitMessage() {
      open();
      if (flooded) return false;
      if (0 < owed) {
        owed -= 1;
        return true;
      }
      messages += 1;
      if (messages <= MESSAGES_PER_SECOND_MAX) return true;
      flood();
      return false;
    },
    expectAnswer() {
      open();
      owed += MESSAGES_PER_ANSWER;
    },
    stop() {
      cancel?.();
    },
  };
}
