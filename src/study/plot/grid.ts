/** A table of yes and no as a picture: dark for yes, a red frame where the paper says otherwise. */
import { OUTSIDE } from "./colours.ts";
import { PLOT_WIDTH, type Plot } from "./plot.ts";
import { drawing, element, FAINT, SMALL, type SvgNode, text } from "./svg.ts";

export interface GridOptions {
  readonly name: string;
  readonly title: string;
  readonly columns: readonly string[];
  readonly rows: readonly { readonly name: string; readonly cells: readonly GridCell[] }[];
}

export interface GridCell {
  readonly column: string;
  readonly has: boolean;
  readonly differs: boolean;
  readonly value: number;
}

const LEFT = 124;
const TOP = 104;
const ROW = 32;
const YES = "#46586a";
const NO = "#eef1f4";

export function grid({ name, title, columns, rows }: GridOptions): Plot {
  const width = (PLOT_WIDTH - LEFT - 26) / columns.length;
  const height = TOP + rows.length * ROW + 10;
  const heads = columns.map((column, c) =>
    text(column, { x: LEFT + c * width + width / 3, y: TOP - 8, size: SMALL, rotate: -42 }),
  );
  const body = rows.flatMap(({ name: issue, cells }, r): SvgNode[] => {
    const y = TOP + r * ROW;
    return [
      text(issue, { x: LEFT - 8, y: y + 20, anchor: "end", size: SMALL }),
      ...cells.map(({ has, differs, value }, c) =>
        cell({ x: LEFT + c * width, y, width, has, differs, value }),
      ),
    ];
  });
  return {
    name,
    title,
    svg: drawing({ width: PLOT_WIDTH, height }, title, [
      text(title, { x: 10, y: 20, size: 13.5, bold: true }),
      ...heads,
      ...body,
    ]),
    data: rows.flatMap(({ name: issue, cells }) =>
      cells.map(({ column, has, differs, value }) => ({ issue, scheduler: column, has, differs, value })),
    ),
  };
}

function cell(
  at: Omit<GridCell, "column"> & { readonly x: number; readonly y: number; readonly width: number },
): SvgNode {
  const { x, y, width, has, differs, value } = at;
  return [
    element("rect", {
      x: x + 2,
      y: y + 2,
      width: width - 4,
      height: ROW - 4,
      fill: has ? YES : NO,
      ...(differs ? { stroke: OUTSIDE, "stroke-width": 3 } : {}),
    }),
    text(has ? "yes" : "no", {
      x: x + width / 2,
      y: y + 15,
      anchor: "middle",
      size: SMALL,
      bold: true,
      colour: has ? "#fff" : "#1b1f24",
    }),
    text(String(Number(value.toPrecision(2))), {
      x: x + width / 2,
      y: y + 26,
      anchor: "middle",
      size: 8.5,
      colour: has ? "#fff" : FAINT,
    }),
  ].join("");
}
