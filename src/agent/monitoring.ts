/**
 * The session's part that has to do with the load monitor, as pure functions: what the host wishes (on or off, which
 * thresholds), what is measured, what is asked for.
 */
import {
  type GuestMessage,
  type HostMessage,
  NO_RETRY_KNOWN,
  type ThresholdInForce,
} from "../protocol/guest_messages.ts";
import {
  type AnswerMessage,
  ASKERS_MAX,
  type Asker,
  type Asking,
  heedAnswer,
  heedAsker,
  heedSample,
  sayDue,
  startAsking,
} from "./asking.ts";
import { measuresMessage } from "./measures_message.ts";
import type { LoadSample, Request } from "./monitor/detect.ts";
import {
  THRESHOLD_IDS,
  type ThresholdChange,
  type ThresholdLayer,
  type Thresholds,
  thresholdChanges,
} from "./monitor/thresholds.ts";
import { type MonitorConfig, thresholdsOf } from "./monitor_config.ts";

export interface Monitoring {
  readonly config: MonitorConfig;
  readonly on: boolean;
  /** 0: the host wants none. */
  readonly measuresEveryMs: number;
  /** The host's layer. */
  readonly host: ThresholdLayer["values"];
  readonly measuredAtMs: number;
  /** How many times as rarely measures come while nothing is exceeded. */
  readonly restTimes: number;
  readonly asking: Asking;
}

export type MonitorEffect =
  /** Measure with these thresholds from now on. */
  | {
      readonly kind: "monitor";
      readonly thresholds: Thresholds;
      /** The host's layer among them. */
      readonly host: ThresholdLayer["values"];
    }
  | { readonly kind: "stop-monitor" }
  | { readonly kind: "run-times"; readonly vcpus: RunTimes["vcpus"] }
  /** Not sent to a host that does not read. */
  | { readonly kind: "send-measures"; readonly message: GuestMessage }
  | { readonly kind: "send"; readonly message: GuestMessage }
  | { readonly kind: "tell-asker"; readonly asker: string; readonly verdict: Verdict }
  | { readonly kind: "log"; readonly line: string };

type RunTimes = HostMessage & { readonly kind: "run-times" };

/** What a person is told. `request`: its id, `null` when none was made. */
export type Verdict = AnswerMessage["answer"] & { readonly request: string | null };

export interface Monitored {
  readonly monitoring: Monitoring;
  readonly effects: readonly MonitorEffect[];
}

/** Until the host says otherwise it is off. */
export function startMonitoring(config: MonitorConfig, life: string): Monitoring {
  return {
    config,
    on: false,
    measuresEveryMs: 0,
    host: {},
    measuredAtMs: Number.NEGATIVE_INFINITY,
    restTimes: AT_REST_TIMES,
    asking: startAsking(life),
  };
}

export function obeyMonitor(
  before: Monitoring,
  message: HostMessage & { readonly kind: "monitor" },
): Monitored {
  const { id, on, measuresEveryMs } = message;
  const known = message.thresholds.filter(({ measure }) => THRESHOLD_IDS.includes(measure));
  const host = Object.fromEntries(known.map(({ measure, value }) => [measure, value]));
  const monitoring: Monitoring = { ...before, on, measuresEveryMs, host };
  const thresholds = thresholdsOf(before.config, host);
  const inForce = [...thresholds.values()].map(
    ({ id: measure, value, origin }): ThresholdInForce => ({ measure, value, origin }),
  );
  const unknown = message.thresholds
    .filter((setting) => !known.includes(setting))
    .map(({ measure }) => measure);
  return {
    monitoring,
    effects: [
      ...thresholdChanges(thresholdsOf(before.config, before.host), thresholds).map(audit),
      ...(on === before.on ? [] : [log(`The host turned the load monitor ${on ? "on" : "off"}`)]),
      on ? { kind: "monitor", thresholds, host } : { kind: "stop-monitor" },
      { kind: "send", message: { kind: "monitor-set", id, unknown, inForce } },
    ],
  };
}

/** No host that wants it is there any more. What was asked stays open, for a host that comes back. */
export function rest(monitoring: Monitoring): Monitored {
  return { monitoring: { ...monitoring, on: false }, effects: [{ kind: "stop-monitor" }] };
}

export interface SampleEvent {
  readonly kind: "sampled";
  readonly sample: LoadSample;
  /** Everything was measured, not only what has a threshold. */
  readonly isWhole: boolean;
  /** Some threshold is exceeded, though perhaps not for long enough. */
  readonly exceeds: boolean;
  readonly request: Request | null;
  readonly degraded: readonly string[];
}

/** The monitor saw the run queues only. */
export interface GlanceEvent {
  readonly kind: "glanced";
  readonly online: readonly number[];
  /** No threshold can be exceeded. */
  readonly isCalm: boolean;
}

export function heedSampled(before: Monitoring, event: SampleEvent, nowMs: number): Monitored {
  if (!before.on) return { monitoring: before, effects: [] };
  const online = event.sample.vcpus.map(({ vcpu }) => vcpu);
  const asking = heedSample(before.asking, { request: event.request, online, isCalm: !event.exceeds }, nowMs);
  const monitoring = { ...before, asking };
  // Samples come a little early or late: half an interval is no reason to leave one out.
  const dueMs = measuresDueMs(before, { atRest: false }) - before.config.sampleEveryMs / 2;
  if (!event.isWhole || nowMs < dueMs) return { monitoring, effects: [] };
  const restTimes = isIdle(event.sample) ? IDLE_TIMES : AT_REST_TIMES;
  const nextMs = before.measuresEveryMs * (event.exceeds ? 1 : restTimes);
  const message = { ...measuresMessage(event.sample, event.degraded), nextMs };
  return {
    monitoring: { ...monitoring, measuredAtMs: nowMs, restTimes },
    effects: [{ kind: "send-measures", message }],
  };
}

export function heedGlance(before: Monitoring, { online, isCalm }: GlanceEvent, nowMs: number): Monitored {
  if (!before.on) return { monitoring: before, effects: [] };
  const asking = heedSample(before.asking, { request: null, online, isCalm }, nowMs);
  return { monitoring: { ...before, asking }, effects: [] };
}

/** When the host wants to see measures next; Infinity for never. `atRest`: nothing is exceeded. */
export function measuresDueMs(
  { measuresEveryMs, measuredAtMs, restTimes }: Monitoring,
  { atRest }: { readonly atRest: boolean },
): number {
  if (measuresEveryMs === 0) return Number.POSITIVE_INFINITY;
  return measuredAtMs + measuresEveryMs * (atRest ? restTimes : 1);
}

/** What a guest has to show where nobody waits hardly changes: it may come so many times as rarely. */
const AT_REST_TIMES = 6;
/** And where hardly anybody runs, so many times. */
const IDLE_TIMES = 18;
/** On every vCPU. To look at everything takes a tenth of one in an emulated guest. */
const IDLE_THREADS_MAX = 0.3;

function isIdle({ vcpus }: LoadSample): boolean {
  return vcpus.every(({ readings }) => {
    const { value } = readings["runnable-threads"];
    return value !== null && value < IDLE_THREADS_MAX;
  });
}

/** Whether what is asked for, or was denied, depends on what a guest at rest sees. */
export function wantsGlances({ asking }: Monitoring): boolean {
  return asking.open !== null || asking.arriving !== null || 0 < asking.denials;
}

/** `isHeard`: a host is there that can answer. */
export function heedAdministrator(before: Monitoring, asker: Asker, isHeard: boolean): Monitored {
  const refusal = (code: string, why: string): Monitored => {
    const verdict: Verdict = {
      request: null,
      outcome: "denied",
      code,
      why,
      retryAfterMs: NO_RETRY_KNOWN,
    };
    return { monitoring: before, effects: [{ kind: "tell-asker", asker: asker.asker, verdict }] };
  };
  if (!isHeard) {
    return refusal("no-host", "No host that grants vCPUs is connected to this guest's agent.");
  }
  const asking = heedAsker(before.asking, asker);
  if (asking === null) {
    return refusal("too-many-askers", `${ASKERS_MAX} requests of this guest wait already; ask again later.`);
  }
  return { monitoring: { ...before, asking }, effects: [] };
}

export function heedHostAnswer(before: Monitoring, message: AnswerMessage, nowMs: number): Monitored {
  const { asking, closed } = heedAnswer(before.asking, message, nowMs);
  if (closed === null) return { monitoring: before, effects: [] };
  const verdict: Verdict = { request: message.request, ...message.answer };
  const told: readonly MonitorEffect[] =
    closed.asker === null ? [] : [{ kind: "tell-asker", asker: closed.asker, verdict }];
  return { monitoring: { ...before, asking }, effects: [log(fateOf(verdict)), ...told] };
}

/** Says the open request when it is time; only to a host that speaks MONITOR_VERSION or more. */
export function askWhenDue(before: Monitoring, nowMs: number): Monitored {
  const { asking, message, isFirst } = sayDue(before.asking, nowMs);
  if (message === null) return { monitoring: before, effects: [] };
  return {
    monitoring: { ...before, asking },
    effects: [...(isFirst ? [log(reasonOf(message))] : []), { kind: "send", message }],
  };
}

/** One line for each change, so that the guest's log tells who watched for what and since when. */
function audit({ id, from, to, fromOrigin, toOrigin }: ThresholdChange): MonitorEffect {
  const shown = (value: number | null, origin: string): string => `${value ?? "none"} (${origin})`;
  return log(`Threshold ${id}: ${shown(from, fromOrigin)} becomes ${shown(to, toOrigin)}`);
}

function reasonOf({ request, exceeded, target }: GuestMessage & { readonly kind: "request" }): string {
  const where = target === null ? "" : ` in ${target.kind} ${target.id}`;
  const why =
    exceeded === null
      ? "an administrator wants it"
      : `${exceeded.measure}${exceeded.level === "vm" ? "" : ` of ${exceeded.subject}`} is ${exceeded.value.toPrecision(3)}, over ${exceeded.threshold}`;
  return `Request ${request} for a vCPU${where}: ${why}`;
}

function fateOf(verdict: Verdict): string {
  return verdict.outcome === "granted"
    ? `Request ${verdict.request} is granted: vCPU ${verdict.vcpu}${verdict.loan ? ", lent" : ""}`
    : `Request ${verdict.request} is denied: ${verdict.why}`;
}

function log(line: string): MonitorEffect {
  return { kind: "log", line };
}
