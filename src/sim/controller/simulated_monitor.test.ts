/**
 * Automatic hotplug: the shipped load monitor in simulated guests, the shipped admission on their host. A busy domain is lent
 * what its neighbour leaves unused, and gives it back when the neighbour needs it.
 */
import { expect, test } from "vitest";
import type { DomainConfig } from "../config.ts";
import type { Control } from "../host/control.ts";
import { runSimulation } from "../run.ts";
import type { Step, Workload } from "../workload/program.ts";
import { vcpuBal } from "./vcpu_bal.ts";

const MS = 1_000_000;
const SECOND = 1_000 * MS;
const PCPUS = 4;

const forever = (...body: Step[]): Step[] => [{ do: "repeat", body }];
/** More threads than vCPUs that switch often: what the composite measure of claim 1 looks for. */
const busy: Workload = {
  tasks: [
    {
      count: 2 * PCPUS,
      program: forever({ do: "compute", time: { mean: 2 * MS, cv: 1 } }, { do: "sleep", time: MS }),
    },
  ],
};
const nearlyIdle: Workload = {
  tasks: [{ count: 1, program: forever({ do: "compute", time: MS }, { do: "sleep", time: 20 * MS }) }],
};
/** Idle for half a minute, then as busy as the other. */
const idleThenBusy: Workload = {
  tasks: [
    {
      count: 2 * PCPUS,
      program: [{ do: "sleep", time: 32 * SECOND }, ...busy.tasks[0]!.program],
    },
  ],
};

/** How many vCPUs each of the two domains uses at the end. */
function online(until: number, neighbour: Workload, monitor: boolean): number[] {
  let world: Control | null = null;
  const shipped = vcpuBal({ kind: "vcpu-bal", monitor });
  const domains = [busy, neighbour].map(
    (workload, d): DomainConfig => ({ name: `d${d}`, vcpus: PCPUS, workload }),
  );
  runSimulation(
    {
      seed: 1,
      replication: 0,
      until: { at: until },
      machine: { topology: { pcpus: PCPUS } },
      host: { scheduler: { kind: "cfs" } },
      domains,
    },
    {
      controller: {
        ...shipped,
        start(control) {
          world = control;
          shipped.start(control);
        },
      },
    },
  );
  return [0, 1].map(
    (d) => Array.from({ length: PCPUS }, (_, i) => i).filter((i) => world!.isOnline(d, i)).length,
  );
}

test("without the monitor weights alone decide: two each, however little the neighbour does (B-5)", () => {
  expect(online(30 * SECOND, nearlyIdle, false)).toEqual([2, 2]);
});

test("the busy guest asks, and is lent what the other leaves unused", () => {
  // Not before its load has lasted; then at once, since the neighbour was seen to leave a vCPU unused.
  expect([1, 15].map((s) => online(s * SECOND, nearlyIdle, true))).toEqual([
    [2, 2],
    [3, 1],
  ]);
});

test("a neighbour that gets busy has its own back", () => {
  expect([30, 45].map((s) => online(s * SECOND, idleThenBusy, true))).toEqual([
    [3, 1],
    [2, 2],
  ]);
});
