/**
 * What goes wrong at the other end of a channel, told once per kind however often it happens, and forgotten when it
 * has not happened for a while.
 */
import type { Milliseconds } from "../../core/units.ts";
import type { Timers } from "../timers.ts";

export interface Complaints {
  /** `sentence` gets how often it has happened in this spell. */
  add(kind: string, sentence: (times: number) => string): void;
  /** It is mended. */
  clear(kind: string): void;
  list(): readonly string[];
}

/** Longer than any observation period, so that a person sees it; short enough not to outlive its cause for long. */
export const COMPLAINT_LASTS_MS: Milliseconds = 30_000;

export function createComplaints(timers: Timers): Complaints {
  const open = new Map<string, { times: number; text: string; cancel(): void }>();
  return {
    add(kind, sentence) {
      const before = open.get(kind);
      before?.cancel();
      const times = (before?.times ?? 0) + 1;
      const cancel = timers.after(COMPLAINT_LASTS_MS, () => void open.delete(kind));
      open.set(kind, { times, text: sentence(times), cancel });
    },
    clear(kind) {
      open.get(kind)?.cancel();
      open.delete(kind);
    },
    list: () => [...open.values()].map(({ text }) => text),
  };
}
