/** `vbal-agent measures`: every measure once, for people and for programs. */
import { type Measured, measureAll } from "./monitor/measured.ts";
import type { Platform } from "./platform.ts";
import { LoadMonitor } from "./sources/load_monitor.ts";
import { calibrate } from "./sources/switch_cost.ts";

/** Takes `seconds` and a moment before, in which the threads are identified; then calls `print` and `end`. */
export function measuresCommand(platform: Platform, options: MeasuresOptions): void {
  const cost = calibrate(platform);
  const monitor = new LoadMonitor(platform, cost);
  const started = platform.nowMs();
  monitor.traceFrom();
  const finish = (): void => {
    const takenMs = platform.nowMs();
    const measured = measureAll(monitor.sample(null));
    monitor.stop();
    options.print(
      options.json
        ? asJson(measured, { cost, intervalMs: takenMs - started - WARM_UP_MS })
        : asTable(measured),
    );
    options.end();
  };
  platform.after(WARM_UP_MS, () => {
    monitor.sample(null);
    const intervalMs = options.seconds * MS_PER_SECOND;
    const traceMs = monitor.traceMs(intervalMs);
    platform.after(intervalMs - traceMs, () => monitor.traceFrom());
    platform.after(intervalMs, finish);
  });
}

export interface MeasuresOptions {
  readonly json: boolean;
  readonly seconds: number;
  readonly print: (text: string) => void;
  readonly end: () => void;
}

/** Long enough to see who switches; threads count as runnable from their second reading on. */
const WARM_UP_MS = 200;
const MS_PER_SECOND = 1_000;

function asJson(
  measured: readonly Measured[],
  at: { readonly cost: unknown; readonly intervalMs: number },
): string {
  const measures = measured.map(({ measure, subject, reading }) => ({
    id: measure.id,
    requirement: measure.requirement,
    level: measure.level,
    subject,
    aggregation: measure.aggregation,
    value: reading.value,
    unit: measure.unit,
    ...(reading.value === null ? { source: null, why: reading.why } : { source: reading.source }),
  }));
  return `${JSON.stringify({ intervalMs: Math.round(at.intervalMs), switchCost: at.cost, measures }, null, 2)}\n`;
}

function asTable(measured: readonly Measured[]): string {
  const rows = measured.map(({ measure, subject, reading }) => [
    measure.requirement,
    measure.id,
    subject === null ? "-" : `${subject}`,
    reading.value === null ? "-" : shown(reading.value),
    measure.unit,
    reading.value === null ? reading.why : reading.source,
  ]);
  const all = [["REQ", "MEASURE", "OF", "VALUE", "UNIT", "SOURCE"], ...rows];
  const widths = all[0]!.map((_, column) => Math.max(...all.map((row) => row[column]!.length)));
  const line = (row: readonly string[]): string =>
    row
      .map((cell, column) =>
        column === VALUE_COLUMN ? cell.padStart(widths[column]!) : cell.padEnd(widths[column]!),
      )
      .join("  ")
      .trimEnd();
  return `${all.map(line).join("\n")}\n`;
}

const VALUE_COLUMN = 3;

function shown(value: number): string {
  return value === 0 || 100 <= value ? value.toFixed(0) : value.toPrecision(3);
}
