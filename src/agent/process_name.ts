/**
 * A name that no other process has, in this boot of the guest or another: a random number, the time of the boot, process
 * id and start time. A guest that boots twice in the same way gives the agent the same process id at the same moment, and
 * one without entropy, or without a file for it, perhaps the same random number; the clock has moved on in any case.
 */
import type { Platform } from "./platform.ts";

export function processName(platform: Platform): string {
  const random = (platform.readFile("/proc/sys/kernel/random/uuid") ?? "").replace(/[^0-9a-f]/g, "");
  const bootedS = Number(/^btime (\d+)$/m.exec(platform.readFile("/proc/stat") ?? "")?.[1] ?? 0);
  const stat = platform.readFile("/proc/self/stat") ?? "";
  // The name in brackets may hold anything; behind it the fields begin with the third.
  const started = stat.slice(stat.lastIndexOf(")") + 2).split(" ")[STARTED_FIELD - FIRST_FIELD] ?? "0";
  const pid = Number.parseInt(stat, 10) || 0;
  return `${random.slice(0, RANDOM_CHARS)}.${bootedS.toString(RADIX)}.${pid}.${started}`;
}

/** 48 bits. */
const RANDOM_CHARS = 12;
/** Short: a request's id has 64 characters. */
const RADIX = 36;
const STARTED_FIELD = 22;
const FIRST_FIELD = 3;
