/** What the policies' tests share: small checked worlds without costs, and a picture of who ran where. */
import type { DomainConfig, HostConfig, SimulationConfig } from "../config.ts";
import { type Costs, DEFAULT_COSTS } from "../machine/constants.ts";
import type { RunResult } from "../metrics/result.ts";
import { TRACE_VCPU } from "../metrics/trace.ts";
import { type RunOptions, runSimulation, runWorld } from "../run.ts";
import { VCPU_RUNNING } from "../tables.ts";
import type { LockKind, Step, Workload } from "../workload/program.ts";
import { createWorld } from "../world.ts";

export const MS = 1_000_000;
const FREE: Partial<Costs> = Object.fromEntries(Object.keys(DEFAULT_COSTS).map((cost) => [cost, 0]));

export interface SmallWorld {
  readonly scheduler: HostConfig["scheduler"];
  readonly host?: Partial<HostConfig>;
  readonly pcpus: number;
  readonly nodes?: number;
  readonly until: number;
  readonly domains: readonly DomainConfig[];
  /** Default: everything is free. `{}` brings the default costs back. */
  readonly costs?: Partial<Costs>;
  readonly replication?: number;
}

function configOf(world: SmallWorld): SimulationConfig {
  return {
    seed: 5,
    replication: world.replication ?? 0,
    until: { at: world.until },
    machine: {
      topology: { pcpus: world.pcpus, nodes: world.nodes ?? 1 },
      costs: world.costs ?? FREE,
    },
    host: { scheduler: world.scheduler, ...world.host },
    domains: world.domains,
    checks: true,
    traceRecords: 100_000,
  };
}

export function simulate(world: SmallWorld, options: RunOptions = {}): RunResult {
  return runSimulation(configOf(world), options);
}

/** For each pCPU one letter per `step`: the number of the vCPU that ran there in its middle, or a dot. */
export function whoRuns(world: SmallWorld, step: number, options: RunOptions = {}): string[] {
  const w = createWorld(configOf(world));
  runWorld(w, options);
  const { trace } = w;
  if (trace === null || trace.lost > 0) throw new Error("The trace is too short for this world");
  const rows = Array.from({ length: world.pcpus }, () => "");
  const where = new Int32Array(w.vcpus.count).fill(-1);
  let next = 0;
  for (let at = step / 2; at < world.until; at += step) {
    for (; next < trace.length && trace.time[next] <= at; next++) {
      if (trace.what[next] === TRACE_VCPU)
        where[trace.entity[next]] = trace.a[next] === VCPU_RUNNING ? trace.b[next] : -1;
    }
    for (let p = 0; p < rows.length; p++) {
      const v = where.indexOf(p);
      rows[p] += v < 0 ? "." : v.toString(36);
    }
  }
  return rows;
}

export const forever = (...body: Step[]): Step[] => [{ do: "repeat", body }];
export const compute = (time: number, mode: "user" | "kernel" = "user"): Step => ({
  do: "compute",
  time,
  mode,
});
export const MARK: Step = { do: "mark" };

/** `n` tasks that want all the time they can get. */
export function busy(n: number): Workload {
  return { tasks: [{ count: n, program: forever(compute(1 * MS), MARK) }] };
}

/** `n` tasks that meet at a barrier after `work` on average, spinning for `spin` (absent: until all are there). */
export function meeting(n: number, work: number, spin?: number): Workload {
  return {
    barriers: { b: spin === undefined ? { parties: n } : { parties: n, spin } },
    tasks: [
      {
        count: n,
        program: forever(
          { do: "compute", time: { mean: work, cv: 0.5 } },
          { do: "barrier", barrier: "b" },
          MARK,
        ),
      },
    ],
  };
}

/** `n` tasks that share a kernel lock. */
export function locking(n: number, kind: LockKind, section: number): Workload {
  return {
    locks: { l: { kind } },
    tasks: [
      {
        count: n,
        program: forever(
          { do: "compute", time: { mean: 50_000, cv: 1 } },
          { do: "lock", lock: "l" },
          { do: "compute", time: { mean: section, cv: 1 }, mode: "kernel" },
          { do: "unlock", lock: "l" },
          MARK,
        ),
      },
    ],
  };
}

/** `n` tasks that flush each other's TLBs after `work` on average. */
export function shooting(n: number, work: number): Workload {
  return {
    tasks: [
      {
        count: n,
        program: forever({ do: "compute", time: { mean: work, cv: 1 } }, { do: "shootdown" }, MARK),
      },
    ],
  };
}

/** The same tasks, started at moments of their own, so that no policy looks good by accident. */
export function scattered(workload: Workload): Workload {
  const wait: Step = { do: "sleep", time: { low: 0, high: 30 * MS } };
  return {
    ...workload,
    tasks: workload.tasks.map((task) => ({ ...task, program: [wait, ...task.program] })),
  };
}
