/** A name that no other process has, in this boot of the guest or another: boot, process id and start time. */
import type { Platform } from "./platform.ts";

export function processName(platform: Platform): string {
  const boot = (platform.readFile("/proc/sys/kernel/random/boot_id") ?? "").replace(/[^0-9a-f]/g, "");
  const stat = platform.readFile("/proc/self/stat") ?? "";
  // The name in brackets may hold anything; behind it the fields begin with the third.
  const started = stat.slice(stat.lastIndexOf(")") + 2).split(" ")[STARTED_FIELD - FIRST_FIELD] ?? "0";
  return `${boot.slice(0, BOOT_CHARS)}.${Number.parseInt(stat, 10) || 0}.${started}`;
}

/** 48 bits of a random number. */
const BOOT_CHARS = 12;
const STARTED_FIELD = 22;
const FIRST_FIELD = 3;
