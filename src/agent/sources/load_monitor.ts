/**
 * Reads the guest's load: counters at both ends of each interval, and a trace of the switches in a part of it that is
 * as long as its cost allows. Everything that it reads is bounded, so a busy guest is measured less exactly, never at
 * a greater cost; what is left out is said in the source of each value.
 */

import { VCPU_DIRECTORY } from "../guest_view.ts";
import { classify } from "../monitor/classify.ts";
import { degradedOf } from "../monitor/degraded.ts";
import type { VcpuLoad } from "../monitor/vcpu_load.ts";
import type { Counters, HostTimes, SwitchCost } from "../monitor/vcpu_loads.ts";
import { vcpuLoads } from "../monitor/vcpu_loads.ts";
import type { Platform } from "../platform.ts";
import { readCounters, readSelf, type SelfCounters } from "./counters.ts";
import { RunnableTimes } from "./runnable_times.ts";
import { SwitchTrace } from "./switch_trace.ts";
import { Threads } from "./threads.ts";

export class LoadMonitor {
  readonly #platform: Platform;
  readonly #cost: SwitchCost | string;
  readonly #trace: SwitchTrace;
  readonly #threads: Threads;
  readonly #times: RunnableTimes;
  readonly #pid: number;
  readonly #hz: number | null;
  readonly #nodes = new Map<number, number>();
  #before: Counters;
  #selfBefore: SelfCounters;
  #perSecond: number | null = null;
  #troubleTracing = "";

  constructor(platform: Platform, cost: SwitchCost | string) {
    this.#platform = platform;
    this.#cost = cost;
    this.#pid = Number.parseInt(platform.readFile("/proc/self/stat") ?? "0", 10);
    this.#trace = new SwitchTrace(platform, this.#pid);
    this.#threads = new Threads(platform);
    this.#times = new RunnableTimes(platform, this.#threads);
    this.#hz = readHz(platform);
    this.#before = readCounters(platform);
    this.#selfBefore = readSelf(platform);
  }

  /** How long before the end of an interval `traceFrom` should be called. */
  traceMs(intervalMs: number): number {
    if (this.#perSecond === null) return Math.min(intervalMs, TRACE_FIRST_MS);
    return Math.max(TRACE_MIN_MS, Math.floor(intervalMs * traceShare(this.#perSecond)));
  }

  #afterTrace(perSecond: number): "count" | "pause" | "detach" {
    if (TRACE_ON_SHARE <= traceShare(perSecond)) return "count";
    return perSecond <= PAUSE_PER_SECOND_MAX ? "pause" : "detach";
  }

  traceFrom(): void {
    this.#troubleTracing = this.#trace.count() ?? "";
  }

  /** Ends the interval that began with the last call, or with the monitor. */
  sample(host: (intervalMs: number) => HostTimes | null): Sampled {
    const after = readCounters(this.#platform);
    const before = this.#before;
    const intervalMs = after.atMs - before.atMs;
    this.#perSecond = ((after.switches - before.switches) * MS_PER_SECOND) / Math.max(1, intervalMs);
    const trace = this.#trace.counting
      ? this.#trace.take(this.#afterTrace(this.#perSecond))
      : this.#troubleTracing || "Nothing was traced";
    const self = readSelf(this.#platform);
    if (typeof trace !== "string") this.#threads.learn(trace.pairs.flatMap(({ prev, next }) => [prev, next]));
    const vcpus = vcpuLoads({
      before,
      after,
      kinds:
        typeof trace === "string"
          ? trace
          : classify(trace, { intervalMs, find: (tid) => this.#threads.find(tid) }),
      cost: this.#cost,
      groups: typeof trace === "string" ? trace : this.#times.groups(trace.pairs, this.#pid),
      nodeOf: (vcpu) => this.#nodeOf(vcpu),
      host: host(intervalMs),
      hz: this.#hz,
      self: {
        vcpu: self.vcpu,
        runNs: self.runNs - this.#selfBefore.runNs,
        waitNs: self.waitNs - this.#selfBefore.waitNs,
      },
    });
    // What this very sample cost belongs to the next interval, where it is subtracted.
    this.#before = after;
    this.#selfBefore = self;
    return { atMs: after.atMs, intervalMs, vcpus, degraded: degradedOf(vcpus) };
  }

  stop(): void {
    this.#trace.detach();
  }

  #nodeOf(vcpu: number): number {
    const known = this.#nodes.get(vcpu);
    if (known !== undefined) return known;
    const name = this.#platform
      .listDirectory(`${VCPU_DIRECTORY}/cpu${vcpu}`)
      .find((entry) => /^node\d+$/.test(entry));
    const node = name === undefined ? -1 : Number(name.slice("node".length));
    this.#nodes.set(vcpu, node);
    return node;
  }
}

export interface Sampled {
  /** When the interval ended, on the platform's clock. */
  readonly atMs: number;
  readonly intervalMs: number;
  readonly vcpus: readonly VcpuLoad[];
  /** What is not measured, in whole or in part, as sentences. */
  readonly degraded: readonly string[];
}

/** What tracing adds to a switch: 7 microseconds in an emulated guest, which is five times as slow as a real one. */
const TRACE_NS_PER_SWITCH = 1_500;
/** Of one vCPU's time, at most this may go into tracing. */
const TRACE_SHARE_MAX = 0.004;
/** From this share on the trace goes on without a break: stopping and starting it would cost as much. */
const TRACE_ON_SHARE = 0.7;
/** A paused trace costs every switch a little; above this rate it is detached, which takes a process each time. */
const PAUSE_PER_SECOND_MAX = 30_000;
/** As long as the rate of switches is not known. */
const TRACE_FIRST_MS = 100;
/** Shorter than this, timers are no longer exact enough. */
const TRACE_MIN_MS = 10;
const NS_PER_SECOND = 1_000_000_000;
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
