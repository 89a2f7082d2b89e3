/** Curves with intervals over a number: speed-up over cores, work over time. */
import { scaleLinear } from "d3-scale";
import { line as path } from "d3-shape";
import type { Estimate } from "../statistics/estimate.ts";
import { colourOf } from "./colours.ts";
import { frame, whisker } from "./frame.ts";
import { PLOT_WIDTH, type Plot } from "./plot.ts";
import { drawing, element, FAINT, line, SMALL, type SvgNode, text } from "./svg.ts";

export interface CurvesOptions {
  readonly name: string;
  readonly title: string;
  readonly axis: string;
  readonly across: string;
  readonly curves: readonly Curve[];
}

export interface Curve {
  readonly series: string;
  readonly isDashed?: boolean;
  readonly points: readonly { readonly x: number; readonly estimate: Estimate }[];
}

export function curves(options: CurvesOptions): Plot {
  const { name, title, axis, across, curves: all } = options;
  const xs = [...new Set(all.flatMap(({ points }) => points.map(({ x }) => x)))].sort((a, b) => a - b);
  const highest = Math.max(...all.flatMap(({ points }) => points.map(({ estimate }) => estimate.value)));
  const legend = all.map(({ series, isDashed = false }) => ({
    name: isDashed ? `${series} (dashed)` : series,
    colour: colourOf(series.split(" ")[0]!),
  }));
  const { left, right, bottom, height, y, nodes } = frame({
    title,
    axis,
    domain: [0, highest * 1.08],
    legend,
  });
  const x = scaleLinear()
    .domain([Math.min(...xs), Math.max(...xs)])
    .range([left + 14, right - 14]);
  const drawn = all.map(({ series, isDashed = false, points }): SvgNode => {
    const colour = colourOf(series.split(" ")[0]!);
    const d = path<Curve["points"][number]>(
      (point) => x(point.x),
      (point) => y(point.estimate.value),
    )([...points]);
    return [
      element("path", {
        d: d ?? "",
        fill: "none",
        stroke: colour,
        "stroke-width": 2,
        ...(isDashed ? { "stroke-dasharray": "6 4" } : {}),
      }),
      ...points.map(({ x: at, estimate }) => whisker(x(at), y(estimate.ci95[0]), y(estimate.ci95[1]))),
      ...points.map(({ x: at, estimate }) =>
        element("circle", {
          cx: x(at),
          cy: y(estimate.value),
          r: 3.4,
          fill: isDashed ? "#fff" : colour,
          stroke: colour,
        }),
      ),
    ].join("");
  });
  const body = [
    ...nodes,
    line([left, bottom], [right, bottom]),
    ...xs.map((each) => text(String(each), { x: x(each), y: bottom + 16, anchor: "middle", size: SMALL })),
    text(across, { x: (left + right) / 2, y: bottom + 34, anchor: "middle", size: SMALL, colour: FAINT }),
    ...drawn,
  ];
  return {
    name,
    title,
    svg: drawing({ width: PLOT_WIDTH, height }, title, body),
    data: all.flatMap(({ series, points }) =>
      points.map(({ x: at, estimate }) => ({
        series,
        x: at,
        value: estimate.value,
        low: estimate.ci95[0],
        high: estimate.ci95[1],
        n: estimate.n,
      })),
    ),
  };
}
