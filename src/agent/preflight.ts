/** What would be displaced, or stands in the way, if a vCPU were taken. vCPU 0 is never taken and has no findings. */
import { FINDINGS_MAX, type PreflightFinding, TEXT_CHARS_MAX } from "../protocol/guest_messages.ts";
import { type GuestView, VCPU_DIRECTORY } from "./guest_view.ts";
import { describeInterrupt, readInterrupts } from "./interrupts.ts";
import { CGROUP_ROOT, PARTITION_NAME } from "./isolation.ts";
import type { Platform } from "./platform.ts";
import type { TaskAffinity } from "./record.ts";
import type { LostAffinity } from "./task_affinity.ts";
import { parseVcpuList } from "./vcpu_list.ts";

/** Ordered by kind, then as found; FINDINGS_MAX at most. */
export function preflight(platform: Platform, seen: Seen): readonly PreflightFinding[] {
  const findings: PreflightFinding[] = [];
  const add = (vcpus: readonly number[], what: PreflightFinding["what"], detail: string): void => {
    for (const vcpu of vcpus) {
      if (vcpu === 0 || findings.length >= FINDINGS_MAX) continue;
      findings.push({ vcpu, what, detail: detail.slice(0, TEXT_CHARS_MAX) });
    }
  };
  for (const { name, task, allowed, why } of seen.lost) {
    add(parseVcpuList(allowed), "pinned-task", `${name} (task ${task}) lost its affinity ${allowed}: ${why}`);
  }
  for (const { name, task, allowed } of seen.tasks) {
    add(parseVcpuList(allowed), "pinned-task", `${name} (task ${task}) may run on ${allowed} only`);
  }
  for (const { path, vcpus } of cpusets(platform)) {
    add(parseVcpuList(vcpus), "cpuset", `${path} names ${vcpus}`);
  }
  for (const [interrupt, allowed] of Object.entries(readInterrupts(platform))) {
    const vcpus = parseVcpuList(allowed);
    if (vcpus.length !== 1 || seen.view.inUse.length === 1) continue;
    add(vcpus, "interrupt", `${describeInterrupt(platform, interrupt)} is allowed there only`);
  }
  for (const what of ["isolated", "nohz_full"]) {
    const vcpus = parseVcpuList(platform.readFile(`${VCPU_DIRECTORY}/${what}`));
    add(
      vcpus.filter((vcpu) => !seen.view.isolated.includes(vcpu)),
      "kernel-isolated",
      `Kernel parameter ${what}`,
    );
  }
  return findings;
}

/** What was read already. */
export interface Seen {
  readonly view: GuestView;
  readonly tasks: readonly TaskAffinity[];
  readonly lost: readonly LostAffinity[];
}

/** Two levels of slices hold what administrators confine; the walk ends after this many groups. */
const CPUSET_DEPTH_MAX = 3;
const CPUSETS_MAX = 256;

function cpusets(platform: Platform): readonly { path: string; vcpus: string }[] {
  const found: { path: string; vcpus: string }[] = [];
  let queue = [CGROUP_ROOT];
  let looked = 0;
  for (let depth = 0; depth < CPUSET_DEPTH_MAX; depth++) {
    const next: string[] = [];
    for (const directory of queue) {
      for (const name of platform.listDirectory(directory)) {
        if (name.includes(".") && !/\.(slice|scope|service)$/.test(name)) continue;
        if (name === PARTITION_NAME || ++looked > CPUSETS_MAX) continue;
        const path = `${directory}/${name}`;
        next.push(path);
        const vcpus = platform.readFile(`${path}/cpuset.cpus`)?.trim() ?? "";
        if (vcpus !== "") found.push({ path, vcpus });
      }
    }
    queue = next;
  }
  return found;
}
