/** A bar of `width` columns, filled from the left by a fraction; in eighths of a column where there is Unicode. */
export function renderBar(fraction: number, width: number, unicode: boolean): string {
  const filled = Math.min(Math.max(fraction, 0), 1) * width;
  if (!unicode) return "#".repeat(Math.round(filled)).padEnd(width, ".");
  const eighths = Math.round(filled * 8);
  const part = eighths % 8;
  return `${"█".repeat(Math.floor(eighths / 8))}${part === 0 ? "" : PARTS[part - 1]!}`.padEnd(width, "░");
}

const PARTS = ["▏", "▎", "▍", "▌", "▋", "▊", "▉"];

/** What runs from the left, and behind it what waits, both as fractions of the whole bar. */
export function renderLoadBar(
  load: { readonly run: number; readonly wait: number },
  width: number,
  unicode: boolean,
): string {
  const run = Math.min(Math.max(load.run, 0), 1);
  const waitColumns = Math.round(Math.min(Math.max(load.wait, 0), 1 - run) * width);
  if (waitColumns === 0) return renderBar(run, width, unicode);
  const runColumns = Math.min(Math.round(run * width), width - waitColumns);
  const [full, wait, rest] = unicode ? (["█", "▒", "░"] as const) : (["#", "w", "."] as const);
  return (full.repeat(runColumns) + wait.repeat(waitColumns)).padEnd(width, rest);
}
