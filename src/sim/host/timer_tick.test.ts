/** The guest's timer tick: who takes it (V-V9), what it costs, and that slices end at ticks. */
import { describe, expect, test } from "vitest";
import type { DomainConfig, SimulationConfig } from "../config.ts";
import { script } from "../controller/script.ts";
import { runSimulation } from "../run.ts";
import type { Step } from "../workload/program.ts";

const MS = 1_000_000;
const SECOND = 1_000 * MS;
const FOR_EVER: Step[] = [{ do: "repeat", body: [{ do: "compute", time: MS }, { do: "mark" }] }];

function guest(vcpus: number, tasks: number, more: Partial<DomainConfig> = {}): DomainConfig {
  const workload = { tasks: [{ count: tasks, program: FOR_EVER }] };
  return { name: "guest", vcpus, timerTicks: 1000, workload, ...more };
}

function config(domains: readonly DomainConfig[], pcpus: number, more: object = {}): SimulationConfig {
  return {
    seed: 1,
    replication: 0,
    until: { at: SECOND },
    machine: { topology: { pcpus } },
    host: { scheduler: { kind: "round-robin" } },
    checks: true,
    domains,
    ...more,
  };
}

const ticksOf = (config: SimulationConfig, controller?: ReturnType<typeof script>) =>
  runSimulation(config, controller && { controller }).domains.map(({ vcpus }) =>
    vcpus.map(({ ticks }) => ticks),
  );

describe("who takes ticks", () => {
  test.each([
    { what: "busy vCPUs 1000 per second each (V-V9)", domain: guest(4, 4), ticks: [1000, 1000, 1000, 1000] },
    { what: "idle ones none", domain: guest(4, 2), ticks: [1000, 1000, 0, 0] },
    { what: "at HZ=250 250", domain: guest(2, 2, { timerTicks: 250 }), ticks: [250, 250] },
  ])("$what", ({ domain, ticks }) => {
    const [taken] = ticksOf(config([domain], 4));
    // The tick of the last moment is not taken any more.
    for (const [v, expected] of ticks.entries())
      expect(Math.abs(taken![v]! - expected)).toBeLessThanOrEqual(1);
  });

  test("a domain without ticks says nothing of them", () => {
    const { timerTicks: _, ...without } = guest(1, 1);
    expect(ticksOf(config([without], 1))).toEqual([[undefined]]);
  });

  test.each(["isolate", "offline"] as const)(
    "%s: a frozen vCPU takes none, the others theirs (V-V9)",
    (mechanism) => {
      const half = script({
        kind: "script",
        changes: [{ at: SECOND / 2, domain: "guest", online: 3, mechanism }],
      });
      const [taken] = ticksOf(config([guest(4, 4)], 4), half);
      for (const v of [0, 1, 2]) expect(taken![v]).toBeGreaterThanOrEqual(999);
      expect(taken![3]).toBeGreaterThan(490);
      expect(taken![3]).toBeLessThan(510);
    },
  );

  test("those that come while it waits for a pCPU are one", () => {
    const two = [guest(1, 1), guest(1, 1, { name: "other" })];
    const [[taken] = []] = ticksOf(config(two, 1));
    // Slices of 30 ms: 30 ticks of its own, and one for all of the other's.
    expect(taken).toBeGreaterThan(500);
    expect(taken).toBeLessThan(540);
  });
});

describe("what a tick does", () => {
  const workOf = (timerTick: number, ipiReceive: number) =>
    runSimulation(
      config([guest(1, 1)], 1, { machine: { topology: { pcpus: 1 }, costs: { timerTick, ipiReceive } } }),
    ).domains[0]!.causes;

  test("it costs the interrupt and the kernel's work", () => {
    const { kernel, user } = workOf(3_000, 2_000);
    expect(kernel).toBeGreaterThan(999 * 5_000);
    expect(kernel).toBeLessThan(1001 * 5_000 + 10_000);
    expect(kernel + user).toBeGreaterThan(0.9999 * SECOND);
  });

  test("ablation: without cost it takes nothing", () => {
    expect(workOf(0, 0).kernel).toBeLessThan(10_000);
  });

  test.each([
    { timerTicks: 250, every: 4 * MS },
    { timerTicks: 100, every: 10 * MS },
  ])("two tasks on a vCPU change at ticks of HZ=$timerTicks only", ({ timerTicks, every }) => {
    const compute: Step[] = [{ do: "compute", time: 10 * SECOND }];
    const workload = { tasks: [{ count: 2, program: compute }] };
    const { counts } = runSimulation(config([{ name: "guest", vcpus: 1, timerTicks, workload }], 1));
    // A slice of 3 ms (half of a latency of 6 ms) lasts until the next tick.
    expect(Math.abs(counts.taskSwitches - SECOND / every)).toBeLessThanOrEqual(2);
  });
});
