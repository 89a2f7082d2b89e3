import {
  type CpuTime,
  DEGRADED_MAX,
  FINDINGS_MAX,
  type GuestMessage,
  INTERRUPTS_MAX,
  type MeasureReport,
  NAME_CHARS_MAX,
  NO_ID,
  type PreflightFinding,
  READINGS_MAX,
  type SentInterrupts,
  type SwitchCount,
  TEXT_CHARS_MAX,
  THRESHOLDS_MAX,
  type ThresholdInForce,
  VCPUS_MAX,
  type VcpuReport,
} from "./guest_messages.ts";
import {
  ascending,
  type Fields,
  fieldsOf,
  flag,
  integer,
  list,
  misfit,
  oneOf,
  orNull,
  type Parsed,
  parsed,
  text,
  unknownKind,
} from "./parse_fields.ts";
import {
  idText,
  measureValue,
  measureValueOrNull,
  messageId,
  vcpuList,
  vcpuNumber,
  versionRange,
} from "./parse_shared.ts";

/**
 * What a host accepts from a guest, which it does not trust: every number has a range, every list and string a bound.
 * Unknown fields are ignored, an unknown kind is an error that says so. The result holds known fields only.
 */
export function parseGuestMessage(value: unknown): Parsed<GuestMessage> {
  return parsed(() => guestMessage(value));
}

/** Socket, core and node numbers are whatever firmware says, as a 32-bit integer; -1 for unknown. */
const PLACE = { min: -1, max: 2_147_483_647 };
/** A 32-bit integer; not every firmware counts from 0. */
const UID = { min: 0, max: 2_147_483_647 };
/** -1 for none, else nanoseconds since boot: 104 days fit exactly; the agent says -1 once they no longer do. */
const STEAL_NS = { min: -1, max: Number.MAX_SAFE_INTEGER };

function guestMessage(value: unknown): GuestMessage {
  const m = fieldsOf(value, "message");
  switch (m["kind"]) {
    case "hello":
      return {
        kind: "hello",
        versions: versionRange(m["versions"]),
        agent: text(m["agent"], "agent", { min: 1, max: NAME_CHARS_MAX }),
        session: text(m["session"], "session", { min: 0, max: NAME_CHARS_MAX }),
        mechanisms: list(m["mechanisms"], "mechanisms", {
          max: MECHANISMS_MAX,
          item: (item, path) => oneOf(item, path, ["offline", "isolate"]),
        }),
      };
    case "report": {
      const vcpus = list(m["vcpus"], "vcpus", { max: VCPUS_MAX, item: vcpuReport });
      return {
        kind: "report",
        vcpus: ascending(vcpus, "vcpus", (report) => report.vcpu),
        preflight: list(m["preflight"], "preflight", { max: FINDINGS_MAX, item: finding }),
        ...(m["interrupts"] === undefined ? {} : { interrupts: sentInterrupts(m["interrupts"]) }),
        ...(m["cpuTime"] === undefined ? {} : { cpuTime: cpuTime(m["cpuTime"]) }),
        ...(m["switches"] === undefined ? {} : { switches: switchCount(m["switches"]) }),
      };
    }
    case "online-set":
      return {
        kind: "online-set",
        id: messageId(m["id"]),
        online: vcpuList(m["online"], "online"),
        failed: list(m["failed"], "failed", { max: VCPUS_MAX, item: failure }),
        tookMicroseconds: integer(m["tookMicroseconds"], "tookMicroseconds", {
          min: 0,
          max: Number.MAX_SAFE_INTEGER,
        }),
      };
    case "restored":
      return { kind: "restored", id: messageId(m["id"]), online: vcpuList(m["online"], "online") };
    case "monitor-set":
      return {
        kind: "monitor-set",
        id: messageId(m["id"]),
        unknown: list(m["unknown"], "unknown", { max: THRESHOLDS_MAX, item: idText }),
        inForce: list(m["inForce"], "inForce", { max: THRESHOLDS_MAX, item: thresholdInForce }),
      };
    case "measures":
      return measures(m);
    case "request":
      return request(m);
    case "pong":
      return { kind: "pong", id: messageId(m["id"]) };
    case "refused":
      return {
        kind: "refused",
        id: m["id"] === NO_ID ? NO_ID : messageId(m["id"]),
        why: text(m["why"], "why", { min: 0, max: TEXT_CHARS_MAX }),
      };
    default:
      return unknownKind(m["kind"]);
  }
}

/** There are two mechanisms. */
const MECHANISMS_MAX = 2;

function vcpuReport(value: unknown, path: string): VcpuReport {
  const v = fieldsOf(value, path);
  return {
    vcpu: vcpuNumber(v["vcpu"], `${path}.vcpu`),
    online: flag(v["online"], `${path}.online`),
    isolated: flag(v["isolated"], `${path}.isolated`),
    canOffline: flag(v["canOffline"], `${path}.canOffline`),
    socket: integer(v["socket"], `${path}.socket`, PLACE),
    core: integer(v["core"], `${path}.core`, PLACE),
    node: integer(v["node"], `${path}.node`, PLACE),
    stealNs: integer(v["stealNs"], `${path}.stealNs`, STEAL_NS),
    ...(v["uid"] === undefined ? {} : { uid: integer(v["uid"], `${path}.uid`, UID) }),
  };
}

function sentInterrupts(value: unknown): SentInterrupts {
  const i = fieldsOf(value, "interrupts");
  const count = (name: string) => integer(i[name], `interrupts.${name}`, { min: 0, max: INTERRUPTS_MAX });
  return {
    atMs: integer(i["atMs"], "interrupts.atMs", { min: 0, max: Number.MAX_SAFE_INTEGER }),
    rescheduling: count("rescheduling"),
    calls: count("calls"),
    shootdowns: count("shootdowns"),
  };
}

function cpuTime(value: unknown): CpuTime {
  const t = fieldsOf(value, "cpuTime");
  const time = (name: string) =>
    integer(t[name], `cpuTime.${name}`, { min: 0, max: Number.MAX_SAFE_INTEGER });
  return { programsMs: time("programsMs"), kernelMs: time("kernelMs") };
}

function switchCount(value: unknown): SwitchCount {
  const s = fieldsOf(value, "switches");
  const count = (name: string) =>
    integer(s[name], `switches.${name}`, { min: 0, max: Number.MAX_SAFE_INTEGER });
  return { atMs: count("atMs"), total: count("total") };
}

function finding(value: unknown, path: string): PreflightFinding {
  const f = fieldsOf(value, path);
  return {
    vcpu: vcpuNumber(f["vcpu"], `${path}.vcpu`),
    what: oneOf(f["what"], `${path}.what`, ["pinned-task", "cpuset", "interrupt", "kernel-isolated"]),
    detail: text(f["detail"], `${path}.detail`, { min: 0, max: TEXT_CHARS_MAX }),
  };
}

function failure(value: unknown, path: string): { readonly vcpu: number; readonly why: string } {
  const f = fieldsOf(value, path);
  return {
    vcpu: vcpuNumber(f["vcpu"], `${path}.vcpu`),
    why: text(f["why"], `${path}.why`, { min: 0, max: TEXT_CHARS_MAX }),
  };
}

function thresholdInForce(value: unknown, path: string): ThresholdInForce {
  const threshold = fieldsOf(value, path);
  return {
    measure: idText(threshold["measure"], `${path}.measure`),
    value: measureValueOrNull(threshold["value"], `${path}.value`),
    origin: oneOf(threshold["origin"], `${path}.origin`, ["default", "file", "host", "other"]),
  };
}

function measures(m: Fields): GuestMessage {
  const reports = list(m["measures"], "measures", { max: THRESHOLDS_MAX, item: measureReport });
  const readings = reports.reduce((sum, { subjects }) => sum + subjects.length, 0);
  if (READINGS_MAX < readings) return misfit("measures", `at most ${READINGS_MAX} readings in all`, readings);
  return {
    kind: "measures",
    intervalMs: integer(m["intervalMs"], "intervalMs", { min: 0, max: INTERVAL_MS_MAX }),
    ...(m["nextMs"] === undefined
      ? {}
      : { nextMs: integer(m["nextMs"], "nextMs", { min: 0, max: INTERVAL_MS_MAX }) }),
    measures: reports,
    degraded: list(m["degraded"], "degraded", {
      max: DEGRADED_MAX,
      item: (item, path) => text(item, path, { min: 1, max: TEXT_CHARS_MAX }),
    }),
  };
}

/** A guest that was paused for a day says so; more is no interval. */
const INTERVAL_MS_MAX = 86_400_000;

function measureReport(value: unknown, path: string): MeasureReport {
  const report = fieldsOf(value, path);
  const subjects = list(report["subjects"], `${path}.subjects`, {
    max: VCPUS_MAX,
    item: (item, at) => integer(item, at, PLACE),
  });
  const values = list(report["values"], `${path}.values`, { max: VCPUS_MAX, item: measureValueOrNull });
  if (values.length !== subjects.length) {
    return misfit(`${path}.values`, `as many as subjects, ${subjects.length}`, values);
  }
  return {
    measure: idText(report["measure"], `${path}.measure`),
    subjects: ascending(subjects, `${path}.subjects`, (subject) => subject),
    values,
  };
}

type AskedMessage = GuestMessage & { readonly kind: "request" };

function request(m: Fields): AskedMessage {
  const origin = oneOf(m["origin"], "origin", ["monitor", "administrator"]);
  const exceeded = orNull(m["exceeded"], exceededOf);
  if ((origin === "administrator") !== (exceeded === null)) {
    const rule = origin === "administrator" ? "null from an administrator" : "there from a monitor";
    return misfit("exceeded", rule, m["exceeded"]);
  }
  return {
    kind: "request",
    request: idText(m["request"], "request"),
    origin,
    exceeded,
    target: orNull(m["target"], (value) => {
      const target = fieldsOf(value, "target");
      return {
        kind: oneOf(target["kind"], "target.kind", ["node", "proximity-domain"]),
        id: integer(target["id"], "target.id", { ...PLACE, min: 0 }),
      };
    }),
  };
}

function exceededOf(value: unknown): NonNullable<AskedMessage["exceeded"]> {
  const exceeded = fieldsOf(value, "exceeded");
  return {
    measure: idText(exceeded["measure"], "exceeded.measure"),
    level: oneOf(exceeded["level"], "exceeded.level", ["vcpu", "node", "vm"]),
    subject: integer(exceeded["subject"], "exceeded.subject", PLACE),
    value: measureValue(exceeded["value"], "exceeded.value"),
    threshold: measureValue(exceeded["threshold"], "exceeded.threshold"),
  };
}
