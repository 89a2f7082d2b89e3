/** What one factor at a time does: a bar from the response at half its value to that at twice, the longest on top. */
import { scaleLinear } from "d3-scale";
import { PLOT_WIDTH, type Plot } from "./plot.ts";
import { drawing, element, FAINT, GRID, line, SMALL, type SvgNode, text } from "./svg.ts";

export interface TornadoOptions {
  readonly name: string;
  readonly title: string;
  readonly axis: string;
  /** The response with every factor at its own value. */
  readonly middle: number;
  readonly bars: readonly { readonly factor: string; readonly half: number; readonly twice: number }[];
}

const LEFT = 150;
const TOP = 58;
const ROW = 21;
const HALF = "#4c9fd4";
const TWICE = "#b4500a";

export function tornado({ name, title, axis, middle, bars }: TornadoOptions): Plot {
  const ends = bars.flatMap(({ half, twice }) => [half, twice, middle]);
  const x = scaleLinear()
    .domain([Math.min(...ends), Math.max(...ends)])
    .range([LEFT + 6, PLOT_WIDTH - 16])
    .nice();
  const bottom = TOP + bars.length * ROW;
  const legend = [
    element("rect", { x: 10, y: 30, width: 12, height: 12, fill: HALF }),
    text("at half its value", { x: 27, y: 40, size: SMALL }),
    element("rect", { x: 140, y: 30, width: 12, height: 12, fill: TWICE }),
    text("at twice its value", { x: 157, y: 40, size: SMALL }),
  ];
  const ticks = x
    .ticks(5)
    .flatMap((tick) => [
      line([x(tick), TOP - 4], [x(tick), bottom], { stroke: GRID }),
      text(String(tick), { x: x(tick), y: bottom + 15, anchor: "middle", size: SMALL, colour: FAINT }),
    ]);
  const drawn = bars.map(({ factor, half, twice }, i): SvgNode => {
    const y = TOP + i * ROW;
    const bar = (value: number, fill: string): SvgNode =>
      element("rect", {
        x: Math.min(x(value), x(middle)),
        y: y + 3,
        width: Math.abs(x(value) - x(middle)),
        height: ROW - 6,
        fill,
        // Both ends may lie on one side.
        "fill-opacity": 0.85,
      });
    const longerFirst = Math.abs(half - middle) < Math.abs(twice - middle);
    const both = [bar(half, HALF), bar(twice, TWICE)];
    return [
      text(factor, { x: LEFT, y: y + 15, anchor: "end", size: SMALL }),
      ...(longerFirst ? both.toReversed() : both),
    ].join("");
  });
  const body = [
    text(title, { x: 10, y: 20, size: 13.5, bold: true }),
    ...legend,
    ...ticks,
    ...drawn,
    line([x(middle), TOP - 4], [x(middle), bottom], { "stroke-width": 1.2 }),
    text(axis, { x: (LEFT + PLOT_WIDTH) / 2, y: bottom + 32, anchor: "middle", size: SMALL, colour: FAINT }),
  ];
  return {
    name,
    title,
    svg: drawing({ width: PLOT_WIDTH, height: bottom + 42 }, title, body),
    data: bars.map(({ factor, half, twice }) => ({ factor, half, middle, twice })),
  };
}
