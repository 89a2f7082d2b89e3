/** Which measures and combinations some threshold asks for: a sample that nobody wants to see needs no others. */
import { COMBINATIONS, type Combination, partId } from "./combination.ts";
import { MEASURES, type Measure } from "./measure.ts";
import type { Thresholds } from "./thresholds.ts";

export function watchedBy(thresholds: Thresholds): Watched {
  const hasThreshold = (id: string): boolean => (thresholds.get(id)?.value ?? null) !== null;
  const combinations = COMBINATIONS.filter(({ id }) => hasThreshold(id));
  const parts = new Set(
    combinations.flatMap((combination) =>
      combination.parts.filter((part) => hasThreshold(partId(combination, part))),
    ),
  );
  const measures = MEASURES.filter(({ id }) => hasThreshold(id) || parts.has(id));
  return { measures, combinations };
}

export interface Watched {
  readonly measures: readonly Measure[];
  readonly combinations: readonly Combination[];
}

/** Everything that there is. */
export const ALL_WATCHED: Watched = { measures: MEASURES, combinations: COMBINATIONS };
