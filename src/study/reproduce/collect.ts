/**
 * Runs the cells of experiments, in rounds, until the intervals of what is compared are narrow enough.
 *
 * First a few pilot replications of every cell; from their spread follows how many a comparison needs. Cells of a group
 * always have equally many, so that their replications stay pairs. All of it depends on rows only, so any number of
 * workers, and a study that was interrupted, come to the same rows.
 */
import type { RunLog } from "../runs/run_log.ts";
import type { RunPool } from "../runs/run_pool.ts";
import { keyOfRun, type StudyRun } from "../runs/study_run.ts";
import { pairedRatio, relativeHalfWidth } from "../statistics/estimate.ts";
import type { Cell } from "./cell.ts";
import { Results } from "./results.ts";

/** Cells that are compared with one another. */
export interface Group {
  readonly cells: readonly Cell[];
  /** Ids of cells whose ratio of execution times shall be known well. None: the pilot replications suffice. */
  readonly pairs: readonly (readonly [string, string])[];
}

export interface Precision {
  /** Replications of every cell. */
  readonly pilot: number;
  readonly cap: number;
  /** Half of the 95 % interval, as a part of the ratio. */
  readonly halfWidth: number;
}

export interface CollectOptions {
  readonly precision: Precision;
  readonly phaseNs: number;
  readonly pool: RunPool;
  readonly log: RunLog;
  readonly onProgress: (done: number, of: number) => void;
}

export async function collect(groups: readonly Group[], options: CollectOptions): Promise<Results> {
  const { precision, pool, log, phaseNs } = options;
  const results = new Results();
  let wanted = groups.map(() => precision.pilot);
  for (;;) {
    const runs = groups.flatMap(({ cells }, g) =>
      cells.flatMap(({ id, scenario }) =>
        Array.from({ length: wanted[g]! }, (_, replication) => ({
          id,
          run: { scenario, replication, phaseNs },
        })),
      ),
    );
    const missing = firstOfEach(runs.map(({ run }) => run)).filter((run) => !log.rows.has(keyOfRun(run)));
    let done = 0;
    await pool.run(missing, (row, index) => {
      log.append(keyOfRun(missing[index]!), row);
      options.onProgress(++done, missing.length);
    });
    for (const { id, run } of runs) results.put(id, run.replication, log.rows.get(keyOfRun(run))!);
    const next = groups.map((group, g) => replicationsFor(group, results, wanted[g]!, precision));
    if (next.every((count, g) => count === wanted[g])) return results;
    wanted = next;
  }
}

/** At most twice as many in one round: the pilot's spread is itself an estimate. */
const GROWTH_MAX = 2;

function replicationsFor({ pairs }: Group, results: Results, have: number, precision: Precision): number {
  const widest = Math.max(
    0,
    ...pairs.map(([a, b]) => relativeHalfWidth(pairedRatio(results.times(a), results.times(b)))),
  );
  if (widest <= precision.halfWidth || precision.cap <= have) return have;
  const needed = Math.ceil(have * (widest / precision.halfWidth) ** 2);
  return Math.min(precision.cap, have * GROWTH_MAX, Math.max(needed, have + 1));
}

/** A cell may stand in two experiments. */
function firstOfEach(runs: readonly StudyRun[]): StudyRun[] {
  return [...new Map(runs.map((run) => [keyOfRun(run), run])).values()];
}
