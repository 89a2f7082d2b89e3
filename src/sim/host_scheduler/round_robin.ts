/**
 * Round robin: one queue for the whole host, a fixed slice, no weights. The simplest work-conserving policy and the
 * base line of the small models; a vCPU goes wherever a pCPU comes free.
 */
import type { Host, HostPolicy } from "./policy.ts";
import { VcpuQueue } from "./vcpu_queue.ts";

export interface RoundRobinConfig {
  readonly kind: "round-robin";
  /** Default 30 ms. */
  readonly slice?: number;
}

export function roundRobin(host: Host, config: RoundRobinConfig): HostPolicy {
  const slice = config.slice ?? 30_000_000;
  const queue = new VcpuQueue(host.vcpus);

  /** The pCPU it last ran on when that is idle, else the first idle one that it may use, else -1. */
  function idlePcpuFor(vcpu: number): number {
    const last = host.lastPcpuOf(vcpu);
    if (last >= 0 && host.isIdle(last) && host.allowed(vcpu, last)) return last;
    for (let p = 0; p < host.pcpus; p++) if (host.isIdle(p) && host.allowed(vcpu, p)) return p;
    return -1;
  }

  function add(vcpu: number): void {
    queue.pushBack(vcpu);
    const idle = idlePcpuFor(vcpu);
    if (idle >= 0) host.reschedule(idle);
  }

  return {
    workConserving: true,
    onWake: add,
    onHalt(vcpu) {
      queue.remove(vcpu);
    },
    // Whoever took its place may be pinned there, while another pCPU idles.
    onPreempt: add,
    pickNext(pcpu) {
      for (let v = queue.first; v >= 0; v = queue.next(v)) {
        if (host.allowed(v, pcpu)) {
          queue.remove(v);
          return v;
        }
      }
      return -1;
    },
    slice: () => slice,
  };
}
