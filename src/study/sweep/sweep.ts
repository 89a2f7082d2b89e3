/**
 * Runs every case of a study, each with all its replications, and gives one tidy row per run, in the order of cases and
 * replications. What the log already holds is not run again.
 */
import type { Cell, FlatRow } from "../runs/flat_row.ts";
import type { RunLog } from "../runs/run_log.ts";
import type { RunPool } from "../runs/run_pool.ts";
import { keyOfRun, type StudyRun } from "../runs/study_run.ts";
import type { Study, StudyCase } from "./study.ts";

export interface SweepOptions {
  readonly pool: RunPool;
  readonly log: RunLog;
  /** Of all runs, those found in the log included. */
  readonly onProgress: (done: number, of: number) => void;
}

export async function sweep(study: Study, { pool, log, onProgress }: SweepOptions): Promise<FlatRow[]> {
  const runs = study.cases.flatMap((each) =>
    Array.from({ length: study.replications }, (_, replication) => {
      const run: StudyRun = { scenario: each.scenario, replication, phaseNs: study.phaseNs };
      return { each, run, key: keyOfRun(run) };
    }),
  );
  // Two cases may be the same world; it is run once.
  const missing = [...new Map(runs.map((entry) => [entry.key, entry])).values()].filter(
    ({ key }) => !log.rows.has(key),
  );
  let done = runs.length - missing.length;
  onProgress(done, runs.length);
  await pool.run(
    missing.map(({ run }) => run),
    (row, index) => {
      log.append(missing[index]!.key, row);
      onProgress(++done, runs.length);
    },
  );
  return runs.map(({ each, key }) => ({
    study: study.name,
    case: each.index,
    ...cells(each),
    ...log.rows.get(key)!,
  }));
}

/** What varies, as columns; a value that is a map or a list stands as JSON. */
function cells({ values }: StudyCase): Record<string, Cell> {
  return Object.fromEntries(
    Object.entries(values).map(([field, value]) => [
      `vary:${field}`,
      typeof value === "object" && value !== null ? JSON.stringify(value) : (value as Cell),
    ]),
  );
}
