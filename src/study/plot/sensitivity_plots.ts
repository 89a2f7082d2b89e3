/** Sensitivity as pictures: a tornado, and Sobol's indices. */
import type { Sensitivity } from "../sensitivity/sensitivity.ts";
import { bars } from "./bars.ts";
import type { Plot } from "./plot.ts";
import { tornado } from "./tornado.ts";

export function sensitivityPlots({ gain, tornado: ends, sobol }: Sensitivity): Plot[] {
  return [
    tornado({
      name: "sensitivity-tornado",
      title: "One constant at a time",
      axis: "mean reduction of execution time, percent",
      middle: gain.mean,
      bars: ends.slice(0, BARS),
    }),
    bars({
      name: "sensitivity-sobol",
      title: "Part of the variance that a constant explains",
      axis: "Sobol index",
      groups: sobol.map(({ factor }) => factor.replace(" ", "\n")),
      series: ["alone", "with interactions"],
      bars: sobol.flatMap(({ factor, first, firstCi95, total, totalCi95 }) => {
        const group = factor.replace(" ", "\n");
        return [
          { group, series: "alone", estimate: { value: Math.max(0, first), ci95: firstCi95, n: 1 } },
          {
            group,
            series: "with interactions",
            estimate: { value: Math.max(0, total), ci95: totalCi95, n: 1 },
          },
        ];
      }),
    }),
  ];
}

/** What is below these changes nothing that one could see. */
const BARS = 14;
