/**
 * How the guests' load monitors are to work, as a person writes it: in the config file for all domains and for one,
 * and over that in `vbal agent-config`. The thresholds are the host's layer (P-57..P-61): what it does not name is as
 * the guest's own file says, or as the agent was built.
 */
import { z } from "zod";
import type { Milliseconds } from "../core/units.ts";
import type { FieldPath } from "./fault.ts";
import { type FieldKind, orNone, readDuration, yesNo } from "./fields.ts";

/** What may be written. */
export interface MonitorFields {
  readonly on?: boolean | undefined;
  /** `null`: never. */
  readonly measuresEvery?: Milliseconds | null | undefined;
  readonly thresholds?: WrittenThresholds | undefined;
}

/** By the id of a measure; `null`: not watched. */
type WrittenThresholds = Readonly<Record<string, number | null | undefined>>;

export interface MonitorRules {
  readonly on: boolean;
  /** How often a guest says what it measures; `null` for never. */
  readonly measuresEvery: Milliseconds | null;
  readonly thresholds: Readonly<Record<string, number | null>>;
}

/**
 * Measures are for people to look at; what the guest asks for does not wait for them. To show all of them is by far the
 * most that a monitor costs at rest: 0.008 % of a vCPU without, 0.026 % once in 10 s, 0.07 % once in 3 s (an agent's own
 * code on a real processor, docs/assumptions.md), and nobody may be looking.
 */
export const DEFAULT_MONITOR: MonitorRules = { on: true, measuresEvery: 10_000, thresholds: {} };

const THRESHOLD: FieldKind<number> = {
  rule: "A threshold is a number, 0 or more",
  fix: "Write one in the measure's unit, as in 1.5",
  read: (value) =>
    typeof value === "number" && Number.isFinite(value) && 0 <= value && value <= THRESHOLD_MAX
      ? value
      : undefined,
};

/** More cycles per second than any vCPU has; below it a double counts exactly. */
const THRESHOLD_MAX = Number.MAX_SAFE_INTEGER;

const MEASURES_EVERY: FieldKind<Milliseconds> = {
  rule: "Measures are sent every 500ms or more rarely, at least once in 24h",
  fix: "Write a duration as in 3s",
  read: (value) => {
    const ms = readDuration(value);
    return ms !== undefined && MEASURES_EVERY_MS_MIN <= ms ? ms : undefined;
  },
};

/** Faster than anybody reads; the monitor samples once per second. */
const MEASURES_EVERY_MS_MIN = 500;

/** `measures`: everything that may have a threshold; another name is a mistake of typing. */
export function monitorFields(measures: readonly string[]): z.ZodType<MonitorFields> {
  const threshold = orNone(THRESHOLD).optional();
  const thresholds: z.ZodType<WrittenThresholds> = z.strictObject(
    Object.fromEntries(measures.map((id) => [id, threshold])),
  );
  return z.strictObject({
    on: yesNo().optional(),
    measuresEvery: orNone(MEASURES_EVERY).optional(),
    thresholds: thresholds.optional(),
  });
}

/** The keys below `monitor`, for "did you mean". */
export function monitorKeys(inner: FieldPath, measures: readonly string[]): readonly string[] {
  return inner[0] === "thresholds" ? measures : ["on", "measuresEvery", "thresholds"];
}

/** The base with the written fields in place of its own. */
export function withMonitorFields(base: MonitorRules, fields: MonitorFields): MonitorRules {
  return {
    on: fields.on ?? base.on,
    measuresEvery: fields.measuresEvery === undefined ? base.measuresEvery : fields.measuresEvery,
    thresholds: { ...base.thresholds, ...written(fields.thresholds ?? {}) },
  };
}

function written(thresholds: WrittenThresholds): Record<string, number | null> {
  const entries = Object.entries(thresholds);
  return Object.fromEntries(
    entries.flatMap(([id, value]) => (value === undefined ? [] : [[id, value] as const])),
  );
}
