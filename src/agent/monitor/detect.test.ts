/** The detection loop as stories: each sample is a second long, each entry what the vCPUs showed in it. */
import { describe, expect, test } from "vitest";
import { DETECTOR_START, type DetectionSettings, type Detector, detect, type Request } from "./detect.ts";
import { loadOf } from "./load_suite.ts";
import { measureAll } from "./measured.ts";
import { layered } from "./thresholds.ts";
import type { VcpuLoad } from "./vcpu_load.ts";

function settingsOf(
  thresholds: Readonly<Record<string, number>>,
  more: Partial<DetectionSettings> = {},
): DetectionSettings {
  return {
    thresholds: layered([{ origin: "file", values: thresholds }]),
    sustainMs: 1_500,
    waitingMin: 0.2,
    ...more,
  };
}

/** The request after each sample. */
function check(
  samples: readonly (readonly VcpuLoad[])[],
  settings: DetectionSettings,
  times: readonly number[] = samples.map((_, i) => (i + 1) * 1_000),
): readonly (Request | null)[] {
  let detector: Detector = DETECTOR_START;
  return samples.map((vcpus, i) => {
    const sample = { atMs: times[i]!, intervalMs: 1_000, vcpus, measured: measureAll(vcpus) };
    const detected = detect(detector, sample, settings);
    detector = detected.detector;
    return detected.request;
  });
}

const runnable = (threads: number, more = {}) => [loadOf(0, { "runnable-threads": threads, ...more })];
const THREADS_2 = settingsOf({ "vcpu.runnable-threads": 2 });
const asked = (requests: readonly (Request | null)[]) => requests.map((request) => request !== null);

describe("when a measure exceeds", () => {
  test("P-68: equal is not more", () => {
    expect(asked(check([runnable(2), runnable(2), runnable(2)], THREADS_2))).toEqual([false, false, false]);
    expect(asked(check([runnable(2.01), runnable(2.01)], THREADS_2))).toEqual([false, true]);
  });

  test("pitfall 11: one sample is not enough, nor are two with a quiet one between", () => {
    expect(asked(check([runnable(9), runnable(0), runnable(9), runnable(0)], THREADS_2))).toEqual(
      Array(4).fill(false),
    );
    expect(asked(check([runnable(9), runnable(9), runnable(9)], THREADS_2))).toEqual([false, true, true]);
  });

  test("it must have lasted as long as configured", () => {
    const patient = { ...THREADS_2, sustainMs: 3_500 };
    expect(asked(check(Array(5).fill(runnable(3)), patient))).toEqual([false, false, false, true, true]);
  });

  test("with no time to last, still two samples", () => {
    expect(asked(check([runnable(3), runnable(3)], { ...THREADS_2, sustainMs: 0 }))).toEqual([false, true]);
  });

  test("a guest that stood still between two samples begins to count anew", () => {
    const times = [1_000, 60_000, 61_000];
    expect(asked(check([runnable(3), runnable(3), runnable(3)], THREADS_2, times))).toEqual([
      false,
      false,
      true,
    ]);
  });

  test("pitfall 11: nobody waits, so nobody gains: no request; without corroboration there is one", () => {
    const busy = [runnable(3, { waiting: 0.1 }), runnable(3, { waiting: 0.1 })];
    expect(asked(check(busy, THREADS_2))).toEqual([false, false]);
    expect(asked(check(busy, { ...THREADS_2, waitingMin: null }))).toEqual([false, true]);
    const unknown = [runnable(3, { waiting: null }), runnable(3, { waiting: null })];
    expect(asked(check(unknown, THREADS_2))).toEqual([false, false]);
  });

  test("a measure that is known to be more than its threshold exceeds it, also where the rest is not known", () => {
    const vm = settingsOf({ "vm.runnable-threads": 2 });
    const half = [loadOf(0, { "runnable-threads": 5 }), loadOf(1, { "runnable-threads": null })];
    expect(check([half, half], vm)[1]).toMatchObject({ measure: "vm.runnable-threads", value: 2.5 });
    const less = [loadOf(0, { "runnable-threads": 4 }), loadOf(1, { "runnable-threads": null })];
    expect(asked(check([less, less], vm))).toEqual([false, false]);
  });

  test("pitfall 8: an absent measure exceeds nothing, and ends what had lasted", () => {
    const gap = [runnable(3), [loadOf(0, { "runnable-threads": null })], runnable(3)];
    expect(asked(check(gap, THREADS_2))).toEqual([false, false, false]);
  });
});

describe("the order of FIG. 4, and what the request says", () => {
  const guest = [
    loadOf(0, { node: 0, "runnable-threads": 3, switches: 50 }),
    loadOf(1, { node: 1, "runnable-threads": 5, switches: 50 }),
  ];

  test.each([
    {
      why: "P-20: a vCPU goes before its node and the VM, the one that exceeds most before others",
      thresholds: { "vcpu.runnable-threads": 2, "node.runnable-threads": 2, "vm.runnable-threads": 2 },
      request: {
        measure: "vcpu.runnable-threads",
        level: "vcpu",
        subject: 1,
        value: 5,
        threshold: 2,
        node: 1,
      },
    },
    {
      why: "P-22: then nodes",
      thresholds: { "vcpu.runnable-threads": 5, "node.runnable-threads": 2, "vm.runnable-threads": 2 },
      request: {
        measure: "node.runnable-threads",
        level: "node",
        subject: 1,
        value: 5,
        threshold: 2,
        node: 1,
      },
    },
    {
      why: "P-24, P-66: then the VM, which asks for the node with the highest load",
      thresholds: { "vm.switches": 20 },
      request: { measure: "vm.switches", level: "vm", subject: null, value: 50, threshold: 20, node: 1 },
    },
  ])("$why", ({ thresholds, request }) => {
    expect(check([guest, guest], settingsOf(thresholds))[1]).toEqual({ origin: "monitor", ...request });
  });

  test("of equals the first: vCPU 0, node 0", () => {
    const even = [loadOf(0, { "runnable-threads": 3 }), loadOf(1, { node: 1, "runnable-threads": 3 })];
    expect(check([even, even], THREADS_2)[1]).toMatchObject({ subject: 0, node: 0 });
    expect(check([even, even], settingsOf({ "vm.runnable-threads": 2 }))[1]).toMatchObject({ node: 0 });
  });

  test("P-65: the node is named also where it alone has vCPUs online; a guest that shows no nodes names none", () => {
    const alone = [loadOf(0, { node: 1, "runnable-threads": 3 })];
    expect(check([alone, alone], THREADS_2)[1]).toMatchObject({ subject: 0, node: 1 });
    const flat = [loadOf(0, { node: -1, "runnable-threads": 3 })];
    expect(check([flat, flat], THREADS_2)[1]).toMatchObject({ subject: 0, node: null });
    expect(check([flat, flat], settingsOf({ "vm.runnable-threads": 2 }))[1]).toMatchObject({ node: null });
  });
});
