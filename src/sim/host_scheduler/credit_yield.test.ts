/**
 * Why pause-loop exits starve a web server under Xen's credit (scenarios/web-server-yields.yaml). Credit has no directed
 * yield: who leaves a pause loop lets the next in its queue pass, also one that has overdrawn its credit, and that one gets a
 * whole slice (__runq_insert in Xen 4.1.2: "put it behind one lower-priority runnable vcpu if we can"). A request takes a
 * ticket lock for some 2 us, about as long as the exit's window of 2.19 us. So a waiter gives its pCPU away just before its
 * turn comes; the lock is passed to it all the same, the others spin for somebody who waits for a slice, and give their pCPUs
 * away in turn. What is left is about one passing of the lock per slice.
 */
import { describe, expect, test } from "vitest";
import type { LockKind, Workload } from "../workload/program.ts";
import { busy, compute, MS, simulate } from "./policy_suite.ts";

const REQUESTS_PER_SECOND = 3_000;
const SECTIONS = 4;
const RUN = 1_000 * MS;

const serving = (kind: LockKind, section: number): Workload => ({
  locks: { kernel: { kind } },
  queues: { requests: { capacity: 511 } },
  sources: [{ queue: "requests", interval: { mean: 1e9 / REQUESTS_PER_SECOND, cv: 1 }, vcpu: 0 }],
  tasks: [
    {
      count: 16,
      program: [
        {
          do: "repeat",
          body: [
            { do: "pop", queue: "requests" },
            compute(250_000),
            {
              do: "repeat",
              times: SECTIONS,
              body: [
                { do: "lock", lock: "kernel" },
                { do: "compute", time: { mean: section, cv: 1 }, mode: "kernel" },
                { do: "unlock", lock: "kernel" },
              ],
            },
            { do: "mark" },
          ],
        },
      ],
    },
  ],
});

interface Web {
  readonly slice?: number;
  readonly exits?: boolean;
  readonly neighbour?: boolean;
  readonly window?: number;
  readonly lock?: LockKind;
  readonly section?: number;
}

/** Requests served in a second. */
function served(web: Web): number {
  const { slice = 30 * MS, exits = true, neighbour = true, window = 2_190 } = web;
  const { domains } = simulate({
    scheduler: { kind: "credit", slice },
    host: { pauseLoopExits: exits },
    pcpus: 4,
    costs: { pauseLoopWindow: window, pauseLoopWindowMax: Math.max(window, 70_000) },
    until: RUN,
    domains: [
      { name: "web", vcpus: 4, workload: serving(web.lock ?? "ticket", web.section ?? 2_000) },
      ...(neighbour ? [{ name: "batch", vcpus: 4, workload: busy(4) }] : []),
    ],
  });
  return domains[0]!.marks;
}

describe("a web server beside a computing neighbour, credit with pause-loop exits", () => {
  test("most requests starve, the more the longer the slice", () => {
    const [short, long] = [served({ slice: 6 * MS }), served({ slice: 30 * MS })];
    expect(long).toBeLessThan(0.25 * REQUESTS_PER_SECOND);
    expect(long).toBeLessThan(short / 2);
  });

  test.each<[string, Web]>([
    ["without exits", { exits: false }],
    ["with a window that outlasts what waiting for the lock takes", { window: 1 * MS }],
    ["without a neighbour to let pass", { neighbour: false }],
    ["with sections far shorter than the window", { section: 200 }],
    ["with a lock that nobody passes to a waiter without a pCPU", { lock: "test-and-set" }],
  ])("ablation, %s: nearly all requests are served", (_, change) => {
    expect(served(change)).toBeGreaterThan(0.9 * REQUESTS_PER_SECOND);
  });
});
