/**
 * Affinity-based scheduling, as the paper compares against (VCPU-Bal, APSys'13): vCPU k of every domain is pinned to pCPU
 * k, and the host's scheduler decides among those that share a pCPU. Siblings are never stacked; preemption stays, and a
 * pCPU whose vCPUs idle helps nobody. A domain with more vCPUs than pCPUs starts again at pCPU 0.
 */
import type { Controller } from "../host/control.ts";

export interface AffinityConfig {
  readonly kind: "affinity";
}

export function affinity(): Controller {
  return {
    start(control) {
      control.domains.forEach((_, d) => {
        for (let i = 0; i < control.vcpusOf(d); i++) control.setPins(d, i, [i % control.pcpus]);
      });
    },
    onTimer() {},
  };
}
