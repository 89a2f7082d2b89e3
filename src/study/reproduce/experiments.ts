/** Every experiment, in the order of the report. */
import type { Experiment } from "./experiment.ts";
import { figure1 } from "./figures/figure1.ts";
import { figure2 } from "./figures/figure2.ts";
import { flexcore } from "./figures/flexcore.ts";
import { micro } from "./figures/micro.ts";
import { overall } from "./figures/overall.ts";
import { figure6, figure7, figure8, figure9 } from "./figures/parsec.ts";
import { figure10, figure11 } from "./figures/phoenix.ts";
import { robustness } from "./figures/robustness.ts";
import { southern } from "./figures/southern.ts";
import { table1Experiment } from "./figures/table1.ts";
import { uhlig } from "./figures/uhlig.ts";
import { vscale } from "./figures/vscale.ts";

export const EXPERIMENTS: readonly Experiment[] = [
  figure1,
  figure2,
  figure6,
  figure7,
  figure8,
  figure9,
  figure10,
  figure11,
  overall,
  table1Experiment,
  uhlig,
  southern,
  flexcore,
  vscale,
  micro,
  robustness,
];
