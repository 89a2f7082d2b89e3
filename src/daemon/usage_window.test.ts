/** Totals become percentages of one pCPU. */
import { expect, test } from "vitest";
import { UsageWindow } from "./usage_window.ts";

const MS = 1_000_000;

function look(run: number | null, wait: number | null = 0) {
  return [{ domain: "a", vcpus: [{ index: 0, run, wait, steal: null, lastPcpu: 3 }] }];
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
  expect(usage.shareOf("a", 0)).toEqual({ runPercent: null, waitPercent: 90, stealPercent: null });
  expect(usage.shareOf("b", 0)).toEqual({ runPercent: null, waitPercent: null, stealPercent: null });
  expect([usage.lastPcpuOf("a", 0), usage.lastPcpuOf("b", 0)]).toEqual([3, null]);
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
  usage.push([...look(0), { domain: "b", vcpus: [{ ...look(null)[0]!.vcpus[0]! }] }], 0);
  for (let at = 10; at < 500; at += 10) usage.push(look(at * MS), at);
  expect(usage.newUse()).toBe(null);
  usage.push([...look(1_000 * MS), { domain: "b", vcpus: [{ ...look(null)[0]!.vcpus[0]! }] }], 1_000);
  expect(usage.newUse()).toEqual([{ domain: "a", used: 1_000 }]);
});
