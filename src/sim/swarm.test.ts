/**
 * Swarm testing: worlds drawn from one seed each, with some features left out altogether and the rest wildly mixed, and a
 * controller that pins and balloons at random. Every invariant is checked after every event, and every nanosecond
 * must be accounted for. A failure prints its seed; `SWARM_SEEDS=from:to` runs more.
 */
import { describe, expect, test } from "vitest";
import type { DomainConfig, HostConfig, SimulationConfig } from "./config.ts";
import { bits, keyOf } from "./engine/draw.ts";
import type { Control, Controller, SimulatedMechanism } from "./host/control.ts";
import { CAUSES } from "./metrics/causes.ts";
import { runSimulation } from "./run.ts";
import type { LockKind, Step, Workload } from "./workload/program.ts";

const MS = 1_000_000;
const SEEDS_PER_RUN = 60;

type Draw = (below: number) => number;

function drawFrom(seed: number): Draw {
  let n = 0;
  const key = keyOf(seed, 4711);
  return (below) => Math.floor(((bits(key, n++) >>> 0) / 2 ** 32) * below);
}

const pick = <Item>(draw: Draw, items: readonly Item[]): Item => items[draw(items.length)]!;

const SCHEDULERS: readonly HostConfig["scheduler"][] = [
  { kind: "round-robin" },
  { kind: "round-robin", slice: MS },
  { kind: "cfs" },
  { kind: "cfs", groups: false, tick: MS },
  { kind: "cfs", balance: "siblings-apart" },
  { kind: "cfs", balance: "load-conscious" },
  { kind: "credit" },
  { kind: "credit", slice: 6 * MS, weightPer: "domain", boost: false },
  { kind: "strict-co", slice: 5 * MS },
  { kind: "eevdf" },
  { kind: "credit2" },
  { kind: "relaxed-co" },
  { kind: "demand-based" },
  { kind: "eevdf" },
  { kind: "eevdf", tick: MS, groups: false, delayDequeue: false },
  { kind: "credit2" },
  { kind: "credit2", rateLimit: 0, queuePer: "host" },
  { kind: "relaxed-co" },
  { kind: "relaxed-co", generation: 3, slice: 5 * MS },
  { kind: "demand-based" },
  { kind: "demand-based", balance: "off" },
];
const LOCKS: readonly LockKind[] = [
  "test-and-set",
  "ticket",
  "queued",
  "paravirtual",
  "paravirtual-ticket",
  "mutex",
  "rwsem",
];

function randomBlock(draw: Draw): Step[] {
  const time = { mean: 1_000 + draw(300_000), cv: draw(3) / 2 };
  switch (draw(11)) {
    case 0:
    case 1:
      return [
        { do: "lock", lock: "l" },
        { do: "compute", time: { mean: 3_000, cv: 1 }, mode: "kernel" },
        { do: "unlock", lock: "l" },
      ];
    case 2:
      return [
        { do: "down-read", lock: "s" },
        { do: "compute", time },
        { do: "up-read", lock: "s" },
      ];
    case 3:
      return [{ do: "down-write", lock: "s" }, { do: "shootdown" }, { do: "up-write", lock: "s" }];
    case 4:
      return [{ do: "shootdown" }];
    case 5:
      return [{ do: "sleep", time }];
    case 6:
      return [{ do: "yield" }];
    case 7:
      return [{ do: "chance", probability: 0.3, body: [{ do: "compute", time }, { do: "mark" }] }];
    case 8:
      return [
        { do: "push", queue: "q" },
        { do: "pop", queue: "q" },
      ];
    default:
      return [{ do: "compute", time }];
  }
}

function randomWorkload(draw: Draw, vcpus: number): Workload {
  const count = 1 + draw(2 * vcpus);
  const blocks = Array.from({ length: 1 + draw(4) }, () => randomBlock(draw)).flat();
  const meeting: Step[] = draw(2) === 0 ? [] : [{ do: "barrier", barrier: "b" }];
  const body: Step[] = [
    { do: "compute", time: { mean: 50_000, cv: 1 } },
    ...blocks,
    ...meeting,
    { do: "mark" },
  ];
  const source =
    draw(3) === 0 ? [{ queue: "in", interval: { mean: 400_000, cv: 1 }, vcpu: draw(vcpus) }] : [];
  return {
    locks: { l: { kind: pick(draw, LOCKS) }, s: { kind: "rwsem" } },
    barriers: { b: draw(3) === 0 ? { parties: count } : { parties: count, spin: draw(2) * 80_000 } },
    queues: { q: { capacity: count }, in: { capacity: 5 } },
    sources: source,
    tasks: [
      {
        count,
        program: [
          { do: "sleep", time: { low: 0, high: MS } },
          draw(2) === 0 ? { do: "repeat", body } : { do: "repeat", times: 40, body },
        ],
      },
      ...(source.length > 0
        ? [
            {
              count: 2,
              program: [
                {
                  do: "repeat" as const,
                  body: [
                    { do: "pop" as const, queue: "in" },
                    { do: "compute" as const, time: 20_000 },
                  ],
                },
              ],
            },
          ]
        : []),
    ],
  };
}

function randomPins(draw: Draw, vcpus: number, pcpus: number): number[][] {
  return Array.from({ length: vcpus }, () => {
    const some = Array.from({ length: pcpus }, (_, p) => p).filter(() => draw(2) === 0);
    return some.length > 0 ? some : [draw(pcpus)];
  });
}

function randomConfig(seed: number): SimulationConfig {
  const draw = drawFrom(seed);
  const pcpus = 1 + draw(6);
  const scheduler = pick(draw, SCHEDULERS);
  const domains = Array.from({ length: 1 + draw(3) }, (_, d): DomainConfig => {
    const vcpus = 1 + draw(scheduler.kind === "strict-co" ? pcpus : pcpus + 2);
    return {
      name: `d${d}`,
      vcpus,
      weight: 1 + draw(1024),
      startAt: draw(3) * MS,
      restart: draw(2) === 0,
      stealAware: draw(2) === 0,
      workload: randomWorkload(draw, vcpus),
      ...(draw(4) === 0 ? { cap: 100 + draw(1000 * vcpus) } : {}),
      ...(draw(3) === 0 && scheduler.kind !== "strict-co" ? { pins: randomPins(draw, vcpus, pcpus) } : {}),
    };
  });
  return {
    seed,
    replication: 0,
    tieSalt: draw(2) * seed,
    until: { at: 30 * MS },
    machine: {
      topology: { pcpus, nodes: 1 + draw(2), threadsPerCore: 1 + draw(2) },
      costs: draw(4) === 0 ? { ipiReceive: 0, taskSwitch: 0, vcpuSwitch: 0 } : {},
    },
    host: {
      scheduler,
      pauseLoopExits: draw(2) === 0,
      lockHolderAvoidance: pick(draw, ["none", "none", "hinted", "observed"] as const),
    },
    domains,
    checks: true,
  };
}

/** Pins and balloons at random moments. */
function restlessController(seed: number, scheduler: string): Controller {
  const draw = drawFrom(seed + 1_000_000);
  const mechanisms: readonly SimulatedMechanism[] = ["offline", "isolate"];
  return {
    start: (control) => control.arm(0, MS),
    onTimer(control: Control) {
      control.arm(0, control.now() + 100_000 + draw(2 * MS));
      const d = draw(control.domains.length);
      const i = draw(control.vcpusOf(d));
      if (draw(2) === 0 && scheduler !== "strict-co")
        control.setPins(d, i, randomPins(draw, 1, control.pcpus)[0]!);
      else if (i > 0) control.setOnline(d, i, draw(2) === 0, pick(draw, mechanisms));
    },
  };
}

function runSeed(seed: number): void {
  const config = randomConfig(seed);
  const controller =
    seed % 2 === 0 ? { controller: restlessController(seed, config.host.scheduler.kind) } : {};
  const result = runSimulation(config, controller);
  for (const pcpu of result.pcpus) expect(pcpu.run + pcpu.switching + pcpu.idle).toBe(result.endedAt);
  for (const { vcpus, tasks } of result.domains) {
    for (const vcpu of vcpus)
      expect(vcpu.running + vcpu.runnable + vcpu.halted + vcpu.offline).toBe(result.endedAt);
    for (const task of tasks) {
      expect(CAUSES.reduce((sum, cause) => sum + task.causes[cause], 0)).toBe(result.endedAt);
      expect(Math.min(...CAUSES.map((cause) => task.causes[cause]))).toBeGreaterThanOrEqual(0);
    }
  }
}

describe("random worlds", () => {
  const [from, to] = (process.env["SWARM_SEEDS"] ?? `1:${SEEDS_PER_RUN + 1}`).split(":").map(Number) as [
    number,
    number,
  ];
  test(`seeds ${from} to ${to - 1}: invariants hold, time is conserved`, { timeout: 600_000 }, () => {
    const failures: string[] = [];
    for (let seed = from; seed < to; seed++) {
      try {
        runSeed(seed);
      } catch (fault) {
        failures.push(`Seed ${seed}: ${(fault as Error).message}`);
      }
    }
    expect(failures).toEqual([]);
  });
});
