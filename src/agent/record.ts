/**
 * What the agent changed and how it was before, so that a later life of the agent can put it back after a kill -9.
 * It is written to a small file under /run before each change: a record of something that did not happen is
 * harmless, the other way round a vCPU would be lost. A record of an earlier boot is worth nothing and is dropped.
 */
import { fieldsOf, integer, list, oneOf, parsed, text } from "../protocol/parse_fields.ts";
import { vcpuList } from "../protocol/parse_shared.ts";
import type { Platform } from "./platform.ts";

export interface AgentRecord {
  /** How the agent found each vCPU that is not as found now, by number. */
  readonly found: Readonly<Record<string, "used" | "offline">>;
  /** The vCPUs that each interrupt was allowed on when the first vCPU was taken, by interrupt number. */
  readonly interrupts: Readonly<Record<string, string>>;
  /** Tasks with an affinity of their own, from before it could be lost (pitfall 13). */
  readonly tasks: readonly TaskAffinity[];
  /** vCPUs that were offline while a cpuset changed, ascending: see `widen` in vcpu_balloon.ts. */
  readonly narrowed: readonly number[];
  /** How long the host may be silent, as it last said; 0 when it never did. */
  readonly patienceMs: number;
}

export interface TaskAffinity {
  readonly task: number;
  /** When it started, in clock ticks since boot: tells it from a later task with the same number. */
  readonly started: string;
  readonly name: string;
  /** The list of vCPUs that it may run on. */
  readonly allowed: string;
}

export const EMPTY_RECORD: AgentRecord = {
  found: {},
  interrupts: {},
  tasks: [],
  narrowed: [],
  patienceMs: 0,
};

/** Nothing of the guest is changed: nothing to restore. */
export function isEmpty(record: AgentRecord): boolean {
  return Object.keys(record.found).length === 0;
}

/** The record of an earlier life in this boot, or an empty one. */
export function readRecord(platform: Platform, path: string): AgentRecord {
  const saved = platform.readFile(path);
  if (saved === null) return EMPTY_RECORD;
  const result = parsed(() => savedRecord(saved));
  if (result.ok) return result.message.boot === bootId(platform) ? result.message.record : EMPTY_RECORD;
  platform.log(`The record ${path} is unreadable: ${result.why}; what an earlier agent took stays as it is`);
  return EMPTY_RECORD;
}

/** `null` when it is on file, else why not. */
export function writeRecord(platform: Platform, path: string, record: AgentRecord): string | null {
  if (!isEmpty(record)) {
    return platform.replaceFile(path, `${JSON.stringify({ boot: bootId(platform), record })}\n`);
  }
  return platform.readFile(path) === null ? null : platform.remove(path);
}

function bootId(platform: Platform): string {
  return (platform.readFile("/proc/sys/kernel/random/boot_id") ?? "").trim();
}

function savedRecord(json: string): { readonly boot: unknown; readonly record: AgentRecord } {
  let value: unknown = null;
  try {
    value = JSON.parse(json);
  } catch {
    // `fieldsOf` says that it is not an object.
  }
  const saved = fieldsOf(value, "record");
  const record = fieldsOf(saved["record"], "record.record");
  return {
    boot: saved["boot"],
    record: {
      found: mapOf(record["found"], "found", (item, path) => oneOf(item, path, ["used", "offline"])),
      interrupts: mapOf(record["interrupts"], "interrupts", kernelText),
      tasks: list(record["tasks"], "tasks", { max: Number.MAX_SAFE_INTEGER, item: taskAffinity }),
      narrowed: vcpuList(record["narrowed"], "narrowed"),
      patienceMs: integer(record["patienceMs"], "patienceMs", { min: 0, max: Number.MAX_SAFE_INTEGER }),
    },
  };
}

function mapOf<T>(value: unknown, path: string, item: (item: unknown, path: string) => T): Record<string, T> {
  const entries = Object.entries(fieldsOf(value, path));
  return Object.fromEntries(entries.map(([key, entry]) => [key, item(entry, `${path}.${key}`)]));
}

function taskAffinity(value: unknown, path: string): TaskAffinity {
  const task = fieldsOf(value, path);
  return {
    task: integer(task["task"], `${path}.task`, { min: 1, max: Number.MAX_SAFE_INTEGER }),
    started: kernelText(task["started"], `${path}.started`),
    name: kernelText(task["name"], `${path}.name`),
    allowed: kernelText(task["allowed"], `${path}.allowed`),
  };
}

/** Lists of vCPUs can be long: 1,024 numbers and commas. */
function kernelText(value: unknown, path: string): string {
  return text(value, path, { min: 0, max: 5_120 });
}
