/** What every experiment is: the cells it needs, what it finds about claims, and the pictures of it. */
import type { Plot } from "../plot/plot.ts";
import type { Finding } from "./claim.ts";
import type { Group } from "./collect.ts";
import type { Setting } from "./platforms.ts";
import type { Results } from "./results.ts";

export interface Experiment {
  /** As on the command line: "6", "table1", "uhlig". */
  readonly figure: string;
  readonly title: string;
  /** What a reader sees in it, in two or three sentences, and what of the set-up is ours. */
  readonly text: string;
  readonly groups: (setting: Setting) => readonly Group[];
  /** Called once, when all runs are there. */
  readonly show: (results: Results, setting: Setting) => Showing;
}

export interface Showing {
  /** By the id of the claim. */
  readonly found: Readonly<Record<string, Finding>>;
  readonly plots: readonly Plot[];
}
