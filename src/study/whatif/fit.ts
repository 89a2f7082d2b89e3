/**
 * Keeps those models that behave as the record does: approximate Bayesian computation by rejection (Beaumont, Zhang, Balding,
 * Genetics 162, 2002), in two rounds. The first draws every domain's model from all that there is; the second draws near those
 * that came close, each domain by itself, since with many domains hardly any draw is right for all of them at once.
 *
 * Equal keys give equal models. A model is close when none of its domains is further from the record than the tolerance.
 */
import { keyOf } from "../../sim/engine/draw.ts";
import { drawHost, drawModel, type Model, nearby, stream } from "./model.ts";
import { placementsUnder } from "./policies.ts";
import type { Observed, RecordedDomain, Recording } from "./recording.ts";
import { type Outcome, runModel, type ThreadRule } from "./world.ts";

export interface FittedModel {
  readonly model: Model;
  readonly replication: number;
  readonly recorded: readonly Outcome[];
  /** Of the domain that is furthest from the record, in tolerances; 1 and less is close. */
  readonly distance: number;
}

export interface Fit {
  /** Closest first; at least `KEPT_MIN`, also when nothing is close. */
  readonly models: readonly FittedModel[];
  readonly tried: number;
  readonly close: number;
}

export interface FitOptions {
  readonly threads: ThreadRule;
  readonly onProgress: (done: number, of: number) => void;
  /** Models drawn in each round. */
  readonly draws: number;
}

export const DRAWS = 120;
export const KEPT_MIN = 20;
export const KEPT_MAX = 40;
/** Of the first round, the part that each domain's second round starts from. */
const NEAR_PART = 0.2;
/** Half of the second round's hosts are fresh, so that none is lost for bad company. */
const FRESH_HOST = 0.5;

/**
 * How far a simulated share may be from a recorded one, of a vCPU's time: what the simulator and a host's accounting differ by on
 * equal loads, set before any comparison. A rate of switches may be off by this factor.
 */
const SHARE_TOLERANCE = 0.05;
const SWITCHES_TOLERANCE = Math.log(3);

export function fitModels(recording: Recording, options: FitOptions): Fit {
  const { draws, onProgress } = options;
  let done = 0;
  const trial = (model: Model, replication: number): Tried => {
    const placements = placementsUnder("recorded", recording);
    const recorded = runModel({ recording, model, placements, threads: options.threads, replication });
    onProgress(++done, 2 * draws);
    const distances = recording.domains.map((domain, d) => distanceOf(domain, recorded[d]!));
    return { model, replication, recorded, distances, distance: Math.max(...distances) };
  };
  const first = Array.from({ length: draws }, (_, n) => trial(drawModel(recording, keyOf(1, n)), n));
  const second = Array.from({ length: draws }, (_, n) =>
    trial(drawNear(recording, first, keyOf(2, n)), draws + n),
  );
  const tried = [...first, ...second].sort((a, b) => a.distance - b.distance);
  const close = tried.filter(({ distance }) => distance <= 1).length;
  return {
    // Those of the close ones that came first are no better than the others: they differ by less than we can tell.
    models: spread(tried.slice(0, Math.max(KEPT_MIN, close)), KEPT_MAX),
    tried: tried.length,
    close,
  };
}

interface Tried extends FittedModel {
  /** One for each domain. */
  readonly distances: readonly number[];
}

function drawNear(recording: Recording, tried: readonly Tried[], key: number): Model {
  const draw = stream(key);
  const kept = Math.max(1, Math.round(NEAR_PART * tried.length));
  const oneOf = (ranked: readonly Tried[]) => ranked[Math.floor(draw() * kept)]!;
  const byAll = tried.toSorted((a, b) => sum(a.distances) - sum(b.distances));
  const host = draw() < FRESH_HOST ? drawHost(recording, keyOf(key, 1)) : oneOf(byAll).model.host;
  return {
    host,
    domains: recording.domains.map((_, d) => {
      const ranked = tried.toSorted((a, b) => a.distances[d]! - b.distances[d]!);
      return nearby(oneOf(ranked).model.domains[d]!, keyOf(key, 2, d));
    }),
  };
}

/** In tolerances; what is not recorded is not compared. */
export function distanceOf(domain: RecordedDomain, outcome: Outcome): number {
  const { online, run, wait, switches } = domain;
  const share = (seen: Observed | null, simulated: number) =>
    seen === null
      ? 0
      : Math.abs(simulated - seen.mean) / online / Math.hypot(SHARE_TOLERANCE, seen.error / online);
  const rate =
    switches === null || switches.mean <= 0
      ? 0
      : Math.abs(Math.log(Math.max(1, outcome.switches) / Math.max(1, switches.mean))) / SWITCHES_TOLERANCE;
  return Math.max(share(run, outcome.run), share(wait, outcome.wait), rate);
}

/** So many of them, evenly over the whole list. */
function spread<Item>(items: readonly Item[], count: number): Item[] {
  if (items.length <= count) return [...items];
  return Array.from({ length: count }, (_, i) => items[Math.floor((i * items.length) / count)]!);
}

function sum(values: readonly number[]): number {
  return values.reduce((total, value) => total + value, 0);
}
