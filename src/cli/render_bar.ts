/** A bar of `width` columns, filled from the left by a fraction; in eighths of a column where there is Unicode. */
export function renderBar(fraction: number, width: number, unicode: boolean): string {
  const clamped = Math.min(Math.max(fraction, 0), 1);
  if (!unicode) {
    const full = Math.round(clamped * width);
    return "#".repeat(full) + ".".repeat(width - full);
  }
  const eighths = Math.round(clamped * width * 8);
  const full = Math.floor(eighths / 8);
  const part = eighths % 8;
  return `${"█".repeat(full)}${part === 0 ? "" : PARTS[part - 1]!}`.padEnd(width, "░");
}

const PARTS = ["▏", "▎", "▍", "▌", "▋", "▊", "▉"];
