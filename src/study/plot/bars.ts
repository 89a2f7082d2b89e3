/** Grouped bars with intervals: a group per program, a bar per policy, a diamond where the paper published the value. */
import { scaleBand } from "d3-scale";
import type { Estimate } from "../statistics/estimate.ts";
import { colourOf, PUBLISHED } from "./colours.ts";
import { DIAMOND, type FrameOptions, frame, whisker } from "./frame.ts";
import { PLOT_WIDTH, type Plot } from "./plot.ts";
import { drawing, element, line, SMALL, type SvgNode, text } from "./svg.ts";

export interface BarsOptions {
  readonly name: string;
  readonly title: string;
  readonly axis: string;
  /** A line break in a name breaks the line. */
  readonly groups: readonly string[];
  readonly series: readonly string[];
  readonly bars: readonly Bar[];
  readonly isLog?: boolean;
  /** A line across: where nothing changes. */
  readonly reference?: number;
}

export interface Bar {
  readonly group: string;
  readonly series: string;
  readonly estimate: Estimate;
  readonly published?: number;
}

export function bars(options: BarsOptions): Plot {
  const { name, title, axis, groups, series, bars: all, isLog = false, reference } = options;
  const finite = (values: readonly number[]): number[] => values.filter((value) => Number.isFinite(value));
  const highest = Math.max(
    ...finite(all.flatMap(({ estimate, published }) => [estimate.value, estimate.ci95[1], published ?? 0])),
    reference ?? 0,
  );
  const lowest = isLog
    ? Math.min(
        ...finite(all.flatMap(({ estimate, published }) => [estimate.value, published ?? estimate.value])),
      )
    : 0;
  const base = isLog ? 10 ** Math.floor(Math.log10(lowest) - 0.01) : 0;
  const domain: FrameOptions["domain"] = [base, highest * (isLog ? 2 : 1.05)];
  const hasPublished = all.some(({ published }) => published !== undefined);
  const legend = [
    ...series.map((each) => ({ name: each, colour: colourOf(each) })),
    ...(hasPublished ? [{ name: "published", colour: PUBLISHED, mark: "diamond" as const }] : []),
  ];
  const { left, right, bottom, height, y, nodes } = frame({ title, axis, domain, isLog, legend });
  const outer = scaleBand()
    .domain([...groups])
    .range([left, right])
    .paddingInner(0.25)
    .paddingOuter(0.12);
  const inner = scaleBand()
    .domain([...series])
    .range([0, outer.bandwidth()])
    .padding(0.06);
  const drawn = all.map(({ group, series: policy, estimate, published }): SvgNode => {
    const x = outer(group)! + inner(policy)!;
    const middle = x + inner.bandwidth() / 2;
    const top = y(Math.max(estimate.value, base));
    return [
      element("rect", {
        x,
        y: top,
        width: inner.bandwidth(),
        height: Math.max(0, bottom - top),
        fill: colourOf(policy),
      }),
      whisker(middle, y(Math.max(estimate.ci95[0], base)), y(Math.max(estimate.ci95[1], base))),
      published === undefined
        ? ""
        : element("path", {
            d: DIAMOND,
            transform: `translate(${middle.toFixed(2)} ${y(published).toFixed(2)})`,
            fill: "#fff",
            stroke: PUBLISHED,
            "stroke-width": 1.5,
          }),
    ].join("");
  });
  const names = groups.flatMap((group) =>
    group.split("\n").map((part, i) =>
      text(part, {
        x: outer(group)! + outer.bandwidth() / 2,
        y: bottom + 16 + i * 13,
        anchor: "middle",
        size: groups.length > 5 ? 9.5 : SMALL,
      }),
    ),
  );
  const across =
    reference === undefined
      ? []
      : [line([left, y(reference)], [right, y(reference)], { "stroke-dasharray": "4 3", "stroke-width": 1 })];
  const body = [...nodes, ...drawn, ...across, line([left, bottom], [right, bottom]), ...names];
  return {
    name,
    title,
    svg: drawing({ width: PLOT_WIDTH, height }, title, body),
    data: all.map(({ group, series: policy, estimate, published }) => ({
      group,
      series: policy,
      value: estimate.value,
      low: estimate.ci95[0],
      high: estimate.ci95[1],
      n: estimate.n,
      published: published ?? null,
    })),
  };
}
