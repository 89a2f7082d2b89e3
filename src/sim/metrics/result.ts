/** What a run says in the end: plain data, equal for equal configs. Times are nanoseconds. */
import { countWaiting } from "../host/dispatch.ts";
import { bookOff, settle } from "../host/settle.ts";
import {
  NEVER,
  NOBODY,
  VCPU_HALTED,
  VCPU_OFFLINE,
  VCPU_RUNNABLE,
  VCPU_RUNNING,
  VCPU_STATES,
} from "../tables.ts";
import type { World } from "../world.ts";
import { CAUSE_COUNT, CAUSES, type Cause } from "./causes.ts";

export interface RunResult {
  readonly endedAt: number;
  readonly events: number;
  /** FNV-1a over every event, as eight hexadecimal digits. */
  readonly digest: string;
  readonly domains: readonly DomainResult[];
  readonly pcpus: readonly PcpuResult[];
  readonly counts: Counts;
}

export interface DomainResult {
  readonly name: string;
  /** When its workload first finished; null when it did not. */
  readonly finishedAt: number | null;
  readonly completions: number;
  /** Finished pieces of work (the step `mark`). */
  readonly marks: number;
  readonly vcpus: readonly VcpuResult[];
  readonly tasks: readonly TaskResult[];
  /** pCPU time in kernel mode; and what the guest's own accounts show when they are blind to steal time. */
  readonly kernelTime: { readonly actual: number; readonly guestVisible: number };
  /** `held`: how long somebody held it (a semaphore: for writing), preempted or not. */
  readonly locks: Readonly<Record<string, { readonly acquisitions: number; readonly held: number }>>;
  readonly barriers: Readonly<Record<string, { readonly releases: number }>>;
  /** `meanLength` counts what waits, also at the device. */
  readonly queues: Readonly<Record<string, { readonly meanLength: number }>>;
  readonly sources: readonly { readonly arrived: number; readonly dropped: number }[];
  /** The tasks' causes summed. */
  readonly causes: CauseTimes;
}

export type CauseTimes = Readonly<Record<Cause, number>>;

export interface VcpuResult {
  readonly running: number;
  readonly runnable: number;
  readonly halted: number;
  readonly offline: number;
  /** Timer ticks taken; absent in a domain that has none. */
  readonly ticks?: number;
}

export interface TaskResult {
  readonly marks: number;
  readonly causes: CauseTimes;
}

export interface PcpuResult {
  readonly run: number;
  readonly switching: number;
  readonly idle: number;
}

export interface Counts {
  readonly vcpuSwitches: number;
  readonly vcpuMigrations: number;
  readonly taskSwitches: number;
  /** A vCPU lost its pCPU while its task held a spinlock; while its task spun for one. */
  readonly holderPreemptions: number;
  readonly waiterPreemptions: number;
  readonly preemptionsDelayed: number;
  readonly preemptionsForced: number;
  readonly ipis: number;
  readonly shootdowns: number;
  readonly pauseLoopExits: number;
  /** pCPU time that idled while a runnable vCPU waited somewhere. */
  readonly idleWhileWaiting: number;
}

/** What a task does on a pCPU in kernel mode. */
const KERNEL_CAUSES: readonly Cause[] = [
  "kernel",
  "spin",
  "spin-holder-preempted",
  "spin-waiter-preempted",
  "spin-ipi",
  "spin-ipi-preempted",
];

/** Closes the books of a world that has ended. Call it once. */
export function resultOf(w: World): RunResult {
  closeBooks(w);
  const domains = w.domains.names.map((name, d) => domainResult(w, name, d));
  return {
    endedAt: w.now,
    events: w.events,
    digest: (w.digest >>> 0).toString(16).padStart(8, "0"),
    domains,
    pcpus: Array.from({ length: w.pcpus.count }, (_, p) => ({
      run: w.pcpus.run[p],
      switching: w.pcpus.switching[p],
      idle: w.pcpus.idle[p],
    })),
    counts: {
      vcpuSwitches: w.vcpuSwitches,
      vcpuMigrations: w.vcpuMigrations,
      taskSwitches: w.taskSwitches,
      holderPreemptions: w.holderPreemptions,
      waiterPreemptions: w.waiterPreemptions,
      preemptionsDelayed: w.preemptionsDelayed,
      preemptionsForced: w.preemptionsForced,
      ipis: w.ipis,
      shootdowns: w.shootdowns,
      pauseLoopExits: w.pauseLoopExits,
      idleWhileWaiting: w.idleWhileWaiting,
    },
  };
}

function closeBooks(w: World): void {
  const { pcpus, vcpus, tasks } = w;
  countWaiting(w);
  for (let p = 0; p < pcpus.count; p++) {
    const v = pcpus.current[p];
    if (v === NOBODY) {
      pcpus.idle[p] += w.now - pcpus.switchedAt[p];
    } else {
      settle(w, v);
      const switched = Math.min(w.now, pcpus.resumeAt[p]);
      pcpus.switching[p] += switched - pcpus.switchedAt[p];
      pcpus.run[p] += w.now - switched;
    }
  }
  for (let v = 0; v < vcpus.count; v++) {
    vcpus.times[v * VCPU_STATES + vcpus.state[v]] += w.now - vcpus.since[v];
    vcpus.since[v] = w.now;
  }
  for (let h = 0; h < tasks.count; h++) {
    const v = tasks.vcpu[h];
    const executes = vcpus.current[v] === h && vcpus.state[v] === VCPU_RUNNING;
    // Booked as off until the end of a switch that the run's end has cut short.
    if (!executes) bookOff(w, h, w.now);
    else if (vcpus.mark[v] > w.now) tasks.times[h * CAUSE_COUNT + tasks.offCause[h]] -= vcpus.mark[v] - w.now;
  }
}

function domainResult(w: World, name: string, d: number): DomainResult {
  const { domains, vcpus } = w;
  const tasks = Array.from({ length: domains.taskCount[d] }, (_, i) =>
    taskResult(w, domains.firstTask[d] + i),
  );
  const causes = Object.fromEntries(
    CAUSES.map((cause) => [cause, tasks.reduce((sum, task) => sum + task.causes[cause], 0)]),
  ) as Record<Cause, number>;
  const kernelTime = KERNEL_CAUSES.reduce((sum, cause) => sum + causes[cause], 0);
  const stolenInKernel = tasks.reduce(
    (sum, _, i) => sum + w.tasks.stolenInKernel[domains.firstTask[d] + i],
    0,
  );
  return {
    name,
    finishedAt: domains.finishedAt[d] === NEVER ? null : domains.finishedAt[d],
    completions: domains.completions[d],
    marks: tasks.reduce((sum, task) => sum + task.marks, 0),
    vcpus: Array.from({ length: domains.vcpuCount[d] }, (_, i) => {
      const row = (domains.firstVcpu[d] + i) * VCPU_STATES;
      return {
        running: vcpus.times[row + VCPU_RUNNING],
        runnable: vcpus.times[row + VCPU_RUNNABLE],
        halted: vcpus.times[row + VCPU_HALTED],
        offline: vcpus.times[row + VCPU_OFFLINE],
        ...(domains.tickPeriod[d] > 0 && { ticks: vcpus.ticks[domains.firstVcpu[d] + i] }),
      };
    }),
    tasks,
    kernelTime: { actual: kernelTime, guestVisible: kernelTime + stolenInKernel },
    locks: byName(w.names[d].locks, (l) => ({
      acquisitions: w.locks.acquisitions[l],
      held: w.locks.heldTime[l] + (w.locks.holder[l] === NOBODY ? 0 : w.now - w.locks.heldSince[l]),
    })),
    barriers: byName(w.names[d].barriers, (b) => ({ releases: w.barriers.releases[b] })),
    queues: byName(w.names[d].queues, (q) => ({ meanLength: meanLength(w, q) })),
    sources: sourcesOf(w, d).map((s) => ({ arrived: w.sources.arrived[s], dropped: w.sources.dropped[s] })),
    causes,
  };
}

function byName<Value>(names: ReadonlyMap<string, number>, of: (id: number) => Value): Record<string, Value> {
  return Object.fromEntries([...names].map(([name, id]) => [name, of(id)]));
}

function meanLength(w: World, q: number): number {
  const { queues } = w;
  return (queues.pendingTime[q] + queues.pending[q] * (w.now - queues.countedAt[q])) / w.now;
}

function sourcesOf(w: World, d: number): number[] {
  return Array.from({ length: w.sources.count }, (_, s) => s).filter(
    (s) => w.vcpus.domain[w.sources.vcpu[s]] === d,
  );
}

function taskResult(w: World, h: number): TaskResult {
  const causes = Object.fromEntries(
    CAUSES.map((cause, c) => [cause, w.tasks.times[h * CAUSE_COUNT + c]]),
  ) as Record<Cause, number>;
  return { marks: w.tasks.marks[h], causes };
}
