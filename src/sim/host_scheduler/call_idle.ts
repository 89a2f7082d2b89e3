/**
 * When a pCPU has been given to one of several who could have used it, the others may still fit an idle pCPU that nobody
 * has asked, because pins differ. Policies with a queue for several pCPUs call this after each choice.
 */
import type { Host } from "./policy.ts";
import type { VcpuQueue } from "./vcpu_queue.ts";

export function callIdle(host: Host, queue: VcpuQueue): void {
  if (queue.length === 0) return;
  for (let p = 0; p < host.pcpus; p++) {
    if (!host.isIdle(p)) continue;
    for (let v = queue.first; v >= 0; v = queue.next(v)) {
      if (!host.allowed(v, p)) continue;
      host.reschedule(p);
      break;
    }
  }
}
