/**
 * Lock-holder preemption avoidance (V. Uhlig et al., VM'04): told by the guest (`hinted`, intrusive) or inferred from
 * kernel mode (`observed`, non-intrusive). When exactly a pCPU is taken away, and what that does to lock and spin times.
 */
import { describe, expect, test } from "vitest";
import {
  busy,
  compute,
  forever,
  locking,
  MS,
  scattered,
  simulate,
  whoRuns,
} from "../host_scheduler/policy_suite.ts";
import type { Step } from "../workload/program.ts";

type Avoidance = "none" | "hinted" | "observed";

describe("a slice of 4 ms ends while vCPU 0 is in the kernel", () => {
  const LOCK: Step = { do: "lock", lock: "l" };
  const UNLOCK: Step = { do: "unlock", lock: "l" };

  /** How long vCPU 0 keeps its pCPU, in ms. */
  function keeps(avoidance: Avoidance, body: readonly Step[], preemptionDelayMax = 1 * MS): number {
    const workload = {
      locks: { l: { kind: "ticket" as const } },
      tasks: [{ count: 1, program: [compute(3 * MS), ...body, ...forever(compute(1 * MS))] }],
    };
    const [row] = whoRuns(
      {
        scheduler: { kind: "round-robin", slice: 4 * MS },
        host: { lockHolderAvoidance: avoidance },
        pcpus: 1,
        until: 8 * MS,
        costs: { ...FREE, preemptionDelayMax },
        domains: [
          { name: "a", vcpus: 1, workload },
          { name: "b", vcpus: 1, workload: busy(1) },
        ],
      },
      MS / 4,
    );
    return row!.indexOf("1") / 4;
  }
  const FREE = { vcpuSwitch: 0, taskSwitch: 0, ipiSend: 0, ipiReceive: 0 };

  const section = (time: number): Step[] => [LOCK, compute(time, "kernel"), UNLOCK];
  test.each([
    { name: "holds the lock until 4.5", body: section(1.5 * MS), none: 4, hinted: 4.5, observed: 4.5 },
    {
      name: "holds it until 6, longer than is put up with",
      body: section(3 * MS),
      none: 4,
      hinted: 5,
      observed: 5,
    },
    {
      name: "takes it again at once at 4.5: the hint yields between the two, the mode sees only the kernel",
      body: [...section(1.5 * MS), ...section(1.5 * MS)],
      none: 4,
      hinted: 4.5,
      observed: 5,
    },
    { name: "has released it at 3.5", body: section(0.5 * MS), none: 4, hinted: 4, observed: 4 },
    {
      name: "is in the kernel until 4.5 without a lock: the hint says nothing, the mode does",
      body: [compute(1.5 * MS, "kernel")],
      none: 4,
      hinted: 4,
      observed: 4.5,
    },
    {
      name: "is back in user mode at 3.5",
      body: [compute(0.5 * MS, "kernel")],
      none: 4,
      hinted: 4,
      observed: 4,
    },
  ])("$name: none $none, hinted $hinted, observed $observed", ({ body, ...expected }) => {
    for (const avoidance of ["none", "hinted", "observed"] as const)
      expect(keeps(avoidance, body)).toBe(expected[avoidance]);
  });

  test("ablation: a bound of nothing is no avoidance", () => {
    expect(keeps("hinted", section(1.5 * MS), 0)).toBe(4);
  });
});

describe.each([2, 3, 4])("%i vCPUs beside as many that want everything (U-11)", (n) => {
  const measure = (avoidance: Avoidance) => {
    const run = simulate({
      // Short slices, so that there are many preemptions to avoid.
      scheduler: { kind: "round-robin", slice: 2 * MS },
      host: { lockHolderAvoidance: avoidance },
      pcpus: n,
      costs: {},
      until: 400 * MS,
      domains: [
        { name: "a", vcpus: n, workload: scattered(locking(n, "test-and-set", 20_000)) },
        { name: "b", vcpus: n, workload: scattered(busy(n)) },
      ],
    });
    const [domain] = run.domains;
    const { causes } = domain!;
    return {
      locked: domain!.locks["l"]!.held / domain!.marks,
      spinning: (causes.spin + causes["spin-holder-preempted"]) / domain!.marks,
      preempted: run.counts.holderPreemptions,
      delayed: run.counts.preemptionsDelayed,
      forced: run.counts.preemptionsForced,
    };
  };
  const none = measure("none");

  test.each(["hinted", "observed"] as const)(
    "%s: less time under the lock and spinning for it, and hardly a holder preempted (U-1, U-4, U-6)",
    (avoidance) => {
      const avoided = measure(avoidance);
      expect(none.preempted).toBeGreaterThan(10);
      expect(avoided.preempted).toBeLessThan(0.15 * none.preempted);
      // The sections take 20 us of work; what is beyond that was preemption.
      expect(avoided.locked - 20_000).toBeLessThan(0.2 * (none.locked - 20_000));
      expect(avoided.spinning).toBeLessThan(none.spinning);
      expect(avoided.delayed).toBeGreaterThan(0);
      expect(avoided.forced).toBeLessThan(0.1 * avoided.delayed);
    },
  );
});
