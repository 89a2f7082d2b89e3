/**
 * Waits for something to happen on the run queues: what a guest at rest does all the time, so a platform may have a cheaper
 * way (queue_watch.c). This one reads the file on timers.
 */
import type { Platform } from "../platform.ts";
import { QUEUES_PATH, type QueueReading, type Queues, queuesIn } from "./counters.ts";

/** What is worth waking for, between two readings. */
export interface QueueRule {
  readonly everyMs: number;
  /** Threads that wait for a vCPU, on average, all vCPUs together. */
  readonly waitingMin: number;
  /** Switches to threads in a second, on all vCPUs: more than that. A vCPU that came or went is worth it in any case. */
  readonly arrivalsMax: number;
}

export interface QueueWatch {
  /** Also after it has called: what it took. */
  end(): WatchCost;
}

export interface WatchCost {
  readonly readings: number;
  readonly cpuMs: number;
}

/** Calls once, with the earlier of the two readings. */
export function watchQueuesOnTimers(
  platform: Pick<Platform, "readFile" | "nowMs" | "after" | "cpuMs">,
  rule: QueueRule,
  onStir: (before: QueueReading) => void,
): QueueWatch {
  let cost: WatchCost = { readings: 0, cpuMs: 0 };
  const take = (): QueueReading => {
    const startMs = platform.cpuMs();
    const text = platform.readFile(QUEUES_PATH) ?? "";
    cost = { readings: cost.readings + 1, cpuMs: cost.cpuMs + platform.cpuMs() - startMs };
    return { atMs: platform.nowMs(), text };
  };
  let before = take();
  let cancel = platform.after(rule.everyMs, look);
  function look(): void {
    const now = take();
    if (stirs(queuesIn(before), queuesIn(now), rule)) {
      onStir(before);
      return;
    }
    before = now;
    cancel = platform.after(rule.everyMs, look);
  }
  return {
    end() {
      cancel();
      return cost;
    },
  };
}

function stirs(before: Queues | null, now: Queues | null, rule: QueueRule): boolean {
  if (before === null || now === null) return true;
  if (String([...before.vcpus.keys()]) !== String([...now.vcpus.keys()])) return true;
  const ms = now.atMs - before.atMs;
  const waitedNs = sum(now, "waitNs") - sum(before, "waitNs");
  const arrivals = sum(now, "arrivals") - sum(before, "arrivals");
  return rule.waitingMin * ms * NS_PER_MS <= waitedNs || (rule.arrivalsMax * ms) / MS_PER_SECOND < arrivals;
}

function sum({ vcpus }: Queues, what: "waitNs" | "arrivals"): number {
  return [...vcpus.values()].reduce((total, queue) => total + queue[what], 0);
}

const NS_PER_MS = 1_000_000;
const MS_PER_SECOND = 1_000;
