/** Whom a pause-loop exit helps, as tables; and what the help is worth to those who spin. */
import { describe, expect, test } from "vitest";
import { DirectedYield, type Siblings } from "./directed_yield.ts";
import type { SchedulerConfig } from "./policies.ts";
import { busy, locking, MS, scattered, simulate } from "./policy_suite.ts";

/** One domain, one letter per vCPU: Runs, halted -, waits in user mode, waits in the Kernel, waits with an Interrupt. */
function domain(states: string): Siblings {
  return {
    domains: 1,
    vcpus: states.length,
    domainOf: () => 0,
    firstVcpuOf: () => 0,
    vcpuCountOf: () => states.length,
    isRunnable: (v) => states[v] !== "-",
    isRunning: (v) => states[v] === "R",
    inKernel: (v) => states[v] === "K",
    hasInterrupt: (v) => states[v] === "I",
  };
}

test.each([
  { states: "RR--", "linux-3.0": -1, "linux-6.12": -1 },
  { states: "RuRR", "linux-3.0": 1, "linux-6.12": -1 },
  { states: "RuKR", "linux-3.0": 1, "linux-6.12": 2 },
  { states: "R-uI", "linux-3.0": 2, "linux-6.12": 3 },
  { states: "RKuI", "linux-3.0": 1, "linux-6.12": 1 },
])("vCPU 0 of $states exits: 3.0 helps $linux-3.0, 6.12 helps $linux-6.12", ({ states, ...expected }) => {
  for (const rules of ["linux-3.0", "linux-6.12"] as const)
    expect(new DirectedYield(domain(states), rules).target(0)).toBe(expected[rules]);
});

test("the round goes on after the one helped last", () => {
  const exits = new DirectedYield(domain("RuuR"), "linux-3.0");
  expect([exits.target(0), exits.target(3), exits.target(0)]).toEqual([1, 2, 1]);
});

test("6.12: a sibling that was itself in a pause loop is passed over every second time, until it runs on", () => {
  const exits = new DirectedYield(domain("RK"), "linux-6.12");
  // vCPU 1 exited before, for vCPU 0 as it were, and was then preempted.
  const other = new DirectedYield(domain("KK"), "linux-6.12");
  expect(other.target(1)).toBe(0);
  expect([other.target(0), other.target(0), other.target(0)]).toEqual([-1, 1, -1]);
  other.runs(1);
  expect(other.target(0)).toBe(1);
  expect([exits.target(0), exits.target(0)]).toEqual([1, 1]);
});

describe.each([
  { kind: "cfs", rules: "linux-3.0" },
  { kind: "eevdf", rules: "linux-6.12" },
] as const)("$kind, $rules: ticket locks beside a competitor", ({ kind, rules }) => {
  const marks = (scheduler: SchedulerConfig, pauseLoopExits: boolean) => {
    let sum = 0;
    for (const replication of [0, 1]) {
      sum += simulate({
        scheduler,
        host: { pauseLoopExits },
        pcpus: 4,
        costs: {},
        replication,
        until: 300 * MS,
        domains: [
          { name: "a", vcpus: 4, workload: scattered(locking(4, "ticket", 10_000)) },
          { name: "b", vcpus: 4, workload: scattered(busy(4)) },
        ],
      }).domains[0]!.marks;
    }
    return sum;
  };

  test("the yield wins back part of the loss; the exit alone does not", () => {
    const without = marks({ kind }, false);
    expect(marks({ kind, directedYield: rules }, true)).toBeGreaterThan(1.3 * without);
    expect(marks({ kind, directedYield: "none" }, true)).toBeLessThan(1.1 * without);
  });
});
