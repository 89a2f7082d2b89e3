/** What a meeting costs beside its work, from rounds in which the machine was faster or slower. */
import { expect, test } from "vitest";
import { meetingCostOf, meetingLine } from "./meeting_cost.ts";

const round = (speed: number) => ({
  alone: 30_000 / speed,
  oneVcpu: 45_000 / speed,
  stacked: 145_000 / speed,
  apart: 70_000 / speed,
});

test("a hand-over is what two threads on one vCPU take more; a wake-up, between what it is stacked and apart", () => {
  const cost = meetingCostOf([round(1), round(1), round(1)]);
  expect(cost.handoverNs).toBeCloseTo(15_000, 6);
  expect(cost.wakeupNs).toBeCloseTo(50_000, 6);
  expect(meetingLine(cost)).toContain("15.0 us [15.0, 15.0]");
});

test("rounds differ: the middle one, and an interval over them", () => {
  const cost = meetingCostOf([round(1), round(2), round(0.5)]);
  expect(cost.handoverNs).toBeCloseTo(15_000, 6);
  expect(cost.handoverCi95).toEqual([7_500, 30_000]);
});

test("where two vCPUs are no dearer than one, a wake-up costs nothing", () => {
  expect(meetingCostOf([{ alone: 10, oneVcpu: 20, stacked: 19, apart: 18 }]).wakeupNs).toBe(0);
});
