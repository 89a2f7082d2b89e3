import {
  FINDINGS_MAX,
  type GuestMessage,
  NAME_CHARS_MAX,
  NO_ID,
  type PreflightFinding,
  TEXT_CHARS_MAX,
  VCPUS_MAX,
  type VcpuReport,
} from "./guest_messages.ts";
import {
  ascending,
  fieldsOf,
  flag,
  integer,
  list,
  oneOf,
  type Parsed,
  parsed,
  text,
  unknownKind,
} from "./parse_fields.ts";
import { messageId, vcpuList, vcpuNumber, versionRange } from "./parse_shared.ts";

/**
 * What a host accepts from a guest, which it does not trust: every number has a range, every list and string a bound.
 * Unknown fields are ignored, an unknown kind is an error that says so. The result holds known fields only.
 */
export function parseGuestMessage(value: unknown): Parsed<GuestMessage> {
  return parsed(() => guestMessage(value));
}

/** Socket, core and node numbers are whatever firmware says, as a 32-bit integer; -1 for unknown. */
const PLACE = { min: -1, max: 2_147_483_647 };
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
  };
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
