/** CFS of Linux 3.0 and balance scheduling upon it, as pictures and shares that follow from kernel/sched_fair.c by hand. */
import { describe, expect, test } from "vitest";
import type { DomainConfig } from "../config.ts";
import type { CfsConfig } from "./cfs.ts";
import { busy, compute, forever, MARK, MS, simulate, whoRuns } from "./policy_suite.ts";

const alone = (name: string, more: Partial<DomainConfig> = {}): DomainConfig => ({
  name,
  vcpus: 1,
  workload: busy(1),
  ...more,
});

/** How long each runs at a time on pCPU 0, in ms, where all are pinned. */
function turns(count: number, pcpus: number, more: Partial<CfsConfig>): Set<number> {
  const domains = Array.from({ length: count }, (_, i) => alone(`d${i}`, { pins: [[0]] }));
  const [row] = whoRuns({ scheduler: { kind: "cfs", ...more }, pcpus, until: 240 * MS, domains }, MS);
  // The last turn is cut off by the end.
  return new Set([...row!.matchAll(/(.)\1*/g)].slice(0, -1).map(([turn]) => turn.length));
}

describe("slices: latency 6 ms or 0.75 ms per vCPU, times 1, 2, 3 or 4 by pCPUs; they end at the first tick after", () => {
  test.each([
    { count: 2, pcpus: 1, slice: 3, tick: 1, turn: 4 },
    { count: 2, pcpus: 2, slice: 6, tick: 1, turn: 7 },
    { count: 2, pcpus: 4, slice: 9, tick: 1, turn: 10 },
    { count: 2, pcpus: 12, slice: 12, tick: 1, turn: 13 },
    { count: 2, pcpus: 12, slice: 12, tick: 4, turn: 16 },
    { count: 4, pcpus: 12, slice: 6, tick: 1, turn: 7 },
    { count: 10, pcpus: 1, slice: 0.75, tick: 1, turn: 1 },
  ])(
    "$count vCPUs on one of $pcpus pCPUs: $slice ms, $turn ms with a tick of $tick ms",
    ({ count, pcpus, tick, turn }) => {
      expect([...turns(count, pcpus, { tick: tick * MS })]).toEqual([turn]);
    },
  );
});

describe("waking", () => {
  /** Of one that computes for 1 ms and sleeps for 20 ms: how long it waits for the pCPU each time, in ms. */
  const wait = (more: Partial<CfsConfig>): number => {
    const program = forever(compute(1 * MS), MARK, { do: "sleep", time: 20 * MS });
    const run = simulate({
      scheduler: { kind: "cfs", tick: 1 * MS, ...more },
      pcpus: 1,
      until: 1_000 * MS,
      domains: [alone("sleeper", { workload: { tasks: [{ count: 1, program }] } }), alone("busy")],
    });
    return run.domains[0]!.causes.steal / run.domains[0]!.marks / MS;
  };

  test("a sleeper is placed half a latency back, which is more than the wake-up granularity: it preempts at once", () => {
    expect(wait({})).toBeLessThan(0.1);
  });

  test("with a granularity above half a latency it waits for the next tick at least", () => {
    expect(wait({ wakeupGranularity: 4 * MS })).toBeGreaterThan(0.5);
  });
});

describe("groups", () => {
  test.each([
    { groups: true, share: 1 / 2 },
    { groups: false, share: 2 / 3 },
  ])(
    "two vCPUs against one, groups $groups: the domain's shares, or each vCPU's weight, decide (X-6)",
    ({ groups, share }) => {
      const run = simulate({
        scheduler: { kind: "cfs", groups },
        pcpus: 1,
        until: 3_000 * MS,
        domains: [alone("two", { vcpus: 2, workload: busy(2) }), alone("one")],
      });
      const ran = run.domains[0]!.vcpus.reduce((sum, { running }) => sum + running, 0);
      expect(ran / run.endedAt).toBeCloseTo(share, 1);
    },
  );
});

describe("siblings (V-C1 to V-C3)", () => {
  /** A neighbour holds pCPU 1; of two siblings, who gets to run where. */
  const rows = (balance: NonNullable<CfsConfig["balance"]>) =>
    whoRuns(
      {
        scheduler: { kind: "cfs", balance },
        pcpus: 2,
        until: 200 * MS,
        domains: [
          alone("neighbour", { pins: [[1]] }),
          { name: "siblings", vcpus: 2, workload: busy(2), startAt: MS },
        ],
      },
      MS,
    ).map((row) => [...new Set(row)].sort().join(""));

  test("by load alone they are stacked on pCPU 0, and nothing takes them apart", () => {
    expect(rows("off")).toEqual([".12", "0."].map((row) => expect.stringContaining(row.replace(".", ""))));
  });

  test.each(["siblings-apart", "load-conscious"] as const)("%s: one on each pCPU", (balance) => {
    const [p0, p1] = rows(balance);
    expect(p0).not.toMatch(/1.*2/);
    expect(p1).toMatch(/0[12]/);
  });
});
