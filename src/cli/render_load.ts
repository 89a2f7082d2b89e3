/** What a guest's load monitor says: each measure beside its threshold. */
import type { LoadView, MeasureView } from "../protocol/state_view.ts";
import { type Cell, renderTable } from "./columns.ts";
import type { Style } from "./style.ts";

/** Those with a threshold first, the nearest to it on top; then the rest in the order of the monitor. */
export function renderLoad(load: LoadView, { width, style }: { width: number; style: Style }): string[] {
  const rows = load.measures.flatMap((measure): { cells: Cell[]; ratio: number }[] => {
    const highest = highestOf(measure);
    if (highest === null) return [];
    const ratio = ratioOf(measure, highest.value);
    const exceeds = measure.threshold !== null && measure.threshold < highest.value;
    const look = exceeds ? style.warn : undefined;
    return [
      {
        ratio: ratio ?? -1,
        cells: [
          { text: measure.measure, look },
          { text: renderNumber(highest.value), look },
          { text: measure.threshold === null ? "-" : renderNumber(measure.threshold) },
          { text: exceeds ? "exceeds" : "", look },
          { text: measure.unit, look: style.faint },
          { text: whereOf(measure, highest.subject) },
          { text: measure.threshold === null ? "" : (measure.origin ?? ""), look: style.faint },
        ],
      },
    ];
  });
  if (rows.length === 0) return ["  Nothing was measured yet"];
  return renderTable({
    width,
    titleLook: style.faint,
    columns: [
      { title: "measure", align: "left", shrinkTo: 20 },
      { title: "highest", align: "right" },
      { title: "threshold", align: "right" },
      { title: "", align: "left", dropRank: 2 },
      { title: "unit", align: "left", dropRank: 4 },
      { title: "where", align: "left", dropRank: 1 },
      { title: "set by", align: "left", dropRank: 3 },
    ],
    rows: rows.toSorted((a, b) => b.ratio - a.ratio).map(({ cells }) => cells),
  });
}

/** How near the load is to where the guest asks: 1 is the threshold. `null`: nothing is watched. */
export function nearestRatio({ measures }: LoadView): number | null {
  const ratios = measures.flatMap((measure) => {
    const highest = highestOf(measure);
    const ratio = highest === null ? null : ratioOf(measure, highest.value);
    return ratio === null ? [] : [ratio];
  });
  return ratios.length === 0 ? null : Math.max(...ratios);
}

/** Three digits that matter: 1.84, 0.00012, 2,310,000,000 as 2.31e9. */
export function renderNumber(value: number): string {
  if (value === 0) return "0";
  const size = Math.abs(value);
  if (LARGE <= size || size < SMALL) return value.toExponential(2).replace("e+", "e");
  return String(Number(size < 100 ? value.toPrecision(3) : value.toFixed(0)));
}

const LARGE = 1e7;
const SMALL = 1e-4;

interface Highest {
  readonly value: number;
  readonly subject: number;
}

function highestOf({ values, subjects }: MeasureView): Highest | null {
  let highest: Highest | null = null;
  for (const [i, value] of values.entries()) {
    if (value !== null && (highest === null || highest.value < value)) {
      highest = { value, subject: subjects[i] ?? -1 };
    }
  }
  return highest;
}

function ratioOf({ threshold }: MeasureView, value: number): number | null {
  if (threshold === null) return null;
  return threshold === 0 ? (0 < value ? RATIO_MAX : 0) : value / threshold;
}

/** A threshold of 0 is exceeded by anything. */
const RATIO_MAX = 99;

function whereOf({ measure }: MeasureView, subject: number): string {
  if (subject < 0) return "VM";
  return `${measure.startsWith("node.") ? "node" : "vCPU"} ${subject}`;
}
