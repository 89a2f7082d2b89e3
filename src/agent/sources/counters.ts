/** The kernel's counters that cost next to nothing to read: two files, whatever the guest does. */
import type { Counters, VcpuCounters } from "../monitor/vcpu_loads.ts";
import type { Platform } from "../platform.ts";

/** `justRead`: the run queues, where they were read this very moment. */
export function readCounters(platform: Platform, justRead: Queues | null = null): Counters {
  const queues = justRead?.vcpus ?? runQueues(platform.readFile(QUEUES_PATH) ?? "");
  const { switches, times } = processorTimes(platform.readFile("/proc/stat") ?? "");
  return {
    atMs: platform.nowMs(),
    switches,
    vcpus: times.map(({ vcpu, idleNs, stealNs }): VcpuCounters => {
      const queue = queues.get(vcpu);
      return { vcpu, idleNs, stealNs, waitNs: queue?.waitNs ?? 0, arrivals: queue?.arrivals ?? null };
    }),
  };
}

/** What can be read most often: one file. `null`: this kernel has no schedstat. */
export function readQueues(platform: Platform): Queues | null {
  const text = platform.readFile(QUEUES_PATH) ?? "";
  return queuesIn({ atMs: platform.nowMs(), text });
}

/** Where the kernel counts them. */
export const QUEUES_PATH = "/proc/schedstat";

/** The file's text at some moment of the platform's clock. */
export interface QueueReading {
  readonly atMs: number;
  readonly text: string;
}

/** `null`: there are none in it. */
export function queuesIn({ atMs, text }: QueueReading): Queues | null {
  const vcpus = runQueues(text);
  return vcpus.size === 0 ? null : { atMs, vcpus };
}

/** By vCPU, those that are online, since boot. */
export interface Queues {
  readonly atMs: number;
  readonly vcpus: ReadonlyMap<number, Queue>;
}

/** Nanoseconds that threads waited, and switches to threads. */
export interface Queue {
  readonly waitNs: number;
  readonly arrivals: number;
}

/** The queues as of these counters; `null` where this kernel does not tell. */
export function queuesOf({ atMs, vcpus }: Counters): Queues | null {
  const told = vcpus.flatMap(({ vcpu, waitNs, arrivals }) =>
    arrivals === null ? [] : [[vcpu, { waitNs, arrivals }] as const],
  );
  return told.length === 0 ? null : { atMs, vcpus: new Map(told) };
}

/** Of the agent itself: how long it ran and waited, and on which vCPU it is. */
export function readSelf(platform: Platform): SelfCounters {
  const [runNs = 0, waitNs = 0] = (platform.readFile("/proc/self/schedstat") ?? "").split(" ").map(Number);
  return { runNs, waitNs, vcpu: platform.vcpuNow() };
}

export interface SelfCounters {
  readonly runNs: number;
  readonly waitNs: number;
  readonly vcpu: number;
}

/** /proc/schedstat: the last two numbers of a vCPU's line are waiting time in nanoseconds and switches to threads. */
function runQueues(text: string): ReadonlyMap<number, Queue> {
  const found = new Map<number, Queue>();
  // The lines in between, about scheduling domains, are many times as long.
  for (let start = text.indexOf("\ncpu"); start !== -1; start = text.indexOf("\ncpu", start + 1)) {
    const words = lineAt(text, start + 1).split(" ");
    const [waitNs, arrivals] = [Number(words[8]), Number(words[9])];
    if (Number.isFinite(waitNs) && Number.isFinite(arrivals)) {
      found.set(Number(words[0]!.slice("cpu".length)), { waitNs, arrivals });
    }
  }
  return found;
}

/** /proc/stat lists only the vCPUs that are online, ascending, first; the long line of interrupts is not looked at. */
function processorTimes(text: string): {
  readonly switches: number;
  readonly times: readonly { readonly vcpu: number; readonly idleNs: number; readonly stealNs: number }[];
} {
  const times: { vcpu: number; idleNs: number; stealNs: number }[] = [];
  for (let start = 0; text.startsWith("cpu", start); start = text.indexOf("\n", start) + 1) {
    const words = lineAt(text, start).split(" ");
    const vcpu = words[0]!.slice("cpu".length);
    if (vcpu === "") continue;
    const idleNs = (Number(words[4]) + Number(words[5])) * NS_PER_TICK;
    times.push({ vcpu: Number(vcpu), idleNs, stealNs: Number(words[8]) * NS_PER_TICK });
  }
  const total = text.indexOf("\nctxt ");
  return { switches: total === -1 ? 0 : Number(lineAt(text, total + 1).slice("ctxt ".length)), times };
}

function lineAt(text: string, start: number): string {
  const end = text.indexOf("\n", start);
  return text.slice(start, end === -1 ? text.length : end);
}

/** The kernel tells these times in hundredths of a second (USER_HZ is 100 on every architecture that matters). */
const NS_PER_TICK = 10_000_000;
