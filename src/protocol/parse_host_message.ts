import {
  type HostMessage,
  NAME_CHARS_MAX,
  NO_RETRY_KNOWN,
  TEXT_CHARS_MAX,
  THRESHOLDS_MAX,
  type ThresholdSetting,
  VCPUS_MAX,
} from "./guest_messages.ts";
import {
  ascending,
  fieldsOf,
  flag,
  integer,
  list,
  misfit,
  oneOf,
  type Parsed,
  parsed,
  text,
  unknownKind,
} from "./parse_fields.ts";
import { idText, measureValueOrNull, messageId, vcpuList, vcpuNumber, versionRange } from "./parse_shared.ts";

/**
 * What a guest accepts from a host. Fields that this version does not know are ignored, so that a later version may
 * add some; a kind that it does not know is an error that says so. The result holds known fields only.
 */
export function parseHostMessage(value: unknown): Parsed<HostMessage> {
  return parsed(() => hostMessage(value));
}

/** Ten times a second is enough for any load monitor; more would cost the guest what ballooning saves. */
const REPORT_EVERY_MS = { min: 100, max: 3_600_000 };
/** Below a second a busy host looks lost; more than a day is the same as never. */
const PATIENCE_MS = { min: 1_000, max: 86_400_000 };

/** As with reports. */
const MEASURES_EVERY_MS = REPORT_EVERY_MS;
/** A day is the same as never. */
const RETRY_AFTER_MS = { min: NO_RETRY_KNOWN, max: 86_400_000 };

function hostMessage(value: unknown): HostMessage {
  const m = fieldsOf(value, "message");
  switch (m["kind"]) {
    case "hello":
      return {
        kind: "hello",
        versions: versionRange(m["versions"]),
        session: text(m["session"], "session", { min: 1, max: NAME_CHARS_MAX }),
        reportEveryMs: integer(m["reportEveryMs"], "reportEveryMs", REPORT_EVERY_MS),
        patienceMs: integer(m["patienceMs"], "patienceMs", PATIENCE_MS),
      };
    case "set-online":
      return {
        kind: "set-online",
        id: messageId(m["id"]),
        online: withVcpu0(vcpuList(m["online"], "online")),
        mechanism: oneOf(m["mechanism"], "mechanism", ["offline", "isolate"]),
      };
    case "monitor":
      return {
        kind: "monitor",
        id: messageId(m["id"]),
        on: flag(m["on"], "on"),
        measuresEveryMs:
          m["measuresEveryMs"] === 0
            ? 0
            : integer(m["measuresEveryMs"], "measuresEveryMs", MEASURES_EVERY_MS),
        thresholds: list(m["thresholds"], "thresholds", { max: THRESHOLDS_MAX, item: thresholdSetting }),
      };
    case "run-times": {
      const vcpus = list(m["vcpus"], "vcpus", { max: VCPUS_MAX, item: runTime });
      return { kind: "run-times", vcpus: ascending(vcpus, "vcpus", ({ vcpu }) => vcpu) };
    }
    case "answer":
      return { kind: "answer", request: idText(m["request"], "request"), answer: answer(m["answer"]) };
    case "restore":
      return { kind: "restore", id: messageId(m["id"]) };
    case "ping":
      return { kind: "ping", id: messageId(m["id"]) };
    default:
      return unknownKind(m["kind"]);
  }
}

/** vCPU 0 is never taken (pitfall 2); a list without it is a mistake of the host, which hears of it. */
function withVcpu0(online: readonly number[]): readonly number[] {
  return online[0] === 0 ? online : misfit("online", "a list that holds vCPU 0", online);
}

function thresholdSetting(value: unknown, path: string): ThresholdSetting {
  const setting = fieldsOf(value, path);
  return {
    measure: idText(setting["measure"], `${path}.measure`),
    value: measureValueOrNull(setting["value"], `${path}.value`),
  };
}

function runTime(value: unknown, path: string): { readonly vcpu: number; readonly runNs: number } {
  const time = fieldsOf(value, path);
  return {
    vcpu: vcpuNumber(time["vcpu"], `${path}.vcpu`),
    runNs: integer(time["runNs"], `${path}.runNs`, { min: 0, max: Number.MAX_SAFE_INTEGER }),
  };
}

function answer(value: unknown): (HostMessage & { readonly kind: "answer" })["answer"] {
  const a = fieldsOf(value, "answer");
  const outcome = oneOf(a["outcome"], "answer.outcome", ["granted", "denied"]);
  if (outcome === "granted") {
    return {
      outcome,
      vcpu: vcpuNumber(a["vcpu"], "answer.vcpu"),
      loan: flag(a["loan"], "answer.loan"),
    };
  }
  return {
    outcome,
    code: idText(a["code"], "answer.code"),
    why: text(a["why"], "answer.why", { min: 0, max: TEXT_CHARS_MAX }),
    retryAfterMs: integer(a["retryAfterMs"], "answer.retryAfterMs", RETRY_AFTER_MS),
  };
}
