/** Totals become percentages of one pCPU. */
import { describe, expect, test } from "vitest";
import { AskingHost } from "../core/asking_host_suite.ts";
import { domainOf } from "../core/sample_host.ts";
import { UsageWindow } from "./usage_window.ts";

const MS = 1_000_000;

function look(run: number | null, wait: number | null = 0, dispatches: number | null = null) {
  const vcpus = [{ index: 0, run, wait, steal: null, dispatches, lastPcpu: 3 }];
  const nobodyTells = { interruptsPerSecond: null, switchesPerSecond: null, spinning: null, inKernel: null };
  return [{ domain: "a", vcpus, ...nobodyTells }];
}

test.each([
  {
    why: "half of the window",
    looks: [
      [0, 0],
      [1000, 500],
    ],
    run: 50,
  },
  { why: "one look is no difference", looks: [[0, 7]], run: null },
  {
    why: "a burst of looks does not shorten the window",
    looks: [
      [0, 0],
      [1000, 500],
      [1001, 501],
      [1010, 510],
    ],
    run: 50.5,
  },
  {
    why: "a counter that ran backwards: started anew",
    looks: [
      [0, 500],
      [1000, 100],
    ],
    run: null,
  },
] as const)("$why", ({ looks, run }) => {
  const usage = new UsageWindow();
  for (const [at, ms] of looks) usage.push(look(ms * MS), at);
  expect(usage.shareOf("a", 0).runPercent).toBe(run);
});

test("what was never read stays unknown, and so does who is not there", () => {
  const usage = new UsageWindow();
  usage.push(look(null), 0);
  usage.push(look(null, 900 * MS), 1_000);
  const nothing = { runPercent: null, waitPercent: null, stealPercent: null, dispatchesPerSecond: null };
  expect(usage.shareOf("a", 0)).toEqual({ ...nothing, waitPercent: 90 });
  expect(usage.shareOf("b", 0)).toEqual(nothing);
  expect([usage.lastPcpuOf("a", 0), usage.lastPcpuOf("b", 0)]).toEqual([3, null]);
});

test.each([
  { why: "whole ones, per second", totals: [100, 3_101], perSecond: 2_001 },
  { why: "none", totals: [7, 7], perSecond: 0 },
  { why: "started anew", totals: [3_000, 10], perSecond: null },
  { why: "never read", totals: [null, null], perSecond: null },
])("dispatches: $why", ({ totals: [before, after], perSecond }) => {
  const usage = new UsageWindow();
  usage.push(look(0, 0, before), 0);
  usage.push(look(900 * MS, 0, after), 1_500);
  expect(usage.shareOf("a", 0).dispatchesPerSecond).toBe(perSecond);
});

test("interrupts and switches are rates already: the last word counts, and nobody's is not known", () => {
  const usage = new UsageWindow();
  const rates = [
    { interruptsPerSecond: 700, switchesPerSecond: null },
    { interruptsPerSecond: 900, switchesPerSecond: 40 },
    { interruptsPerSecond: null, switchesPerSecond: 0 },
  ];
  const ratesOf = (domain: string) => ({
    interruptsPerSecond: usage.interruptsPerSecondOf(domain),
    switchesPerSecond: usage.switchesPerSecondOf(domain),
  });
  const told = rates.map((these, second) => {
    usage.push([{ ...look(0)[0]!, ...these }], 1_000 * second);
    return ratesOf("a");
  });
  expect(told).toEqual(rates);
  expect(ratesOf("b")).toEqual({ interruptsPerSecond: null, switchesPerSecond: null });
});

test("what spins and what is the kernel's are parts already: the last ones count, and nobody's are not known", () => {
  const usage = new UsageWindow();
  const parts = [
    { spinning: 0.5, inKernel: null },
    { spinning: 0, inKernel: 0.25 },
    { spinning: null, inKernel: 0 },
  ];
  const told = parts.map((these, second) => {
    usage.push([{ ...look(0)[0]!, ...these }], 1_000 * second);
    return usage.partsOf("a");
  });
  expect(told).toEqual(parts);
  expect(usage.partsOf("b")).toEqual({ spinning: null, inKernel: null });
});

test("use is told in steps of the core, once, and again only when it is clearly another", () => {
  const usage = new UsageWindow();
  let run = 0;
  const told = [500, 510, 490, 530, 560, 980, 1_010, 1_040, 1_080, 0, 0].map((ranMs, second) => {
    run += ranMs;
    usage.push(look(run * MS), second * 1_000);
    return usage.newUse()?.map(({ used }) => used) ?? null;
  });
  // The first look has nothing to compare with.
  expect(told).toEqual([null, [500], null, null, [550], [1_000], null, null, [1_100], [0], null]);
});

test("a domain that could not be measured is missing, and a burst of looks is not measured anew", () => {
  const usage = new UsageWindow();
  usage.push([...look(0), { ...look(null)[0]!, domain: "b" }], 0);
  for (let at = 10; at < 500; at += 10) usage.push(look(at * MS), at);
  expect(usage.newUse()).toBe(null);
  usage.push([...look(1_000 * MS), { ...look(null)[0]!, domain: "b" }], 1_000);
  expect(usage.newUse()).toEqual([{ domain: "a", used: 1_000 }]);
});

describe("a domain that others keep off its pCPUs", () => {
  /** Four vCPUs that run for a fifth of the second and wait for the rest of it; and four that sleep for the rest. */
  function usedBy(waitMs: number, options?: { waitingIsUse: boolean }): number {
    const usage = new UsageWindow(options);
    for (const second of [0, 1]) {
      const unread = { dispatches: null, lastPcpu: null };
      const total = { run: second * 200 * MS, wait: second * waitMs * MS, steal: null, ...unread };
      const vcpus = [0, 1, 2, 3].map((index) => ({ index, ...total }));
      usage.push([{ ...look(0)[0]!, domain: "b", vcpus }], second * 1_000);
    }
    return usage.newUse()![0]!.used;
  }

  test.each([
    { why: "waits for them", waitMs: 800, used: 4_000 },
    { why: "does not wait: it is idle", waitMs: 0, used: 800 },
    { why: "no vCPU wants more than one pCPU, whatever the counters say", waitMs: 950, used: 4_000 },
  ])("$why", ({ waitMs, used }) => {
    expect(usedBy(waitMs)).toBe(used);
  });

  test.each([
    { waitingIsUse: true, told: "b: lent 4" },
    { waitingIsUse: false, told: "b: not-busy" },
  ])("is lent what others leave unused; waitingIsUse $waitingIsUse: $told", ({ waitingIsUse, told }) => {
    const host = new AskingHost(8, [domainOf("a", { vcpus: 8 }), domainOf("b", { vcpus: 8 })]);
    // The other one gives back what it does not use, the starved one has work for all of its own.
    host.usage.set("a", 100).set("b", 4_000);
    host.looks(80);
    host.usage.set("b", usedBy(800, { waitingIsUse }));
    expect(host.told({ domain: "b" })).toEqual([told]);
  });

  test.each([
    { waitingIsUse: true, keeps: 4 },
    { waitingIsUse: false, keeps: 2 },
  ])("keeps the vCPUs that it is due; waitingIsUse $waitingIsUse: $keeps", ({ waitingIsUse, keeps }) => {
    const host = new AskingHost(8, [domainOf("a", { vcpus: 8 }), domainOf("b", { vcpus: 8 })]);
    host.usage.set("a", 4_000).set("b", usedBy(800, { waitingIsUse }));
    host.looks(80);
    expect(host.demand.domains.find(({ id }) => id === "b")?.allotted).toBe(keeps);
  });
});
