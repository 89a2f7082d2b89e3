/** How far siblings were kept from running together, from what each ran and where. */
import { expect, test } from "vitest";
import { stackingOf } from "./stacking.ts";

const LEAST = 100;
const [P, Q] = [4, 7];

type Known = number | null;

test.each<[why: string, ran: readonly Known[], pcpus: readonly Known[], stacking: Known]>([
  ["a pCPU each, the same on both", [500, 500], [P, Q], 0],
  ["one pCPU between them", [500, 480], [P, P], 1],
  ["one runs, and its sibling is passed over", [960, 0], [P, Q], 1],
  ["a sibling without a place did not run", [960, 0], [P, null], 1],
  ["one runs three times as long", [750, 250], [P, Q], 0.4],
  ["two pairs on two pCPUs", [250, 250, 250, 250], [P, P, Q, Q], 0.667],
  ["one vCPU has no siblings", [900], [P], null],
  ["nobody ran to speak of", [40, 40], [P, P], null],
  ["nobody ran", [0, 0], [P, Q], null],
  ["what one ran is not known", [500, null], [P, Q], null],
  ["where one ran is not known", [500, 500], [P, null], null],
])("%s", (_, ran, pcpus, stacking) => {
  const seen = stackingOf(
    ran.map((time, v) => ({ ran: time, pcpu: pcpus[v]! })),
    LEAST,
  );
  expect(seen === null ? null : Number(seen.toFixed(3))).toBe(stacking);
});
