/**
 * What the agent changed and how it was before, so that a later life of the agent can put it back after a kill -9.
 * It is written to a small file under /run before each change: a record of something that did not happen is
 * harmless, the other way round a vCPU would be lost. A record of an earlier boot is worth nothing and is dropped.
 */
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
  const text = platform.readFile(path);
  if (text === null) return EMPTY_RECORD;
  try {
    const saved = JSON.parse(text) as { boot: unknown; record: AgentRecord };
    if (saved.boot === bootId(platform)) return { ...EMPTY_RECORD, ...saved.record };
  } catch {
    platform.log(
      `The record ${path} is unreadable; what an earlier agent took is not known and stays as it is`,
    );
  }
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
