import { describe, expect, test } from "vitest";
import { seeded } from "./seeded.ts";
import {
  blockRatioInterval,
  median,
  medianInterval,
  percentile,
  percentileInterval,
  ratioInterval,
} from "./statistics.ts";

describe("percentiles by nearest rank", () => {
  const hundred = Array.from({ length: 100 }, (_, i) => 100 - i);
  test.each([
    { of: hundred, fraction: 0.5, is: 50 },
    { of: hundred, fraction: 0.99, is: 99 },
    { of: hundred, fraction: 1, is: 100 },
    { of: [3, 1, 2], fraction: 0, is: 1 },
    { of: [10, 9], fraction: 0.5, is: 9 },
    { of: [], fraction: 0.5, is: Number.NaN },
  ])("$fraction of $of.length values", ({ of, fraction, is }) => {
    expect(percentile(of, fraction)).toBe(is);
  });
});

test("the median of an even number of values lies between the middle two", () => {
  expect([median([4, 1, 3, 2]), median([5, 1, 9]), median([])]).toEqual([2.5, 5, Number.NaN]);
});

describe("intervals", () => {
  const draw = seeded(7);
  const uniform = Array.from({ length: 200 }, () => draw(1_000));

  test("equal rows give equal intervals, which hold the estimate", () => {
    const interval = medianInterval(uniform);
    expect(medianInterval(uniform)).toEqual(interval);
    expect(interval[0]).toBeLessThan(median(uniform));
    expect(median(uniform)).toBeLessThan(interval[1]);
  });

  test("cover the true median of 500 in about 95 of 100 experiments", () => {
    const covered = Array.from({ length: 100 }, () => {
      const [low, high] = percentileInterval(
        Array.from({ length: 50 }, () => draw(1_000)),
        0.5,
      );
      return low <= 500 && 500 <= high;
    });
    expect(covered.filter(Boolean).length).toBeGreaterThanOrEqual(88);
  });

  test("a ratio is taken pair by pair, so that a drift of both falls out", () => {
    const drift = uniform.map((_, round) => 1 + round);
    const { ratio, ci95 } = ratioInterval(
      drift.map((value) => 2 * value),
      drift,
    );
    expect({ ratio, ci95 }).toEqual({ ratio: 2, ci95: [2, 2] });
  });
});

describe("a ratio of percentiles over blocks", () => {
  const draw = seeded(11);
  const blocks = Array.from({ length: 12 }, () => Array.from({ length: 300 }, () => 1_000 + draw(1_000)));
  const slower = blocks.map((block) => block.map((value) => 1.2 * value));

  test.each([0.5, 0.99])("is that of all values together, at %f", (fraction) => {
    const { ratio } = blockRatioInterval(slower, blocks, fraction);
    expect(ratio).toBeCloseTo(percentile(slower.flat(), fraction) / percentile(blocks.flat(), fraction), 12);
  });

  test("its interval holds it, and leaves out 1 where there is a difference", () => {
    const { ratio, ci95 } = blockRatioInterval(slower, blocks, 0.99);
    expect(ci95[0]).toBeLessThanOrEqual(ratio);
    expect(ratio).toBeLessThanOrEqual(ci95[1]);
    expect(ci95[0]).toBeGreaterThan(1.1);
  });
});
