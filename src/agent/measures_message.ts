/** What a sample says to the host: readings rounded, grouped by measure, within the bounds of a frame. */
import {
  DEGRADED_MAX,
  type GuestMessage,
  MEASURE_VALUE_MAX,
  type MeasureReport,
  READINGS_MAX,
  TEXT_CHARS_MAX,
  WHOLE_VM,
} from "../protocol/guest_messages.ts";
import type { LoadSample } from "./monitor/detect.ts";
import { LEVELS } from "./monitor/measure.ts";

/** The VM's measures first, then the nodes', then the vCPUs': what does not fit is the most detailed, and it is named. */
export function measuresMessage(
  { intervalMs, measured }: Pick<LoadSample, "intervalMs" | "measured">,
  degraded: readonly string[],
): GuestMessage & { readonly kind: "measures" } {
  const reports: MeasureReport[] = [];
  const left: string[] = [];
  let readings = 0;
  for (const level of LEVELS.toReversed()) {
    for (const report of reportsOf(measured.filter(({ measure }) => measure.level === level))) {
      readings += report.subjects.length;
      if (readings <= READINGS_MAX) reports.push(report);
      else left.push(report.measure);
    }
  }
  const unsent = left.length === 0 ? [] : [`Too many readings for one message, not sent: ${left.join(", ")}`];
  return {
    kind: "measures",
    intervalMs: Math.round(intervalMs),
    measures: reports,
    degraded: [...unsent, ...degraded].slice(0, DEGRADED_MAX).map((line) => line.slice(0, TEXT_CHARS_MAX)),
  };
}

function reportsOf(measured: LoadSample["measured"]): readonly MeasureReport[] {
  const found = new Map<string, { readonly subjects: number[]; readonly values: (number | null)[] }>();
  for (const { measure, subject, reading } of measured) {
    const report = found.get(measure.id) ?? { subjects: [], values: [] };
    report.subjects.push(subject ?? WHOLE_VM);
    report.values.push(reading.value === null ? null : rounded(reading.value));
    found.set(measure.id, report);
  }
  return [...found].map(([measure, report]) => ({ measure, ...report }));
}

/** Four digits: no measure is more exact, and a reading then takes a dozen bytes at most. */
function rounded(value: number): number {
  return Math.min(MEASURE_VALUE_MAX, Math.max(0, Number(value.toPrecision(DIGITS))));
}

const DIGITS = 4;
