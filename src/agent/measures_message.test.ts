import { expect, test } from "vitest";
import { encode, FRAME_BYTES_MAX } from "../protocol/frame.ts";
import { VCPUS_MAX } from "../protocol/guest_messages.ts";
import { parseGuestMessage } from "../protocol/parse_guest_message.ts";
import { measuresMessage } from "./measures_message.ts";
import { combineAll } from "./monitor/combination.ts";
import { loadOf } from "./monitor/load_suite.ts";
import { measureAll } from "./monitor/measured.ts";

const LONG = 12_345.678_9;
/** The longest that a rounded number becomes. */
const SMALL = 0.000_012_345_6;

function messageOf(vcpus: number, nodes: number): ReturnType<typeof measuresMessage> {
  const loads = Array.from({ length: vcpus }, (_, vcpu) =>
    loadOf(vcpu, {
      node: Math.floor((vcpu * nodes) / vcpus),
      cycles: 3_456_789_012.3,
      switches: LONG,
      "switches-same-process": LONG,
      "switches-other-process": LONG,
      "switch-share": SMALL,
      "switch-share-same-process": SMALL,
      "switch-share-other-process": SMALL,
      "runnable-threads": SMALL,
      "runnable-processes": SMALL,
      "runnable-applications": null,
    }),
  );
  const plain = measureAll(loads);
  const measured = [...plain, ...combineAll(loads, plain, { thresholdOf: () => 1 })];
  return measuresMessage({ intervalMs: 1_000.4, measured }, Array(20).fill("x".repeat(300)) as string[]);
}

test.each([
  { vcpus: 4, nodes: 2, leftOut: 0 },
  { vcpus: VCPUS_MAX, nodes: 8, leftOut: 0 },
  { vcpus: VCPUS_MAX, nodes: VCPUS_MAX, leftOut: 1 },
])("$vcpus vCPUs in $nodes nodes fit into a frame that a host takes", ({ vcpus, nodes, leftOut }) => {
  const message = messageOf(vcpus, nodes);
  expect(parseGuestMessage(message)).toEqual({ ok: true, message });
  expect(encode(message).length).toBeLessThanOrEqual(FRAME_BYTES_MAX);
  const unsent = message.degraded.filter((line) => line.startsWith("Too many readings"));
  expect(unsent.length).toBe(leftOut);
});

test("the VM's measures come first; -1 is the VM; four digits", () => {
  const [first] = messageOf(4, 2).measures;
  expect(first).toEqual({ measure: "vm.cycles", subjects: [-1], values: [13_830_000_000] });
});
