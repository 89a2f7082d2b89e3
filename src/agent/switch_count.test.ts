/** How often vCPUs went from one thread to another, from /proc/stat. */
import { expect, test } from "vitest";
import { encode } from "../protocol/frame.ts";
import { parseGuestMessage } from "../protocol/parse_guest_message.ts";
import { switchesIn } from "./switch_count.ts";

/** As Linux writes it: vCPUs, every interrupt in one line, then what counts for all. */
const USUAL =
  "cpu  100 20 30 4000 500 6 7 800 90 9\ncpu0 50 10 15 2000 250 3 4 400 45 4\nintr 17 0 9 0\n" +
  "ctxt 70231\nbtime 1700000000\nprocesses 99\nprocs_running 1\nprocs_blocked 0\nsoftirq 7 1 2\n";

test.each([
  { why: "a guest", stat: USUAL, total: 70_231 },
  { why: "just booted", stat: USUAL.replace("70231", "0"), total: 0 },
  {
    why: "the most that can be told from the next",
    stat: USUAL.replace("70231", `${Number.MAX_SAFE_INTEGER}`),
    total: Number.MAX_SAFE_INTEGER,
  },
  { why: "nothing to read", stat: "", total: null },
  { why: "a kernel that shows none", stat: USUAL.replace("ctxt 70231\n", ""), total: null },
  { why: "the file is cut off in the number", stat: USUAL.slice(0, USUAL.indexOf("231\n")), total: null },
  { why: "the file is cut off in its label", stat: USUAL.slice(0, USUAL.indexOf("xt 70231")), total: null },
  { why: "no number", stat: USUAL.replace("70231", "many"), total: null },
  { why: "nothing where the number should be", stat: USUAL.replace("70231", ""), total: null },
  { why: "less than none", stat: USUAL.replace("70231", "-7"), total: null },
  { why: "a part of a switch", stat: USUAL.replace("70231", "0.5"), total: null },
  { why: "a number that no kernel counts", stat: USUAL.replace("70231", "9".repeat(300)), total: null },
  {
    why: "a number that cannot be told from the next",
    stat: USUAL.replace("70231", `${2 ** 53}`),
    total: null,
  },
])("$why", ({ stat, total }) => {
  const found = switchesIn(stat);
  expect(found?.total ?? null).toBe(total);
  if (found === null) return;
  const report = { kind: "report", vcpus: [], preflight: [], switches: { atMs: 0, ...found } } as const;
  expect(parseGuestMessage(report)).toEqual({ ok: true, message: report });
  expect(encode(report).length).toBeLessThan(200);
});
