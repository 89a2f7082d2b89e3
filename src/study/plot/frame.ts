/** The frame of a picture: title, vertical axis with its lines, legend. What stands in it is drawn by others. */
import { scaleLinear, scaleLog } from "d3-scale";
import { PUBLISHED } from "./colours.ts";
import { PLOT_WIDTH } from "./plot.ts";
import { element, FAINT, GRID, line, SMALL, type SvgNode, TEXT_SIZE, text, widthOf } from "./svg.ts";

export interface Frame {
  readonly left: number;
  readonly right: number;
  readonly top: number;
  readonly bottom: number;
  readonly height: number;
  readonly y: (value: number) => number;
  readonly nodes: SvgNode[];
}

export interface FrameOptions {
  readonly title: string;
  readonly axis: string;
  /** From the lowest to the highest value shown. */
  readonly domain: readonly [number, number];
  readonly isLog?: boolean;
  readonly legend: readonly LegendEntry[];
  readonly height?: number;
}

export interface LegendEntry {
  readonly name: string;
  readonly colour: string;
  readonly mark?: "square" | "diamond";
}

export const DIAMOND = "M0,-6L5,0L0,6L-5,0Z";
const LEFT = 52;
const LEGEND_LINE = 18;

export function frame(options: FrameOptions): Frame {
  const { title, axis, domain, isLog = false, legend, height = 300 } = options;
  const rows = legendRows(legend);
  const top = 34 + rows.length * LEGEND_LINE + 8;
  const bottom = height - 40;
  const right = PLOT_WIDTH - 12;
  const scale = (isLog ? scaleLog() : scaleLinear())
    .domain([...domain])
    .range([bottom, top])
    .nice();
  const y = (value: number): number => Number(scale(value));
  const ticks = isLog
    ? scale.ticks(4).filter((tick) => Math.abs(Math.log10(tick) - Math.round(Math.log10(tick))) < 1e-9)
    : scale.ticks(5);
  const nodes = [
    text(title, { x: 10, y: 20, size: 13.5, bold: true }),
    ...rows.flatMap((row, r) => legendNodes(row, 34 + r * LEGEND_LINE)),
    text(axis, { x: 14, y: (top + bottom) / 2, anchor: "middle", size: SMALL, colour: FAINT, rotate: -90 }),
    ...ticks.flatMap((tick) => [
      line([LEFT, y(tick)], [right, y(tick)], { stroke: GRID }),
      text(tickName(tick), { x: LEFT - 6, y: y(tick) + 4, anchor: "end", size: SMALL, colour: FAINT }),
    ]),
  ];
  return { left: LEFT, right, top, bottom, height, y, nodes };
}

function tickName(tick: number): string {
  return Math.abs(tick) < 10_000 ? String(Number(tick.toPrecision(4))) : tick.toExponential(0);
}

function legendRows(legend: readonly LegendEntry[]): LegendEntry[][] {
  const rows: LegendEntry[][] = [];
  let used = Number.POSITIVE_INFINITY;
  for (const entry of legend) {
    const width = entryWidth(entry);
    if (PLOT_WIDTH - 20 < used + width) {
      rows.push([]);
      used = 0;
    }
    rows.at(-1)!.push(entry);
    used += width;
  }
  return rows;
}

function entryWidth({ name }: LegendEntry): number {
  return 16 + widthOf(name, SMALL) + 14;
}

function legendNodes(row: readonly LegendEntry[], y: number): SvgNode[] {
  let x = 10;
  return row.flatMap((entry) => {
    const mark =
      entry.mark === "diamond"
        ? element("path", {
            d: DIAMOND,
            transform: `translate(${x + 6} ${y + 6})`,
            fill: "#fff",
            stroke: PUBLISHED,
          })
        : element("rect", { x, y, width: 12, height: 12, fill: entry.colour });
    const nodes = [mark, text(entry.name, { x: x + 17, y: y + 10, size: SMALL })];
    x += entryWidth(entry);
    return nodes;
  });
}

/** An interval as a whisker; nothing when it is narrower than the line. */
export function whisker(x: number, from: number, to: number): SvgNode {
  if (!Number.isFinite(from + to) || Math.abs(to - from) < 0.5) return "";
  const cap = 3;
  const stroke = { stroke: "#1b1f24", "stroke-width": 1.2 };
  return [
    line([x, from], [x, to], stroke),
    line([x - cap, from], [x + cap, from], stroke),
    line([x - cap, to], [x + cap, to], stroke),
  ].join("");
}

export { TEXT_SIZE };
