import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { splitInProportion, type WaterFillMember, waterFill } from "./water_filling.ts";

const SEED = 1_884;

function check(
  amount: number,
  members: readonly (readonly [weight: number, floor: number, ceiling: number])[],
) {
  return waterFill(
    amount,
    members.map(([weight, floor, ceiling]) => ({ weight, floor, ceiling })),
  );
}

describe("waterFill()", () => {
  it.each([
    { why: "nobody", amount: 5, members: [], given: [] },
    {
      why: "by weight",
      amount: 12,
      members: [
        [2, 0, 99],
        [1, 0, 99],
      ],
      given: [8, 4],
    },
    {
      why: "a lid, and its surplus by weight",
      amount: 12,
      members: [
        [2, 0, 4],
        [1, 0, 99],
        [1, 0, 99],
      ],
      given: [4, 4, 4],
    },
    {
      why: "a floor, taken from the others by weight",
      amount: 12,
      members: [
        [1, 6, 99],
        [2, 0, 99],
        [1, 0, 99],
      ],
      given: [6, 4, 2],
    },
    {
      why: "every lid reached",
      amount: 12,
      members: [
        [1, 0, 3],
        [1, 0, 4],
      ],
      given: [3, 4],
    },
    {
      why: "floors beyond the amount: in proportion",
      amount: 6,
      members: [
        [9, 8, 9],
        [1, 4, 9],
        [1, 0, 9],
      ],
      given: [4, 2, 0],
    },
    {
      why: "a tie goes to the first",
      amount: 2,
      members: [
        [1, 0, 9],
        [1, 0, 9],
        [1, 0, 9],
      ],
      given: [1, 1, 0],
    },
    {
      why: "nothing to give",
      amount: 0,
      members: [
        [1, 0, 9],
        [1, 3, 9],
      ],
      given: [0, 0],
    },
  ] as const)("$why", ({ amount, members, given }) => {
    expect(check(amount, members)).toEqual(given);
  });

  it(`is weighted max-min fair to within one unit, 1,000 cases from seed ${SEED}`, () => {
    const member = fc
      .record({ weight: fc.integer({ min: 1, max: 65_535 }), floor: fc.nat(3000), more: fc.nat(20_000) })
      .map(({ weight, floor, more }): WaterFillMember => ({ weight, floor, ceiling: floor + more }));
    fc.assert(
      fc.property(fc.nat(60_000), fc.array(member, { minLength: 1, maxLength: 12 }), (amount, members) => {
        const given = waterFill(amount, members);
        const [floors, ceilings] = (["floor", "ceiling"] as const).map((key) =>
          members.reduce((sum, one) => sum + one[key], 0),
        );
        expect(given.reduce((sum, part) => sum + part, 0)).toBe(Math.min(amount, ceilings!));
        if (amount < floors!) return;
        members.forEach(({ floor, ceiling }, index) => {
          expect(floor <= given[index]! && given[index]! <= ceiling).toBe(true);
        });
        // Whoever is above its floor stands no higher than anybody who is below its ceiling.
        members.forEach((high, a) => {
          members.forEach((low, b) => {
            if (given[a]! <= high.floor || low.ceiling <= given[b]!) return;
            expect((given[a]! - 1) * low.weight).toBeLessThan((given[b]! + 1) * high.weight);
          });
        });
      }),
      { seed: SEED, numRuns: 1000 },
    );
  });
});

describe("splitInProportion()", () => {
  it.each([
    { amount: 10, weights: [1, 1, 1], parts: [4, 3, 3] },
    { amount: 7, weights: [5, 3, 1], parts: [4, 2, 1] },
    { amount: 3, weights: [0, 0], parts: [0, 0] },
  ])("$amount by $weights is $parts", ({ amount, weights, parts }) => {
    expect(splitInProportion(amount, weights)).toEqual(parts);
  });
});
