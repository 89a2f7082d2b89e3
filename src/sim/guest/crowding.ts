/**
 * Work that takes the longer the more run at once (N. Gunther, Guerrilla Capacity Planning, 2007, for the law). Counted is who
 * runs when a piece of work begins, so pieces should be short beside slices. A sibling without a pCPU bounces no cache
 * line and reads no memory: that is why the law counts those that run, not the threads that there are.
 *
 * Example. contention 0.1, coherence 0.02: alone a piece takes 1, with 6 at once 2.1 and with 12 at once 4.74 times as long.
 */
import { DOES_SPIN_ACK, DOES_SPIN_BARRIER, DOES_WORK, NOBODY, VCPU_RUNNING } from "../tables.ts";
import type { Crowding } from "../workload/program.ts";
import type { World } from "../world.ts";

/** Lengthens the piece of work that the vCPU's current task begins. */
export function crowd(w: World, v: number, which: number): void {
  const { contention, coherence, among } = w.crowdings[which]!;
  const { tasks, vcpus } = w;
  const h = vcpus.current[v];
  tasks.crowding[h] = which + 1;
  const n = among === "domain" ? runningSiblings(w, vcpus.domain[v]) : sharingMemory(w, v);
  const factor = 1 + contention * (n - 1) + coherence * n * (n - 1);
  tasks.remaining[h] = Math.max(1, Math.round(tasks.remaining[h] * factor));
}

/** The domain's vCPUs that run and do not just wait for others at a barrier or for an acknowledgement. */
function runningSiblings({ vcpus, tasks, domains }: World, d: number): number {
  const first = domains.firstVcpu[d];
  let n = 0;
  for (let v = first; v < first + domains.vcpuCount[d]; v++) {
    const h = vcpus.current[v];
    if (vcpus.state[v] !== VCPU_RUNNING || h === NOBODY) continue;
    if (tasks.does[h] !== DOES_SPIN_BARRIER && tasks.does[h] !== DOES_SPIN_ACK) n++;
  }
  return Math.max(1, n);
}

/** All on the host that do such work now, on memory of the same node as this vCPU's domain. */
function sharingMemory({ pcpus, vcpus, tasks, domains, crowdings }: World, own: number): number {
  const node = domains.memoryNode[vcpus.domain[own]];
  let n = 0;
  for (let p = 0; p < pcpus.count; p++) {
    const v = pcpus.current[p];
    if (v === NOBODY || domains.memoryNode[vcpus.domain[v]] !== node) continue;
    const h = vcpus.current[v];
    if (h === NOBODY || tasks.does[h] !== DOES_WORK) continue;
    const which: Crowding | undefined = crowdings[tasks.crowding[h] - 1];
    if (which?.among === "memory") n++;
  }
  return Math.max(1, n);
}
