/** Interrupts between vCPUs, as they are sent, and as the domain's own kernel would count them. */
import { expect, test } from "vitest";
import type { DomainConfig } from "../config.ts";
import { runWorld } from "../run.ts";
import type { Step } from "../workload/program.ts";
import { createWorld } from "../world.ts";

const MS = 1_000_000;
const compute = (time: number): Step => ({ do: "compute", time });
const FOR_EVER: Step[] = [{ do: "repeat", body: [compute(MS)] }];
const SHOOTS: Step[] = [compute(2 * MS), { do: "shootdown" }];

/** Who runs beside the domain on pCPU 2, by turns of 1.5 ms. */
const RIVAL: DomainConfig = {
  name: "rival",
  vcpus: 1,
  pins: [[2]],
  workload: { tasks: [{ count: 1, program: FOR_EVER }] },
};

test.each<{ why: string; programs: Step[][]; beside: DomainConfig[]; sent: number; arrived: number }>([
  {
    why: "a shootdown of two siblings that run: each gets its own",
    programs: [SHOOTS, FOR_EVER, FOR_EVER],
    beside: [],
    sent: 2,
    arrived: 2,
  },
  {
    why: "two shootdowns at once, of each other and of a sibling that runs: its handler answers both",
    programs: [SHOOTS, SHOOTS, FOR_EVER],
    beside: [],
    sent: 4,
    arrived: 3,
  },
  {
    why: "and of one that is off its pCPU from 1.5 to 3 ms: the second finds the first there",
    programs: [SHOOTS, SHOOTS, FOR_EVER],
    beside: [RIVAL],
    sent: 4,
    arrived: 3,
  },
  {
    why: "nobody but a vCPU's own timer wakes it",
    programs: [[{ do: "repeat", body: [{ do: "sleep", time: MS }, compute(MS)] }], FOR_EVER, FOR_EVER],
    beside: [],
    sent: 0,
    arrived: 0,
  },
])("$why", ({ programs, beside, sent, arrived }) => {
  const vcpus = programs.length;
  const tasks = programs.map((program) => ({ count: 1, program }));
  const asking = { name: "asking", vcpus, pins: programs.map((_, v) => [v]), workload: { tasks } };
  const world = createWorld({
    seed: 1,
    replication: 0,
    until: { at: 10 * MS },
    machine: { topology: { pcpus: vcpus } },
    host: { scheduler: { kind: "round-robin", slice: 1.5 * MS } },
    checks: true,
    domains: [asking, ...beside],
  });
  runWorld(world);
  const none = beside.map(() => 0);
  expect([...world.domains.ipis]).toEqual([sent, ...none]);
  expect([...world.domains.arrivedIpis]).toEqual([arrived, ...none]);
});
