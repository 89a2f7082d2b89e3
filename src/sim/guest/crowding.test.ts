/** The law of scalability counts who runs, not who exists (N. Gunther, 2007): times of single pieces, with pins that say who runs. */
import { describe, expect, test } from "vitest";
import type { SimulationConfig } from "../config.ts";
import { runSimulation } from "../run.ts";
import type { Crowding } from "../workload/program.ts";

const MS = 1_000_000;
const FREE = { vcpuSwitch: 0, taskSwitch: 0, cacheRefillSameLlc: 0, cacheRefillOtherLlc: 0 };

interface World {
  readonly pcpus: number;
  readonly nodes?: number;
  readonly crowding?: Crowding;
  /** By domain: the pCPU of each vCPU. */
  readonly on: readonly (readonly number[])[];
}

/** Pieces of 0.1 ms that one vCPU of the first domain finishes in a second, as a part of the 10,000 that fit in alone. */
function speed({ pcpus, nodes = 1, crowding, on }: World): number {
  const time = 0.1 * MS;
  const work = crowding === undefined ? { time } : { time, crowding };
  const config: SimulationConfig = {
    seed: 1,
    replication: 0,
    until: { at: 1_000 * MS },
    machine: { topology: { pcpus, nodes }, costs: { ...FREE, remoteMemoryRate: 1 } },
    host: { scheduler: { kind: "round-robin", slice: 2 * MS } },
    domains: on.map((pins, d) => ({
      name: `d${d}`,
      vcpus: pins.length,
      pins: pins.map((p) => [p]),
      workload: {
        tasks: [
          {
            count: pins.length,
            program: [{ do: "repeat", body: [{ do: "compute", ...work }, { do: "mark" }] }],
          },
        ],
      },
    })),
  };
  return runSimulation(config).domains[0]!.tasks[0]!.marks / 10_000;
}

describe("contention 0.1 and coherence 0.02 among a domain's vCPUs", () => {
  const crowding: Crowding = { among: "domain", contention: 0.1, coherence: 0.02 };
  test.each([
    { what: "alone: full speed", on: [[0]], expected: 1 },
    { what: "two at once: 1 / (1 + 0.1 + 0.04)", on: [[0, 1]], expected: 1 / 1.14 },
    { what: "four at once: 1 / (1 + 0.3 + 0.24)", on: [[0, 1, 2, 3]], expected: 1 / 1.54 },
    { what: "another domain beside it does not count", on: [[0], [1]], expected: 1 },
    {
      what: "two vCPUs that take turns on one pCPU never run at once: half of full speed, not of two's",
      on: [[0, 0]],
      expected: 0.5,
    },
  ])("$what", ({ on, expected }) => {
    expect(speed({ pcpus: 4, crowding, on })).toBeCloseTo(expected, 2);
  });

  test("ablation: without crowding four are as fast as one", () => {
    expect(speed({ pcpus: 4, on: [[0, 1, 2, 3]] })).toBeCloseTo(1, 2);
  });
});

describe("memory whose bandwidth one vCPU uses up", () => {
  const crowding: Crowding = { among: "memory", contention: 1, coherence: 0 };
  test.each([
    { what: "two vCPUs of one domain have half of it each", nodes: 1, on: [[0, 1]], expected: 0.5 },
    { what: "two domains too, on one node", nodes: 1, on: [[0], [1]], expected: 0.5 },
    { what: "domains on two nodes have one memory each", nodes: 2, on: [[0], [2]], expected: 1 },
    { what: "who waits for a pCPU uses none", nodes: 1, on: [[0], [0]], expected: 0.5 },
  ])("$what", ({ nodes, on, expected }) => {
    expect(speed({ pcpus: 4, nodes, crowding, on })).toBeCloseTo(expected, 2);
  });
});
