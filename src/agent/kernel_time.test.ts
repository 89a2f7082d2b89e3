/** What vCPUs ran, from /proc/stat. */
import { expect, test } from "vitest";
import { cpuTimeIn } from "./kernel_time.ts";

/** As Linux writes it: user nice system idle iowait irq softirq steal guest guest_nice. */
const USUAL = "cpu  100 20 30 4000 500 6 7 800 90 9\ncpu0 50 10 15 2000 250 3 4 400 45 4\nintr 17 0\n";

test.each([
  { why: "a guest", stat: USUAL, times: { programsMs: 1_200, kernelMs: 430 } },
  { why: "just booted", stat: "cpu  0 0 0 0 0 0 0 0 0 0\n", times: { programsMs: 0, kernelMs: 0 } },
  {
    why: "a kernel that knows neither steal time nor guests",
    stat: "cpu  1 2 3 4 5 6 7\n",
    times: { programsMs: 30, kernelMs: 160 },
  },
  { why: "nothing to read", stat: "", times: null },
  { why: "only one vCPU's line", stat: USUAL.slice(USUAL.indexOf("cpu0")), times: null },
  { why: "the line is not the first", stat: `intr 1\n${USUAL}`, times: null },
  { why: "too few numbers", stat: "cpu  1 2 3 4 5 6\n1 2\n", times: null },
  { why: "no number", stat: USUAL.replace(" 30 ", " many "), times: null },
  { why: "less than none", stat: USUAL.replace(" 30 ", " -30 "), times: null },
  { why: "a number that no kernel counts", stat: USUAL.replace(" 30 ", ` ${"9".repeat(300)} `), times: null },
])("$why", ({ stat, times }) => {
  expect(cpuTimeIn(stat)).toEqual(times);
});
