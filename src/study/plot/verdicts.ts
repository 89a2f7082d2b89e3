/**
 * Claims against their bands, a row each: the band as a green bar, the prediction as a dot with its interval, the
 * published number as a diamond. Every row has a scale of its own, so that seconds and factors can stand together.
 */
import { scaleLinear } from "d3-scale";
import type { Claim } from "../reproduce/claim.ts";
import { BAND, INSIDE, OUTSIDE, PUBLISHED } from "./colours.ts";
import { DIAMOND } from "./frame.ts";
import { PLOT_WIDTH, type Plot } from "./plot.ts";
import { drawing, element, FAINT, line, SMALL, type SvgNode, text } from "./svg.ts";

const ROW = 40;
const TOP = 52;
const LEFT = 12;
const NUMBERS = 96;

export function verdicts(name: string, title: string, claims: readonly Claim[]): Plot {
  const shown = claims.filter(({ inside }) => inside !== null);
  const right = PLOT_WIDTH - NUMBERS;
  const legend = [
    element("rect", { x: LEFT, y: 30, width: 16, height: 10, fill: BAND, stroke: "#9fcdb2" }),
    text("band", { x: 34, y: 39, size: SMALL }),
    element("circle", { cx: 84, cy: 35, r: 4.5, fill: INSIDE }),
    element("circle", { cx: 96, cy: 35, r: 4.5, fill: OUTSIDE }),
    text("prediction in, out", { x: 106, y: 39, size: SMALL }),
    element("path", { d: DIAMOND, transform: "translate(232 35)", fill: "#fff", stroke: PUBLISHED }),
    text("published", { x: 242, y: 39, size: SMALL }),
  ];
  const rows = shown.map((claim, i) => row(claim, TOP + i * ROW, right));
  const height = TOP + shown.length * ROW + 8;
  const body = [text(title, { x: 10, y: 20, size: 13.5, bold: true }), ...legend, ...rows];
  return {
    name,
    title,
    svg: drawing({ width: PLOT_WIDTH, height }, title, body),
    data: shown.map(({ id, published, predicted, ci95, band, inside }) => ({
      id,
      published,
      predicted,
      low: ci95?.[0] ?? null,
      high: ci95?.[1] ?? null,
      bandLow: band[0],
      bandHigh: band[1],
      inside,
    })),
  };
}

function row(claim: Claim, top: number, right: number): SvgNode {
  const { id, what, published, predicted, ci95, band, inside } = claim;
  const middle = top + 24;
  const scale = scaleOf(claim, right);
  const at = (value: number): number => Math.min(right, Math.max(LEFT, scale(value)));
  const colour = inside === true ? INSIDE : OUTSIDE;
  const [from, to] = [at(band[0] ?? Number.NEGATIVE_INFINITY), at(band[1] ?? Number.POSITIVE_INFINITY)];
  return [
    text(shortened(`${id}  ${what}`), { x: LEFT, y: top + 11, size: 9.5, colour: FAINT }),
    line([LEFT, middle], [right, middle], { stroke: "#e6e9ed" }),
    element("rect", {
      x: from,
      y: middle - 6,
      width: Math.max(2, to - from),
      height: 12,
      fill: BAND,
      stroke: "#9fcdb2",
    }),
    ci95 === null || !Number.isFinite(ci95[0] + ci95[1])
      ? ""
      : line([at(ci95[0]), middle], [at(ci95[1]), middle], { stroke: colour, "stroke-width": 2 }),
    predicted === null ? "" : element("circle", { cx: at(predicted), cy: middle, r: 4.5, fill: colour }),
    typeof published === "number"
      ? element("path", {
          d: DIAMOND,
          transform: `translate(${at(published).toFixed(2)} ${middle})`,
          fill: "#fff",
          "fill-opacity": 0.6,
          stroke: PUBLISHED,
        })
      : "",
    text(`${short(predicted)} ${typeof published === "number" ? `(${short(published)})` : ""}`, {
      x: right + 8,
      y: middle + 4,
      size: SMALL,
      colour,
      bold: true,
    }),
  ].join("");
}

/** Whatever must be seen, with a margin; a prediction far away stands at the edge. */
function scaleOf({ published, predicted, band }: Claim, right: number): (value: number) => number {
  const ends = [band[0], band[1], typeof published === "number" ? published : null].filter(
    (end) => end !== null,
  );
  const seen = [...ends, predicted ?? ends[0]!];
  const [low, high] = [Math.min(...seen), Math.max(...seen)];
  const span = Math.max(high - low, Math.abs(high) * 0.1, 1e-9);
  const scale = scaleLinear()
    .domain([low - 0.25 * span, high + 0.25 * span])
    .range([LEFT, right]);
  return (value) => (Number.isFinite(value) ? scale(value) : value < 0 ? LEFT : right);
}

const WHAT_CHARACTERS = 82;

function shortened(what: string): string {
  return what.length <= WHAT_CHARACTERS ? what : `${what.slice(0, WHAT_CHARACTERS - 1)}…`;
}

/** Three digits, as people read them. */
export function short(value: number | null): string {
  if (value === null) return "none";
  if (!Number.isFinite(value)) return value > 0 ? "∞" : "-∞";
  const size = Math.abs(value);
  if (size === 0) return "0";
  if (10_000 <= size || size < 0.001) return value.toExponential(1);
  return String(Number(value.toPrecision(3)));
}
