/**
 * On what the predicted gain hangs: Morris screening over all factors, Sobol's indices of those that matter, and each
 * factor alone at the ends of its range. The response is what VCPU-Bal takes off the execution time, in percent, mean over
 * three programs; every point has the same draws.
 */
import type { Calibration } from "../calibrate/calibration.ts";
import { Results } from "../reproduce/results.ts";
import type { RunLog } from "../runs/run_log.ts";
import type { RunPool } from "../runs/run_pool.ts";
import { keyOfRun, type StudyRun } from "../runs/study_run.ts";
import { geometricEstimate, mean } from "../statistics/estimate.ts";
import { FACTORS, RESPONSES, responseCells, responseId } from "./factors.ts";
import { elementaryEffects, morrisDesign, type Point } from "./morris.ts";
import { type SobolIndex, sobolDesign, sobolIndices } from "./sobol.ts";

export interface Sensitivity {
  /** The gain at the values that we use: percent, by program and their mean. */
  readonly gain: Gain;
  readonly morris: readonly { readonly factor: string; readonly muStar: number; readonly sigma: number }[];
  readonly sobol: readonly ({ readonly factor: string } & SobolIndex)[];
  /** The gain with one factor at half and at twice its value. */
  readonly tornado: readonly { readonly factor: string; readonly half: number; readonly twice: number }[];
}

export interface Gain {
  readonly mean: number;
  readonly programs: Readonly<Record<string, number>>;
}

export interface SensitivityOptions {
  readonly calibration: Calibration;
  readonly pool: RunPool;
  readonly log: RunLog;
  readonly onProgress: (stage: string, done: number, of: number) => void;
}

const REPLICATIONS = 2;
const TRAJECTORIES = 5;
const SAMPLES = 32;
/** How many go on from screening to Sobol. */
const KEPT = 4;
const SEED = 11;
const PHASE_NS = 60_000_000;

export async function sensitivity(options: SensitivityOptions): Promise<Sensitivity> {
  const count = FACTORS.length;
  const middle: Point = Array.from({ length: count }, () => 0.5);
  const at = (factor: number, value: number): Point => middle.map((own, i) => (i === factor ? value : own));
  const ends = FACTORS.flatMap((_, f) => [at(f, 0), at(f, 1)]);
  const alone = await gains("one at a time", [middle, ...ends], options);

  const screening = morrisDesign(count, TRAJECTORIES, SEED);
  const screened = await gains("Morris", screening.trajectories.flat(), options);
  const values = screening.trajectories.map((_, t) =>
    screened.slice(t * (count + 1), (t + 1) * (count + 1)).map((gain) => gain.mean),
  );
  const effects = elementaryEffects(screening, values).map((effect, f) => ({
    factor: FACTORS[f]!.name,
    ...effect,
  }));
  const ranked = effects.map((effect, index) => ({ ...effect, index })).sort((a, b) => b.muStar - a.muStar);

  const kept = ranked.slice(0, KEPT).map(({ index }) => index);
  const design = sobolDesign(kept.length, SAMPLES, SEED);
  const spread = (points: readonly Point[]): Point[] =>
    points.map((point) => middle.map((own, i) => (kept.includes(i) ? point[kept.indexOf(i)]! : own)));
  const sampled = await gains("Sobol", spread([...design.a, ...design.b, ...design.mixed.flat()]), options);
  const means = sampled.map((gain) => gain.mean);
  const block = (i: number): number[] => means.slice(i * SAMPLES, (i + 1) * SAMPLES);
  const indices = sobolIndices({ a: block(0), b: block(1), mixed: kept.map((_, k) => block(2 + k)) });

  return {
    gain: alone[0]!,
    morris: ranked.map(({ factor, muStar, sigma }) => ({ factor, muStar, sigma })),
    sobol: indices.map((index, k) => ({ factor: FACTORS[kept[k]!]!.name, ...index })),
    tornado: FACTORS.map(({ name }, f) => ({
      factor: name,
      half: alone[1 + 2 * f]!.mean,
      twice: alone[2 + 2 * f]!.mean,
    })).sort((a, b) => Math.abs(b.twice - b.half) - Math.abs(a.twice - a.half)),
  };
}

async function gains(
  stage: string,
  points: readonly Point[],
  { calibration, pool, log, onProgress }: SensitivityOptions,
): Promise<Gain[]> {
  const runs = points.flatMap((point, p) =>
    responseCells(`${stage} ${p}`, point, calibration).flatMap(({ id, scenario }) =>
      // Equal worlds are one run, whatever point they belong to.
      Array.from({ length: REPLICATIONS }, (_, replication) => ({
        id,
        run: {
          scenario: { ...scenario, name: "sensitivity" },
          replication,
          phaseNs: PHASE_NS,
        } satisfies StudyRun,
      })),
    ),
  );
  const missing = [...new Map(runs.map(({ run }) => [keyOfRun(run), run])).values()].filter(
    (run) => !log.rows.has(keyOfRun(run)),
  );
  let done = 0;
  await pool.run(missing, (row, index) => {
    log.append(keyOfRun(missing[index]!), row);
    onProgress(stage, ++done, missing.length);
  });
  const results = new Results();
  for (const { id, run } of runs) results.put(id, run.replication, log.rows.get(keyOfRun(run))!);
  return points.map((_, p): Gain => {
    const programs = Object.fromEntries(
      RESPONSES.map((program) => {
        const time = (policy: "plain" | "vcpu-bal"): number =>
          geometricEstimate(results.times(responseId(`${stage} ${p}`, program, policy))).value;
        return [program, 100 * (1 - time("vcpu-bal") / time("plain"))];
      }),
    );
    return { mean: mean(Object.values(programs)), programs };
  });
}
