/**
 * Golden digests: one number over every event of a run. A change that should not change behaviour must not change
 * them; one that should, changes them in the same commit and says why.
 */
import { expect, test } from "vitest";
import type { HostConfig } from "./config.ts";
import { runSimulation } from "./run.ts";
import type { Step } from "./workload/program.ts";

const MS = 1_000_000;

/** Something of everything: spinning, blocking, kernel time, interrupts, more tasks than vCPUs. */
const PROGRAM: Step[] = [
  { do: "sleep", time: { low: 0, high: 10 * MS } },
  {
    do: "repeat",
    body: [
      {
        do: "repeat",
        times: 10,
        body: [
          { do: "compute", time: { mean: 100_000, cv: 1 } },
          { do: "lock", lock: "spin" },
          { do: "compute", time: { mean: 3_000, cv: 1 }, mode: "kernel" },
          { do: "unlock", lock: "spin" },
        ],
      },
      { do: "chance", probability: 0.3, body: [{ do: "shootdown" }] },
      { do: "barrier", barrier: "meet" },
    ],
  },
];

function digestOf(scheduler: HostConfig["scheduler"]): string {
  return runSimulation({
    seed: 1,
    replication: 0,
    until: { at: 300 * MS },
    machine: { topology: { pcpus: 6, nodes: 2 } },
    host: { scheduler, pauseLoopExits: true },
    domains: ["a", "b"].map((name, d) => ({
      name,
      vcpus: 5,
      weight: 256 * (d + 1),
      startAt: d * 7 * MS,
      workload: {
        locks: { spin: { kind: "ticket" } },
        barriers: { meet: { parties: 6, spin: 100_000 } },
        tasks: [{ count: 6, program: PROGRAM }],
      },
    })),
  }).digest;
}

test.each([
  { scheduler: { kind: "round-robin" }, digest: "dd1ba5e2" },
  { scheduler: { kind: "cfs" }, digest: "75c9e4a7" },
  { scheduler: { kind: "cfs", balance: "siblings-apart" }, digest: "b705a7e9" },
  { scheduler: { kind: "credit" }, digest: "6b5770bd" },
  { scheduler: { kind: "eevdf" }, digest: "3662424e" },
  { scheduler: { kind: "credit2" }, digest: "7592b768" },
  { scheduler: { kind: "relaxed-co", generation: 3 }, digest: "045d8fe7" },
  { scheduler: { kind: "relaxed-co" }, digest: "1fe45717" },
  { scheduler: { kind: "demand-based" }, digest: "ab4ad1ae" },
  { scheduler: { kind: "strict-co" }, digest: "86a7d6ad" },
] as const)("$scheduler", ({ scheduler, digest }) => {
  expect(digestOf(scheduler)).toBe(digest);
});
