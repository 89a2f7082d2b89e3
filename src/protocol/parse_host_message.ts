import { type HostMessage, NAME_CHARS_MAX } from "./guest_messages.ts";
import { fieldsOf, integer, misfit, oneOf, type Parsed, parsed, text, unknownKind } from "./parse_fields.ts";
import { messageId, vcpuList, versionRange } from "./parse_shared.ts";

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
