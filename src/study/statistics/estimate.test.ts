/** Intervals by hand-made samples and by coverage; what pairing gains. */
import { describe, expect, test } from "vitest";
import { bits, exponential, keyOf, uniform } from "../../sim/engine/draw.ts";
import { geometricEstimate, mapped, meanEstimate, pairedRatio, relativeHalfWidth } from "./estimate.ts";
import { rankCorrelation } from "./rank_correlation.ts";

describe("means", () => {
  test("4, 5, 6: 5 with 4.303 standard errors of 0.577 to either side", () => {
    const { value, ci95, n } = meanEstimate([4, 5, 6]);
    expect({ value, n }).toEqual({ value: 5, n: 3 });
    expect(ci95[1] - value).toBeCloseTo(4.303 / Math.sqrt(3), 3);
  });

  test("one value says nothing about its error", () => {
    expect(meanEstimate([4]).ci95).toEqual([Number.NEGATIVE_INFINITY, Number.POSITIVE_INFINITY]);
  });

  test("of 1000 intervals over 5 draws each, about 950 hold the true mean", () => {
    const holds = (sample: number): boolean => {
      const draws = Array.from({ length: 5 }, (_, i) => {
        const key = keyOf(7, sample, i);
        // Twelve uniform numbers sum to nearly normal.
        return Array.from({ length: 12 }, (__, j) => uniform(bits(key, j))).reduce((x, y) => x + y, 0);
      });
      const { ci95 } = meanEstimate(draws);
      return ci95[0] <= 6 && 6 <= ci95[1];
    };
    const held = Array.from({ length: 1000 }, (_, i) => holds(i)).filter(Boolean).length;
    expect(held).toBeGreaterThan(925);
    expect(held).toBeLessThan(975);
  });
});

describe("ratios", () => {
  const noise = Array.from({ length: 12 }, (_, i) => 1 + exponential(bits(keyOf(3, i), 0)));

  test("noise that both share cancels, and the correlation tells", () => {
    const paired = pairedRatio(
      noise.map((x) => 2 * x),
      noise,
    );
    expect(paired.value).toBeCloseTo(2, 12);
    expect(paired.ci95[1] - paired.ci95[0]).toBeLessThan(1e-9);
    expect(paired.correlation).toBeCloseTo(1, 9);
  });

  test("without the pairing the same data say much less", () => {
    const apart = pairedRatio(
      noise.map((x) => 2 * x),
      noise.toReversed(),
    );
    expect(relativeHalfWidth(apart)).toBeGreaterThan(0.2);
  });

  test("a geometric mean; a falling function swaps the interval's ends", () => {
    const estimate = geometricEstimate([1, 4]);
    expect(estimate.value).toBeCloseTo(2, 12);
    const reduction = mapped(estimate, (ratio) => 100 * (1 - ratio));
    expect(reduction.value).toBeCloseTo(-100, 9);
    expect(reduction.ci95[0]).toBeLessThan(reduction.ci95[1]);
  });
});

test.each([
  { a: [1, 2, 3, 4], b: [10, 20, 30, 40], expected: 1 },
  { a: [1, 2, 3, 4], b: [4, 3, 2, 1], expected: -1 },
  { a: [1, 2, 3, 4, 5], b: [2, 1, 4, 3, 5], expected: 0.8 },
  { a: [1, 1, 2], b: [1, 1, 2], expected: 1 },
])("rank correlation of $a and $b is $expected", ({ a, b, expected }) => {
  expect(rankCorrelation(a, b)).toBeCloseTo(expected, 12);
});
