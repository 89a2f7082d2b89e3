/**
 * Keeps those models that behave as the record does: approximate Bayesian computation by rejection (Beaumont, Zhang, Balding,
 * Genetics 162, 2002), in rounds (after Sisson, Fan, Tanaka, PNAS 104, 2007, without their weights). The first draws every
 * domain's model from all that there is; each other draws near those that came close so far, each domain by itself, since with
 * many domains hardly any draw is right for all of them at once. In half of the draws domains with equal records are alike.
 *
 * Equal keys give equal models. A model is close when none of its domains is further from the record than the tolerance.
 */
import { keyOf } from "../../sim/engine/draw.ts";
import { drawDomain, drawHost, drawModel, type Model, nearby, stream } from "./model.ts";
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
  /** Models drawn in all rounds together. */
  readonly draws: number;
  readonly simulatedNs?: number | undefined;
}

export const DRAWS = 400;
const ROUNDS = 4;
export const KEPT_MIN = 20;
export const KEPT_MAX = 40;
/** Of the rounds so far, the part that each domain's next round starts from. */
const NEAR_PART = 0.2;
/** Some hosts and domains are fresh in every round, so that none is lost for bad company. */
const FRESH = 0.3;
const ALIKE = 0.5;

/**
 * How far a simulated share may be from a recorded one, of a vCPU's time: what the simulator and a host's accounting differ by on
 * equal loads, set before any comparison. A rate, of switches, dispatches or interrupts, may be off by this factor: an emulator's own
 * locks put vCPUs to sleep that the guest keeps busy, and KVM polls for a moment before it lets one sleep.
 */
const SHARE_TOLERANCE = 0.05;
const RATE_TOLERANCE = Math.log(3);
/** Rarer dispatches are the host's housekeeping and the guest's timers, which no model has. Per second and vCPU. */
const DISPATCHES_MIN = 100;
/** Three times what a guest that computes shows: rarer ones are its kernel's own housekeeping. Per second and vCPU. */
const INTERRUPTS_MIN = 20;
const SWITCHES_MIN = 1;
/** Looks come when an emulator lets others look, which is more often here than there. A part of all looks. */
const SPINNING_TOLERANCE = 0.1;
/** What is left to work is a rate like the others; less of it than this is not told from none. */
const WORKING_MIN = 0.02;

export function fitModels(recording: Recording, options: FitOptions): Fit {
  const { draws, onProgress } = options;
  const perRound = Math.ceil(draws / ROUNDS);
  let done = 0;
  const trial = (model: Model, replication: number): Tried => {
    const placements = placementsUnder("recorded", recording);
    const { threads, simulatedNs } = options;
    const recorded = runModel({ recording, model, placements, threads, replication, simulatedNs });
    onProgress(++done, perRound * ROUNDS);
    const distances = recording.domains.map((domain, d) => distanceOf(domain, recorded[d]!));
    return { model, replication, recorded, distances, distance: Math.max(...distances) };
  };
  const all: Tried[] = [];
  for (let round = 0; round < ROUNDS; round++) {
    const before = [...all];
    for (let n = 0; n < perRound; n++) {
      const key = keyOf(round, n);
      const drawn = round === 0 ? drawModel(recording, key) : drawNear(recording, before, key);
      all.push(trial(alike(recording, drawn, keyOf(key, ALIKE_STREAM)), all.length));
    }
  }
  const tried = all.sort((a, b) => a.distance - b.distance);
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
  const host = draw() < FRESH ? drawHost(recording, keyOf(key, 1)) : oneOf(byAll).model.host;
  return {
    host,
    domains: recording.domains.map((domain, d) => {
      if (draw() < FRESH) return drawDomain(domain, keyOf(key, 3, d));
      const ranked = tried.toSorted((a, b) => a.distances[d]! - b.distances[d]!);
      return nearby(oneOf(ranked).model.domains[d]!, keyOf(key, 2, d));
    }),
  };
}

const ALIKE_STREAM = 0x616c_696b;

/** Domains with equal records often do the same work: in half of the draws they have the first one's model. */
function alike({ domains }: Recording, model: Model, key: number): Model {
  if (stream(key)() < ALIKE) return model;
  const first = domains.map((domain) => domains.findIndex((other) => looksLike(other, domain)));
  return { ...model, domains: first.map((d) => model.domains[d]!) };
}

function looksLike(a: RecordedDomain, b: RecordedDomain): boolean {
  const { run, wait, switches, dispatches, interrupts, spinning } = b;
  if (a.online !== b.online || (a.wait === null) !== (wait === null)) return false;
  const outcome = {
    rate: 0,
    run: run.mean,
    wait: wait?.mean ?? 0,
    switches: switches?.mean ?? a.switches?.mean ?? 0,
    dispatches: dispatches?.mean ?? a.dispatches?.mean ?? 0,
    interrupts: interrupts?.mean ?? a.interrupts?.mean ?? 0,
    spinning: spinning?.mean ?? a.spinning?.mean ?? 0,
  };
  return distanceOf(a, outcome) <= 1;
}

/** In tolerances; what is not recorded is not compared. */
export function distanceOf(domain: RecordedDomain, outcome: Outcome): number {
  const { online, run, wait, switches, dispatches, interrupts, spinning } = domain;
  const share = (seen: Observed | null, simulated: number) =>
    seen === null
      ? 0
      : Math.abs(simulated - seen.mean) / online / Math.hypot(SHARE_TOLERANCE, seen.error / online);
  const part = (seen: Observed | null, simulated: number, tolerance: number) =>
    seen === null ? 0 : Math.abs(simulated - seen.mean) / Math.hypot(tolerance, seen.error);
  const rate = (seen: Observed | null, simulated: number, least: number) => {
    if (seen === null) return 0;
    const recorded = Math.max(least, seen.mean);
    const tolerance = Math.hypot(RATE_TOLERANCE, seen.error / recorded);
    return Math.abs(Math.log(Math.max(least, simulated) / recorded)) / tolerance;
  };
  return Math.max(
    share(run, outcome.run),
    share(wait, outcome.wait),
    // A guest that counts no switch at all does not count them.
    switches?.mean === 0 ? 0 : rate(switches, outcome.switches, SWITCHES_MIN),
    rate(dispatches, outcome.dispatches, DISPATCHES_MIN),
    rate(interrupts, outcome.interrupts, INTERRUPTS_MIN),
    part(spinning, outcome.spinning, SPINNING_TOLERANCE),
    // Of one that spins nearly all the time, how much it gains hangs on the little that is left.
    rate(
      spinning === null ? null : { ...spinning, mean: 1 - spinning.mean },
      1 - outcome.spinning,
      WORKING_MIN,
    ),
  );
}

/** So many of them, evenly over the whole list. */
function spread<Item>(items: readonly Item[], count: number): Item[] {
  if (items.length <= count) return [...items];
  return Array.from({ length: count }, (_, i) => items[Math.floor((i * items.length) / count)]!);
}

function sum(values: readonly number[]): number {
  return values.reduce((total, value) => total + value, 0);
}
