/** Of all models that were tried, those that speak for each domain, and how much each counts. */
import type { Model } from "./model.ts";
import type { Outcome } from "./world.ts";

export interface FittedModel {
  readonly model: Model;
  readonly replication: number;
  readonly recorded: readonly Outcome[];
  /** For each domain, how far it and its host are from the record, in tolerances; 1 and less is close. */
  readonly distances: readonly number[];
}

export interface KeptModels {
  /** Each is kept for one of the domains at least. */
  readonly models: readonly FittedModel[];
  /** For each domain, which of them speak for it, closest first, also when nothing is close. */
  readonly kept: readonly (readonly Kept[])[];
  /** Of the domain that has fewest. */
  readonly close: number;
}

export interface Kept {
  /** Its place in `models`. */
  readonly model: number;
  /** 1 for those that are close; the less, the further it is from being so. */
  readonly weight: number;
}

export const KEPT_MIN = 20;
export const KEPT_MAX = 40;
const WEIGHT_WIDTH = 0.5;

/** At least one was tried. */
export function keepModels(tried: readonly FittedModel[]): KeptModels {
  const domains = tried[0]!.distances.map((_, d) => keptFor(tried, d));
  const models = [...new Set(domains.flatMap(({ own }) => own.map(({ one }) => one)))];
  return {
    models,
    kept: domains.map(({ own }) => own.map(({ one, weight }) => ({ model: models.indexOf(one), weight }))),
    close: Math.min(...domains.map(({ close }) => close)),
  };
}

interface KeptFor {
  readonly own: readonly { readonly one: FittedModel; readonly weight: number }[];
  readonly close: number;
}

function keptFor(tried: readonly FittedModel[], d: number): KeptFor {
  const ranked = closestFirst(tried, d);
  const close = ranked.filter(({ distances }) => distances[d]! <= 1).length;
  const best = Math.max(1, ranked[0]!.distances[d]!);
  // Those of the close ones that came first are no better than the others: they differ by less than we can tell.
  const own = spread(ranked.slice(0, Math.max(KEPT_MIN, close)), KEPT_MAX).map((one) => ({
    one,
    weight: weightAt(one.distances[d]! - best),
  }));
  return { own, close };
}

/** A model that is half a tolerance further away than one that is close counts three fifths of it; one and a half, nothing. */
function weightAt(beyond: number): number {
  return Math.exp(-((Math.max(0, beyond) / WEIGHT_WIDTH) ** 2) / 2);
}

export function closestFirst(tried: readonly FittedModel[], d: number): FittedModel[] {
  return tried.toSorted((a, b) => a.distances[d]! - b.distances[d]!);
}

/** So many of them, evenly over the whole list. */
function spread<Item>(items: readonly Item[], count: number): Item[] {
  if (items.length <= count) return [...items];
  return Array.from({ length: count }, (_, i) => items[Math.floor((i * items.length) / count)]!);
}
