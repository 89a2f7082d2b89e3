/** What sharing costs is a fact only where the rounds tell it from nothing. */
import { expect, test } from "vitest";
import { sharingLossOf } from "./sharing_loss.ts";

test.each([
  { what: "every round says so", shared: [95, 94, 96, 95, 95, 94, 96], loss: 0.05, isKnown: true },
  {
    what: "rounds differ more than that",
    shared: [98, 102, 95, 101, 98, 105, 120],
    loss: -0.01,
    isKnown: false,
  },
  { what: "nothing is lost", shared: [100, 100, 100, 100, 100, 100, 100], loss: 0, isKnown: false },
])("$what", ({ shared, loss, isKnown }) => {
  const found = sharingLossOf(Array(7).fill(100), shared);
  expect(found.loss).toBeCloseTo(loss, 6);
  expect(found.ci95[0]).toBeLessThanOrEqual(found.loss);
  expect(found.loss).toBeLessThanOrEqual(found.ci95[1]);
  expect(found.known === null ? null : found.known).toEqual(isKnown ? found.loss : null);
});
