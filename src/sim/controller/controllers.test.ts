/** Each controller's decision as a table, and what it is known for in a running world. */
import { describe, expect, test } from "vitest";
import {
  busy,
  compute,
  forever,
  locking,
  MS,
  meeting,
  type SmallWorld,
  scattered,
  shooting,
  simulate,
} from "../host_scheduler/policy_suite.ts";
import type { RunResult } from "../metrics/result.ts";
import { type ControllerConfig, createController } from "./controllers.ts";
import { allocate } from "./dynamic_allocation.ts";
import { preferredCount } from "./preferred_vcpus.ts";
import { balloons } from "./time_balloon.ts";
import { extendability, vcpusFor } from "./vscale.ts";

const run = (world: SmallWorld, ...controllers: ControllerConfig[]): RunResult =>
  simulate(world, controllers.length === 0 ? {} : { controller: createController(controllers) });

/** Summed over two replications, with the default costs: the first domain's finished work. */
const marks = (world: Omit<SmallWorld, "pcpus"> & { pcpus?: number }, ...controllers: ControllerConfig[]) =>
  [0, 1]
    .map(
      (replication) => run({ pcpus: 4, costs: {}, ...world, replication }, ...controllers).domains[0]!.marks,
    )
    .reduce((a, b) => a + b, 0);

const idleOf = (result: RunResult): number =>
  result.pcpus.reduce((sum, pcpu) => sum + pcpu.idle, 0) / result.endedAt;
const offlineOf = (result: RunResult, d: number): number =>
  result.domains[d]!.vcpus.reduce((sum, vcpu) => sum + vcpu.offline + vcpu.halted, 0) / result.endedAt;

describe("affinity", () => {
  test("vCPU k on pCPU k: siblings never share a pCPU", () => {
    const { vcpuMigrations } = run(
      { scheduler: { kind: "credit" }, pcpus: 4, until: 200 * MS, domains: twice(busy(4)) },
      { kind: "affinity" },
    ).counts;
    expect(vcpuMigrations).toBe(0);
  });

  test("no work conservation: a pCPU idles though others wait; without the pins it does not", () => {
    const domains = [
      { name: "a", vcpus: 2, workload: busy(2) },
      { name: "b", vcpus: 2, workload: busy(2) },
    ];
    const world = { scheduler: { kind: "credit" }, pcpus: 4, until: 200 * MS, domains } as const;
    expect(idleOf(run(world, { kind: "affinity" }))).toBeCloseTo(2, 1);
    expect(idleOf(run(world))).toBeCloseTo(0, 1);
  });
});

function twice(workload: SmallWorld["domains"][number]["workload"]) {
  return ["a", "b"].map((name) => ({ name, vcpus: 4, workload: scattered(workload) }));
}

describe("vScale", () => {
  const pool = { pcpus: 4, period: 10 };
  test.each([
    { name: "alone: all of it", domains: [{ weight: 1, used: 40 }], extends: [40], vcpus: [4] },
    {
      name: "equal competitors",
      domains: [
        { weight: 256, used: 20 },
        { weight: 256, used: 20 },
      ],
      extends: [20, 20],
      vcpus: [2, 2],
    },
    {
      name: "weights 512 and 256 on 12 pCPUs' worth",
      domains: [
        { weight: 2, used: 30 },
        { weight: 1, used: 14 },
      ],
      extends: [80 / 3, 40 / 3],
      vcpus: [3, 2],
    },
    {
      name: "what a releaser leaves goes to the competitor, rounded up",
      domains: [
        { weight: 1, used: 5 },
        { weight: 1, used: 20 },
      ],
      extends: [20, 35],
      vcpus: [2, 4],
    },
    {
      name: "two competitors divide the slack by weight",
      domains: [
        { weight: 2, used: 2 },
        { weight: 1, used: 10 },
        { weight: 1, used: 11 },
      ],
      extends: [20, 19, 19],
      vcpus: [2, 2, 2],
    },
    {
      name: "a cap bounds it",
      domains: [
        { weight: 1, used: 20, cap: 1500 },
        { weight: 1, used: 5 },
      ],
      extends: [15, 20],
      vcpus: [2, 2],
    },
  ])("Algorithm 1, $name", ({ domains, extends: expected, vcpus }) => {
    const extended = extendability(domains, pool);
    extended.forEach((time, i) => {
      expect(time).toBeCloseTo(expected[i]!, 9);
    });
    expect(extended.map((time) => vcpusFor(time, { period: 10, vcpus: 4 }))).toEqual(vcpus);
  });

  const scheduler = { kind: "credit", weightPer: "domain" } as const;
  const spinning = { scheduler, until: 1_000 * MS, domains: twice(meeting(8, 2 * MS)) };

  test("less time runnable without a pCPU, which is where spinning siblings lose it (V-V14)", () => {
    const waiting = (result: RunResult) =>
      result.domains.flatMap((d) => d.vcpus).reduce((sum, vcpu) => sum + vcpu.runnable, 0);
    const world = { ...spinning, pcpus: 4, costs: {} };
    expect(waiting(run(world, { kind: "vscale" }))).toBeLessThan(0.1 * waiting(run(world)));
  });

  test("beside a domain that idles it keeps all its vCPUs: work-conserving, unlike a division by weight", () => {
    const idler = {
      tasks: [{ count: 1, program: forever(compute(100_000), { do: "sleep" as const, time: 10 * MS }) }],
    };
    const domains = [
      { name: "a", vcpus: 4, workload: busy(8) },
      { name: "b", vcpus: 4, workload: idler },
    ];
    const world = { scheduler, pcpus: 4, until: 500 * MS, domains };
    expect(offlineOf(run(world, { kind: "vscale" }), 0)).toBeLessThan(0.1);
  });

  test("ablation: without overcommit it changes nothing", () => {
    const world = {
      scheduler,
      until: 300 * MS,
      domains: [{ name: "a", vcpus: 4, workload: meeting(4, 2 * MS) }],
    };
    expect(marks(world, { kind: "vscale" }) / marks(world)).toBeCloseTo(1, 1);
  });
});

describe("preferred vCPUs", () => {
  const rules = { lowSteal: 20, highSteal: 50, most: 4 };
  test.each([
    { using: 4, steal: 80, count: 3 },
    { using: 3, steal: 50, count: 3 },
    { using: 3, steal: 21, count: 3 },
    { using: 3, steal: 20, count: 4 },
    { using: 4, steal: 0, count: 4 },
    { using: 1, steal: 400, count: 1 },
  ])("using $using at $steal per mille of steal: $count", ({ using, steal, count }) => {
    expect(preferredCount(using, steal, rules)).toBe(count);
  });

  // Short slices, so that there are many preemptions to avoid.
  const world: SmallWorld = {
    scheduler: { kind: "round-robin", slice: 2 * MS },
    pcpus: 4,
    costs: {},
    until: 500 * MS,
    domains: twice(locking(8, "paravirtual", 20_000)),
  };
  const folding = { kind: "preferred-vcpus", interval: 25 * MS } as const;

  test("fewer holders lose their pCPU under the lock; with thresholds out of reach, as many as ever", () => {
    const preempted = (...controllers: ControllerConfig[]) =>
      run(world, ...controllers).counts.holderPreemptions;
    const without = preempted();
    expect(without).toBeGreaterThan(20);
    expect(preempted(folding)).toBeLessThan(0.7 * without);
    expect(preempted({ ...folding, highSteal: 1001 })).toBe(without);
  });

  test("works best when all do it: one that does not fold gets more", () => {
    const domains = twice(busy(8));
    const result = run({ ...world, scheduler: { kind: "cfs" }, domains }, { ...folding, domains: ["a"] });
    const used = result.domains.map((d) => d.vcpus.reduce((sum, vcpu) => sum + vcpu.running, 0));
    expect(used[1]!).toBeGreaterThan(1.2 * used[0]!);
  });
});

describe("dynamic allocation, our reading of Southern", () => {
  const wants = (wanted: number, synchronises: boolean, weight = 256) => ({ weight, wanted, synchronises });
  test.each([
    { name: "alone", demands: [wants(4, true)], vcpus: [4] },
    { name: "one synchronises", demands: [wants(4, true), wants(4, false)], vcpus: [2, 4] },
    { name: "both do", demands: [wants(4, true), wants(4, true)], vcpus: [2, 2] },
    { name: "by weight", demands: [wants(4, true, 768), wants(4, true, 256)], vcpus: [3, 1] },
    {
      name: "what one does not want goes to the other",
      demands: [wants(4, true), wants(1, true)],
      vcpus: [3, 1],
    },
    { name: "never none", demands: [wants(4, true, 10), wants(4, true, 1000)], vcpus: [1, 3] },
  ])("$name on 4 pCPUs: $vcpus", ({ demands, vcpus }) => {
    expect(allocate(demands, 4)).toEqual(vcpus);
  });

  const world = {
    scheduler: { kind: "credit" } as const,
    until: 400 * MS,
    domains: twice(shooting(4, 200_000)),
  };

  test("Xen runs synchronising loads better with it (S-6); seeing no synchronisation, as before", () => {
    const without = marks(world);
    expect(marks(world, { kind: "dynamic-allocation", epoch: 30 * MS })).toBeGreaterThan(3 * without);
    const blind = { kind: "dynamic-allocation", synchronises: Number.POSITIVE_INFINITY } as const;
    expect(marks(world, blind)).toBe(without);
  });

  test("independent tasks keep their vCPUs (S-2)", () => {
    const result = run(
      { scheduler: { kind: "credit" }, pcpus: 4, until: 500 * MS, domains: twice(busy(4)) },
      { kind: "dynamic-allocation" },
    );
    expect(result.domains[0]!.vcpus.every((vcpu) => vcpu.offline === 0)).toBe(true);
  });
});

describe("time ballooning", () => {
  test.each([
    { shares: [1, 1], tasks: 8, balloon: [0, 0] },
    { shares: [1, 0.5], tasks: 6, balloon: [0, 2] },
    { shares: [1, 1 / 3], tasks: 8, balloon: [0, 4] },
    { shares: [0.5, 1, 0.5], tasks: 8, balloon: [2, 0, 2] },
    { shares: [0, 0], tasks: 4, balloon: [0, 0] },
  ])("shares $shares, $tasks tasks: $balloon artificial ones", ({ shares, tasks, balloon }) => {
    expect(balloons(shares, tasks)).toEqual(balloon);
    // What the balancer makes of it: real tasks in proportion to the shares.
    const total = tasks + balloon.reduce((a, b) => a + b, 0);
    const sum = shares.reduce((a, b) => a + b, 0);
    if (sum === 0) return;
    shares.forEach((share, i) => {
      expect(total / shares.length - balloon[i]!).toBeCloseTo((tasks * share) / sum, 9);
    });
  });

  /** Two vCPUs, one of which has to share its pCPU with two rivals: it gets a third of what its sibling gets. */
  const uneven = (rivals: number): SmallWorld => ({
    scheduler: { kind: "cfs", groups: false },
    pcpus: 2,
    until: 3_000 * MS,
    domains: [
      { name: "a", vcpus: 2, workload: busy(8), pins: [[0], [1]] },
      { name: "b", vcpus: rivals, workload: busy(rivals), pins: Array.from({ length: rivals }, () => [1]) },
    ],
  });
  /** The slowest task's work as a part of the fastest's: 1 is fair (U-9). */
  const fairness = (result: RunResult) => {
    const work = result.domains[0]!.tasks.map((task) => task.marks);
    return Math.min(...work) / Math.max(...work);
  };

  test("the guest's own balancer then serves its tasks fairly, which it does not otherwise (U-7, U-8, U-9)", () => {
    expect(fairness(run(uneven(2)))).toBeLessThan(0.45);
    expect(fairness(run(uneven(2), { kind: "time-balloon" }))).toBeGreaterThan(0.7);
  });

  test("ablation: vCPUs that are equally fast get no balloon, and nothing changes", () => {
    const world = { ...uneven(2), domains: [{ name: "a", vcpus: 2, workload: busy(8) }] };
    expect(run(world, { kind: "time-balloon" }).domains).toEqual(run(world).domains);
  });
});

test("several controllers at once: each has timers of its own", () => {
  const result = run(
    {
      scheduler: { kind: "credit" },
      pcpus: 4,
      costs: {},
      until: 500 * MS,
      domains: twice(meeting(8, 1 * MS)),
    },
    { kind: "affinity" },
    { kind: "vscale" },
    { kind: "preferred-vcpus", interval: 100 * MS },
  );
  expect(result.counts.vcpuMigrations).toBe(0);
  expect(offlineOf(result, 0)).toBeGreaterThan(1);
});
