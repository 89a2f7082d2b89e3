/** When a vCPU begins to carry load. */
import { readFileSync } from "node:fs";
import type { Guest } from "../../lab/guest.ts";
import { threadOf } from "../../lab/node_load.ts";

export interface ThreadWatch {
  /** Since when the vCPU has run, had it not paused since (so rather too late); `null`: not for long enough to tell. */
  runningSince(now: number): Promise<number | null>;
}

/** Coming online takes some tens of milliseconds of work; only load makes a vCPU run for so much more at once. */
const STEADY_MS = 150;
/** In so much time, since the emulator and this program take their part of two pCPUs. */
const WITHIN_MS = 400;

export function watchThread(guest: Guest, vcpu: number): ThreadWatch {
  let tid: number | null = null;
  let samples: { readonly at: number; readonly runMs: number }[] = [];
  return {
    async runningSince(now) {
      tid ??= await threadOf(guest, vcpu);
      const runMs = tid === null ? null : runMsOf(guest.pid, tid);
      if (runMs === null) return null;
      samples.push({ at: now, runMs });
      samples = samples.filter(({ at }) => now - WITHIN_MS <= at);
      return STEADY_MS <= runMs - samples[0]!.runMs ? now - STEADY_MS : null;
    },
  };
}

/** By the host's kernel, to the nanosecond; `null`: the thread is gone. */
function runMsOf(pid: number, tid: number): number | null {
  try {
    return Number(readFileSync(`/proc/${pid}/task/${tid}/schedstat`, "latin1").split(" ")[0]) / 1e6;
  } catch {
    return null;
  }
}
