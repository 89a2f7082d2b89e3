/**
 * The monitor's settings in the guest: built-in defaults, over them the configuration file (P-58). The file is JSON,
 * for example {"sustainMs": 3000, "thresholds": {"vcpu.composite": 2, "vm.runnable-threads": null}}; a field or an id
 * that nobody knows is an error, since a misspelt threshold would silently not be watched.
 */
import { fieldsOf, integer, misfit, type Parsed, parsed } from "../protocol/parse_fields.ts";
import { SHARE_DEFAULT } from "./monitor/budget.ts";
import { SUSTAIN_DEFAULT_MS, WAITING_MIN_DEFAULT } from "./monitor/detect.ts";
import {
  DEFAULT_THRESHOLDS,
  layered,
  THRESHOLD_IDS,
  type ThresholdLayer,
  type Thresholds,
} from "./monitor/thresholds.ts";
import type { Platform } from "./platform.ts";

/** The file's settings over the defaults; without a file the defaults. An unreadable file is a reason, not a default. */
export function readMonitorConfig(platform: Platform, path: string): Parsed<MonitorConfig> {
  const text = platform.readFile(path);
  if (text === null) return { ok: true, message: MONITOR_DEFAULTS };
  const result = parsed(() => monitorConfig(jsonOf(text)));
  return result.ok ? result : { ok: false, why: `${path}: ${result.why}` };
}

export interface MonitorConfig {
  readonly sampleEveryMs: number;
  readonly sustainMs: number;
  /** Threads that must wait before a request is made; `null` asks for none. */
  readonly waitingMin: number | null;
  /** Of one vCPU, what the agent may use on average while it monitors (monitor/budget.ts). */
  readonly budgetPercent: number;
  readonly file: ThresholdLayer;
}

/** Gone with the guest's file system, like any configuration. */
export const MONITOR_CONFIG_PATH = "/etc/vbal-agent.json";

export const MONITOR_DEFAULTS: MonitorConfig = {
  sampleEveryMs: 1_000,
  sustainMs: SUSTAIN_DEFAULT_MS,
  waitingMin: WAITING_MIN_DEFAULT,
  budgetPercent: 100 * SHARE_DEFAULT,
  file: { origin: "file", values: {} },
};

/** What is in force, with what the host has set, if anything, over all else. */
export function thresholdsOf(config: MonitorConfig, host: ThresholdLayer["values"] = {}): Thresholds {
  return layered([DEFAULT_THRESHOLDS, config.file, { origin: "host", values: host }]);
}

/** Sampling costs some milliseconds; an hour between samples detects nothing. */
const SAMPLE_EVERY_MS = { min: 200, max: 3_600_000 };
/** With less than a thousandth of a vCPU it would look once an hour on a slow machine; 100 is without a bound. */
const BUDGET_PERCENT = { min: 0.1, max: 100 };
const SUSTAIN_MS = { min: 0, max: 3_600_000 };

function monitorConfig(value: unknown): MonitorConfig {
  const fields = fieldsOf(value, "the file");
  for (const name of Object.keys(fields)) {
    if (!FIELDS.includes(name)) misfit(name, `one of the fields ${FIELDS.join(", ")}`, fields[name]);
  }
  const { sampleEveryMs, sustainMs, waitingMin, budgetPercent, thresholds } = fields;
  return {
    sampleEveryMs:
      sampleEveryMs === undefined
        ? MONITOR_DEFAULTS.sampleEveryMs
        : integer(sampleEveryMs, "sampleEveryMs", SAMPLE_EVERY_MS),
    sustainMs: sustainMs === undefined ? SUSTAIN_DEFAULT_MS : integer(sustainMs, "sustainMs", SUSTAIN_MS),
    waitingMin: waitingMin === undefined ? WAITING_MIN_DEFAULT : thresholdValue(waitingMin, "waitingMin"),
    budgetPercent: budgetPercent === undefined ? MONITOR_DEFAULTS.budgetPercent : percentOf(budgetPercent),
    file: {
      origin: "file",
      values: thresholds === undefined ? {} : thresholdValues(thresholds, "thresholds"),
    },
  };
}

const FIELDS: readonly string[] = ["sampleEveryMs", "sustainMs", "waitingMin", "budgetPercent", "thresholds"];

function percentOf(value: unknown): number {
  const { min, max } = BUDGET_PERCENT;
  if (typeof value === "number" && min <= value && value <= max) return value;
  return misfit("budgetPercent", `a number from ${min} to ${max}, percent of one vCPU`, value);
}

/** Thresholds by id as somebody else wrote them: a file, or the host. Throws a misfit; to be called in `parsed`. */
export function thresholdValues(value: unknown, path: string): ThresholdLayer["values"] {
  return Object.fromEntries(
    Object.entries(fieldsOf(value, path)).map(([id, threshold]) => {
      if (!THRESHOLD_IDS.includes(id))
        misfit(`${path}.${id}`, "a measure (see vbal-agent thresholds)", threshold);
      return [id, thresholdValue(threshold, `${path}.${id}`)];
    }),
  );
}

function thresholdValue(value: unknown, path: string): number | null {
  if (value === null || (typeof value === "number" && Number.isFinite(value) && 0 <= value)) return value;
  return misfit(path, "a number from 0 up, or null for none", value);
}

/** Throws a misfit; to be called in `parsed`. */
export function jsonOf(text: string): unknown {
  try {
    return JSON.parse(text);
  } catch {
    return misfit("the file", "JSON", text);
  }
}
