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
import { collect, type Precision } from "./collect.ts";
import type { Experiment } from "./experiment.ts";
import { EXPERIMENTS } from "./experiments.ts";
import { merged } from "./merged.ts";
import type { Probe } from "./probe.ts";
import { testReasons } from "./test_reasons.ts";

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
  /** Experiments on those reasons; none: nothing is tested. */
  readonly probes: readonly Probe[];
  readonly pool: RunPool;
  readonly log: RunLog;
  readonly onProgress: (done: number, of: number) => void;
}

export async function reproduce(options: ReproduceOptions): Promise<Report> {
  const { mode, figures, bands, calibration, explanations, probes, pool, log, onProgress } = options;
  const { precision, scale } = MODES[mode];
  const setting = { calibration, scale, pilot: precision.pilot };
  const how = { precision, phaseNs: PHASE_NS, pool, log, onProgress };
  const chosen = EXPERIMENTS.filter(({ figure }) => figures.length === 0 || figures.includes(figure));
  const groups = chosen.flatMap((experiment) => experiment.groups(setting));
  const results = await collect(merged(groups), how);
  const shown = chosen.map((experiment) => {
    const { found, plots } = experiment.show(results, setting);
    const own = bands.claims.filter(({ figure }) => figure === experiment.figure);
    const unknown = Object.keys(found).filter((id) => !own.some((band) => band.id === id));
    if (unknown.length > 0) throw new Error(`No band is written for ${unknown.join(", ")}`);
    const judged = own.map((band) => judge(band, found[band.id] ?? { estimate: null, note: "not computed" }));
    return { experiment, plots, judged };
  });
  const tested = await testReasons(
    shown.map(({ experiment, judged }) => ({ experiment, claims: judged })),
    { probes, setting, how },
  );
  const sections = shown.map(({ experiment, judged, plots }): Section => {
    const claims = judged.map((claim) =>
      explained({ ...claim, tested: tested.get(claim.id) ?? [] }, explanations),
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
