/**
 * Tasks with an affinity of their own. Taking a vCPU can destroy it (pitfall 13): offlining sets a task loose that
 * had no other vCPU, and a kernel before 6.2 resets every affinity when a cpuset changes. The agent notes such tasks
 * before it takes, and puts back what was lost with `taskset`, which busybox and util-linux both have. (QuickJS has
 * no sched_setaffinity.)
 */
import type { Platform } from "./platform.ts";
import type { TaskAffinity } from "./record.ts";
import { parseVcpuList, sameVcpus, vcpuMask } from "./vcpu_list.ts";

/** Finds the tasks of users that may not run on every vCPU in use. Kernel threads look after themselves. */
export class TaskAffinities {
  readonly #platform: Platform;
  /** Most processes of a small guest are kernel threads; knowing them saves most of a scan. */
  readonly #kernelThreads = new Set<string>();

  constructor(platform: Platform) {
    this.#platform = platform;
  }

  /** Forgets which numbers were kernel threads: numbers are used again. */
  forget(): void {
    this.#kernelThreads.clear();
  }

  /** Ordered as /proc lists them; TASKS_MAX tasks are looked at. */
  find(inUse: readonly number[]): readonly TaskAffinity[] {
    const found: TaskAffinity[] = [];
    let looked = 0;
    for (const pid of this.#platform.listDirectory("/proc")) {
      if (!(Number(pid) > 0) || this.#kernelThreads.has(pid)) continue;
      const process = this.#platform.readFile(`/proc/${pid}/status`);
      if (process === null) continue;
      if (pid === "2" || field(process, "PPid") === "2") {
        this.#kernelThreads.add(pid);
        continue;
      }
      const tasks =
        field(process, "Threads") === "1" ? [pid] : this.#platform.listDirectory(`/proc/${pid}/task`);
      for (const task of tasks) {
        if (++looked > TASKS_MAX) return found;
        const status = task === pid ? process : this.#platform.readFile(`/proc/${task}/status`);
        const allowed = status === null ? "" : field(status, "Cpus_allowed_list");
        const vcpus = parseVcpuList(allowed);
        if (status === null || vcpus.length === 0 || inUse.every((vcpu) => vcpus.includes(vcpu))) continue;
        const started = startOf(this.#platform, task);
        if (started !== null)
          found.push({ task: Number(task), started, name: field(status, "Name"), allowed });
      }
    }
    return found;
  }
}

/**
 * Gives the recorded tasks their affinity back as far as the vCPUs in use allow. The answer names those for which
 * that failed, each with the reason, for the next report.
 */
export function restoreAffinities(
  platform: Platform,
  recorded: readonly TaskAffinity[],
  inUse: readonly number[],
): readonly LostAffinity[] {
  const lost: LostAffinity[] = [];
  for (const affinity of recorded) {
    const allowed = parseVcpuList(affinity.allowed);
    const wanted = allowed.filter((vcpu) => inUse.includes(vcpu));
    if (wanted.length === 0 || startOf(platform, `${affinity.task}`) !== affinity.started) continue;
    if (asWanted(platform, affinity.task, inUse, wanted)) continue;
    const status = platform.run(["taskset", "-p", vcpuMask(allowed), `${affinity.task}`]);
    if (asWanted(platform, affinity.task, inUse, wanted)) continue;
    lost.push({ ...affinity, why: status === NOT_FOUND ? "there is no taskset in PATH" : "taskset failed" });
  }
  return lost;
}

export interface LostAffinity extends TaskAffinity {
  readonly why: string;
}

/** More tasks than this are not looked at before a change: it would take too long. */
const TASKS_MAX = 4_096;

/** What shells and exec wrappers answer for a program that is not there. */
const NOT_FOUND = 127;

function asWanted(
  platform: Platform,
  task: number,
  inUse: readonly number[],
  wanted: readonly number[],
): boolean {
  const status = platform.readFile(`/proc/${task}/status`);
  if (status === null) return true;
  const now = parseVcpuList(field(status, "Cpus_allowed_list")).filter((vcpu) => inUse.includes(vcpu));
  return sameVcpus(now, wanted);
}

function field(status: string, name: string): string {
  const start = status.indexOf(`${name}:`);
  if (start === -1) return "";
  const end = status.indexOf("\n", start);
  return status.slice(start + name.length + 1, end === -1 ? undefined : end).trim();
}

/** Field 22 of /proc/N/stat, counted from behind the name, which may hold anything. */
function startOf(platform: Platform, task: string): string | null {
  const stat = platform.readFile(`/proc/${task}/stat`);
  return stat === null ? null : (stat.slice(stat.lastIndexOf(")") + 2).split(" ")[19] ?? null);
}
