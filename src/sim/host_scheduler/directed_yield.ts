/**
 * KVM's directed yield (virt/kvm/kvm_main.c, kvm_vcpu_on_spin): a vCPU that exits from a pause loop spins for a sibling
 * that is probably not running; which one, the host must guess. It goes round the siblings, starting after the one
 * helped last, and takes the first candidate.
 *
 * - `linux-3.0`: whoever waits for a pCPU.
 * - `linux-6.12`: whoever waits and was preempted in kernel mode or has an interrupt pending; a sibling that was itself
 *   in a pause loop only every second time.
 * - `none`: the exit happens and nothing comes of it; to show what the yield is worth.
 *
 * Example, three siblings: 0 exits, 1 waits in user mode, 2 waits in the kernel, 1 was helped last. 3.0 takes 2, since
 * it is next; had 2 been helped last, it would take 1, and 6.12 would still take 2.
 *
 * Simplified: one pass (the second one of the original only wraps around); no refusal when both queues have a single
 * task, since here a sibling that waits is always behind somebody.
 */
import type { Host } from "./policy.ts";

export type DirectedYieldRules = "linux-3.0" | "linux-6.12" | "none";

/** What the host knows of the vCPUs for this. */
export type Siblings = Pick<
  Host,
  | "domains"
  | "vcpus"
  | "domainOf"
  | "firstVcpuOf"
  | "vcpuCountOf"
  | "isRunnable"
  | "isRunning"
  | "inKernel"
  | "hasInterrupt"
>;

export class DirectedYield {
  private readonly host: Siblings;
  private readonly rules: DirectedYieldRules;
  /** Per domain: the number within it of the vCPU helped last. */
  private readonly lastBoosted: Int32Array;
  /** In a pause loop since it last ran on; and whether it will be passed over the next time. */
  private readonly spinning: Uint8Array;
  private readonly passedOver: Uint8Array;

  constructor(host: Siblings, rules: DirectedYieldRules) {
    this.host = host;
    this.rules = rules;
    this.lastBoosted = new Int32Array(host.domains);
    this.spinning = new Uint8Array(host.vcpus);
    this.passedOver = new Uint8Array(host.vcpus);
  }

  /** The sibling of the spinner `v` that should run instead, or -1. */
  target(v: number): number {
    if (this.rules === "none") return -1;
    const { host } = this;
    const d = host.domainOf(v);
    const first = host.firstVcpuOf(d);
    const count = host.vcpuCountOf(d);
    this.spinning[v] = 1;
    for (let i = 1; i <= count; i++) {
      const target = first + ((this.lastBoosted[d] + i) % count);
      if (target === v || !host.isRunnable(target) || host.isRunning(target)) continue;
      if (this.rules === "linux-6.12" && !this.isEligible(target)) continue;
      this.lastBoosted[d] = target - first;
      return target;
    }
    this.spinning[v] = 0;
    return -1;
  }

  /** It runs on: whatever loop it was in, it will show again. */
  runs(v: number): void {
    this.spinning[v] = 0;
    this.passedOver[v] = 0;
  }

  private isEligible(v: number): boolean {
    if (!this.host.inKernel(v) && !this.host.hasInterrupt(v)) return false;
    if (this.spinning[v] === 0) return true;
    this.passedOver[v] = 1 - this.passedOver[v];
    return this.passedOver[v] === 0;
  }
}
