/**
 * Keeps those models that behave as the record does: approximate Bayesian computation by rejection (Beaumont, Zhang, Balding,
 * Genetics 162, 2002). Whatever a record cannot say is drawn, and how much work there is between two meetings is then searched,
 * domain by domain: it decides more than all else how a model behaves, so that of models drawn with it hardly one in a hundred is
 * close. The second half of the draws begins near what came close in the first: hosts, and half of the domains' models.
 *
 * Every domain has models of its own: those that behave as it does on a host whose other domains are roughly right, since on a
 * host with many domains no draw is right for all of them. In half of the draws domains with similar records are alike. Equal keys
 * give equal models.
 */
import { keyOf } from "../../sim/engine/draw.ts";
import { distanceOf } from "./distance.ts";
import { closestFirst, type FittedModel, type KeptModels, keepModels } from "./keep_models.ts";
import { drawModel, type Model, nearby, stream } from "./model.ts";
import { placementsUnder } from "./policies.ts";
import type { RecordedDomain, Recording } from "./recording.ts";
import { searchWork } from "./search_work.ts";
import { type Outcome, runModel, type ThreadRule } from "./world.ts";

export interface Fit extends KeptModels {
  readonly tried: number;
}

export interface FitOptions {
  readonly threads: ThreadRule;
  readonly onProgress: (done: number, of: number) => void;
  /** How many models; each is run up to nine times, all but the last for a short time. */
  readonly draws: number;
  readonly simulatedNs?: number | undefined;
}

export const DRAWS = 400;
/** Of the first half, the part that hosts of the second half come from. */
const NEAR_PART = 0.2;
/** Some hosts are drawn afresh all the same, and half of the domains. */
const FRESH = 0.3;
const FRESH_DOMAIN = 0.5;
const ALIKE = 0.5;
/** In tolerances: records of domains that do the same differ by as much. */
const SIMILAR = 2;
/** What other domains do matters less than what it does itself. */
const OTHERS_PART = 1 / 3;

export function fitModels(recording: Recording, options: FitOptions): Fit {
  const { draws, onProgress, threads, simulatedNs } = options;
  const placements = placementsUnder("recorded", recording);
  const trial = (model: Model, replication: number, ns = simulatedNs): FittedModel => {
    const recorded = runModel({ recording, model, placements, threads, replication, simulatedNs: ns });
    const own = recording.domains.map((domain, d) => distanceOf(domain, recorded[d]!));
    return { model, replication, recorded, distances: withOthers(own) };
  };
  const searchNs = Math.min(simulatedNs ?? SEARCH_NS, SEARCH_NS);
  const tried: FittedModel[] = [];
  for (let n = 0; n < draws; n++) {
    const key = keyOf(DRAW_STREAM, n);
    const near = drawNear(recording, n < draws / 2 ? [] : tried.slice(0, draws / 2), key);
    const drawn = alike(recording, near, keyOf(key, ALIKE_STREAM));
    const shortly = (model: Model) => trial(model, n, searchNs).distances;
    tried.push(trial(searchWork(drawn, shortly, keyOf(key, SEARCH_STREAM)), n));
    onProgress(n + 1, draws);
  }
  return { tried: tried.length, ...keepModels(tried) };
}

const DRAW_STREAM = 0x6472_6177;
/** Long enough to tell better from worse. */
const SEARCH_NS = 200_000_000;
const SEARCH_STREAM = 0x7365_6172;

/** `tried`: none for a model of its own. */
function drawNear(recording: Recording, tried: readonly FittedModel[], key: number): Model {
  const fresh = drawModel(recording, key);
  if (tried.length === 0) return fresh;
  const draw = stream(keyOf(key, NEAR_STREAM));
  const oneOf = (ranked: readonly FittedModel[]) =>
    ranked[Math.floor(draw() * Math.max(1, NEAR_PART * ranked.length))]!.model;
  const byAll = tried.toSorted((a, b) => sum(a.distances) - sum(b.distances));
  return {
    host: draw() < FRESH ? fresh.host : oneOf(byAll).host,
    domains: fresh.domains.map((own, d) =>
      draw() < FRESH_DOMAIN
        ? own
        : nearby(oneOf(closestFirst(tried, d)).domains[d]!, keyOf(key, NEAR_STREAM, d)),
    ),
  };
}

const NEAR_STREAM = 0x6e65_6172;

/** A domain is no better than the host that it was run on. */
function withOthers(own: readonly number[]): number[] {
  return own.map((distance, d) =>
    Math.max(distance, ...own.map((other, e) => (e === d ? 0 : OTHERS_PART * other))),
  );
}

const ALIKE_STREAM = 0x616c_696b;

/** Domains with similar records often do the same work: in half of the draws they have the first one's model. */
function alike({ domains }: Recording, model: Model, key: number): Model {
  if (stream(key)() < ALIKE) return model;
  const first = domains.map((domain) => domains.findIndex((other) => looksLike(other, domain)));
  return { ...model, domains: first.map((d) => model.domains[d]!) };
}

function looksLike(a: RecordedDomain, b: RecordedDomain): boolean {
  const { run, wait, switches, dispatches, interrupts, spinning, inKernel, stacking } = b;
  if (a.online !== b.online || (a.wait === null) !== (wait === null)) return false;
  const outcome: Outcome = {
    rate: 0,
    run: run.mean,
    wait: wait?.mean ?? 0,
    switches: switches?.mean ?? a.switches?.mean ?? 0,
    dispatches: dispatches?.mean ?? a.dispatches?.mean ?? 0,
    interrupts: interrupts?.mean ?? a.interrupts?.mean ?? 0,
    spinning: spinning?.mean ?? a.spinning?.mean ?? 0,
    inKernel: [inKernel?.mean ?? 0, inKernel?.mean ?? 1],
    stacking: stacking?.mean ?? null,
  };
  return distanceOf(a, outcome) <= SIMILAR;
}

function sum(values: readonly number[]): number {
  return values.reduce((total, value) => total + value, 0);
}
