/** What vCPUs sent each other, from /proc/interrupts. */
import { expect, test } from "vitest";
import { encode } from "../protocol/frame.ts";
import { INTERRUPTS_MAX, VCPUS_MAX } from "../protocol/guest_messages.ts";
import { parseGuestMessage } from "../protocol/parse_guest_message.ts";
import { sentInterruptsIn } from "./sent_interrupts.ts";

const COUNT_MAX = 2 ** 32 - 1;

/** As Linux 6.1 writes it: a column of ten for each vCPU that is online. */
function proc(rows: Readonly<Record<string, readonly number[]>>, vcpus = [0, 1]): string {
  const lines = Object.entries(rows).map(
    ([row, counts]) => `${row.padStart(3)}: ${counts.map((n) => `${n}`.padStart(10)).join(" ")}  In words`,
  );
  return [`${" ".repeat(11)}${vcpus.map((v) => `CPU${v}`.padEnd(11)).join("")}`, ...lines, ""].join("\n");
}

const USUAL = { "4": [9, 9], LOC: [70, 80], RES: [3, 4], CAL: [50, 60], TLB: [20, 21], ERR: [0] };

test.each([
  { why: "a guest of two vCPUs", text: proc(USUAL), totals: [7, 110, 41] },
  {
    why: "vCPU 1 is offline: it has no column",
    text: proc({ RES: [3], CAL: [50], TLB: [20] }, [0]),
    totals: [3, 50, 20],
  },
  {
    why: "counters just before they begin anew",
    text: proc({ ...USUAL, RES: [COUNT_MAX, COUNT_MAX] }),
    totals: [2 * COUNT_MAX, 110, 41],
  },
  {
    why: "a device that is named like a row",
    text: proc(USUAL).replace("In words", "eth0-RES: 1 2"),
    totals: [7, 110, 41],
  },
  {
    why: "numbers in the words behind the counts",
    text: proc(USUAL).replaceAll("In", "In 7"),
    totals: [7, 110, 41],
  },
  { why: "a kernel for one vCPU has no such rows", text: proc({ "4": [9], LOC: [70] }), totals: null },
  { why: "one row is missing", text: proc({ RES: [3, 4], CAL: [50, 60] }), totals: null },
  { why: "a row without a count", text: proc({ ...USUAL, TLB: [] }), totals: null },
  { why: "the end of the last row is cut off", text: proc(USUAL).slice(0, -40), totals: null },
  { why: "nothing to read", text: "", totals: null },
  {
    why: "numbers that no kernel counts",
    text: proc(USUAL).replace(" 3 ", `${"9".repeat(300)} `),
    totals: null,
  },
])("$why", ({ text, totals }) => {
  const found = sentInterruptsIn(text);
  expect(found && [found.rescheduling, found.calls, found.shootdowns]).toEqual(totals);
});

test.each([
  { vcpus: VCPUS_MAX, isTold: true },
  { vcpus: VCPUS_MAX + 1, isTold: false },
])(
  "$vcpus vCPUs, each at the most that it counts: told is $isTold, and the host takes it",
  ({ vcpus, isTold }) => {
    const most = Array<number>(vcpus).fill(COUNT_MAX);
    const found = sentInterruptsIn(proc({ RES: most, CAL: most, TLB: most }, [...most.keys()]));
    expect(found?.calls).toBe(isTold ? INTERRUPTS_MAX : undefined);
    if (found === null) return;
    const report = { kind: "report", vcpus: [], preflight: [], interrupts: { atMs: 0, ...found } } as const;
    expect(parseGuestMessage(report)).toEqual({ ok: true, message: report });
    expect(encode(report).length).toBeLessThan(200);
  },
);
