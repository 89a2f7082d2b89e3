/** Screening and variance decomposition on functions whose answers are known. */
import { describe, expect, test } from "vitest";
import { elementaryEffects, morrisDesign, type Point } from "./morris.ts";
import { sobolDesign, sobolIndices } from "./sobol.ts";

/** T. Ishigami and T. Homma, 1990, with a = 7, b = 0.1: the usual test, with indices in closed form. */
function ishigami(point: Point): number {
  const [x, y, z] = point.map((value) => Math.PI * (2 * value - 1)) as [number, number, number];
  return Math.sin(x) + 7 * Math.sin(y) ** 2 + 0.1 * z ** 4 * Math.sin(x);
}

describe("Sobol", () => {
  const design = sobolDesign(3, 3000, 1);
  const values = {
    a: design.a.map(ishigami),
    b: design.b.map(ishigami),
    mixed: design.mixed.map((points) => points.map(ishigami)),
  };
  const indices = sobolIndices(values);
  test.each([
    { factor: 0, first: 0.3139, total: 0.5576 },
    { factor: 1, first: 0.4424, total: 0.4424 },
    { factor: 2, first: 0, total: 0.2437 },
  ])("Ishigami, factor $factor: first $first, total $total", ({ factor, first, total }) => {
    const index = indices[factor]!;
    expect(Math.abs(index.first - first)).toBeLessThan(0.05);
    expect(Math.abs(index.total - total)).toBeLessThan(0.05);
    expect(index.totalCi95[0]).toBeLessThan(total);
    expect(index.totalCi95[1]).toBeGreaterThan(total);
  });

  test("each factor is sampled once in each slice of its range", () => {
    const slices = sobolDesign(2, 10, 5).a.map((point) => Math.floor(point[1]! * 10));
    expect(slices.toSorted((x, y) => x - y)).toEqual([0, 1, 2, 3, 4, 5, 6, 7, 8, 9]);
  });
});

describe("Morris", () => {
  const effectsOf = (f: (point: Point) => number, factors: number) => {
    const design = morrisDesign(factors, 20, 3);
    return elementaryEffects(
      design,
      design.trajectories.map((points) => points.map(f)),
    );
  };

  test("a linear function: effects are its coefficients, without spread; what does not appear has none", () => {
    const effects = effectsOf(([x, y]) => 3 * x! - 5 * y!, 3);
    expect(effects.map(({ muStar }) => Number(muStar.toFixed(9)))).toEqual([3, 5, 0]);
    expect(Math.max(...effects.map(({ sigma }) => sigma))).toBeLessThan(1e-9);
  });

  test("factors that need each other show by their spread", () => {
    const [x, y, z] = effectsOf(([a, b, c]) => a! * b! + 0.1 * c!, 3);
    expect(x!.sigma).toBeGreaterThan(0.2);
    expect(y!.sigma).toBeGreaterThan(0.2);
    expect(z!.sigma).toBeLessThan(1e-9);
  });

  test("points stay in range, and neighbours differ in one factor", () => {
    for (const points of morrisDesign(6, 10, 9).trajectories) {
      expect(points).toHaveLength(7);
      expect(points.flat().every((value) => 0 <= value && value <= 1 + 1e-12)).toBe(true);
      points.slice(1).forEach((point, i) => {
        expect(point.filter((value, f) => value !== points[i]![f])).toHaveLength(1);
      });
    }
  });
});
