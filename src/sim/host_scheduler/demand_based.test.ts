/** Demand-based scheduling: its decisions as tables, what it does for interrupts, and what it cannot see. */
import { describe, expect, test } from "vitest";
import { IRQ_DEVICE, IRQ_RESCHEDULE, IRQ_SHOOTDOWN, IRQ_TIMER } from "../tables.ts";
import { demandOf, firstUrgent, putOffUntil } from "./demand_based.ts";
import type { SchedulerConfig } from "./policies.ts";
import { busy, compute, forever, locking, MARK, MS, scattered, shooting, simulate } from "./policy_suite.ts";

test.each([
  { vector: IRQ_SHOOTDOWN, demand: "urgent" },
  { vector: IRQ_RESCHEDULE, demand: "patient" },
  { vector: IRQ_DEVICE, demand: "none" },
  { vector: IRQ_TIMER, demand: "none" },
])("an interrupt of kind $vector is $demand", ({ vector, demand }) => {
  expect(demandOf(vector)).toBe(demand);
});

test.each([
  { name: "nobody is urgent", waiting: [], first: -1 },
  {
    name: "first come, first served, whoever has had less",
    waiting: [
      { vcpu: 4, lead: 9 },
      { vcpu: 2, lead: 0 },
    ],
    first: 4,
  },
  {
    name: "who has had a whole period too much waits",
    waiting: [
      { vcpu: 4, lead: 24 },
      { vcpu: 2, lead: 23 },
    ],
    first: 2,
  },
  { name: "all have: CFS decides", waiting: [{ vcpu: 4, lead: 30 }], first: -1 },
])("$name", ({ waiting, first }) => {
  expect(firstUrgent(waiting, 24)).toBe(first);
});

test.each([
  { name: "never sent one", sentAt: Number.NEGATIVE_INFINITY, until: 1000 },
  { name: "has just sent one", sentAt: 900, until: 1400 },
  { name: "long ago", sentAt: 400, until: 1000 },
])("preempted at 1000, $name: put off until $until", ({ sentAt, until }) => {
  expect(putOffUntil(1000, { sentAt, bound: 500 })).toBe(until);
});

/** Beside a domain that wants everything, on 4 pCPUs, with the default costs. */
const beside = (scheduler: SchedulerConfig, workload: ReturnType<typeof busy>) =>
  [0, 1].map((replication) =>
    simulate({
      scheduler,
      pcpus: 4,
      costs: {},
      replication,
      until: 300 * MS,
      domains: [
        { name: "a", vcpus: 4, workload: scattered(workload) },
        { name: "b", vcpus: 4, workload: scattered(busy(4)) },
      ],
    }),
  );
const sum = (values: readonly number[]): number => values.reduce((a, b) => a + b, 0);
const DEMAND: SchedulerConfig = { kind: "demand-based" };
const BLIND: SchedulerConfig = { kind: "demand-based", ipiDriven: false };

describe("shootdowns (V-C4: helps what communicates by interrupts)", () => {
  /** Time per piece of work spent spinning for acknowledgements of vCPUs that are off their pCPUs. */
  const waiting = (scheduler: SchedulerConfig) => {
    const runs = beside(scheduler, shooting(4, 500_000)).map((run) => run.domains[0]!);
    return sum(runs.map((run) => run.causes["spin-ipi-preempted"])) / sum(runs.map((run) => run.marks));
  };

  test("an urgent target acknowledges at once", () => {
    expect(waiting(DEMAND)).toBeLessThan(0.1 * waiting({ kind: "cfs" }));
  });

  test("without urgency, the same scheduler lets the sender spin", () => {
    expect(waiting(BLIND)).toBeGreaterThan(0.3 * waiting({ kind: "cfs" }));
  });
});

test("spinning sends no interrupt, so it helps a ticket lock no more than being blind does (B-32, V-C5)", () => {
  const marks = (scheduler: SchedulerConfig) =>
    sum(beside(scheduler, locking(4, "ticket", 10_000)).map((run) => run.domains[0]!.marks));
  const [seeing, blind] = [marks(DEMAND), marks(BLIND)];
  expect(seeing / blind).toBeCloseTo(1, 1);
});

test("priority inversion: who is urgent takes the pCPU from a domain of ten times the weight (B-30)", () => {
  const interactive = {
    tasks: [{ count: 1, program: forever(compute(500_000), MARK, { do: "sleep" as const, time: 2 * MS }) }],
  };
  const waited = (scheduler: SchedulerConfig) =>
    sum(
      [0, 1, 2].map((replication) => {
        const run = simulate({
          scheduler,
          pcpus: 2,
          costs: {},
          replication,
          until: 300 * MS,
          domains: [
            { name: "important", vcpus: 1, weight: 2560, workload: interactive, pins: [[0]] },
            { name: "chatty", vcpus: 4, workload: shooting(4, 100_000) },
          ],
        });
        return run.domains[0]!.vcpus[0]!.runnable;
      }),
    );
  expect(waited(DEMAND)).toBeGreaterThan(1.3 * waited(BLIND));
});

test("delayed preemption: who has just woken a sibling under a lock is let finish (parameter 0: it is not)", () => {
  const waking = {
    locks: { l: { kind: "ticket" as const }, m: { kind: "mutex" as const } },
    conditions: ["c"],
    tasks: [
      {
        count: 1,
        program: forever(
          { do: "compute", time: { mean: 1 * MS, cv: 1 } },
          { do: "lock", lock: "l" },
          { do: "signal", condition: "c" },
          compute(200_000, "kernel"),
          { do: "unlock", lock: "l" },
          MARK,
        ),
      },
      {
        count: 1,
        program: forever(
          { do: "lock", lock: "m" },
          { do: "wait", condition: "c", mutex: "m" },
          { do: "unlock", lock: "m" },
          compute(50_000),
        ),
      },
    ],
  };
  const rival = {
    tasks: [{ count: 1, program: forever(compute(300_000), { do: "sleep", time: { mean: 2 * MS, cv: 1 } }) }],
  };
  const preempted = (preemptionDelay: number) =>
    simulate({
      scheduler: { kind: "demand-based", preemptionDelay },
      pcpus: 2,
      until: 2_000 * MS,
      domains: [
        { name: "a", vcpus: 2, workload: waking, pins: [[0], [1]] },
        { name: "b", vcpus: 1, workload: rival, pins: [[0]] },
      ],
    }).counts.holderPreemptions;
  expect(preempted(0)).toBeGreaterThan(50);
  expect(preempted(500_000)).toBeLessThan(0.5 * preempted(0));
});
