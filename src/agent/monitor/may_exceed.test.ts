/** The cheap look must never say no where the full one could say yes. */
import { describe, expect, test } from "vitest";
import type { DetectionSettings } from "./detect.ts";
import { mayExceed, type QueueGrowth } from "./may_exceed.ts";
import { DEFAULT_THRESHOLDS, layered, type Thresholds } from "./thresholds.ts";
import { watchedBy } from "./watched.ts";

const DEFAULTS = layered([DEFAULT_THRESHOLDS]);

function settingsOf(thresholds: Thresholds, waitingMin: number | null = 0.2): DetectionSettings {
  return { thresholds, sustainMs: 1_500, waitingMin };
}

function check(queues: readonly Partial<QueueGrowth>[], settings = settingsOf(DEFAULTS)): boolean {
  const grown = queues.map((queue, vcpu) => ({ vcpu, node: 0, waiting: 0, arrivals: 50, ...queue }));
  return mayExceed(grown, watchedBy(settings.thresholds), settings);
}

describe("with the shipped thresholds (P-62)", () => {
  test.each([
    { why: "nobody waits, however much is switched", queues: [{ arrivals: 1e6 }, {}], may: false },
    { why: "three on one vCPU", queues: [{ waiting: 2 }, {}], may: true },
    { why: "two on one, since a third of the time", queues: [{ waiting: 0.34 }, {}], may: true },
    { why: "too few wait, even if all of it was at the end", queues: [{ waiting: 0.16 }, {}], may: false },
    { why: "they wait and never switch", queues: [{ waiting: 2, arrivals: 0 }, { arrivals: 0 }], may: false },
    { why: "a little on each: the VM as a whole", queues: Array(4).fill({ waiting: 0.17 }), may: true },
  ])("$why: $may", ({ queues, may }) => {
    expect(check(queues)).toBe(may);
  });

  test("the nearer a threshold, the earlier it is looked at; without any, never", () => {
    const threads = (value: number | null) =>
      settingsOf(layered([{ origin: "file", values: { "vcpu.runnable-threads": value } }]));
    expect(check([{ waiting: 0.5 }], threads(3))).toBe(false);
    expect(check([{ waiting: 0.5 }], threads(2))).toBe(true);
    expect(check([{ waiting: 9 }], threads(null))).toBe(false);
  });

  test("what the run queues say nothing about is looked at, as soon as somebody waits", () => {
    const share = layered([{ origin: "file", values: { "vm.switch-share": 5, "vcpu.cycles": 1e9 } }]);
    expect(check([{ waiting: 0.1 }], settingsOf(share))).toBe(true);
    expect(check([{ waiting: 0.01 }], settingsOf(share))).toBe(false);
    expect(check([{ waiting: 0.01 }], settingsOf(share, null))).toBe(true);
  });
});
