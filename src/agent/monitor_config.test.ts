import { expect, test } from "vitest";
import { GuestOfData } from "./guest_of_data.ts";
import { MONITOR_DEFAULTS, readMonitorConfig, thresholdsOf } from "./monitor_config.ts";

function check(text: string | null) {
  const guest = new GuestOfData(1);
  if (text !== null) guest.files.set("/etc/v", text);
  return readMonitorConfig(guest, "/etc/v");
}

test("P-58: without a file the defaults, with one what it says over them", () => {
  expect(check(null)).toEqual({ ok: true, message: MONITOR_DEFAULTS });
  const file = check(
    '{"sustainMs": 3000, "waitingMin": null, "budgetPercent": 0.5, "thresholds": {"vm.switches": 5, "vcpu.composite": null}}',
  );
  expect(file).toMatchObject({
    ok: true,
    message: { sampleEveryMs: 1_000, sustainMs: 3_000, waitingMin: null, budgetPercent: 0.5 },
  });
  if (!file.ok) return;
  const inForce = thresholdsOf(file.message, { "vm.switches": 7 });
  expect([inForce.get("vm.switches"), inForce.get("vcpu.composite")]).toEqual([
    { id: "vm.switches", value: 7, origin: "host" },
    { id: "vcpu.composite", value: null, origin: "file" },
  ]);
});

test.each([
  ["{", "must be JSON"],
  ["[]", "must be an object"],
  ['{"treshold": 1}', "treshold must be one of the fields"],
  ['{"thresholds": {"vcpu.swiches": 1}}', "thresholds.vcpu.swiches must be a measure"],
  ['{"thresholds": {"vcpu.switches": -1}}', "must be a number from 0 up"],
  ['{"sampleEveryMs": 1}', "must be an integer from 200"],
  ['{"budgetPercent": 0}', "budgetPercent must be a number from 0.1 to 100"],
])("%s is an error that says why", (text, why) => {
  expect(check(text)).toEqual({ ok: false, why: expect.stringMatching(`^/etc/v: .*${why}`) });
});
