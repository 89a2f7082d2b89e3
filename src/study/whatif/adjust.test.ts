/** Models that are close but for the time for work answer as if they had the record's. */
import { expect, test } from "vitest";
import { adjust, surplusOf, workingError } from "./adjust.ts";
import type { RecordedDomain } from "./recording.ts";
import type { Outcome } from "./world.ts";

const answers = (of: (surplus: number) => number) =>
  [-0.4, -0.1, 0, 0.2, 0.5].map((surplus) => ({ surplus, weight: 1, value: of(surplus) }));

test.each([
  {
    what: "spinning ends under the policy: what a model has too much is lacking in what it gains",
    power: -1,
  },
  { what: "spinning goes on under the policy: both change alike", power: 0 },
  { what: "in between", power: -0.5 },
])("$what", ({ power }) => {
  const { answers: adjusted, slope } = adjust(answers((surplus) => 4 * Math.exp(power * surplus)));
  expect(slope).toBeCloseTo(power, 9);
  for (const { value } of adjusted) expect(value).toBeCloseTo(4, 9);
});

test.each([
  { what: "more than what is divided by is not taken from an answer", power: -3, slope: -1 },
  { what: "nor is it added to one", power: 2, slope: 0 },
])("$what", ({ power, slope }) => {
  expect(adjust(answers((surplus) => Math.exp(power * surplus))).slope).toBeCloseTo(slope, 9);
});

test("models that are all as far from the record, or of which one is left, stay as they are", () => {
  const same = [3, 5].map((value) => ({ value, weight: 1, surplus: 0.3 }));
  expect(adjust(same)).toEqual({ answers: same, slope: 0 });
  expect(adjust([]).slope).toBe(0);
});

test("a model in which nothing was finished does not spoil the others", () => {
  const [first, ...others] = answers((surplus) => 4 * Math.exp(-surplus));
  const { slope } = adjust([{ ...first!, value: Number.NaN }, { ...first!, value: 0 }, ...others]);
  expect(slope).toBeCloseTo(-1, 9);
});

const ONE: RecordedDomain = {
  id: "web",
  vcpus: 2,
  online: 2,
  pins: [],
  run: { mean: 1, error: 0.03 },
  wait: null,
  switches: null,
  dispatches: null,
  interrupts: null,
  spinning: { mean: 0.8, error: 0.008 },
  inKernel: null,
  stacking: null,
};
const outcome = (run: number, spinning: number) => ({ run, spinning }) as Outcome;

test.each([
  { what: "as recorded", domain: ONE, of: outcome(1, 0.8), surplus: 0 },
  { what: "twice the time for work", domain: ONE, of: outcome(1, 0.6), surplus: Math.LN2 },
  { what: "it ran half as much", domain: ONE, of: outcome(0.5, 0.8), surplus: -Math.LN2 },
  {
    what: "no looks: only running counts",
    domain: { ...ONE, spinning: null },
    of: outcome(1, 0.2),
    surplus: 0,
  },
  {
    what: "the looks do not tell so little from none",
    domain: { ...ONE, spinning: { mean: 1, error: 0.02 } },
    of: outcome(1, 0.985),
    surplus: 0,
  },
])("surplus: $what", ({ domain, of, surplus }) => {
  expect(surplusOf(domain, of)).toBeCloseTo(surplus, 9);
});

test("the record is as uncertain as its running and its looks together", () => {
  expect(workingError(ONE)).toBeCloseTo(Math.hypot(0.03, 0.04), 9);
  expect(workingError({ ...ONE, spinning: null })).toBeCloseTo(0.03, 9);
});
