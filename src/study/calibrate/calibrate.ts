/**
 * Fits parameters to targets by compass search on a log scale (Kolda, Lewis, Torczon, SIAM Review 45(3), 2003): try each
 * parameter a step up and a step down, go where the error is smallest, else halve the step. Slow and steady, without
 * derivatives, and the same on every run: every evaluation has the same draws.
 *
 * The error is the sum of squares of (measured - wanted) / tolerance, and a little for every departure from the
 * library's own value, so that what the targets do not fix stays where it was.
 */
import { LIBRARY } from "../../sim/workload/library/library.ts";
import { valuesOf } from "../../sim/workload/library/library_workload.ts";
import { Results } from "../reproduce/results.ts";
import type { FlatRow } from "../runs/flat_row.ts";
import type { RunPool } from "../runs/run_pool.ts";
import { keyOfRun, type StudyRun } from "../runs/study_run.ts";
import { FITS, type Fit, type ParameterSet, type Target } from "./targets.ts";

export interface FitResult {
  readonly program: string;
  readonly before: ParameterSet;
  readonly after: ParameterSet;
  readonly evaluations: number;
  readonly targets: readonly FittedTarget[];
}

export interface FittedTarget extends Pick<Target, "what" | "source" | "wanted" | "tolerance"> {
  readonly before: number;
  readonly after: number;
}

interface Trial {
  readonly set: ParameterSet;
  readonly measured: readonly number[];
  readonly error: number;
}

const REPLICATIONS = 3;
/** A factor of 1.5 up or down at first, of 1.03 at last. */
const STEP_FIRST = Math.log(1.5);
const STEP_LAST = Math.log(1.03);
/** A target missed by one tolerance weighs as much as a parameter that moved by a factor of 20. */
const DEPARTURE_WEIGHT = 1 / Math.log(20) ** 2;
/** Far above what two parameters need; it bounds a search that wanders. */
const EVALUATIONS_MAX = 80;

export async function calibrate(
  pool: RunPool,
  onFit: (done: number, of: number, program: string) => void,
): Promise<FitResult[]> {
  const results: FitResult[] = [];
  for (const fit of FITS) {
    onFit(results.length, FITS.length, fit.program);
    results.push(await fitOne(fit, pool));
  }
  return results;
}

async function fitOne(fit: Fit, pool: RunPool): Promise<FitResult> {
  const rows = new Map<string, FlatRow>();
  const library = LIBRARY.find(({ name }) => name === fit.program)!;
  const own = valuesOf(library);
  const start = Object.fromEntries(fit.parameters.map((name) => [name, own[name]!]));
  let evaluations = 0;
  const evaluate = async (set: ParameterSet): Promise<Trial> => {
    evaluations++;
    const measured = await measure(fit, set, { pool, rows });
    return { set, measured, error: errorOf(fit, { measured, set, start }) };
  };
  const first = await evaluate(start);
  let best = first;
  let step = STEP_FIRST;
  while (STEP_LAST <= step && evaluations < EVALUATIONS_MAX) {
    let better = best;
    for (const name of fit.parameters) {
      for (const direction of [1, -1]) {
        const trial = await evaluate({
          ...best.set,
          [name]: roundedUp(best.set[name]! * Math.exp(direction * step)),
        });
        if (trial.error < better.error) better = trial;
      }
    }
    if (better === best) step /= 2;
    best = better;
  }
  return {
    program: fit.program,
    before: start,
    after: best.set,
    evaluations,
    targets: fit.targets.map(({ what, source, wanted, tolerance }, i) => ({
      what,
      source,
      wanted,
      tolerance,
      before: first.measured[i]!,
      after: best.measured[i]!,
    })),
  };
}

/** Four digits, so that the committed file holds exactly what was tried. */
function roundedUp(value: number): number {
  return Number(value.toPrecision(4));
}

async function measure(
  { targets }: Fit,
  set: ParameterSet,
  { pool, rows }: { readonly pool: RunPool; readonly rows: Map<string, FlatRow> },
): Promise<number[]> {
  const cells = [
    ...new Map(targets.flatMap((target) => target.cells(set)).map((cell) => [cell.id, cell])).values(),
  ];
  const runs = cells.flatMap(({ id, scenario }) =>
    Array.from({ length: REPLICATIONS }, (_, replication) => ({
      id,
      run: { scenario, replication, phaseNs: 0 } satisfies StudyRun,
    })),
  );
  const missing = runs.map(({ run }) => run).filter((run) => !rows.has(keyOfRun(run)));
  await pool.run(missing, (row, index) => void rows.set(keyOfRun(missing[index]!), row));
  const results = new Results();
  for (const { id, run } of runs) results.put(id, run.replication, rows.get(keyOfRun(run))!);
  return targets.map((target) => target.measure(results));
}

function errorOf(
  { targets, parameters }: Fit,
  trial: { readonly measured: readonly number[]; readonly set: ParameterSet; readonly start: ParameterSet },
): number {
  const misses = targets.map(({ wanted, tolerance, isAtLeast }, i) => {
    const miss = (trial.measured[i]! - wanted) / tolerance;
    return isAtLeast === true && miss > 0 ? 0 : miss * miss;
  });
  const departures = parameters.map(
    (name) => DEPARTURE_WEIGHT * Math.log(trial.set[name]! / trial.start[name]!) ** 2,
  );
  return [...misses, ...departures].reduce((a, b) => a + b, 0);
}
