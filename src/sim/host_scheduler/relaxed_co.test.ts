/** Relaxed co-scheduling: who is stopped and started as a table, and what it does to gangs in a running world. */
import { describe, expect, test } from "vitest";
import { busy, compute, forever, MARK, MS, meeting, simulate } from "./policy_suite.ts";
import { leads, type Sibling, stopped } from "./relaxed_co.ts";

const runs = (progress: number): Sibling => ({ progress, isRunnable: true, isStopped: false });
const sleeps = (progress: number): Sibling => ({ progress, isRunnable: false, isStopped: false });
const isStopped = (progress: number): Sibling => ({ progress, isRunnable: true, isStopped: true });

describe("the decision: stopped above 3, started below 1.5", () => {
  test.each([
    { name: "nobody leads", siblings: [runs(5), runs(5)], lead: [0, 0], stops: [false, false] },
    {
      name: "one leads too far and is stopped alone",
      siblings: [runs(12), runs(9), runs(8)],
      lead: [4, 1, 0],
      stops: [true, false, false],
    },
    {
      name: "exactly the threshold is not above it",
      siblings: [runs(11), runs(8)],
      lead: [3, 0],
      stops: [false, false],
    },
    {
      name: "a sleeper holds up nobody",
      siblings: [runs(12), runs(11), sleeps(1)],
      lead: [1, 0, -10],
      stops: [false, false, false],
    },
    {
      name: "a sleeper is not stopped",
      siblings: [sleeps(40), runs(8)],
      lead: [32, 0],
      stops: [false, false],
    },
    {
      name: "who is stopped stays so until the slowest has caught up",
      siblings: [isStopped(10), runs(8)],
      lead: [2, 0],
      stops: [true, false],
    },
    { name: "caught up: it starts", siblings: [isStopped(9), runs(8)], lead: [1, 0], stops: [false, false] },
    { name: "all asleep", siblings: [sleeps(1), sleeps(9)], lead: [0, 0], stops: [false, false] },
  ])("$name", ({ siblings, lead, stops }) => {
    expect(leads(siblings)).toEqual(lead);
    expect(stopped(siblings, { stopLead: 3, startLead: 1.5 })).toEqual(stops);
  });
});

/** Two gangs of 3 that spin at barriers, on 4 pCPUs. */
const gangs = ["a", "b"].map((name) => ({ name, vcpus: 3, workload: meeting(3, 2 * MS) }));

describe.each([3, 4] as const)("generation %i", (generation) => {
  test("fragments far less than strict gangs do (S-5): pCPUs do not idle while somebody may run (B-29)", () => {
    const idle = (scheduler: Parameters<typeof simulate>[0]["scheduler"]) => {
      const run = simulate({ scheduler, pcpus: 4, until: 400 * MS, domains: gangs });
      return run.pcpus.reduce((sum, pcpu) => sum + pcpu.idle, 0) / run.endedAt;
    };
    expect(idle({ kind: "strict-co" })).toBeGreaterThan(0.8);
    expect(idle({ kind: "relaxed-co", generation })).toBeLessThan(0.5);
  });

  test("with pCPUs enough it stops nobody", () => {
    const run = simulate({
      scheduler: { kind: "relaxed-co", generation },
      pcpus: 6,
      until: 200 * MS,
      domains: gangs,
    });
    expect(run.domains[0]!.causes["co-stopped"]).toBe(0);
    expect(run.domains[0]!.causes.steal).toBe(0);
  });

  test("an idle sibling causes no skew", () => {
    const idler = { tasks: [{ count: 1, program: forever(compute(1 * MS), MARK) }] };
    const domains = [{ name: "a", vcpus: 4, workload: idler }];
    const run = simulate({
      scheduler: { kind: "relaxed-co", generation },
      pcpus: 1,
      until: 200 * MS,
      domains,
    });
    expect(run.domains[0]!.causes["co-stopped"]).toBe(0);
    expect(run.pcpus[0]!.idle).toBe(0);
  });

  test("siblings stay within a few milliseconds of each other; without the threshold they do not", () => {
    // One pCPU has a rival, so that the vCPU that is pinned there gets half of what its sibling gets.
    const domains = [
      { name: "a", vcpus: 2, workload: busy(2), pins: [[0], [1]] },
      { name: "b", vcpus: 1, workload: busy(1), pins: [[1]] },
    ];
    const skew = (stopLead?: number) => {
      const scheduler = {
        kind: "relaxed-co",
        generation,
        ...(stopLead === undefined ? {} : { stopLead }),
      } as const;
      const { domains: results } = simulate({ scheduler, pcpus: 2, until: 500 * MS, domains });
      const [first, second] = results[0]!.vcpus;
      return { skew: first!.running - second!.running, stopped: results[0]!.causes["co-stopped"] };
    };
    expect(skew().skew).toBeLessThan(5 * MS);
    expect(skew().stopped).toBeGreaterThan(100 * MS);
    expect(skew(Number.POSITIVE_INFINITY).skew).toBeGreaterThan(100 * MS);
    expect(skew(Number.POSITIVE_INFINITY).stopped).toBe(0);
  });
});

test("time of the hypervisor: generation 3 takes it for progress, generation 4 does not", () => {
  // The sibling on pCPU 1 is interrupted so often by a rival that much of its time goes into switching.
  const domains = [
    { name: "a", vcpus: 2, workload: busy(2), pins: [[0], [1]] },
    {
      name: "b",
      vcpus: 1,
      pins: [[1]],
      workload: {
        tasks: [{ count: 1, program: forever(compute(100_000), { do: "sleep" as const, time: 2 * MS }) }],
      },
    },
  ];
  const skew = (generation: 3 | 4) => {
    const run = simulate({
      scheduler: { kind: "relaxed-co", generation },
      pcpus: 2,
      costs: { vcpuSwitch: 300_000 },
      until: 500 * MS,
      domains,
    });
    const done = run.domains[0]!.tasks.map((task) => task.causes.user);
    return done[0]! - done[1]!;
  };
  expect(skew(4)).toBeLessThan(5 * MS);
  expect(skew(3)).toBeGreaterThan(2 * skew(4));
});

test("the less it has had of what it is entitled to, the sooner it runs: weights divide the pCPU", () => {
  const domains = [512, 256].map((weight, i) => ({ name: `d${i}`, vcpus: 2, weight, workload: busy(2) }));
  const run = simulate({ scheduler: { kind: "relaxed-co" }, pcpus: 2, until: 6_000 * MS, domains });
  const used = run.domains.map((d) => d.vcpus.reduce((sum, vcpu) => sum + vcpu.running, 0));
  expect(used[0]! / (used[0]! + used[1]!)).toBeCloseTo(2 / 3, 1);
});

describe("two domains that fill the host each, and spin at barriers", () => {
  /** The part of the time on a pCPU that is spun away. */
  const spun = (names: readonly string[], together = true) => {
    const run = simulate({
      scheduler: { kind: "relaxed-co", together },
      pcpus: 4,
      until: 1_000 * MS,
      domains: names.map((name, i) => ({
        name,
        vcpus: 4,
        startAt: i * 13 * MS,
        workload: meeting(4, 1 * MS),
      })),
    });
    const all = run.domains.reduce((sum, { causes }) => sum + causes["spin-barrier"], 0);
    return all / (4 * run.endedAt);
  };
  const alone = spun(["a"]);

  test("siblings start together: they spin little more than with nobody beside them", () => {
    expect(spun(["a", "b"])).toBeLessThan(alone + 0.05);
  });

  test("ablation: only kept from running ahead, they spin for those that wait", () => {
    expect(spun(["a", "b"], false)).toBeGreaterThan(alone + 0.2);
  });
});
