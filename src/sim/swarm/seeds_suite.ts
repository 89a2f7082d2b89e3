/** Seeds of the swarm as tests, so that several files share ten thousand of them among the cores. */
import { describe, expect, test } from "vitest";
import { runSeed } from "./run_seed.ts";

/** So many for each test: some seconds, after which the runner hears of it. */
const SEEDS_PER_TEST = 250;

export function describeSeeds({ first, count }: { readonly first: number; readonly count: number }): void {
  describe("nothing breaks while there are faults, then the host comes to the plan and back", () => {
    const starts = Array.from({ length: count / SEEDS_PER_TEST }, (_, n) => first + n * SEEDS_PER_TEST);
    test.each(starts)(`${SEEDS_PER_TEST} seeds from %i`, (start) => {
      const failed: string[] = [];
      for (let seed = start; seed < start + SEEDS_PER_TEST; seed++) {
        const { faults } = runSeed(seed);
        if (0 < faults.length) failed.push(`Seed ${seed}: ${faults.join("; ")}`, `  ${reproducing(seed)}`);
      }
      expect(failed.join("\n")).toBe("");
    });
  });
}

function reproducing(seed: number): string {
  return `Reproduce with: vbal sim swarm --seeds 1 --first ${seed}`;
}
