/** The lab beside the simulator on made-up measurements whose answer is known. */
import { describe, expect, test } from "vitest";
import type { Arm, LabBenchResult } from "../lab/bench_lab.ts";
import { type LabPrediction, predictLab } from "./lab_prediction.ts";

function lab(programs: Readonly<Record<string, Partial<Record<Arm, number>>>>): LabBenchResult {
  return {
    host: { pcpus: 2, model: "none", accelerator: "tcg" },
    guests: 2,
    rounds: 1,
    scale: 0.01,
    programs: Object.fromEntries(
      Object.entries(programs).map(([program, arms]) => [
        program,
        {
          arms: Object.fromEntries(
            Object.entries(arms).map(([arm, s]) => [
              arm,
              { medianSeconds: s, ci95: [s, s] as const, samples: [s] },
            ]),
          ),
          vbalOver: {},
        },
      ]),
    ),
    rows: [],
  };
}

/** Compute at full speed on both pCPUs: a second on one, half of it on two. */
const COMPUTE = { "alone-one": 1, alone: 0.5, default: 1, affinity: 1, vbal: 1 };

function check(program: string, arms: Partial<Record<Arm, number>>): LabPrediction["programs"][number] {
  const { programs } = predictLab(lab({ compute: COMPUTE, [program]: arms }), 3);
  return programs.find((each) => each.program === program)!;
}

describe("predictions", () => {
  test("two guests that compute take twice as long as one, in every arm", () => {
    const { bothBusyRate } = predictLab(lab({ compute: COMPUTE }), 3);
    expect(bothBusyRate).toBe(1);
    for (const { error } of check("compute", COMPUTE).arms) expect(Math.abs(error)).toBeLessThan(0.05);
  });

  test("a pCPU that is slower while the other works is slower in the prediction too", () => {
    const slow = { ...COMPUTE, alone: 0.625, default: 1.25, affinity: 1.25, vbal: 1.25 };
    const { bothBusyRate, programs } = predictLab(lab({ compute: slow }), 3);
    expect(bothBusyRate).toBe(0.8);
    for (const { error } of programs[0]!.arms) expect(Math.abs(error)).toBeLessThan(0.05);
  });

  test.each(["spinlock", "futex-barrier", "mm"])(
    "%s: the fitted model takes as long alone as the guest did",
    (program) => {
      const { fittedAloneSeconds, arms } = check(program, { ...COMPUTE, alone: 0.9 });
      expect(fittedAloneSeconds).toBeCloseTo(0.9, 1);
      // With one vCPU each nobody waits for anybody: as alone on one vCPU.
      expect(arms.find(({ arm }) => arm === "vbal")!.predictedSeconds).toBeCloseTo(1, 1);
    },
  );

  test("a result without the arms of one guest says how to measure them", () => {
    expect(() => predictLab(lab({ compute: { default: 1 } }))).toThrow(
      /no arm alone-one of compute: measure with vbal bench lab --arms/,
    );
  });
});
