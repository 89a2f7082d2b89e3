/** Sums over a domain's vCPUs and over its measures: what one line of the table can say. */
import type { DomainView, MeasureView } from "../protocol/state_view.ts";

export interface Sums {
  /** Percent of the pCPUs that its vCPUs in use have. */
  readonly run: number | null;
  readonly wait: number | null;
  readonly steal: number | null;
}

export function sumsOf({ vcpus }: DomainView): Sums {
  const used = vcpus.filter(({ online }) => online !== false);
  return {
    run: mean(used.map(({ runPercent }) => runPercent)),
    wait: mean(used.map(({ waitPercent }) => waitPercent)),
    steal: mean(used.map(({ stealPercent }) => stealPercent)),
  };
}

export interface Worst {
  /** Value over threshold; above 1 it exceeds. */
  readonly ratio: number;
  readonly text: string;
}

/** The measure that is furthest over its threshold, or nearest to it; `null` where none is watched. */
export function worstMeasure({ load }: DomainView): Worst | null {
  let worst: Worst | null = null;
  for (const measure of load?.measures ?? []) {
    const { threshold } = measure;
    if (threshold === null || threshold <= 0) continue;
    measure.values.forEach((value, place) => {
      const ratio = value === null ? -1 : value / threshold;
      if (ratio < 0 || (worst !== null && ratio <= worst.ratio)) return;
      worst = { ratio, text: `${measure.measure}${subjectText(measure, place)}` };
    });
  }
  return worst;
}

export function subjectText({ measure, subjects }: MeasureView, place: number): string {
  const subject = subjects[place];
  if (subject === undefined || subject < 0) return "";
  return measure.startsWith("node.") ? ` of node ${subject}` : ` of vCPU ${subject}`;
}

function mean(values: readonly (number | null)[]): number | null {
  const known = values.filter((value) => value !== null);
  return known.length === 0 ? null : known.reduce((sum, value) => sum + value, 0) / known.length;
}
