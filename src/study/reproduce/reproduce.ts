/**
 * Regenerates the figures: runs the cells of the chosen experiments, asks each what it finds, judges that against the
 * bands. Quick is for a first look, full for numbers to cite.
 */
import { digestOf } from "../../protocol/digest.ts";
import type { Calibration } from "../calibrate/calibration.ts";
import type { Plot } from "../plot/plot.ts";
import { verdicts } from "../plot/verdicts.ts";
import type { RunLog } from "../runs/run_log.ts";
import type { RunPool } from "../runs/run_pool.ts";
import type { BandFile } from "./bands.ts";
import { type Claim, judge } from "./claim.ts";
import { collect, type Group, type Precision } from "./collect.ts";
import type { Experiment } from "./experiment.ts";
import { EXPERIMENTS } from "./experiments.ts";

export type Mode = "quick" | "full";

interface ModeSettings {
  readonly precision: Precision;
  /** In parts of a library workload, which takes about a second alone on a dozen pCPUs. */
  readonly scale: number;
}

/** Full: ten pilot replications, then as many as a half-width of 2 % needs (validation plan, section 3). */
export const MODES: Readonly<Record<Mode, ModeSettings>> = {
  quick: { precision: { pilot: 5, cap: 10, halfWidth: 0.05 }, scale: 1 },
  full: { precision: { pilot: 10, cap: 100, halfWidth: 0.02 }, scale: 4 },
};

/** Two slices of credit: how two guests meet is drawn anew in every replication. */
export const PHASE_NS = 60_000_000;

export interface Report {
  readonly mode: Mode;
  readonly sections: readonly Section[];
  readonly claims: readonly Claim[];
}

export interface Section {
  readonly experiment: Experiment;
  readonly claims: readonly Claim[];
  readonly plots: readonly Plot[];
}

export interface ReproduceOptions {
  readonly mode: Mode;
  /** Names of experiments; all when empty. */
  readonly figures: readonly string[];
  readonly bands: BandFile;
  readonly calibration: Calibration;
  /** By the id of a claim: why it is likely out of its band, as far as somebody knows. */
  readonly explanations: Readonly<Record<string, string>>;
  readonly pool: RunPool;
  readonly log: RunLog;
  readonly onProgress: (done: number, of: number) => void;
}

export async function reproduce(options: ReproduceOptions): Promise<Report> {
  const { mode, figures, bands, calibration, explanations, pool, log, onProgress } = options;
  const { precision, scale } = MODES[mode];
  const setting = { calibration, scale, pilot: precision.pilot };
  const chosen = EXPERIMENTS.filter(({ figure }) => figures.length === 0 || figures.includes(figure));
  const groups = chosen.flatMap((experiment) => experiment.groups(setting));
  const results = await collect(merged(groups), { precision, phaseNs: PHASE_NS, pool, log, onProgress });
  const sections = chosen.map((experiment): Section => {
    const { found, plots } = experiment.show(results, setting);
    const own = bands.claims.filter(({ figure }) => figure === experiment.figure);
    const unknown = Object.keys(found).filter((id) => !own.some((band) => band.id === id));
    if (unknown.length > 0) throw new Error(`No band is written for ${unknown.join(", ")}`);
    const claims = own.map((band) =>
      explained(judge(band, found[band.id] ?? { estimate: null, note: "not computed" }), explanations),
    );
    const name = /^\d/.test(experiment.figure) ? `figure-${experiment.figure}` : experiment.figure;
    const picture = verdicts(`${name}-verdicts`, `Verdicts: ${experiment.title.split(/[.:]/)[0]!}`, claims);
    return { experiment, claims, plots: [...plots, picture] };
  });
  return { mode, sections, claims: sections.flatMap(({ claims }) => claims) };
}

/** Only what is out of its band needs a reason. */
function explained(claim: Claim, explanations: ReproduceOptions["explanations"]): Claim {
  const why = explanations[claim.id];
  if (claim.inside !== false || why === undefined) return claim;
  return { ...claim, note: claim.note === "" ? why : `${why} (${claim.note})` };
}

/** Names what a log of runs holds results of: runs of another build are another study. The runs' keys say the rest. */
export function studyName(program: string): string {
  return `reproduce by ${program}`;
}

/** A file of its own for each study, so that a new build begins anew and nothing has to be removed. */
export function logName(study: string): string {
  return `runs-${digestOf(study)}.log`;
}

/** Groups that share a cell become one, so that all its comparisons have equally many replications. */
export function merged(groups: readonly Group[]): Group[] {
  const result: Group[] = [];
  for (const group of groups) {
    const ids = new Set(group.cells.map(({ id }) => id));
    const touching = result.filter(({ cells }) => cells.some(({ id }) => ids.has(id)));
    const all = [...touching, group];
    const cells = new Map(all.flatMap((each) => each.cells.map((cell) => [cell.id, cell] as const)));
    for (const each of touching) result.splice(result.indexOf(each), 1);
    result.push({ cells: [...cells.values()], pairs: all.flatMap(({ pairs }) => pairs) });
  }
  return result;
}
