/** `vbal-agent measures`: every measure once, against its threshold, for people and for programs. */
import { combineAll } from "./monitor/combination.ts";
import { type Measured, measureAll } from "./monitor/measured.ts";
import { NO_SWITCH_SEEN } from "./monitor/switch_kinds.ts";
import type { Thresholds } from "./monitor/thresholds.ts";
import type { Platform } from "./platform.ts";
import { LoadMonitor } from "./sources/load_monitor.ts";
import { calibrate } from "./sources/switch_cost.ts";
import { textTable } from "./text_table.ts";

/** Takes `seconds` and some moments before, in which the threads are identified; then calls `print` and `end`. */
export function measuresCommand(platform: Platform, options: MeasuresOptions): void {
  const cost = calibrate(platform);
  const monitor = new LoadMonitor(platform, cost);
  const { thresholds } = options;
  const finish = (): void => {
    const { atMs, intervalMs, vcpus } = monitor.sample(NO_HOST);
    monitor.stop({ forGood: true });
    const plain = measureAll(vcpus);
    const thresholdOf = (id: string): number | null => thresholds.get(id)?.value ?? null;
    const measured = [...plain, ...combineAll(vcpus, plain, { thresholdOf })];
    options.print(
      options.json
        ? asJson(measured, { cost, atMs, intervalMs, thresholdOf })
        : asTable(measured, thresholdOf),
    );
    options.end();
  };
  const take = (): void => {
    const intervalMs = options.seconds * MS_PER_SECOND;
    // Who waits, or has a load to begin, knows that it is from now on that counts.
    platform.log(`Measuring for ${options.seconds} s`);
    platform.after(intervalMs - monitor.traceMs(intervalMs), () => monitor.traceFrom());
    platform.after(intervalMs, finish);
  };
  const warmUp = (times: number): void => {
    monitor.traceFrom();
    platform.after(WARM_UP_MS, () => {
      const isKnown = monitor.sample(NO_HOST).degraded.every((line) => line.endsWith(NO_SWITCH_SEEN));
      if (isKnown || times === WARM_UPS_MAX) take();
      else warmUp(times + 1);
    });
  };
  const begin = (): void => {
    monitor.sample(NO_HOST);
    warmUp(1);
  };
  monitor.attach();
  const giveUpMs = platform.nowMs() + ATTACH_MAX_MS;
  const whenAttached = (): void => {
    if (monitor.traceFrom() || giveUpMs <= platform.nowMs()) begin();
    else platform.after(TRY_EVERY_MS, whenAttached);
  };
  whenAttached();
}

/** A crowded guest takes seconds to attach a trace; what it then does not know, it says. */
const ATTACH_MAX_MS = 10_000;
const TRY_EVERY_MS = 20;

export interface MeasuresOptions {
  readonly json: boolean;
  readonly seconds: number;
  readonly thresholds: Thresholds;
  readonly print: (text: string) => void;
  readonly end: () => void;
}

/** Long enough to see who switches; threads count as runnable from their second reading on. */
const WARM_UP_MS = 700;
/** A thread that has its vCPU to itself hardly ever switches and must be looked for, a few threads at a time. */
const WARM_UPS_MAX = 5;
const MS_PER_SECOND = 1_000;
/** The running agent is the one that the host speaks with. */
const NO_HOST = (): null => null;

interface Taken {
  readonly cost: unknown;
  /** The end of the interval on the guest's monotonic clock. */
  readonly atMs: number;
  readonly intervalMs: number;
  readonly thresholdOf: (id: string) => number | null;
}

function asJson(measured: readonly Measured[], { cost, atMs, intervalMs, thresholdOf }: Taken): string {
  const measures = measured.map(({ measure, subject, reading }) => ({
    id: measure.id,
    requirement: measure.requirement,
    level: measure.level,
    subject,
    aggregation: measure.aggregation,
    value: reading.value,
    unit: measure.unit,
    threshold: thresholdOf(measure.id),
    ...(reading.value === null ? { source: null, why: reading.why } : { source: reading.source }),
  }));
  return `${JSON.stringify({ atMs, intervalMs, switchCost: cost, measures }, null, 2)}\n`;
}

function asTable(measured: readonly Measured[], thresholdOf: Taken["thresholdOf"]): string {
  const rows = measured.map(({ measure, subject, reading }) => {
    const threshold = thresholdOf(measure.id);
    const exceeds = threshold !== null && reading.value !== null && threshold < reading.value;
    return [
      measure.requirement,
      measure.id,
      subject === null ? "-" : `${subject}`,
      reading.value === null ? "-" : shown(reading.value),
      measure.unit,
      threshold === null ? "" : `${exceeds ? "over" : "up to"} ${threshold}`,
      reading.value === null ? reading.why : reading.source,
    ];
  });
  const head = ["REQ", "MEASURE", "OF", "VALUE", "UNIT", "THRESHOLD", "SOURCE"];
  return textTable([head, ...rows], { right: [VALUE_COLUMN] });
}

const VALUE_COLUMN = 3;

function shown(value: number): string {
  return value === 0 || 100 <= value ? value.toFixed(0) : value.toPrecision(3);
}
