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
