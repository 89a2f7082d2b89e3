/**
 * Preferred vCPUs: how Linux guests may fold themselves by watching steal time (S. Hegde, `cpu_preferred_mask` with
 * `virt/steal_monitor`, 2025-26, from the mailing list). Each guest decides alone, without the host: when more than 5 %
 * of the last second was stolen, it leaves one vCPU; at 2 % or less it takes one back; it keeps at least one. Tasks are
 * moved off a vCPU that is left, which stays online.
 *
 * Example, 4 vCPUs in use: 8 % stolen -> 3; then 4 % -> 3; then 1 % -> 4.
 *
 * It works best when all guests do it: one that does not gets more (`domains` says who does). Simplified: a step is one
 * vCPU, as guests have no cores here; steal is averaged over the vCPUs in use; nothing is pinned inside the guest.
 */
import type { Control, Controller } from "../host/control.ts";
import { PREFERRED_VCPUS } from "../machine/constants.ts";
import { onlineCount, setOnlineCount } from "./online_count.ts";

export interface PreferredVcpusConfig {
  readonly kind: "preferred-vcpus";
  /** Default 1 s. */
  readonly interval?: number;
  /** Thousandths of the interval; default 20 and 50. */
  readonly lowSteal?: number;
  readonly highSteal?: number;
  /** The names of the domains that take part; default all. */
  readonly domains?: readonly string[];
}

/** How many vCPUs to use next. Steal and thresholds in thousandths. */
export function preferredCount(
  using: number,
  steal: number,
  { lowSteal, highSteal, most }: { lowSteal: number; highSteal: number; most: number },
): number {
  if (highSteal < steal) return Math.max(1, using - 1);
  return steal <= lowSteal ? Math.min(most, using + 1) : using;
}

export function preferredVcpus(config: PreferredVcpusConfig): Controller {
  const interval = config.interval ?? PREFERRED_VCPUS.interval;
  const lowSteal = config.lowSteal ?? PREFERRED_VCPUS.lowSteal;
  const highSteal = config.highSteal ?? PREFERRED_VCPUS.highSteal;
  const before: number[] = [];
  const waitedOf = (control: Control, d: number): number => {
    let waited = 0;
    for (let i = 0; i < control.vcpusOf(d); i++) waited += control.waitedOf(d, i);
    return waited;
  };
  return {
    start(control) {
      control.domains.forEach((_, d) => {
        before.push(waitedOf(control, d));
      });
      control.arm(0, interval);
    },
    onTimer(control) {
      control.domains.forEach((name, d) => {
        const waited = waitedOf(control, d);
        const using = onlineCount(control, d);
        const steal = ((waited - before[d]) * 1000) / (using * interval);
        before[d] = waited;
        if (config.domains !== undefined && !config.domains.includes(name)) return;
        const count = preferredCount(using, steal, { lowSteal, highSteal, most: control.vcpusOf(d) });
        if (count !== using) setOnlineCount(control, d, { count, mechanism: "isolate" });
      });
      control.arm(0, control.now() + interval);
    },
  };
}
