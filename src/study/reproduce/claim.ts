/** A claim with what the model predicts, and the verdict. This is the form of `--json` (with `what` and `unit` beside it). */
import type { Interval } from "../statistics/estimate.ts";
import type { Band } from "./bands.ts";
import type { Tested } from "./probe.ts";

export interface Claim extends Omit<Band, "rule"> {
  readonly rule: string;
  /** Null when the model cannot say. */
  readonly predicted: number | null;
  /** Null where nothing varies that is random: an exact number, or a constant. */
  readonly ci95: Interval | null;
  /** Null for an input, which is no claim. */
  readonly inside: boolean | null;
  readonly note: string;
  /** Reasons that were tested by an experiment, when it is out of its band. */
  readonly tested: readonly Tested[];
}

/** What an experiment says about a claim. */
export interface Finding {
  /** Without an interval where nothing varies; null when the model cannot say. */
  readonly estimate: { readonly value: number; readonly ci95?: Interval } | null;
  readonly note?: string;
}

export function judge(band: Band, { estimate, note = "" }: Finding): Claim {
  const known = estimate !== null && Number.isFinite(estimate.value) ? estimate : null;
  const ci95 = known?.ci95 ?? null;
  return {
    ...band,
    predicted: known === null ? null : rounded(known.value),
    ci95: ci95 === null ? null : [rounded(ci95[0]), rounded(ci95[1])],
    inside:
      band.role === "input"
        ? null
        : known !== null && isInside(band.band, ci95 ?? [known.value, known.value]),
    note,
    tested: [],
  };
}

/** The whole interval, not just its middle: an equivalence test (two one-sided tests at 2.5 %). */
function isInside([low, high]: Band["band"], [from, to]: Interval): boolean {
  return (low ?? Number.NEGATIVE_INFINITY) <= from && to <= (high ?? Number.POSITIVE_INFINITY);
}

/** Six digits: more would be noise, and would differ between machines whose logarithms differ in the last bit. */
function rounded(value: number): number {
  return Number.isFinite(value) ? Number(value.toPrecision(6)) : value;
}
