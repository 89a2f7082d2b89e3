/**
 * The controller under faults (issue 4, point 10): a few hundred seeds here, as many as one likes by `vbal sim swarm`.
 * Each safeguard is switched off once, and the swarm must notice: a test that cannot fail shows nothing.
 */
import { describe, expect, test } from "vitest";
import { ALL_SAFEGUARDS, type Safeguards } from "../../core/safeguards.ts";
import { runSwarm, type SwarmRun } from "./swarm_run.ts";

const SEEDS = 200;

test(`seeds 1 to ${SEEDS}: nothing breaks while there are faults, then the host comes to the plan and back`, () => {
  const failed = range(1, SEEDS)
    .map((seed) => runSwarm(seed))
    .filter(({ faults }) => 0 < faults.length);
  expect(failed.map(({ seed, faults }) => ({ seed, faults }))).toEqual([]);
});

test("equal seeds, equal runs", () => {
  expect(runSwarm(7)).toEqual(runSwarm(7));
});

describe("canaries: with a safeguard switched off, the swarm fails", () => {
  test.each<[keyof Safeguards, RegExp]>([
    ["confirmTakes", /Invariant 3: .* was given pCPU/],
    ["placeBeforeOnline", /Invariant 3: .* belongs on/],
    ["breakCircles", /Not converged/],
    ["answerOnce", /P-18: .* was told .*granted.* and then/],
    ["lendAfterTwoLooks", /lent on request and keeps .* but was seen to use/],
  ])("%s", (safeguard, complaint) => {
    const failed = firstFailure({ ...ALL_SAFEGUARDS, [safeguard]: false });
    expect(failed?.faults.join("\n")).toMatch(complaint);
  });
});

function firstFailure(safeguards: Safeguards): SwarmRun | undefined {
  for (const seed of range(1, 400)) {
    const run = runSwarm(seed, safeguards);
    if (0 < run.faults.length) return run;
  }
  return undefined;
}

function range(from: number, to: number): number[] {
  return Array.from({ length: to - from + 1 }, (_, i) => from + i);
}
