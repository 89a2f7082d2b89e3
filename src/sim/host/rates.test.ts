/** SMT and NUMA as rates: what a shared core and far memory cost, and that nothing is left when their factors are 1. */
import { describe, expect, test } from "vitest";
import type { TopologyConfig } from "../machine/topology.ts";
import { runSimulation } from "../run.ts";

const MS = 1_000_000;
const WORK = 1 * MS;
const RUN = 500 * MS;
const FREE = { vcpuSwitch: 0, taskSwitch: 0 };

/** Pieces of work per vCPU, each pinned to the pCPU of its number in `on`; the first powers on first. */
function pieces(
  on: readonly number[],
  topology: TopologyConfig,
  costs: Record<string, number> = {},
): number[] {
  const result = runSimulation({
    seed: 1,
    replication: 0,
    until: { at: RUN },
    machine: { topology, costs: { ...FREE, ...costs } },
    host: { scheduler: { kind: "round-robin" } },
    domains: [
      {
        name: "a",
        vcpus: on.length,
        pins: on.map((p) => [p]),
        workload: {
          tasks: [
            {
              count: on.length,
              program: [{ do: "repeat", body: [{ do: "compute", time: WORK }, { do: "mark" }] }],
            },
          ],
        },
      },
    ],
    checks: true,
  });
  for (const { vcpus } of result.domains)
    for (const vcpu of vcpus) expect(vcpu.running + vcpu.runnable + vcpu.halted + vcpu.offline).toBe(RUN);
  return result.domains[0]!.tasks.map(({ marks }) => marks);
}

/** How many pieces the vCPU that is farthest off is off; the last may be unfinished, as pieces end at whole nanoseconds. */
function farthestOff(done: readonly number[], parts: readonly number[]): number {
  return Math.max(...done.map((marks, i) => Math.abs(marks - (RUN / WORK) * parts[i]!)));
}

describe("two threads per core", () => {
  const topology = { pcpus: 4, threadsPerCore: 2 };
  test.each([
    { what: "one vCPU alone has the core for itself", on: [0], costs: {}, parts: [1] },
    { what: "two on cores of their own too", on: [0, 2], costs: {}, parts: [1, 1] },
    {
      what: "two on one core work at 0.65 each, as Marr et al. have it",
      on: [0, 1],
      costs: {},
      parts: [0.65, 0.65],
    },
    { what: "at any other rate too", on: [0, 1], costs: { smtSharedRate: 0.5 }, parts: [0.5, 0.5] },
    { what: "ablation: a factor of 1 takes nothing", on: [0, 1], costs: { smtSharedRate: 1 }, parts: [1, 1] },
  ])("$what", ({ on, costs, parts }) => {
    expect(farthestOff(pieces(on, topology, costs), parts)).toBeLessThanOrEqual(1);
  });
});

describe("two nodes", () => {
  const topology = { pcpus: 4, nodes: 2 };
  test.each([
    { what: "all on the node of the memory", on: [0, 1], costs: {}, parts: [1, 1] },
    { what: "the second is far from the memory", on: [0, 2], costs: {}, parts: [1, 0.8] },
    {
      what: "ablation: a factor of 1 takes nothing",
      on: [0, 2],
      costs: { remoteMemoryRate: 1 },
      parts: [1, 1],
    },
  ])("$what", ({ on, costs, parts }) => {
    expect(farthestOff(pieces(on, topology, costs), parts)).toBeLessThanOrEqual(1);
  });
});

test("a neighbour that comes and goes slows its core down for just as long", () => {
  const busy = [
    { do: "repeat" as const, body: [{ do: "compute" as const, time: WORK }, { do: "mark" as const }] },
  ];
  const once = [{ do: "compute" as const, time: 65 * MS }];
  const { domains } = runSimulation({
    seed: 1,
    replication: 0,
    until: { at: RUN },
    machine: { topology: { pcpus: 2, threadsPerCore: 2 }, costs: FREE },
    host: { scheduler: { kind: "round-robin" } },
    domains: [
      { name: "a", vcpus: 1, pins: [[0]], workload: { tasks: [{ count: 1, program: busy }] } },
      {
        name: "b",
        vcpus: 1,
        pins: [[1]],
        startAt: 100 * MS,
        workload: { tasks: [{ count: 1, program: once }] },
      },
    ],
    checks: true,
  });
  // b works for 65 / 0.65 = 100 ms, in which a does 65 pieces instead of 100.
  expect(domains[1]!.finishedAt).toBe(200 * MS);
  expect(Math.abs(domains[0]!.marks - 465)).toBeLessThanOrEqual(1);
});
