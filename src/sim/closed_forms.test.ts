/**
 * What is known in closed form must come out within three standard errors (validation tier V1). All costs are zero
 * here, so that only the mechanism under test is left; each estimate is a mean over independent replications.
 */
import { describe, expect, test } from "vitest";
import type { DomainConfig, HostConfig, SimulationConfig } from "./config.ts";
import { bits, keyOf } from "./engine/draw.ts";
import { DEFAULT_COSTS } from "./machine/constants.ts";
import type { RunResult } from "./metrics/result.ts";
import { runSimulation } from "./run.ts";
import type { Duration, Step, Workload } from "./workload/program.ts";

const MS = 1_000_000;
const SECOND = 1000 * MS;
const FREE = Object.fromEntries(Object.keys(DEFAULT_COSTS).map((cost) => [cost, 0]));

interface World {
  readonly pcpus: number;
  readonly scheduler?: HostConfig["scheduler"];
  readonly until?: number;
  readonly costs?: SimulationConfig["machine"]["costs"];
  readonly domains: readonly DomainConfig[];
}

function run(world: World, replication = 0): RunResult {
  return runSimulation({
    seed: 42,
    replication,
    until: { at: world.until ?? SECOND },
    machine: { topology: { pcpus: world.pcpus }, costs: { ...FREE, ...world.costs } },
    host: { scheduler: world.scheduler ?? { kind: "round-robin" } },
    domains: world.domains,
  });
}

/** The mean of `measure` over replications, and its standard error. */
function estimate(
  replications: number,
  measure: (replication: number) => number,
): { mean: number; error: number } {
  const values = Array.from({ length: replications }, (_, r) => measure(r));
  const mean = values.reduce((sum, value) => sum + value, 0) / replications;
  const variance = values.reduce((sum, value) => sum + (value - mean) ** 2, 0) / (replications - 1);
  return { mean, error: Math.sqrt(variance / replications) };
}

/** How many standard errors an estimate is off; a relative 1e-12 is no error at all. */
function errorsOff({ mean, error }: { mean: number; error: number }, truth: number): number {
  return Math.abs(mean - truth) <= 1e-12 * Math.abs(truth) ? 0 : Math.abs(mean - truth) / error;
}

const forever = (...body: Step[]): Step[] => [{ do: "repeat", body }];
const work = (time: Duration): Step => ({ do: "compute", time });

describe("queueing", () => {
  /** `servers` workers on as many pCPUs, Poisson arrivals at 1 per ms, mean service `load * servers` ms. */
  function meanWaiting(servers: number, load: number, cv: number, replication: number): number {
    const domain: DomainConfig = {
      name: "server",
      vcpus: servers,
      workload: {
        queues: { q: { capacity: 1_000_000 } },
        sources: [{ queue: "q", interval: { mean: MS, cv: 1 }, vcpu: 0 }],
        tasks: [
          {
            count: servers,
            program: forever({ do: "pop", queue: "q" }, work({ mean: load * servers * MS, cv })),
          },
        ],
      },
    };
    return run({ pcpus: servers, until: 3 * SECOND, domains: [domain] }, replication).domains[0]!.queues["q"]!
      .meanLength;
  }

  test.each([
    { name: "M/M/1", servers: 1, load: 0.5, cv: 1, truth: 0.5 },
    { name: "M/M/1", servers: 1, load: 0.8, cv: 1, truth: 3.2 },
    { name: "M/D/1", servers: 1, load: 0.8, cv: 0, truth: 1.6 },
    // Erlang's C for two servers at 0.7: 2 rho^3 / (1 - rho^2).
    { name: "M/M/2", servers: 2, load: 0.7, cv: 1, truth: (2 * 0.7 ** 3) / (1 - 0.49) },
  ])("$name at load $load: $truth wait on average", ({ servers, load, cv, truth }) => {
    expect(
      errorsOff(
        estimate(15, (r) => meanWaiting(servers, load, cv, r)),
        truth,
      ),
    ).toBeLessThanOrEqual(3);
  });
});

describe("processor sharing", () => {
  /** Jobs of 1 s on average every 2 s, all in the guest at once; the form holds for slices that are nothing beside them, here 1 in 200. */
  function meanPresent(cv: number, replication: number): number {
    const domain: DomainConfig = {
      name: "server",
      vcpus: 1,
      workload: {
        queues: { q: { capacity: 1_000_000 } },
        sources: [{ queue: "q", interval: { mean: 2 * SECOND, cv: 1 }, vcpu: 0 }],
        tasks: [{ count: 40, program: forever({ do: "pop", queue: "q" }, work({ mean: SECOND, cv })) }],
      },
    };
    const result = run({ pcpus: 1, until: 800 * SECOND, domains: [domain] }, replication);
    const present = result.domains[0]!.tasks.map(({ causes }) => causes.user + causes.kernel + causes.queued);
    return present.reduce((sum, time) => sum + time, 0) / result.endedAt;
  }

  // Insensitive to the kind of work: in a queue that serves one after the other, M/D/1 has 0.75.
  test.each([
    { name: "M/M/1", cv: 1 },
    { name: "M/D/1", cv: 0 },
  ])("$name shared among all who are there, at load 0.5: 1 is there on average", ({ cv }) => {
    expect(
      errorsOff(
        estimate(10, (r) => meanPresent(cv, r)),
        1,
      ),
    ).toBeLessThanOrEqual(3);
  });
});

describe("barriers", () => {
  test.each([2, 4, 12])("%i tasks of exponential work on pCPUs of their own: a round takes H_n", (n) => {
    const harmonic = Array.from({ length: n }, (_, i) => 1 / (i + 1)).reduce((a, b) => a + b, 0);
    const workload: Workload = {
      barriers: { b: { parties: n } },
      tasks: [
        {
          count: n,
          program: forever(work({ mean: MS, cv: 1 }), { do: "barrier", barrier: "b" }, { do: "mark" }),
        },
      ],
    };
    const round = (r: number) => {
      const result = run({ pcpus: n, until: SECOND, domains: [{ name: "a", vcpus: n, workload }] }, r);
      return result.endedAt / (result.domains[0]!.marks / n) / MS;
    };
    expect(errorsOff(estimate(10, round), harmonic)).toBeLessThanOrEqual(3);
  });
});

describe("stacking", () => {
  test.each([
    { n: 4, pcpus: 8, truth: 0.41015625 },
    { n: 3, pcpus: 12, truth: (12 * 11 * 10) / 12 ** 3 },
  ])(
    "$n vCPUs thrown at random on $pcpus pCPUs: none shares with probability $truth",
    ({ n, pcpus, truth }) => {
      const workload: Workload = { tasks: [{ count: n, program: [work(MS)] }] };
      const alone = (r: number) => {
        const pins = Array.from({ length: n }, (_, v) => [(bits(keyOf(r), v) >>> 0) % pcpus]);
        const result = run({ pcpus, until: 3 * MS, domains: [{ name: "a", vcpus: n, workload, pins }] }, r);
        return result.domains[0]!.vcpus.every((vcpu) => vcpu.runnable === 0) ? 1 : 0;
      };
      expect(errorsOff(estimate(800, alone), truth)).toBeLessThanOrEqual(3);
    },
  );
});

describe("shares", () => {
  const busy = (n: number): Workload => ({ tasks: [{ count: n, program: forever(work(MS)) }] });
  const share = (result: RunResult, d: number): number =>
    result.domains[d]!.vcpus.reduce((sum, vcpu) => sum + vcpu.running, 0) /
    result.pcpus.reduce((sum, pcpu) => sum + pcpu.run, 0);

  test.each([
    {
      name: "round robin knows no weights",
      scheduler: { kind: "round-robin" },
      weights: [512, 256],
      truth: 1 / 2,
    },
    { name: "credit by weight", scheduler: { kind: "credit" }, weights: [512, 256], truth: 2 / 3 },
    { name: "CFS by shares", scheduler: { kind: "cfs" }, weights: [512, 256], truth: 2 / 3 },
    { name: "CFS by shares", scheduler: { kind: "cfs" }, weights: [768, 256], truth: 3 / 4 },
    {
      name: "CFS without groups knows no weights",
      scheduler: { kind: "cfs", groups: false },
      weights: [512, 256],
      truth: 1 / 2,
    },
  ] as const)("$name: $weights on one pCPU", ({ scheduler, weights, truth }) => {
    const domains = weights.map((weight, i) => ({ name: `d${i}`, vcpus: 1, weight, workload: busy(1) }));
    expect(
      Math.abs(share(run({ pcpus: 1, scheduler, until: 30 * SECOND, domains }), 0) - truth),
    ).toBeLessThan(0.005);
  });

  test("credit is coarse: whoever is UNDER takes whole slices in turn, so 3 : 1 comes out a few points short", () => {
    const domains = [768, 256].map((weight, i) => ({ name: `d${i}`, vcpus: 1, weight, workload: busy(1) }));
    const measured = share(run({ pcpus: 1, scheduler: { kind: "credit" }, until: 30 * SECOND, domains }), 0);
    expect(Math.abs(measured - 3 / 4)).toBeLessThan(0.05);
  });

  test("X-6: under credit the weight counts once per active vCPU; 4 against 2 vCPUs of equal weight get 2 : 1", () => {
    const of = (weightPer: "vcpu" | "domain") => {
      const domains = [4, 2].map((vcpus, i) => ({ name: `d${i}`, vcpus, workload: busy(vcpus) }));
      return share(
        run({ pcpus: 2, scheduler: { kind: "credit", weightPer }, until: 30 * SECOND, domains }),
        0,
      );
    };
    expect(of("vcpu")).toBeCloseTo(2 / 3, 1);
    expect(of("domain")).toBeCloseTo(1 / 2, 1);
  });

  test("a cap of 300 thousandths holds on an idle host", () => {
    const domains = [{ name: "a", vcpus: 1, cap: 300, workload: busy(1) }];
    const result = run({ pcpus: 1, scheduler: { kind: "credit" }, until: 30 * SECOND, domains });
    expect(result.pcpus[0]!.run / result.endedAt).toBeCloseTo(0.3, 1);
  });
});

describe("gangs", () => {
  test.each([
    { n: 8, pcpus: 12, truth: 8 / 12 },
    { n: 5, pcpus: 12, truth: 10 / 12 },
    { n: 12, pcpus: 12, truth: 1 },
  ])("strict co-scheduling of gangs of $n on $pcpus pCPUs uses floor(P/n) n / P", ({ n, pcpus, truth }) => {
    const workload: Workload = { tasks: [{ count: n, program: forever(work(MS)) }] };
    const domains = ["a", "b", "c"].map((name) => ({ name, vcpus: n, workload }));
    const result = run({ pcpus, scheduler: { kind: "strict-co" }, domains });
    const used = result.pcpus.reduce((sum, pcpu) => sum + pcpu.run, 0) / (pcpus * result.endedAt);
    expect(used).toBeCloseTo(truth, 6);
    expect(result.counts.holderPreemptions).toBe(0);
  });
});

describe("preemption", () => {
  test("a lock holder is preempted as often as it holds: the share of its time under the lock", () => {
    const workload: Workload = {
      locks: { l: { kind: "ticket" } },
      tasks: [
        {
          count: 1,
          program: forever(
            work({ mean: 300_000, cv: 1 }),
            { do: "lock", lock: "l" },
            { do: "compute", time: { mean: 100_000, cv: 1 }, mode: "kernel" },
            { do: "unlock", lock: "l" },
          ),
        },
      ],
    };
    const domains = ["a", "b"].map((name) => ({ name, vcpus: 1, workload }));
    const scheduler = { kind: "round-robin", slice: 10 * MS } as const;
    const holding = (r: number) => {
      const { counts } = run({ pcpus: 1, scheduler, until: 2 * SECOND, domains }, r);
      return counts.holderPreemptions / counts.vcpuSwitches;
    };
    expect(errorsOff(estimate(10, holding), 0.25)).toBeLessThanOrEqual(3);
  });

  test("a shootdown costs a constant plus so much per target when all targets run", () => {
    const costs = { shootdown: 2_400, ipiSend: 1_200, ipiReceive: 1_000 };
    const cost = (n: number) => {
      const workload: Workload = {
        tasks: [
          { count: 1, program: [work(MS), { do: "shootdown" }, { do: "mark" }] },
          { count: n - 1, program: forever(work(MS)) },
        ],
      };
      const [task] = run({ pcpus: n, until: 3 * MS, costs, domains: [{ name: "a", vcpus: n, workload }] })
        .domains[0]!.tasks;
      return task!.causes.kernel + task!.causes["spin-ipi"];
    };
    // The receivers' part overlaps with sending as long as it is the shorter.
    expect([2, 3, 12].map(cost)).toEqual([2, 3, 12].map((n) => costs.shootdown + (n - 1) * costs.ipiSend));
  });

  test("a shootdown whose only target is off the pCPU waits until it is back", () => {
    const workload: Workload = {
      tasks: [
        { count: 1, program: [work(2 * MS), { do: "shootdown" }, { do: "mark" }] },
        { count: 1, program: forever(work(MS)) },
      ],
    };
    const other: Workload = { tasks: [{ count: 1, program: forever(work(MS)) }] };
    const domains = [
      { name: "a", vcpus: 2, workload, pins: [[0], [1]] },
      { name: "b", vcpus: 1, workload: other, pins: [[1]] },
    ];
    const scheduler = { kind: "round-robin", slice: 1.5 * MS } as const;
    const { tasks } = run({ pcpus: 2, scheduler, until: 10 * MS, domains }).domains[0]!;
    // The target runs from 0 to 1.5 ms, waits to 3 ms; the sender asks at 2 ms.
    expect(tasks[0]!.causes["spin-ipi-preempted"]).toBe(MS);
  });
});
