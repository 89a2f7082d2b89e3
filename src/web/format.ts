/** Numbers and times as the page shows them: short, with their unit, a dash for what is not known. */

export const UNKNOWN = "–";

export function percent(value: number | null): string {
  return value === null ? UNKNOWN : `${Math.round(value)} %`;
}

/** 1500 thousandths of a pCPU are "1.5". */
export function pcpus(milli: number | null): string {
  if (milli === null) return UNKNOWN;
  return String(Math.round(milli / 10) / 100);
}

export function count(value: number | null): string {
  return value === null ? UNKNOWN : String(value);
}

/** "1 vCPU", "2 vCPUs". */
export function counted(number: string, thing: string): string {
  return `${number} ${thing}${number === "1" ? "" : "s"}`;
}

/** Three significant digits at most: a measure is read beside its threshold, not copied. */
export function quantity(value: number | null): string {
  if (value === null) return UNKNOWN;
  if (value === 0) return "0";
  const [, factor, unit] = SCALES.find(([least]) => least <= Math.abs(value))!;
  return `${Number((value / factor).toPrecision(3))}${unit}`;
}

/** From this size on, in these units: four digits are still read at a glance. */
const SCALES: readonly (readonly [least: number, factor: number, unit: string])[] = [
  [1e9, 1e9, " G"],
  [1e6, 1e6, " M"],
  [1e4, 1e3, " k"],
  [0, 1, ""],
];

export function clockTime(atMs: number): string {
  return new Date(atMs).toLocaleTimeString(undefined, { hour12: false });
}

/** "12 s", "5 min", "3 h", "2 d": one unit, as one says it. */
export function span(ms: number): string {
  const [size, unit] = SPANS.find(([least]) => least <= ms) ?? SPANS.at(-1)!;
  return `${Math.max(0, Math.floor(ms / size))} ${unit}`;
}

const SPANS: readonly (readonly [number, string])[] = [
  [86_400_000, "d"],
  [3_600_000, "h"],
  [60_000, "min"],
  [1_000, "s"],
];

/** 0, 1, 2, 5 as "0-2,5". */
export function ranges(ids: readonly number[] | null): string {
  if (ids === null) return UNKNOWN;
  const parts: string[] = [];
  let first = 0;
  ids.forEach((id, place) => {
    if (ids[place + 1] === id + 1) return;
    parts.push(first === place ? String(id) : `${ids[first]}-${id}`);
    first = place + 1;
  });
  return parts.join(",");
}
