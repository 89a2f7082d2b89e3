/** A picture of the report: its SVG, and the numbers it shows, so that anyone can draw it otherwise. */
import type { FlatRow } from "../runs/flat_row.ts";

export interface Plot {
  /** A file's name without ending: "figure-6". */
  readonly name: string;
  readonly title: string;
  readonly svg: string;
  readonly data: readonly FlatRow[];
}

/** Narrow enough for a phone; two stand side by side on a screen and on paper. */
export const PLOT_WIDTH = 460;
