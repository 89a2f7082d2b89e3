/**
 * Rows as CSV (RFC 4180): nested fields become columns with dotted names, as in `domains.vm1.marks`; null is empty.
 * Lists (one entry per vCPU or thread) are left to JSON: their length differs from scenario to scenario.
 */
export function renderCsv(rows: readonly object[]): string {
  const flat = rows.map((row) => new Map(columnsOf(row, "")));
  const names = [...new Set(flat.flatMap((row) => [...row.keys()]))];
  const lines = flat.map((row) => names.map((name) => cell(row.get(name))).join(","));
  return [names.map(cell).join(","), ...lines].join("\n");
}

function columnsOf(value: object, prefix: string): [string, unknown][] {
  return Object.entries(value).flatMap(([key, inner]: [string, unknown]): [string, unknown][] => {
    if (Array.isArray(inner)) return [];
    return typeof inner === "object" && inner !== null
      ? columnsOf(inner, `${prefix}${key}.`)
      : [[`${prefix}${key}`, inner]];
  });
}

function cell(value: unknown): string {
  const text = value === null || value === undefined ? "" : String(value as string | number | boolean);
  return /[",\r\n]/.test(text) ? `"${text.replaceAll('"', '""')}"` : text;
}
