/**
 * Reads the guest's load in two stages. `glance` reads one file, which is enough to see that nobody waits. A look, from
 * `begin` to `sample`, reads the counters at both ends of an interval, a trace of the switches in a part of it that is
 * as long as its cost allows, and single threads for as long as their time allows. Everything is bounded, so a busy
 * guest is measured less exactly, never at a greater cost; what is left out is said.
 */

import { isRich, type Stage } from "../monitor/budget.ts";
import { classify } from "../monitor/classify.ts";
import { degradedOf } from "../monitor/degraded.ts";
import type { QueueGrowth } from "../monitor/may_exceed.ts";
import type { SwitchKinds } from "../monitor/switch_kinds.ts";
import type { VcpuLoad } from "../monitor/vcpu_load.ts";
import type { Counters, HostTimes, SwitchCost } from "../monitor/vcpu_loads.ts";
import { vcpuLoads } from "../monitor/vcpu_loads.ts";
import type { Platform } from "../platform.ts";
import {
  type QueueReading,
  type Queues,
  queuesIn,
  queuesOf,
  readCounters,
  readQueues,
  readSelf,
  type SelfCounters,
} from "./counters.ts";
import { LoneThreads } from "./lone_threads.ts";
import type { Meter } from "./meter.ts";
import { RunnableTimes } from "./runnable_times.ts";
import { type Scan, startScan, UNBOUNDED_SCAN } from "./scan.ts";
import { SwitchTrace, type Trace } from "./switch_trace.ts";
import { Threads } from "./threads.ts";
import { VcpuNodes } from "./vcpu_nodes.ts";

export class LoadMonitor {
  readonly #platform: Platform;
  readonly #cost: SwitchCost | string;
  readonly #trace: SwitchTrace;
  readonly #threads: Threads;
  readonly #times: RunnableTimes;
  readonly #pid: number;
  readonly #hz: number | null;
  readonly #nodes: VcpuNodes;
  readonly #lone: LoneThreads;
  readonly #meter: Meter | null;
  #queues: Queues | null = null;
  #before: Counters;
  #selfBefore: SelfCounters;
  #perSecond: number | null = null;
  /** There are so many switches that even a paused trace would cost too much. */
  #rare = false;
  #troubleTracing = "";
  /** What the last trace showed, and when. */
  #kinds: { readonly atMs: number; readonly kinds: SwitchKinds } | null = null;
  /** When the present row of looks began. */
  #rowMs = 0;
  /** Whether the look under way traces; `null`: nobody has planned it. */
  #plansTrace: boolean | null = null;

  /** `meter`: `null` for a person who asks once, and gets all. */
  constructor(platform: Platform, cost: SwitchCost | string, meter: Meter | null = null) {
    this.#platform = platform;
    this.#cost = cost;
    this.#meter = meter;
    this.#pid = Number.parseInt(platform.readFile("/proc/self/stat") ?? "0", 10);
    this.#trace = new SwitchTrace(platform, this.#pid);
    this.#threads = new Threads(platform);
    this.#times = new RunnableTimes(platform, this.#threads);
    this.#nodes = new VcpuNodes(platform);
    this.#lone = new LoneThreads(platform);
    this.#hz = readHz(platform);
    this.#before = readCounters(platform);
    this.#selfBefore = readSelf(platform);
  }

  /** Has the trace attached, so that the first `traceFrom` finds it there. */
  attach(): void {
    this.#trace.attach();
  }

  /**
   * What came to the run queues since the last glance; `null` where that is not known: no schedstat, the first one, or
   * vCPUs came or went.
   */
  glance(): readonly QueueGrowth[] | null {
    const grown = this.#growth(readQueues(this.#platform));
    // Also where nobody waits, a paused trace costs each switch something.
    const switches = (grown ?? []).reduce((sum, { arrivals }) => sum + arrivals, 0);
    if (PAUSE_PER_SECOND_MAX < switches) this.#trace.rest();
    return grown;
  }

  /** The next glance tells what came since this reading. */
  recall(before: QueueReading): void {
    this.#queues = queuesIn(before);
  }

  /** Those that were online at the last glance or look, ascending; empty where the kernel does not tell. */
  vcpus(): readonly number[] {
    return [...(this.#queues?.vcpus.keys() ?? [])];
  }

  #growth(now: Queues | null): readonly QueueGrowth[] | null {
    const before = this.#queues;
    this.#queues = now;
    if (before === null || now === null || before.vcpus.size !== now.vcpus.size) return null;
    const ms = Math.max(1, now.atMs - before.atMs);
    this.#nodes.heed([...now.vcpus.keys()]);
    const grown: QueueGrowth[] = [];
    for (const [vcpu, queue] of now.vcpus) {
      const then = before.vcpus.get(vcpu);
      if (then === undefined) return null;
      const arrivals = (Math.max(0, queue.arrivals - then.arrivals) * MS_PER_SECOND) / ms;
      const waiting = Math.max(0, queue.waitNs - then.waitNs) / (ms * NS_PER_MS);
      grown.push({ vcpu, node: this.#nodes.nodeOf(vcpu), waiting, arrivals });
    }
    return grown;
  }

  /** Begins a row of looks, right after a glance. */
  begin(): void {
    const ageMs = this.#platform.nowMs() - (this.#queues?.atMs ?? Number.NEGATIVE_INFINITY);
    this.#before = readCounters(this.#platform, ageMs <= SAME_MOMENT_MS ? this.#queues : null);
    this.#selfBefore = readSelf(this.#platform);
    this.#rowMs = this.#before.atMs;
    if (this.#isTraceDue(this.#before.atMs, { isWhole: true })) this.#trace.attach();
  }

  /** Before each look: the stages that it consists of. `isWhole`: at everything. */
  plan({ isWhole }: { readonly isWhole: boolean }): readonly Stage[] {
    this.#plansTrace = this.#isTraceDue(this.#platform.nowMs(), { isWhole });
    return [isWhole ? "show" : "look", ...(this.#plansTrace ? (["trace"] as const) : [])];
  }

  /** Before a look at everything that follows one that left the threads out. */
  beginThreads(): void {
    this.#times.rebase(this.#startScan());
  }

  /** No look follows for the time being. */
  pause(): void {
    this.#trace.pause();
  }

  /** How long before the end of an interval `traceFrom` should be called. */
  traceMs(intervalMs: number): number {
    if (this.#perSecond === null) return Math.min(intervalMs, TRACE_FIRST_MS);
    if (this.#rare) return Math.min(intervalMs, RARE_TRACE_MS);
    return Math.max(TRACE_MIN_MS, Math.floor(intervalMs * traceShare(this.#perSecond)));
  }

  /** `false`: not yet, since the kernel is still at work on the trigger; call again. */
  traceFrom(): boolean {
    const traces = this.#plansTrace ?? this.#isTraceDue(this.#platform.nowMs(), { isWhole: true });
    if (!traces) return true;
    return this.#charged("trace", () => this.#traceFrom());
  }

  #traceFrom(): boolean {
    if (!this.#trace.counting) this.#troubleTracing = this.#trace.count() ?? "";
    return !this.#trace.changing;
  }

  /** Ends the interval that began with the last call, or with the monitor. `threads`: look also at single ones. */
  sample(host: (intervalMs: number) => HostTimes | null, options = { threads: true }): Sampled {
    const after = readCounters(this.#platform);
    const before = this.#before;
    const intervalMs = after.atMs - before.atMs;
    this.#perSecond = ((after.switches - before.switches) * MS_PER_SECOND) / Math.max(1, intervalMs);
    this.#rare = (this.#rare ? RESUME_PER_SECOND : PAUSE_PER_SECOND_MAX) < this.#perSecond;
    const self = readSelf(this.#platform);
    this.#nodes.heed(after.vcpus.map(({ vcpu }) => vcpu));
    const scan = this.#startScan();
    const traced = this.#charged("trace", () => this.#traced(after.atMs, { intervalMs, scan }));
    const pairs = typeof traced === "string" ? [] : traced.pairs;
    const trouble = typeof traced === "string" ? traced : "";
    const groupsTrouble = this.#kinds === null && this.#lone.pairs().length === 0 ? trouble : "";
    const vcpus = vcpuLoads({
      before,
      after,
      kinds: this.#kindsNow(after.atMs, trouble),
      cost: this.#cost,
      groups: groupsTrouble || this.#noThreads(options) || this.#times.groups(pairs, this.#pid, scan),
      nodeOf: (vcpu) => this.#nodes.nodeOf(vcpu),
      host: host(intervalMs),
      hz: this.#hz,
      self: {
        vcpu: self.vcpu,
        runNs: self.runNs - this.#selfBefore.runNs,
        waitNs: self.waitNs - this.#selfBefore.waitNs,
      },
    });
    if (this.#noThreads(options) === "") this.#lookForLone(vcpus, scan);
    this.#plansTrace = null;
    if (this.#isTraceDue(after.atMs, { isWhole: true })) this.#trace.attach();
    // What this very sample cost belongs to the next interval, where it is subtracted.
    this.#before = after;
    this.#selfBefore = self;
    const degraded = options.threads
      ? [...this.#rareness(), ...this.#leftOut(scan), ...degradedOf(vcpus)]
      : [];
    return { atMs: after.atMs, intervalMs, vcpus, degraded, grown: this.#growth(queuesOf(after)) };
  }

  /** What the trace showed in this interval, whose kinds of switches are then known; or why it showed nothing. */
  #traced(
    atMs: number,
    { intervalMs, scan }: { readonly intervalMs: number; readonly scan: Scan },
  ): Trace | string {
    if (this.#plansTrace === false) return this.#troubleTracing;
    const traced = this.#trace.counting ? this.#trace.take(this.#afterTrace()) : this.#troubleTracing;
    if (typeof traced !== "string") {
      this.#threads.learn(
        traced.pairs.flatMap(({ prev, next }) => [prev, next]),
        scan,
      );
      this.#kinds = {
        atMs,
        kinds: classify(traced, { intervalMs, find: (tid) => this.#threads.find(tid) }),
      };
    }
    return traced;
  }

  #afterTrace(): "count" | "pause" | "rest" {
    if (this.#rare) return "rest";
    return TRACE_ON_SHARE <= traceShare(this.#perSecond ?? 0) ? "count" : "pause";
  }

  #charged<T>(stage: Stage, work: () => T): T {
    return this.#meter === null ? work() : this.#meter.charged(stage, work);
  }

  #startScan(): Scan {
    return this.#meter === null ? UNBOUNDED_SCAN : startScan(this.#platform, SCAN_MAX_MS);
  }

  /** Why single threads are not looked at; empty when they are. */
  #noThreads({ threads }: { readonly threads: boolean }): string {
    return threads ? "" : "No threshold asks for it, and nobody wanted to see it";
  }

  #leftOut(scan: Scan): readonly string[] {
    if (scan.leftOut() === 0) return [];
    return [
      `Looking at single threads ended after ${SCAN_MAX_MS} ms: ${scan.leftOut()} threads were left out`,
    ];
  }

  /** A load that begins is other threads than those before: the first look of a row traces, whatever was seen before. */
  #isTraceDue(nowMs: number, { isWhole }: { readonly isWhole: boolean }): boolean {
    if (this.#kinds === null || TRACE_EVERY_MS <= nowMs - this.#kinds.atMs) return true;
    if (this.#rare) return false;
    return isWhole || this.#kinds.atMs <= this.#rowMs || this.#meter === null || isRich(this.#meter.budget);
  }

  #kindsNow(nowMs: number, trouble: string): SwitchKinds | string {
    if (this.#kinds === null) return trouble || "Nothing was traced yet";
    const ageMs = nowMs - this.#kinds.atMs;
    if (ageMs === 0) return this.#kinds.kinds;
    if (KINDS_LAST_MS < ageMs) return trouble || "Nothing was traced of late";
    const { vcpus, source } = this.#kinds.kinds;
    return { vcpus, source: `${source}, ${Math.round(ageMs / MS_PER_SECOND)} s ago` };
  }

  #rareness(): readonly string[] {
    if (!this.#rare) return [];
    return [
      `Switches are told apart once in ${TRACE_EVERY_MS / MS_PER_SECOND} s: there are ` +
        `${Math.round(this.#perSecond ?? 0)} a second, and watching them all the time would cost too much`,
    ];
  }

  /** A thread that has a vCPU to itself switches seldom or never, so no trace shows it. */
  #lookForLone(vcpus: readonly VcpuLoad[], scan: Scan): void {
    const unseen = vcpus.filter(({ readings }) => {
      const threads = readings["runnable-threads"].value ?? 0;
      return LONE_MIN <= threads && readings["runnable-processes"].value === null;
    });
    const found = this.#lone.look(new Set(unseen.map(({ vcpu }) => vcpu)), scan);
    this.#threads.learn(found, scan);
    this.#times.add(this.#lone.pairs());
  }

  /** `forGood`: nothing is left attached to the kernel, also where that is not safe under load (switch_trace.ts). */
  stop(options: { readonly forGood: boolean }): void {
    if (options.forGood) this.#trace.detach();
    else this.#trace.rest();
  }
}

export interface Sampled {
  /** When the interval ended, on the platform's clock. */
  readonly atMs: number;
  readonly intervalMs: number;
  readonly vcpus: readonly VcpuLoad[];
  /** What is not measured, in whole or in part, as sentences. */
  readonly degraded: readonly string[];
  /** What came to the run queues in it. */
  readonly grown: readonly QueueGrowth[] | null;
}

/** For looking at single threads, per sample: half of what the agent may use in a second. */
const SCAN_MAX_MS = 5;
/** What tracing adds to a switch: 7 microseconds in an emulated guest, which is five times as slow as a real one. */
const TRACE_NS_PER_SWITCH = 1_500;
/** Of one vCPU's time, at most this may go into tracing. */
const TRACE_SHARE_MAX = 0.004;
/** From this share on the trace goes on without a break: stopping and starting it would cost as much. */
const TRACE_ON_SHARE = 0.7;
/** A paused trace costs every switch some hundred nanoseconds: 0.3 % of a vCPU at this rate. Above it is detached. */
export const PAUSE_PER_SECOND_MAX = 30_000;
/** Well below, so that a load at the edge does not have it attached again and again. */
const RESUME_PER_SECOND = 20_000;
/**
 * Then it is attached for a moment only, this often; each time costs every vCPU a few interrupts. And so often in a row of
 * looks that the account has no credit for tracing each.
 */
const TRACE_EVERY_MS = 20_000;
/** For so long: some thousand switches. */
const RARE_TRACE_MS = 50;
/** What a trace showed goes for as long: three of them, where they are rare. */
const KINDS_LAST_MS = 60_000;
/** So many runnable threads that nobody identified are worth a look for them. */
const LONE_MIN = 0.5;
/** As long as the rate of switches is not known. */
const TRACE_FIRST_MS = 100;
/** Shorter than this, timers are no longer exact enough. */
const TRACE_MIN_MS = 10;
/** What was read so long ago counts as read now: it is a hundredth of the shortest interval. */
const SAME_MOMENT_MS = 2;
const NS_PER_SECOND = 1_000_000_000;
const NS_PER_MS = 1_000_000;
const MS_PER_SECOND = 1_000;

/** The part of an interval that may be traced at this rate of switches. */
function traceShare(perSecond: number): number {
  return Math.min(1, (TRACE_SHARE_MAX * NS_PER_SECOND) / Math.max(1, perSecond * TRACE_NS_PER_SWITCH));
}

/** What the guest's own view of its processor says. */
function readHz(platform: Platform): number | null {
  const mhz = Number(/^cpu MHz\s*: ([\d.]+)$/m.exec(platform.readFile("/proc/cpuinfo") ?? "")?.[1]);
  return Number.isFinite(mhz) && 0 < mhz ? mhz * HZ_PER_MHZ : null;
}

const HZ_PER_MHZ = 1_000_000;
