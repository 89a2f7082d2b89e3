/**
 * What changes a running world from outside: pins and vCPU counts, as a daemon and its guests' agents would. The
 * controller is anything that wants to be called at times of its own; the shipped one stands behind an adapter.
 */
import { EVENT_CONTROL } from "../engine/event_kinds.ts";
import { beginBalloon } from "../guest/balloon.ts";
import { countQueue } from "../guest_scheduler/run_queue.ts";
import {
  BALLOON_ISOLATED,
  BALLOON_OFFLINE,
  BALLOON_OPEN,
  NEVER,
  VCPU_HALTED,
  VCPU_RUNNABLE,
  VCPU_RUNNING,
  VCPU_STATES,
} from "../tables.ts";
import type { World } from "../world.ts";
import { setPins } from "./dispatch.ts";

export interface Controller {
  /** At time 0, before anything happens: arm the first timer here. */
  start(control: Control): void;
  /** A timer that it armed has come. */
  onTimer(control: Control, timer: number): void;
  /** A vCPU has got where `setOnline` wanted it. */
  onBallooned?(control: Control, domain: number, index: number): void;
}

export type SimulatedMechanism = "offline" | "stock-hotplug" | "isolate";

/** Domains and vCPUs by number, in the order of the config. Times are nanoseconds. */
export interface Control {
  now(): number;
  /** Arms one of CONTROL_TIMERS timers; Infinity disarms. */
  arm(timer: number, at: number): void;
  readonly domains: readonly string[];
  vcpusOf(domain: number): number;
  /** From its power-on until its workload has finished; one that starts again stays. */
  isPresent(domain: number): boolean;
  readonly pcpus: number;
  placeOf(pcpu: number): { readonly core: number; readonly llc: number; readonly node: number };
  pinsOf(domain: number, index: number): readonly number[];
  setPins(domain: number, index: number, pcpus: readonly number[]): void;
  /** In use by the guest: neither offline nor isolated. */
  isOnline(domain: number, index: number): boolean;
  /** Asks the guest; takes effect after the mechanism's cost, and when the vCPU has emptied. vCPU 0 is never taken. */
  setOnline(domain: number, index: number, online: boolean, mechanism: SimulatedMechanism): void;
  /** Time ballooning (U-8): this many tasks that do not exist count in the guest's load balance. */
  setArtificialLoad(domain: number, index: number, tasks: number): void;
  /** Tasks on a vCPU that run or want to. */
  tasksOn(domain: number, index: number): number;
  /** Totals: time on a pCPU, and time runnable but without one. */
  ranOf(domain: number, index: number): number;
  waitedOf(domain: number, index: number): number;
  /** Tasks of the guest that run or want to. */
  runnableTasksOf(domain: number): number;
  /** What the guest's kernel has counted of a vCPU since power-on, in nanoseconds and switches. */
  countersOf(domain: number, index: number): GuestCounters;
  weightOf(domain: number): number;
  /** Thousandths of a pCPU, 0 for no cap. */
  capOf(domain: number): number;
  /** Interrupts between its vCPUs and pause-loop exits so far: what the host sees of synchronisation. */
  signalsOf(domain: number): number;
}

export interface GuestCounters {
  readonly idle: number;
  readonly steal: number;
  /** Of tasks on this vCPU's queue, all together. */
  readonly waited: number;
  /** Switches to another task. */
  readonly arrivals: number;
}

export function createControl(w: World): Control {
  const { domains, vcpus, pcpus } = w;
  const id = (domain: number, index: number): number => domains.firstVcpu[domain] + index;
  return {
    now: () => w.now,
    arm: (timer, at) => w.timers.arm(EVENT_CONTROL, timer, at),
    domains: domains.names,
    vcpusOf: (d) => domains.vcpuCount[d],
    isPresent: (d) =>
      domains.startAt[d] <= w.now && (domains.finishedAt[d] === NEVER || domains.restarts[d] === 1),
    pcpus: pcpus.count,
    placeOf: (p) => ({ core: pcpus.core[p], llc: pcpus.llc[p], node: pcpus.node[p] }),
    pinsOf(d, i) {
      const row = id(d, i) * pcpus.count;
      return Array.from({ length: pcpus.count }, (_, p) => p).filter((p) => vcpus.allowed[row + p] === 1);
    },
    setPins: (d, i, allowed) => setPins(w, id(d, i), allowed),
    isOnline: (d, i) => vcpus.balloon[id(d, i)] === BALLOON_OPEN,
    setOnline(d, i, online, mechanism) {
      if (i === 0 && !online)
        throw new Error(`Domain ${domains.names[d]}: vCPU 0 is never taken; ask for another one`);
      const aim = online ? BALLOON_OPEN : mechanism === "isolate" ? BALLOON_ISOLATED : BALLOON_OFFLINE;
      beginBalloon(w, id(d, i), aim, costOf(w, mechanism));
    },
    setArtificialLoad(d, i, tasks) {
      vcpus.artificialLoad[id(d, i)] = tasks;
    },
    tasksOn: (d, i) => vcpus.queueLength[id(d, i)] + (vcpus.current[id(d, i)] < 0 ? 0 : 1),
    ranOf: (d, i) => timeIn(w, id(d, i), VCPU_RUNNING),
    waitedOf: (d, i) => timeIn(w, id(d, i), VCPU_RUNNABLE),
    countersOf(d, i) {
      const v = id(d, i);
      countQueue(w, v);
      return {
        idle: timeIn(w, v, VCPU_HALTED),
        steal: timeIn(w, v, VCPU_RUNNABLE),
        waited: vcpus.queueTime[v],
        arrivals: vcpus.arrivals[v],
      };
    },
    weightOf: (d) => domains.weight[d],
    capOf: (d) => domains.cap[d],
    signalsOf: (d) => domains.ipis[d] + domains.pauseLoopExits[d],
    runnableTasksOf(d) {
      let runnable = 0;
      for (let i = 0; i < domains.vcpuCount[d]; i++) {
        runnable += vcpus.queueLength[id(d, i)] + (vcpus.current[id(d, i)] < 0 ? 0 : 1);
      }
      return runnable;
    },
  };
}

function timeIn(w: World, v: number, state: number): number {
  const { vcpus } = w;
  return vcpus.times[v * VCPU_STATES + state] + (vcpus.state[v] === state ? w.now - vcpus.since[v] : 0);
}

function costOf(w: World, mechanism: SimulatedMechanism): number {
  switch (mechanism) {
    case "offline":
      return w.costs.balloonLight;
    case "stock-hotplug":
      return w.costs.balloonStock;
    case "isolate":
      return w.costs.balloonIsolate;
  }
}
