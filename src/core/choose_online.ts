/**
 * Which vCPUs of a domain are used for a target. In this order: vCPU 0 always; one that cannot be offlined always;
 * those in use now, so that the fewest change (pitfall 13: offlining destroys task affinities); of a guest core the
 * first SMT thread before the second; guest nodes evenly; lowest index.
 *
 * Growing from the emptiest node and shrinking from the fullest are one order read in two directions: sorted by how
 * many vCPUs of its node come before it, the best `target` are a prefix.
 */
import type { ObservedVcpu } from "./observed_vcpu.ts";

/** For each vCPU whether to use it. More than `target` only if more cannot be offlined. */
export function chooseOnline(target: number, vcpus: readonly ObservedVcpu[]): boolean[] {
  const byRank: number[][] = [[], [], [], [], []];
  vcpus.forEach((observed, order) => {
    byRank[rankOf(observed)]!.push(order);
  });
  const chosen = vcpus.map(() => false);
  const perNode = new Map<number, number>();
  let count = 0;
  byRank.forEach((orders, rank) => {
    const before = new Map<number, number>();
    for (const order of orders) {
      const node = vcpus[order]!.vcpu.guestNode;
      const seen = perNode.get(node) ?? 0;
      before.set(order, seen);
      perNode.set(node, seen + 1);
    }
    if (1 < perNode.size) orders.sort((a, b) => before.get(a)! - before.get(b)! || a - b);
    for (const order of orders) {
      if (rank !== ALWAYS && target <= count) return;
      chosen[order] = true;
      count += 1;
    }
  });
  return chosen;
}

const ALWAYS = 0;

function rankOf({ vcpu, inUse, canOffline }: ObservedVcpu): number {
  if (inUse && !canOffline) return ALWAYS;
  return (inUse ? 1 : 3) + (0 < vcpu.guestThread ? 1 : 0);
}
