/** A row of a table: nested fields become columns with dotted names; lists, whose length differs, are left out. */
export type Cell = string | number | boolean | null;
export type FlatRow = Record<string, Cell>;

export function flatRow(row: object): FlatRow {
  return Object.fromEntries(columnsOf(row, ""));
}

function columnsOf(value: object, prefix: string): [string, Cell][] {
  return Object.entries(value).flatMap(([key, inner]: [string, unknown]): [string, Cell][] => {
    if (Array.isArray(inner)) return [];
    return typeof inner === "object" && inner !== null
      ? columnsOf(inner, `${prefix}${key}.`)
      : [[`${prefix}${key}`, inner as Cell]];
  });
}
