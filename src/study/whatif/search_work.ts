/**
 * How much work there is between two meetings, searched for every domain at the same time: over the whole range first, then in
 * ever smaller steps around what was best for each. Domains that share pCPUs change each other's outcome, and a model is run as a
 * whole, so this finds a good model and not the best. It need not: where the search begins is drawn, and it ends at the first that
 * is close, so that all that are close have their turn.
 */
import { type Model, stream, WORK_NS } from "./model.ts";

/** How far each domain of a model is from its record, in tolerances. */
export type DistancesOf = (model: Model) => readonly number[];

const GRID = 4;
const REFINEMENTS = 2;
/** Well within the tolerance, since a search is run for a short time only. */
const CLOSE = 0.75;
const [LOWEST, HIGHEST] = WORK_NS.map(Math.log) as [number, number];
const GAP = (HIGHEST - LOWEST) / GRID;

interface Best {
  readonly logWork: number;
  readonly distance: number;
}

/** Domains that never meet stay as they are: their work is their own affair. */
export function searchWork(model: Model, distancesOf: DistancesOf, key: number): Model {
  if (model.domains.every(({ meeting }) => meeting === "compute")) return model;
  const draw = stream(key);
  const [offset, first] = [draw(), Math.floor(draw() * GRID)];
  let best = model.domains.map(
    ({ workNs }): Best => ({ logWork: Math.log(workNs), distance: Number.POSITIVE_INFINITY }),
  );
  /** Of each domain one; those that are close already keep what they have. */
  const tryAll = (logWorks: readonly number[]): void => {
    const tried = best.map((so, d) => (so.distance <= CLOSE ? so.logWork : logWorks[d]!));
    const distances = distancesOf(withWork(model, tried));
    best = best.map((so, d) =>
      distances[d]! < so.distance ? { logWork: tried[d]!, distance: distances[d]! } : so,
    );
  };
  const isDone = () => best.every(({ distance }) => distance <= CLOSE);
  for (let k = 0; k < GRID && !isDone(); k++) {
    const logWork = LOWEST + (((first + k) % GRID) + offset) * GAP;
    tryAll(model.domains.map(() => logWork));
  }
  for (let refinement = 1; refinement <= REFINEMENTS; refinement++) {
    const step = GAP / 3 ** refinement;
    const around = best.map(({ logWork }) => logWork);
    for (const sign of [-1, 1]) {
      if (isDone()) break;
      tryAll(around.map((logWork) => Math.min(HIGHEST, Math.max(LOWEST, logWork + sign * step))));
    }
  }
  return withWork(
    model,
    best.map(({ logWork }) => logWork),
  );
}

function withWork(model: Model, logWorks: readonly number[]): Model {
  return {
    ...model,
    domains: model.domains.map((domain, d) =>
      domain.meeting === "compute" ? domain : { ...domain, workNs: Math.exp(logWorks[d]!) },
    ),
  };
}
