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
  /** Left out altogether when shrinking is not enough: the column of the highest number first. */
  readonly dropRank?: number;
}

const GAP = 2;

/** Lines of a table no wider than `width`; the title line first. */
export function renderTable(table: {
  readonly columns: readonly Column[];
  readonly rows: readonly (readonly Cell[])[];
  readonly width: number;
  readonly titleLook: (text: string) => string;
}): string[] {
  const titles = table.columns.map(({ title }): Cell => ({ text: title, look: table.titleLook }));
  const lines = [titles, ...table.rows];
  const natural = table.columns.map((_, i) =>
    Math.max(...lines.map((cells) => textWidth(cells[i]?.text ?? ""))),
  );
  const kept = keep(table.columns, natural, table.width);
  const widths = shrink(table.columns, natural, kept, table.width - GAP * (kept.length - 1));
  return lines.map((cells) =>
    kept
      .map((column, i) => {
        const { text, look } = cells[column]!;
        const fitted = fit(text, widths[i]!, table.columns[column]!.align, i === kept.length - 1);
        return look === undefined ? fitted : look(fitted);
      })
      .join(" ".repeat(GAP))
      .trimEnd(),
  );
}

/** The least width of a column, for its title says what it is. */
function leastWidth({ title, shrinkTo }: Column, natural: number): number {
  return Math.min(natural, Math.max(shrinkTo ?? natural, textWidth(title)));
}

/** The indexes of the columns that fit when all are as narrow as they may be. */
function keep(columns: readonly Column[], natural: readonly number[], width: number): number[] {
  const needs = (indexes: readonly number[]): number =>
    indexes.reduce((sum, i) => sum + leastWidth(columns[i]!, natural[i]!) + GAP, -GAP);
  let kept = columns.map((_, i) => i);
  const droppable = kept
    .filter((i) => columns[i]!.dropRank !== undefined)
    .sort((a, b) => columns[b]!.dropRank! - columns[a]!.dropRank!);
  for (const drop of droppable) {
    if (needs(kept) <= width) break;
    kept = kept.filter((i) => i !== drop);
  }
  return kept;
}

/** The widths of the kept columns: what is too much is taken from the widest first; when all else fails, from any. */
function shrink(
  columns: readonly Column[],
  natural: readonly number[],
  kept: readonly number[],
  available: number,
): number[] {
  const widths = kept.map((i) => natural[i]!);
  let excess = widths.reduce((sum, width) => sum + width, 0) - available;
  const widestFirst = kept.map((_, k) => k).sort((a, b) => widths[b]! - widths[a]! || a - b);
  for (const least of [(i: number) => leastWidth(columns[i]!, natural[i]!), () => 1]) {
    for (const k of widestFirst) {
      const taken = Math.min(Math.max(excess, 0), Math.max(widths[k]! - least(kept[k]!), 0));
      widths[k] = widths[k]! - taken;
      excess -= taken;
    }
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
