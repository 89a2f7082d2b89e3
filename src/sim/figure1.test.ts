/**
 * The direction of the paper's Figure 1 (B-36, V-B1 to V-B4): two domains of 12 vCPUs with a synchronising program on
 * 12 pCPUs take more than twice as long as one alone, and their kernel time grows by a factor. With 6 vCPUs each on
 * pCPUs of their own (B-41) both are gone. Magnitudes need calibration and are not asserted.
 */
import { describe, expect, test } from "vitest";
import type { DomainConfig, HostConfig } from "./config.ts";
import type { RunResult } from "./metrics/result.ts";
import { runSimulation } from "./run.ts";
import type { Duration, Step, Workload } from "./workload/program.ts";

const MS = 1_000_000;
const REPLICATIONS = 3;
/** Tasks start at moments of their own, and the second domain later, so that no policy looks good by accident. */
const START_SPREAD = 30 * MS;
const LATER = 7 * MS;

/** Shaped like streamcluster: one long and eight short phases, each ended by a barrier that spins 0.1 ms and blocks. */
function synchronising(tasks: number): Workload {
  const phase = (time: Duration): Step[] => [
    { do: "compute", time },
    { do: "lock", lock: "bucket" },
    { do: "compute", time: { mean: 600, cv: 0.5 }, mode: "kernel" },
    { do: "unlock", lock: "bucket" },
    { do: "barrier", barrier: "all" },
  ];
  const short = Array.from({ length: 8 }, () => phase({ mean: (1.2 * MS) / tasks, cv: 0.2 })).flat();
  return {
    barriers: { all: { parties: tasks, spin: 100_000 } },
    locks: { bucket: { kind: "ticket" } },
    tasks: [
      {
        count: tasks,
        program: [
          { do: "sleep", time: { low: 0, high: START_SPREAD } },
          {
            do: "repeat",
            times: 100,
            body: [
              ...phase({ mean: (50 * MS) / tasks, cv: 0.05 }),
              ...short,
              { do: "chance", probability: 0.05, body: [{ do: "shootdown" }] },
            ],
          },
        ],
      },
    ],
  };
}

const domain = (name: string, vcpus: number, more: Partial<DomainConfig> = {}): DomainConfig => ({
  name,
  vcpus,
  workload: synchronising(vcpus),
  ...more,
});

function runs(scheduler: HostConfig["scheduler"], domains: readonly DomainConfig[]): RunResult[] {
  return Array.from({ length: REPLICATIONS }, (_, replication) =>
    runSimulation({
      seed: 1,
      replication,
      until: { at: 60_000 * MS, finished: domains.map(({ name }) => name) },
      machine: { topology: { pcpus: 12 } },
      host: { scheduler, pauseLoopExits: true },
      domains,
    }),
  );
}

/** Mean over domains and replications: how long the program took, and its kernel time, both in ms. */
function measure(results: readonly RunResult[]): { time: number; kernel: number } {
  const all = results.flatMap((result) => result.domains);
  const mean = (of: (domain: RunResult["domains"][number]) => number) =>
    all.reduce((sum, each) => sum + of(each), 0) / all.length / MS;
  return {
    time: mean(({ name, finishedAt }) => finishedAt! - START_SPREAD - (name === "b" ? LATER : 0)),
    kernel: mean(({ kernelTime }) => kernelTime.actual),
  };
}

describe.each([{ scheduler: { kind: "credit" } }, { scheduler: { kind: "cfs" } }] as const)(
  "$scheduler",
  ({ scheduler }) => {
    const sixOf = (first: number) => ({ pins: Array.from({ length: 6 }, (_, i) => [first + i]) });
    const one = measure(runs(scheduler, [domain("a", 12)]));
    const two = measure(runs(scheduler, [domain("a", 12), domain("b", 12, { startAt: LATER })]));
    const balanced = measure(
      runs(scheduler, [domain("a", 6, sixOf(0)), domain("b", 6, { startAt: LATER, ...sixOf(6) })]),
    );

    test("two domains take more than twice as long as one, though each has half of the host", () => {
      expect(two.time / one.time).toBeGreaterThan(2);
    });

    test("their kernel time grows by a factor: it is mostly waiting", () => {
      expect(two.kernel / one.kernel).toBeGreaterThan(2);
    });

    test("with as many vCPUs as it is due pCPUs, each domain is faster and its kernel time is back", () => {
      expect(balanced.time).toBeLessThan(0.97 * two.time);
      expect(balanced.kernel).toBeLessThan(1.1 * one.kernel);
    });
  },
);
