/** Text in columns: pure, and blind to colour, which is put on after everything has its width. */

export interface Cell {
  readonly text: string;
  readonly look?: ((text: string) => string) | undefined;
}

export interface Column {
  readonly title: string;
  readonly align: "left" | "right";
  /** Cut to this width when the table is wider than the screen. */
  readonly shrinkTo?: number;
}

const GAP = 2;

/** Lines of a table no wider than `width`, if its columns may shrink so far; the title line first. */
export function renderTable(table: {
  readonly columns: readonly Column[];
  readonly rows: readonly (readonly Cell[])[];
  readonly width: number;
  readonly titleLook: (text: string) => string;
}): string[] {
  const { columns, rows, titleLook } = table;
  const natural = columns.map((column, i) =>
    Math.max(textWidth(column.title), ...rows.map((row) => textWidth(row[i]?.text ?? ""))),
  );
  const widths = shrink(natural, columns, table.width - GAP * (columns.length - 1));
  const line = (cells: readonly Cell[]): string =>
    cells
      .map(({ text, look }, i) => {
        const fitted = fit(text, widths[i]!, columns[i]!.align, i === cells.length - 1);
        return look === undefined ? fitted : look(fitted);
      })
      .join(" ".repeat(GAP))
      .trimEnd();
  return [line(columns.map(({ title }) => ({ text: title, look: titleLook }))), ...rows.map(line)];
}

/** Takes what is too much from the columns that may shrink, the widest first. */
function shrink(natural: readonly number[], columns: readonly Column[], available: number): number[] {
  const widths = [...natural];
  let excess = widths.reduce((sum, width) => sum + width, 0) - available;
  const byWidth = columns
    .map((column, i) => ({ i, least: Math.max(column.shrinkTo ?? widths[i]!, textWidth(column.title)) }))
    .sort((a, b) => widths[b.i]! - widths[a.i]! || a.i - b.i);
  for (const { i, least } of byWidth) {
    const taken = Math.min(Math.max(excess, 0), Math.max(widths[i]! - least, 0));
    widths[i] = widths[i]! - taken;
    excess -= taken;
  }
  return widths;
}

function fit(text: string, width: number, align: Column["align"], isLast: boolean): string {
  const cut = truncate(text, width);
  const space = " ".repeat(width - textWidth(cut));
  if (align === "right") return space + cut;
  return isLast ? cut : cut + space;
}

/** At most `width` wide; what was cut shows as a mark. */
export function truncate(text: string, width: number): string {
  if (textWidth(text) <= width) return text;
  return width < 1
    ? ""
    : `${Array.from(text)
        .slice(0, width - 1)
        .join("")}~`;
}

/** One column per code point: right for the names that hypervisors allow in practice. */
export function textWidth(text: string): number {
  return Array.from(text).length;
}

/** Words on lines no wider than `width`, each behind `indent`, the later ones two columns deeper. */
export function wrap(text: string, width: number, indent = ""): string[] {
  const lines: string[] = [];
  let line = "";
  for (const word of text.split(" ")) {
    const longer = line === "" ? `${lines.length === 0 ? indent : `${indent}  `}${word}` : `${line} ${word}`;
    if (line !== "" && width < textWidth(longer)) {
      lines.push(line);
      line = `${indent}  ${word}`;
    } else {
      line = longer;
    }
  }
  return [...lines, line];
}
