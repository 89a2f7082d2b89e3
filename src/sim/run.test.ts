/**
 * Stories of whole runs. Every world here runs with the invariants checked after every event (metrics/checker.ts);
 * the helpers that touch the API are at the top.
 */
import { describe, expect, test } from "vitest";
import type { DomainConfig, HostConfig, SimulationConfig } from "./config.ts";
import { CAUSES } from "./metrics/causes.ts";
import type { RunResult } from "./metrics/result.ts";
import { runSimulation } from "./run.ts";
import type { LockKind, Step, Workload } from "./workload/program.ts";

const MS = 1_000_000;

type Overrides = Partial<Omit<SimulationConfig, "host" | "machine">> & {
  readonly pcpus?: number;
  readonly host?: Partial<HostConfig>;
  readonly costs?: SimulationConfig["machine"]["costs"];
};

function world(
  { pcpus = 4, host, costs, ...rest }: Overrides,
  domains: readonly DomainConfig[],
): SimulationConfig {
  return {
    seed: 1,
    replication: 0,
    until: { at: 200 * MS },
    machine: { topology: { pcpus }, ...(costs === undefined ? {} : { costs }) },
    host: { scheduler: { kind: "round-robin" }, ...host },
    domains,
    checks: true,
    ...rest,
  };
}

function domain(
  name: string,
  vcpus: number,
  workload: Workload,
  more: Partial<DomainConfig> = {},
): DomainConfig {
  return { name, vcpus, workload, ...more };
}

const forever = (...body: Step[]): Step[] => [{ do: "repeat", body }];
const compute = (mean: number, mode: "user" | "kernel" = "user"): Step => ({
  do: "compute",
  time: { mean, cv: 1 },
  mode,
});
const MARK: Step = { do: "mark" };

/** What a scheduling policy has to live through, by name: `n` tasks each. */
const LOADS: Record<string, (n: number) => Workload> = {
  compute: (n) => ({ tasks: [{ count: n, program: forever(compute(100_000), MARK) }] }),
  "more tasks than vCPUs": (n) => ({ tasks: [{ count: 3 * n, program: forever(compute(3 * MS), MARK) }] }),
  "ticket lock": (n) => locked(n, "ticket"),
  "test-and-set lock": (n) => locked(n, "test-and-set"),
  "queued lock": (n) => locked(n, "queued"),
  "paravirtual lock": (n) => locked(n, "paravirtual"),
  "paravirtual ticket lock": (n) => locked(n, "paravirtual-ticket"),
  mutex: (n) => locked(n, "mutex"),
  semaphore: (n) => ({
    locks: { s: { kind: "rwsem" } },
    tasks: [
      {
        count: n,
        program: forever(
          { do: "down-read", lock: "s" },
          compute(20_000),
          { do: "up-read", lock: "s" },
          compute(20_000),
          { do: "down-write", lock: "s" },
          compute(5_000, "kernel"),
          { do: "up-write", lock: "s" },
          MARK,
        ),
      },
    ],
  }),
  "spinning barrier": (n) => barrier(n, undefined),
  "blocking barrier": (n) => barrier(n, 0),
  "hybrid barrier": (n) => barrier(n, 100_000),
  shootdowns: (n) => ({
    tasks: [{ count: n, program: forever(compute(200_000), { do: "shootdown" }, MARK) }],
  }),
  sleepers: (n) => ({
    tasks: [
      {
        count: 2 * n,
        program: forever(compute(50_000), { do: "sleep", time: { mean: 300_000, cv: 1 } }, MARK),
      },
    ],
  }),
  pipeline: (n) => ({
    queues: { q: { capacity: 4 }, r: { capacity: 2 } },
    tasks: [
      { count: 1, program: forever(compute(20_000), { do: "push", queue: "q" }) },
      { count: n, program: forever({ do: "pop", queue: "q" }, compute(100_000), { do: "push", queue: "r" }) },
      { count: 1, program: forever({ do: "pop", queue: "r" }, compute(10_000), MARK) },
    ],
  }),
  condition: (n) => ({
    locks: { m: { kind: "mutex" } },
    conditions: ["c"],
    tasks: [
      {
        count: n,
        program: forever(
          { do: "lock", lock: "m" },
          { do: "wait", condition: "c", mutex: "m" },
          compute(5_000),
          { do: "unlock", lock: "m" },
          compute(50_000),
          MARK,
        ),
      },
      {
        count: 1,
        program: forever(
          compute(100_000),
          { do: "broadcast", condition: "c" },
          { do: "sleep", time: 50_000 },
        ),
      },
    ],
  }),
  arrivals: (n) => ({
    queues: { q: { capacity: 100 } },
    sources: [{ queue: "q", interval: { mean: 100_000, cv: 1 }, vcpu: 0 }],
    tasks: [{ count: n, program: forever({ do: "pop", queue: "q" }, compute(50_000), MARK) }],
  }),
};

function locked(n: number, kind: LockKind): Workload {
  return {
    locks: { l: { kind } },
    tasks: [
      {
        count: n,
        program: forever(
          compute(30_000),
          { do: "lock", lock: "l" },
          compute(5_000, "kernel"),
          { do: "unlock", lock: "l" },
          MARK,
        ),
      },
    ],
  };
}

function barrier(n: number, spin: number | undefined): Workload {
  return {
    barriers: { b: spin === undefined ? { parties: n } : { parties: n, spin } },
    tasks: [{ count: n, program: forever(compute(200_000), { do: "barrier", barrier: "b" }, MARK) }],
  };
}

const SCHEDULERS: Record<string, HostConfig["scheduler"]> = {
  "round robin": { kind: "round-robin", slice: 5 * MS },
  CFS: { kind: "cfs" },
  credit: { kind: "credit" },
  "strict co-scheduling": { kind: "strict-co", slice: 10 * MS },
  "balance scheduling": { kind: "cfs", balance: "siblings-apart" },
  "credit with weights per domain": { kind: "credit", weightPer: "domain" },
  "CFS without groups": { kind: "cfs", groups: false },
  EEVDF: { kind: "eevdf" },
  credit2: { kind: "credit2" },
  "relaxed co-scheduling 3.x": { kind: "relaxed-co", generation: 3, slice: 10 * MS },
  "relaxed co-scheduling 4.x": { kind: "relaxed-co", slice: 10 * MS },
  "demand-based scheduling": { kind: "demand-based" },
};

/** Every nanosecond of every pCPU, vCPU and task has gone somewhere, once. */
function expectConservation(result: RunResult): void {
  const { endedAt } = result;
  for (const pcpu of result.pcpus) expect(pcpu.run + pcpu.switching + pcpu.idle).toBe(endedAt);
  let ran = 0;
  for (const { vcpus, tasks } of result.domains) {
    for (const vcpu of vcpus) {
      expect(vcpu.running + vcpu.runnable + vcpu.halted + vcpu.offline).toBe(endedAt);
      ran += vcpu.running;
    }
    for (const task of tasks) {
      expect(CAUSES.reduce((sum, cause) => sum + task.causes[cause], 0)).toBe(endedAt);
      expect(Math.min(...CAUSES.map((cause) => task.causes[cause]))).toBeGreaterThanOrEqual(0);
    }
  }
  expect(ran).toBe(result.pcpus.reduce((sum, pcpu) => sum + pcpu.run + pcpu.switching, 0));
}

describe.each(Object.keys(SCHEDULERS))("%s", (scheduler) => {
  test.each(Object.keys(LOADS))(
    "two domains, %s: invariants hold, time is conserved, both make progress",
    (load) => {
      const host = { scheduler: SCHEDULERS[scheduler]!, pauseLoopExits: true };
      const result = runSimulation(
        world({ host, until: { at: 60 * MS } }, [
          domain("a", 4, LOADS[load]!(4)),
          domain("b", 3, LOADS[load]!(3)),
        ]),
      );
      expectConservation(result);
      expect(Math.min(...result.domains.map(({ marks }) => marks))).toBeGreaterThan(10);
    },
  );
});

describe("a run", () => {
  const config = world({}, [
    domain("a", 4, LOADS["ticket lock"]!(4)),
    domain("b", 4, LOADS["hybrid barrier"]!(4)),
  ]);

  test("is a function of its config: equal configs, equal results", () => {
    expect(runSimulation(config)).toEqual(runSimulation(structuredClone(config)));
  });

  test("changes with the seed, the replication and the tie salt", () => {
    const digests = [
      config,
      { ...config, seed: 2 },
      { ...config, replication: 1 },
      { ...config, tieSalt: 1 },
    ].map((each) => runSimulation(each).digest);
    expect(new Set(digests).size).toBe(4);
  });

  test("ends when the awaited domain has finished; a background domain starts again", () => {
    const once: Workload = { tasks: [{ count: 2, program: [{ do: "compute", time: 10 * MS }] }] };
    const short: Workload = { tasks: [{ count: 2, program: [{ do: "compute", time: MS }, MARK] }] };
    const result = runSimulation(
      world({ until: { at: 1000 * MS, finished: ["fore"] }, costs: { vcpuSwitch: 0, taskSwitch: 0 } }, [
        domain("fore", 2, once),
        domain("back", 2, short, { restart: true }),
      ]),
    );
    expect(result.domains[0]!.finishedAt).toBe(10 * MS);
    expect(result.endedAt).toBe(10 * MS);
    expect(result.domains[1]!.completions).toBe(9);
  });
});

describe("a config that cannot work", () => {
  const fine = LOADS["compute"]!(1);
  test.each([
    ["no task", domain("a", 1, { tasks: [] }), /a: its workload has no tasks/],
    ["half a vCPU", domain("a", 0.5, fine), /vcpus must be a positive integer, not 0.5/],
    [
      "a pin outside the host",
      domain("a", 1, fine, { pins: [[7]] }),
      /pinned to pCPU 7; the host has 0 to 3/,
    ],
    ["no pin at all", domain("a", 1, fine, { pins: [[]] }), /pinned to no pCPU/],
    [
      "an unknown lock",
      domain("a", 1, { tasks: [{ count: 1, program: [{ do: "lock", lock: "x" }] }] }),
      /names "x", which is not among its locks \(none\)/,
    ],
    [
      "a loop without time",
      domain("a", 1, { tasks: [{ count: 1, program: forever(MARK) }] }),
      /without any time passing/,
    ],
  ])("%s", (_, bad, message) => {
    expect(() => runSimulation(world({}, [bad]))).toThrow(message);
  });
});
