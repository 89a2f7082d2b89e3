/** Two counts become a rate, or none. */
import { expect, test } from "vitest";
import { rateBetween } from "./rate_between.ts";

test.each([
  { why: "per second of the guest's clock", elapsedMs: 15_000, grown: 4_500, rate: 300 },
  { why: "to whole ones", elapsedMs: 3_000, grown: 5, rate: 2 },
  { why: "nothing happened", elapsedMs: 15_000, grown: 0, rate: 0 },
  { why: "as near as makes one", elapsedMs: 1_000, grown: 7, rate: 7 },
  { why: "at once", elapsedMs: 999, grown: 7, rate: "too soon" },
  { why: "in the same moment", elapsedMs: 0, grown: 0, rate: "too soon" },
  { why: "it shrank", elapsedMs: 15_000, grown: -1, rate: null },
  { why: "it shrank at once", elapsedMs: 10, grown: -1, rate: null },
  { why: "time ran backwards", elapsedMs: -1, grown: 7, rate: null },
])("$why", ({ elapsedMs, grown, rate }) => {
  const before = { atMs: 5_000, total: 100 };
  expect(rateBetween(before, { atMs: 5_000 + elapsedMs, total: 100 + grown })).toBe(rate);
});

test("the most that a guest may say is a number still, which a file and JSON can hold", () => {
  const most = Number.MAX_SAFE_INTEGER;
  expect(rateBetween({ atMs: 0, total: 0 }, { atMs: 1_000, total: most })).toBe(most);
});
