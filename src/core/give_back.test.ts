/** Steady and noisy loads against the load monitor's threshold: how often does the number of vCPUs change? */
import { describe, expect, it } from "vitest";
import { DWELL_MS, judgeUse, NO_USE_YET, rememberGrowth, type UseMemory } from "./give_back.ts";

const MINUTES = 60;

/** A domain that asks when its vCPUs are fuller than `threshold` and is always granted; looked at every second. */
function changesIn(seconds: number, { vcpus, threshold, load }: Load): number {
  let memory: UseMemory = NO_USE_YET;
  let has = vcpus;
  let changes = 0;
  for (let second = 1; second <= seconds; second++) {
    const now = second * 1000;
    const usage = Math.min(has * 1000, Math.round(load(second)));
    if (has * 1000 * threshold < usage) {
      memory = rememberGrowth(memory, { usage, vcpus: has, now });
      has += 1;
      changes += 1;
      continue;
    }
    const judged = judgeUse(memory, { usage, vcpus: has, now });
    memory = judged.memory;
    if (judged.givesBack) {
      has -= 1;
      changes += 1;
    }
  }
  return changes;
}

interface Load {
  readonly vcpus: number;
  /** The part of its vCPUs' time beyond which it asks. */
  readonly threshold: number;
  /** What it would use at each second, in milli-pCPU. */
  readonly load: (second: number) => number;
}

/** Repeatable noise from -1 to 1. */
const noise = (second: number) => (Math.imul(second, 2_654_435_761) >>> 8) / 2 ** 23 - 1;
const SIZES = [1, 2, 4, 16, 64, 256] as const;

describe("give-back", () => {
  it.each(SIZES)(
    "pitfall 10: a steady load just above the threshold of %i vCPUs: one change in 10 minutes",
    (vcpus) => {
      for (const threshold of [0.5, 0.8, 0.95]) {
        const load = () => vcpus * 1000 * threshold + 1;
        expect(changesIn(10 * MINUTES, { vcpus, threshold, load })).toBe(1);
      }
    },
  );

  it.each(SIZES)(
    "a steady load at the threshold of %i vCPUs that never asked: the host tries once",
    (vcpus) => {
      for (const threshold of [0.5, 0.8, 0.95]) {
        // It may give one back, ask for it again, and is never troubled afterwards.
        const load = () => vcpus * 1000 * threshold;
        expect([0, 2]).toContain(changesIn(10 * MINUTES, { vcpus, threshold, load }));
      }
    },
  );

  it.each(SIZES)("a noisy load around the threshold of %i vCPUs: no oscillation", (vcpus) => {
    const load = (second: number) => vcpus * 1000 * 0.8 + noise(second) * 200;
    expect(changesIn(10 * MINUTES, { vcpus, threshold: 0.8, load })).toBeLessThanOrEqual(2);
  });

  it.each(SIZES)("the worst load there is, with %i vCPUs: its regrets slow it down", (vcpus) => {
    // It is idle until it has lost a vCPU and is busy then until it has it again; and so on for an hour.
    let memory: UseMemory = NO_USE_YET;
    let has = vcpus + 1;
    let changes = 0;
    for (let second = 1; second <= 60 * MINUTES; second++) {
      const now = second * 1000;
      if (has === vcpus) {
        memory = rememberGrowth(memory, { usage: has * 1000, vcpus: has, now });
        has += 1;
        changes += 1;
        continue;
      }
      const judged = judgeUse(memory, { usage: 0, vcpus: has, now });
      memory = judged.memory;
      if (judged.givesBack) {
        has -= 1;
        changes += 1;
      }
    }
    // 20 + 40 + 80 + ... seconds fit an hour seven times.
    expect(changes).toBeLessThanOrEqual(2 * 8);
  });

  it("an absent reading is not idleness (pitfall 8)", () => {
    let memory = NO_USE_YET;
    for (let second = 0; second < 100; second++) {
      const usage = second % 10 === 0 ? null : 0;
      const judged = judgeUse(memory, { usage, vcpus: 4, now: second * 1000 });
      memory = judged.memory;
      expect(judged.givesBack).toBe(false);
    }
  });

  it("a regret doubles the dwell, and asking without one forgets it", () => {
    const quiet = { ...NO_USE_YET, gaveBackAt: 100_000 };
    const regretted = rememberGrowth(quiet, { usage: 1000, vcpus: 1, now: 101_000 });
    expect(regretted.dwell).toBe(2 * DWELL_MS);
    const forgotten = rememberGrowth(regretted, { usage: 1000, vcpus: 2, now: 900_000 });
    expect(forgotten.dwell).toBe(DWELL_MS);
  });
});
