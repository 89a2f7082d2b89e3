/** Every experiment, in the order of the report. */
import type { Experiment } from "./experiment.ts";
import { figure1 } from "./figures/figure1.ts";

export const EXPERIMENTS: readonly Experiment[] = [figure1];
