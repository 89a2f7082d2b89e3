/** Decisions of one moment are made in ascending order of pCPUs, in whatever order and number they were asked for. */
import { expect, test } from "vitest";
import { createWorld } from "../world.ts";
import { askReschedule, makeDecisions } from "./dispatch.ts";

const PCPUS = 40;

test.each([
  { asked: [7] },
  { asked: [9, 3, 3, 5, 0] },
  { asked: Array.from({ length: 16 }, (_, i) => 39 - i) },
  { asked: Array.from({ length: PCPUS }, (_, i) => (i * 7) % PCPUS) },
])("asked for $asked", ({ asked }) => {
  const world = createWorld({
    seed: 1,
    replication: 0,
    until: { at: 1 },
    machine: { topology: { pcpus: PCPUS } },
    host: { scheduler: { kind: "round-robin" } },
    domains: [
      {
        name: "a",
        vcpus: 1,
        workload: { tasks: [{ count: 1, program: [{ do: "compute", time: 1 }] }] },
      },
    ],
  });
  const decided: number[] = [];
  world.policy = {
    ...world.policy,
    pickNext(p) {
      decided.push(p);
      return -1;
    },
  };
  for (let again = 0; again < 2; again++) {
    for (const p of asked) askReschedule(world, p);
    makeDecisions(world);
    expect(decided.splice(0)).toEqual([...new Set(asked)].sort((a, b) => a - b));
  }
});
