/** Which models speak for a domain, and how much each counts. */
import { describe, expect, test } from "vitest";
import { type FittedModel, KEPT_MAX, KEPT_MIN, keepModels } from "./keep_models.ts";

/** Nothing but distances matters here. */
function tried(distances: readonly (readonly number[])[]): FittedModel[] {
  return distances.map((own, replication) => ({ distances: own, replication }) as unknown as FittedModel);
}

function numbersFor(d: number, all: readonly FittedModel[]): number[] {
  const { models, kept } = keepModels(all);
  return kept[d]!.map(({ model }) => models[model]!.replication);
}

const upTo = (count: number) => Array.from({ length: count }, (_, n) => n);

describe("of all that were tried", () => {
  test("each domain keeps those that are closest to its own record", () => {
    const all = tried(upTo(100).map((n) => [n / 10, (99 - n) / 10]));
    expect(numbersFor(0, all)).toEqual(upTo(KEPT_MIN));
    expect(numbersFor(1, all)).toEqual(upTo(KEPT_MIN).map((n) => 99 - n));
    expect(keepModels(all).models).toHaveLength(2 * KEPT_MIN);
    expect(keepModels(all).close).toBe(11);
  });

  test("of many that are close, some from all over them", () => {
    const kept = numbersFor(0, tried(upTo(400).map((n) => [n / 400])));
    expect(kept).toHaveLength(KEPT_MAX);
    expect(kept.at(-1)).toBeGreaterThan(380);
  });

  test.each([
    { why: "those that are close count alike", distances: [0, 0.5, 1], weights: [1, 1, 1] },
    {
      why: "the further, the less",
      distances: [0.2, 1.5, 2.5],
      weights: [1, Math.exp(-0.5), Math.exp(-4.5)],
    },
    {
      why: "where nothing is close, the closest is the measure",
      distances: [2, 2.5],
      weights: [1, Math.exp(-0.5)],
    },
  ])("$why", ({ distances, weights }) => {
    const { kept } = keepModels(tried(distances.map((distance) => [distance])));
    for (const [i, { weight }] of kept[0]!.entries()) expect(weight).toBeCloseTo(weights[i]!, 12);
  });
});
