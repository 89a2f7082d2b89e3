/** The acceptance bands: each follows from its rule, each belongs to an experiment, and every experiment says something. */
import { readFileSync } from "node:fs";
import { describe, expect, test } from "vitest";
import { parseBands } from "./bands.ts";
import { judge } from "./claim.ts";
import { ONE_TO_THREE } from "./example_band_suite.ts";
import { EXPERIMENTS } from "./experiments.ts";

const { claims, rules, unmodelled } = parseBands(
  readFileSync(new URL("../../../studies/bands.yaml", import.meta.url), "utf8"),
);

/** Bands around a published number, by rule; the other rules are written out in the plan. */
const AROUND: Readonly<Record<string, (published: number) => readonly [number, number]>> = {
  "time-ratio": (p) => [0.75 * p, 1.25 * p],
  "time-reduction": (p) => [100 - 1.25 * (100 - p), 100 - 0.75 * (100 - p)],
  mean: (p) => [p - 7, p + 7],
  "range-end": (p) => [p - 10, p + 10],
  "held-out-mean": (p) => [p - 10, p + 10],
  "held-out-end": (p) => [p - 12, p + 12],
  factor: (p) => [p / 1.5, p * 1.5],
  count: (p) => [p / 3, p * 3],
  "best-count": (p) => [p - 1, p + 1],
  exact: (p) => [p, p],
};

describe("bands", () => {
  test("each around a published number is what its rule makes of that number: none was chosen", () => {
    const wrong = claims.filter(({ rule, published, band }) => {
      const expected = typeof published === "number" ? AROUND[rule]?.(published) : undefined;
      return expected?.some((end, i) => Math.abs(end - (band[i] ?? Number.NaN)) > 0.0006) ?? false;
    });
    expect(wrong.map(({ id }) => id)).toEqual([]);
  });

  test("every rule is explained, every id stands once, every figure is an experiment", () => {
    expect(claims.filter(({ rule }) => !Object.hasOwn(rules, rule))).toEqual([]);
    const ids = [...claims, ...unmodelled].map(({ id }) => id);
    expect(new Set(ids).size).toBe(ids.length);
    const figures = new Set(EXPERIMENTS.map(({ figure }) => figure));
    expect(claims.filter(({ figure }) => !figures.has(figure))).toEqual([]);
  });
});

describe("verdicts", () => {
  const band = ONE_TO_THREE;
  test.each([
    { name: "the whole interval inside", estimate: { value: 2, ci95: [1.5, 2.5] as const }, inside: true },
    {
      name: "a mean inside is not enough",
      estimate: { value: 2.9, ci95: [2.7, 3.1] as const },
      inside: false,
    },
    { name: "an exact number on the edge", estimate: { value: 3 }, inside: true },
    { name: "nothing known", estimate: null, inside: false },
    {
      name: "one replication says nothing",
      estimate: { value: 2, ci95: [-Infinity, Infinity] as const },
      inside: false,
    },
    { name: "a run that never ended", estimate: { value: Number.NaN, ci95: [2, 2] as const }, inside: false },
  ])("$name: $inside", ({ estimate, inside }) => {
    expect(judge(band, { estimate }).inside).toBe(inside);
  });

  test("an open end, and an input, which is no claim", () => {
    expect(judge({ ...band, band: [null, 3] }, { estimate: { value: -9 } }).inside).toBe(true);
    expect(judge({ ...band, role: "input" }, { estimate: { value: 9 } }).inside).toBe(null);
  });
});
