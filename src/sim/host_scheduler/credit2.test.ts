/** Credit2's rules as tables (read in Xen's own description of them), and what they come to in a running world. */
import { describe, expect, test } from "vitest";
import { afterReset, runtime, score } from "./credit2.ts";
import { busy, compute, forever, MARK, MS, simulate, whoRuns } from "./policy_suite.ts";

const US = 1_000;

describe("how long it may run", () => {
  const even = { weight: 256, heaviest: 256, least: 0 };
  test.each([
    { name: "nobody waits: to the end of its credit", credit: 7 * MS, waiting: undefined, time: 7 * MS },
    { name: "down to the credit of who waits", credit: 7 * MS, waiting: 4 * MS, time: 3 * MS },
    { name: "who waits has none left", credit: 7 * MS, waiting: -1 * MS, time: 7 * MS },
    { name: "never less than 0.5 ms", credit: 4.2 * MS, waiting: 4 * MS, time: 500 * US },
    { name: "no credit of its own: the least", credit: -3 * MS, waiting: undefined, time: 500 * US },
    { name: "never more than 10 ms", credit: 10.5 * MS, waiting: undefined, time: 10 * MS },
  ])("$name", ({ credit, waiting, time }) => {
    expect(runtime(credit, waiting, even)).toBe(time);
  });

  test("a light vCPU burns faster: half the weight, half the time", () => {
    expect(runtime(6 * MS, undefined, { weight: 128, heaviest: 256, least: 0 })).toBe(3 * MS);
  });

  test("what is left of the rate limit goes before everything but the most", () => {
    expect(runtime(4 * MS, 4 * MS, { ...even, least: 1 * MS })).toBe(1 * MS);
  });
});

describe("a reset", () => {
  test.each([
    { name: "everybody gets 10 ms", credit: -200 * US, next: -200 * US, after: 9.8 * MS },
    { name: "at most 0.5 ms is carried over", credit: 4 * MS, next: 0, after: 10.5 * MS },
    {
      name: "twice, when the next is as deep in debt as can be",
      credit: -10 * MS,
      next: -10 * MS,
      after: 10 * MS,
    },
  ])("$name", ({ credit, next, after }) => {
    expect(afterReset(credit, next)).toBe(after);
  });
});

describe("preempting", () => {
  test.each([
    { waiting: 3 * MS, running: 2 * MS, moves: false, takes: true },
    { waiting: 2 * MS, running: 2 * MS, moves: false, takes: false },
    { waiting: 2.4 * MS, running: 2 * MS, moves: true, takes: false },
    { waiting: 2.6 * MS, running: 2 * MS, moves: true, takes: true },
  ])(
    "credit $waiting against $running, on another pCPU: $moves -> $takes",
    ({ waiting, running, moves, takes }) => {
      expect(score(waiting, running, moves, 500 * US) > 0).toBe(takes);
    },
  );
});

describe("in the world", () => {
  const two = ["a", "b"].map((name) => ({ name, vcpus: 1, workload: busy(1) }));

  test("equal credit: who falls behind gives way, no sooner than the rate limit allows", () => {
    // The first runs alone when it starts, the second catches up; from then on they stay side by side.
    const [row] = whoRuns({ scheduler: { kind: "credit2" }, pcpus: 1, until: 40 * MS, domains: two }, MS);
    expect(row!.slice(0, 20)).toBe("00000000001111111111");
    expect(row!.slice(22, 34)).toMatch(/^(01)+0?$|^(10)+1?$/);
  });

  test.each([
    { weights: [512, 256], truth: 2 / 3 },
    { weights: [768, 256], truth: 3 / 4 },
  ])("weights $weights divide a pCPU in proportion, finer than credit does", ({ weights, truth }) => {
    const domains = weights.map((weight, i) => ({ name: `d${i}`, vcpus: 1, weight, workload: busy(1) }));
    const run = simulate({ scheduler: { kind: "credit2" }, pcpus: 1, until: 5_000 * MS, domains });
    expect(run.domains[0]!.vcpus[0]!.running / run.endedAt).toBeCloseTo(truth, 2);
  });

  test("a cap of 300 thousandths holds on an idle host, to a per mille", () => {
    const domains = [{ name: "a", vcpus: 2, cap: 300, workload: busy(2) }];
    const run = simulate({ scheduler: { kind: "credit2" }, pcpus: 2, until: 2_000 * MS, domains });
    const used = run.domains[0]!.vcpus.reduce((sum, vcpu) => sum + vcpu.running, 0);
    expect(used / run.endedAt).toBeCloseTo(0.3, 3);
    expect(run.domains[0]!.causes.parked).toBeGreaterThan(0);
  });

  test("the rate limit keeps those who wake often from chopping up the others' time", () => {
    const program = forever(compute(20_000), MARK, { do: "sleep", time: 200_000 });
    const domains = [
      { name: "a", vcpus: 2, workload: busy(2) },
      { name: "sleepers", vcpus: 4, workload: { tasks: [{ count: 4, program }] } },
    ];
    const switches = (rateLimit: number) =>
      simulate({ scheduler: { kind: "credit2", rateLimit }, pcpus: 2, until: 200 * MS, domains }).counts
        .vcpuSwitches;
    expect(switches(1 * MS)).toBeLessThan(0.7 * switches(0));
  });

  test("resistance to migration: without it vCPUs change pCPUs more often", () => {
    const program = forever(compute(300_000), MARK, { do: "sleep", time: 300_000 });
    const domains = [{ name: "a", vcpus: 5, workload: { tasks: [{ count: 5, program }] } }];
    const moves = (migrateResistance: number) =>
      simulate({
        scheduler: { kind: "credit2", rateLimit: 0, migrateResistance },
        pcpus: 2,
        until: 200 * MS,
        domains,
      }).counts.vcpuMigrations;
    expect(moves(2 * MS)).toBeLessThan(moves(0));
  });

  test("two sockets: an uneven start evens out", () => {
    const scheduler = { kind: "credit2" } as const;
    const pins = [
      [0, 1],
      [0, 1],
      [0, 1],
      [0, 1, 2, 3],
      [0, 1, 2, 3],
      [0, 1, 2, 3],
    ];
    const domains = [{ name: "a", vcpus: 6, pins, workload: busy(6) }];
    const run = simulate({ scheduler, pcpus: 4, nodes: 2, until: 1_000 * MS, domains });
    expect(run.counts.idleWhileWaiting / (4 * run.endedAt)).toBeLessThan(0.02);
  });
});
