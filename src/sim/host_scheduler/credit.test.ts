/** Xen 4.1's credit as pictures: what its rules (xen/common/sched_credit.c) come to in worlds small enough to do by hand. */
import { describe, expect, test } from "vitest";
import type { DomainConfig } from "../config.ts";
import type { CreditConfig } from "./credit.ts";
import { busy, compute, forever, MARK, MS, simulate, whoRuns } from "./policy_suite.ts";

const picture = (
  domains: readonly DomainConfig[],
  pcpus: number,
  until: number,
  more: Partial<CreditConfig> = {},
) => whoRuns({ scheduler: { kind: "credit", ...more }, pcpus, until, domains }, 10 * MS);

const alone = (name: string, more: Partial<DomainConfig> = {}): DomainConfig => ({
  name,
  vcpus: 1,
  workload: busy(1),
  ...more,
});

describe("slices", () => {
  test.each([
    // Credits after the accounting of 30 ms, just after the slice: 0 has -150 and is OVER, 1 has 150. At 60 ms 1 is still UNDER
    // and goes on; both then have 0. At 90 ms 1 has -300, and it is 0's turn for as long.
    { what: "two that want everything take turns", more: {}, row: "000111111000000111111000" },
    { what: "twice as long with slices of 60 ms", more: { slice: 60 * MS }, row: "000000111111111111000000" },
  ])("$what", ({ more, row }) => {
    expect(picture([alone("a"), alone("b")], 1, 240 * MS, more)).toEqual([row]);
  });

  test("a pCPU that has nobody takes one that waits elsewhere", () => {
    const once = { tasks: [{ count: 1, program: [compute(60 * MS)] }] };
    const [p0, p1] = picture(
      [alone("a", { workload: once }), alone("b", { workload: once }), alone("c")],
      2,
      150 * MS,
    );
    // c waits 30 ms; when both others have had their 60 ms, one pCPU idles.
    expect([p0, p1].join("").replaceAll(/[^2]/g, "")).toHaveLength(12);
    expect([p0, p1].map((row) => row!.slice(0, 9))).not.toContainEqual(expect.stringContaining("."));
  });
});

describe("BOOST", () => {
  /** Wakes a hundred times per second for a millisecond, beside one that computes. */
  const waking = (more: Partial<CreditConfig>) => {
    const program = forever(compute(1 * MS), MARK, { do: "sleep", time: 9 * MS });
    const run = simulate({
      scheduler: { kind: "credit", ...more },
      pcpus: 1,
      until: 1_000 * MS,
      domains: [alone("sleeper", { workload: { tasks: [{ count: 1, program }] } }), alone("busy")],
    });
    return { marks: run.domains[0]!.marks, waited: run.domains[0]!.causes.steal };
  };

  test("who wakes with credit left goes before all others at once", () => {
    const { marks, waited } = waking({});
    expect(marks).toBeGreaterThan(95);
    expect(waited).toBeLessThan(0.05 * 1_000 * MS);
  });

  test("switched off, it waits for the end of a slice, unless the other is OVER", () => {
    const { marks, waited } = waking({ boost: false });
    expect(marks).toBeLessThan(70);
    expect(waited).toBeGreaterThan(0.3 * 1_000 * MS);
  });
});

describe("accounting", () => {
  const shares = (domains: readonly DomainConfig[], more: Partial<CreditConfig> = {}) => {
    const run = simulate({ scheduler: { kind: "credit", ...more }, pcpus: 1, until: 6_000 * MS, domains });
    return run.domains.map(({ vcpus }) => vcpus.reduce((sum, { running }) => sum + running, 0) / run.endedAt);
  };
  const two = alone("two", { vcpus: 2, workload: busy(2) });

  test("a domain's weight counts once per active vCPU (X-6)", () => {
    expect(shares([two, alone("one")])[0]).toBeCloseTo(2 / 3, 1);
  });

  test("or once per domain, as vScale changed it", () => {
    expect(shares([two, alone("one")], { weightPer: "domain" })[0]).toBeCloseTo(1 / 2, 1);
  });

  test("one over its cap is parked, though nobody else wants the pCPU", () => {
    const run = simulate({
      scheduler: { kind: "credit" },
      pcpus: 1,
      until: 3_000 * MS,
      domains: [alone("a", { cap: 500 })],
    });
    expect(run.domains[0]!.vcpus[0]!.running / run.endedAt).toBeCloseTo(0.5, 1);
    expect(run.domains[0]!.causes.parked).toBeGreaterThan(1_000 * MS);
  });
});
