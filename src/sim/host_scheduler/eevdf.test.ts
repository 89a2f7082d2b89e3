/** EEVDF's rules as tables, and what they come to in a running world. */
import { describe, expect, test } from "vitest";
import { averageVruntime, earliestEligible, placed } from "./eevdf.ts";
import type { SchedulerConfig } from "./policies.ts";
import { busy, compute, forever, MS, simulate, whoRuns } from "./policy_suite.ts";

/** vCPU 0, 1, 2 ... with these numbers. */
function columns(rows: readonly { v: number; due: number; weight?: number }[]) {
  return {
    vruntime: rows.map((row) => row.v),
    deadline: rows.map((row) => row.due),
    weight: rows.map((row) => row.weight ?? 1024),
  };
}

describe("the decision", () => {
  test.each([
    { name: "nobody", rows: [], average: 0, picked: -1 },
    { name: "alone, however late", rows: [{ v: 50, due: 3 }], average: 50, picked: 0 },
    {
      name: "the most urgent has had too much; of the eligible the earlier deadline",
      rows: [
        { v: 4, due: 6 },
        { v: 0, due: 9 },
        { v: 8, due: 5 },
      ],
      average: 4,
      picked: 0,
    },
    {
      name: "exactly at the average is eligible",
      rows: [
        { v: 5, due: 7 },
        { v: 5, due: 6 },
      ],
      average: 5,
      picked: 1,
    },
    {
      name: "equal deadlines go to the lower number",
      rows: [
        { v: 9, due: 10 },
        { v: 1, due: 11 },
        { v: 2, due: 11 },
      ],
      average: 4,
      picked: 1,
    },
    {
      name: "a heavy vCPU draws the average to itself",
      rows: [
        { v: 0, due: 5, weight: 1024 },
        { v: 4, due: 3, weight: 3072 },
      ],
      average: 3,
      picked: 0,
    },
  ])("$name", ({ rows, average, picked }) => {
    const members = rows.map((_, i) => i);
    expect(averageVruntime(members, columns(rows))).toBe(average);
    expect(earliestEligible(members, columns(rows))).toBe(picked);
  });

  test.each([
    { queue: { average: 100, weight: 0 }, lag: 7, weight: 1024, at: 100 },
    { queue: { average: 100, weight: 1024 }, lag: 7, weight: 1024, at: 86 },
    { queue: { average: 100, weight: 3072 }, lag: -3, weight: 1024, at: 104 },
  ])("placed with lag $lag into a queue of weight $queue.weight: $at", ({ queue, lag, weight, at }) => {
    expect(placed(queue, lag, weight)).toBe(at);
    // Once it is part of the average, its lag is what it was.
    if (queue.weight === 0) return;
    const after = (queue.average * queue.weight + at * weight) / (queue.weight + weight);
    expect(after - at).toBeCloseTo(lag, 9);
  });
});

describe("in the world", () => {
  const two = [
    { name: "a", vcpus: 1, workload: busy(1) },
    { name: "b", vcpus: 1, workload: busy(1) },
  ];

  test("equal weights take turns, slice by slice", () => {
    const scheduler = { kind: "eevdf", slice: 4 * MS, tick: 4 * MS } as const;
    expect(whoRuns({ scheduler, pcpus: 1, until: 32 * MS, domains: two }, 4 * MS)).toEqual(["01010101"]);
  });

  test.each([
    { weights: [512, 256], truth: 2 / 3 },
    { weights: [768, 256], truth: 3 / 4 },
  ])("weights $weights divide a pCPU in proportion", ({ weights, truth }) => {
    const domains = weights.map((weight, i) => ({ name: `d${i}`, vcpus: 1, weight, workload: busy(1) }));
    const { pcpus, domains: results } = simulate({
      scheduler: { kind: "eevdf" },
      pcpus: 1,
      until: 5_000 * MS,
      domains,
    });
    expect(results[0]!.vcpus[0]!.running / pcpus[0]!.run).toBeCloseTo(truth, 2);
  });

  /** Beside a vCPU that wants everything: works for `work`, then sleeps for `nap`, and so on. */
  const napper = (scheduler: SchedulerConfig, work: number, nap: number) => {
    const program = forever(compute(work), { do: "sleep", time: nap });
    const domains = [
      { name: "a", vcpus: 1, workload: busy(1) },
      { name: "napper", vcpus: 1, workload: { tasks: [{ count: 1, program }] } },
    ];
    return simulate({ scheduler, pcpus: 1, until: 2_000 * MS, domains });
  };

  test("lag survives sleep: whoever sleeps for an instant gets no more than its share", () => {
    const run = napper({ kind: "eevdf", tick: MS }, 3 * MS, 10_000);
    expect(run.domains[1]!.vcpus[0]!.running / run.endedAt).toBeLessThan(0.505);
  });

  test("a debt is paid by a long sleep; without delayed dequeue the sleeper still owes when it wakes", () => {
    const waited = (delayDequeue: boolean) =>
      napper({ kind: "eevdf", tick: MS, slice: 3 * MS, delayDequeue }, 2 * MS, 40 * MS).domains[1]!.vcpus[0]!
        .runnable;
    expect(waited(true)).toBeLessThan(waited(false));
  });

  test("run to parity: a slice that has begun is not cut short by those who wake, as long as it is due", () => {
    const program = forever(compute(100_000), { do: "sleep", time: { mean: 2 * MS, cv: 1 } });
    const domains = [
      { name: "a", vcpus: 3, weight: 768, workload: busy(3) },
      { name: "sleeper", vcpus: 1, weight: 1024, workload: { tasks: [{ count: 1, program }] } },
    ];
    const waited = (runToParity: boolean) =>
      simulate({
        scheduler: { kind: "eevdf", slice: 8 * MS, tick: MS, runToParity },
        pcpus: 1,
        until: 500 * MS,
        domains,
      }).domains[1]!.vcpus[0]!.runnable;
    expect(waited(true)).toBeGreaterThan(1.2 * waited(false));
  });
});
