/** How much more was done: exact for runs that do not vary, an interval around it for those that do. */
import { expect, test } from "vitest";
import { ratioOfMeans } from "./repeated_runs.ts";

test.each([
  { what: "no spread, other counts", before: [4, 4, 4], after: [2, 2], value: 2, ci95: [2, 2] },
  { what: "a single run each", before: [3], after: [1], value: 3, ci95: [3, 3] },
])("$what", ({ before, after, value, ci95 }) => {
  expect(ratioOfMeans(before, after)).toEqual({ value, ci95 });
});

test("what varies has an interval around its ratio", () => {
  const { value, ci95 } = ratioOfMeans([3, 5, 4, 4], [1, 3, 2]);
  expect(value).toBe(2);
  expect(ci95[0]).toBeLessThan(2);
  expect(2).toBeLessThan(ci95[1]);
});
