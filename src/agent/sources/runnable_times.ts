/**
 * How long single threads ran or waited to run, and from that how many processes and applications were runnable on
 * each vCPU. Only threads that the trace saw are looked at: one that competes for a vCPU is switched to or from.
 */
import type { RunnableGroups } from "../monitor/vcpu_loads.ts";
import type { Platform } from "../platform.ts";
import { type Scan, UNBOUNDED_SCAN } from "./scan.ts";
import type { SwitchPair } from "./switch_trace.ts";
import type { Thread, Threads } from "./threads.ts";

export class RunnableTimes {
  readonly #platform: Platform;
  readonly #threads: Threads;
  #timed = new Map<number, Timed>();
  #readMs = 0;

  constructor(platform: Platform, threads: Threads) {
    this.#platform = platform;
    this.#threads = threads;
  }

  /** Averages since the last call; a thread that comes up for the first time counts from the next call on. */
  groups(
    pairs: readonly SwitchPair[],
    self: number,
    scan: Scan = UNBOUNDED_SCAN,
  ): ReadonlyMap<number, RunnableGroups> {
    const nowMs = this.#platform.nowMs();
    const ns = (nowMs - this.#readMs) * NS_PER_MS;
    const places = placesOf(pairs);
    const candidates = [...places.keys(), ...this.#timed.keys()].filter((tid) => tid !== self);
    const timed = new Map<number, Timed>();
    const parts: Part[] = [];
    for (const tid of new Set(candidates)) {
      if (timed.size >= TIMED_MAX) break;
      if (!scan.goesOn()) continue;
      const totalNs = this.#runnableNs(tid);
      if (totalNs === null) continue;
      const before = this.#timed.get(tid);
      const share = before === undefined ? null : Math.max(0, Math.min(1, (totalNs - before.totalNs) / ns));
      const idleRounds = share !== null && share < ASLEEP ? (before?.idleRounds ?? 0) + 1 : 0;
      if (FORGET_ROUNDS < idleRounds && !places.has(tid)) continue;
      const place = places.get(tid) ?? before?.place ?? new Map<number, number>();
      timed.set(tid, { totalNs, place, idleRounds });
      const thread = this.#threads.find(tid);
      if (share !== null && thread !== undefined) parts.push({ thread, share, place });
    }
    this.#timed = timed;
    this.#readMs = nowMs;
    return groupsOf(parts, `/proc/TID/schedstat of ${parts.length} threads seen by the trace`);
  }

  /** The next call is about what happens from now on. */
  rebase(scan: Scan): void {
    for (const [tid, timed] of this.#timed) {
      const totalNs = scan.goesOn() ? this.#runnableNs(tid) : null;
      if (totalNs === null) this.#timed.delete(tid);
      else this.#timed.set(tid, { ...timed, totalNs });
    }
    this.#readMs = this.#platform.nowMs();
  }

  /** Begins to look at these threads now, so that they count from the next call on. */
  add(pairs: readonly SwitchPair[]): void {
    for (const [tid, place] of placesOf(pairs)) {
      const totalNs = this.#timed.has(tid) ? null : this.#runnableNs(tid);
      if (totalNs !== null) this.#timed.set(tid, { totalNs, place, idleRounds: 0 });
    }
  }

  /** Running and waiting time of a thread since its start. */
  #runnableNs(tid: number): number | null {
    const text = this.#platform.readFile(`/proc/${tid}/schedstat`);
    if (text === null) return null;
    const [run = 0, wait = 0] = text.split(" ").map(Number);
    return run + wait;
  }
}

interface Timed {
  readonly totalNs: number;
  /** On which vCPUs it was seen, and how often. */
  readonly place: ReadonlyMap<number, number>;
  readonly idleRounds: number;
}

interface Part {
  readonly thread: Thread;
  /** Of the interval in which it was runnable. */
  readonly share: number;
  readonly place: ReadonlyMap<number, number>;
}

/** One small file each; more threads than this on a guest's run queues are a load by any measure. */
const TIMED_MAX = 128;
const NS_PER_MS = 1_000_000;
/** Runnable for less of an interval than this is asleep, and after so many intervals no longer looked at. */
const ASLEEP = 0.01;
const FORGET_ROUNDS = 3;

function placesOf(pairs: readonly SwitchPair[]): Map<number, Map<number, number>> {
  const places = new Map<number, Map<number, number>>();
  for (const { vcpu, prev, next, count } of pairs) {
    for (const tid of [prev, next]) {
      if (tid === 0) continue;
      const place = places.get(tid) ?? new Map<number, number>();
      place.set(vcpu, (place.get(vcpu) ?? 0) + count);
      places.set(tid, place);
    }
  }
  return places;
}

/**
 * A process is runnable while any of its threads is. Threads are taken as independent of each other, so the average
 * number of runnable processes is the sum over processes of 1 - (1 - share of thread 1) (1 - share of thread 2)...
 */
function groupsOf(parts: readonly Part[], source: string): ReadonlyMap<number, RunnableGroups> {
  const asleep = new Map<number, Asleep>();
  for (const { thread, share, place } of parts) {
    const seen = [...place.values()].reduce((sum, count) => sum + count, 0);
    for (const [vcpu, count] of place) {
      const here = asleep.get(vcpu) ?? { threads: 0, processes: new Map(), applications: new Map() };
      const runnable = share * (count / seen);
      here.threads += runnable;
      here.processes.set(thread.process, (here.processes.get(thread.process) ?? 1) * (1 - runnable));
      here.applications.set(
        thread.application,
        (here.applications.get(thread.application) ?? 1) * (1 - runnable),
      );
      asleep.set(vcpu, here);
    }
  }
  return new Map(
    [...asleep].map(([vcpu, { threads, processes, applications }]) => [
      vcpu,
      { threads, processes: awake(processes), applications: awake(applications), source },
    ]),
  );
}

/** For each process and application the part of the interval in which none of its threads was runnable. */
interface Asleep {
  threads: number;
  readonly processes: Map<number, number>;
  readonly applications: Map<string, number>;
}

function awake(groups: ReadonlyMap<unknown, number>): number {
  return [...groups.values()].reduce((sum, asleep) => sum + (1 - asleep), 0);
}
