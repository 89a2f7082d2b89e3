/** The canary: a checker that cannot fail checks nothing. Each broken policy or state here must be caught. */
import { describe, expect, test } from "vitest";
import type { SimulationConfig } from "../config.ts";
import { askReschedule } from "../host/dispatch.ts";
import type { HostPolicy } from "../host_scheduler/policy.ts";
import { runWorld } from "../run.ts";
import { VCPU_HALTED } from "../tables.ts";
import type { Workload } from "../workload/program.ts";
import { createWorld, type World } from "../world.ts";

const MS = 1_000_000;

const CONFIG: SimulationConfig = {
  seed: 1,
  replication: 0,
  until: { at: 100 * MS },
  machine: { topology: { pcpus: 2 } },
  host: { scheduler: { kind: "round-robin", slice: MS } },
  domains: ["a", "b"].map((name) => ({
    name,
    vcpus: 2,
    pins: [[0], [1]],
    workload: {
      locks: { l: { kind: "ticket" } },
      tasks: [
        {
          count: 2,
          program: [
            {
              do: "repeat",
              body: [
                { do: "compute", time: 50_000 },
                { do: "lock", lock: "l" },
                { do: "compute", time: 10_000, mode: "kernel" },
                { do: "unlock", lock: "l" },
              ],
            },
          ],
        },
      ],
    },
  })),
  checks: true,
};

/** Runs the world after `spoil` has broken something at the first decision after 10 ms. */
function runSpoilt(spoil: (world: World) => void): void {
  const world = createWorld(CONFIG);
  const sound = world.policy;
  let spoilt = false;
  world.policy = {
    ...sound,
    pickNext(pcpu) {
      const pick = sound.pickNext(pcpu);
      if (!spoilt && world.now > 10 * MS) {
        spoilt = true;
        spoil(world);
      }
      return pick;
    },
  };
  runWorld(world);
}

/** The same with a policy that is wrong in one answer. */
function runWith(wrong: (sound: HostPolicy, world: World) => Partial<HostPolicy>): void {
  const world = createWorld(CONFIG);
  world.policy = { ...world.policy, ...wrong(world.policy, world) };
  runWorld(world);
}

test("the sound world passes", () => {
  expect(() => runWorld(createWorld(CONFIG))).not.toThrow();
});

describe("a broken policy is caught", () => {
  test.each<[string, (sound: HostPolicy, world: World) => Partial<HostPolicy>, RegExp]>([
    [
      "idles though somebody waits",
      () => ({ pickNext: () => -1 }),
      /pCPU \d does not idle while a vCPU .* waits/,
    ],
    ["ignores pins", () => ({ pickNext: (p) => 1 - p }), /its pins forbid it/],
    ["picks the same vCPU twice", () => ({ pickNext: () => 0 }), /its pins forbid it|it runs on pCPU 0/],
    [
      "asks for ever",
      (sound, world) => ({
        pickNext(p) {
          askReschedule(world, p);
          return sound.pickNext(p);
        },
      }),
      /asks for decisions without end/,
    ],
  ])("%s", (_, wrong, message) => {
    expect(() => runWith(wrong)).toThrow(message);
  });
});

describe("a broken state is caught", () => {
  test.each<[string, (world: World) => void, RegExp]>([
    [
      "two holders",
      (w) => {
        w.tasks.held[4] = 0;
        w.tasks.heldCount[1] = 1;
        w.tasks.preemptDepth[1] = 1;
        w.tasks.held[0] = 0;
        w.tasks.heldCount[0] = 1;
        w.tasks.preemptDepth[0] = 1;
      },
      /is its holder|no two holders/,
    ],
    [
      "a lost interrupt",
      (w) => {
        const v = w.vcpus.state.findIndex((state, i) => state === 2 && w.vcpus.current[i]! >= 0);
        w.vcpus.state[v] = VCPU_HALTED;
        w.vcpus.irqs[v] = 1;
      },
      /no interrupt is lost|not runnable/,
    ],
    [
      "time that goes back",
      (w) => {
        w.timers.arm(8, 0, 5 * MS);
      },
      /never goes back/,
    ],
  ])("%s", (_, spoil, message) => {
    expect(() => runSpoilt(spoil)).toThrow(message);
  });
});

test("a gang of which a part runs is caught: a scheduler that knows no gangs is called one that does", () => {
  const busy = (count: number): Workload => ({
    tasks: [{ count, program: [{ do: "repeat", body: [{ do: "compute", time: MS / 10 }] }] }],
  });
  const domains = [2, 1].map((vcpus, d) => ({ name: `d${d}`, vcpus, workload: busy(vcpus) }));
  const world = createWorld({ ...CONFIG, until: { at: 100 * MS }, domains });
  world.policy = { ...world.policy, gangSkewMax: MS / 4 };
  expect(() => runWorld(world)).toThrow(/a gang runs whole/);
});
