/**
 * Which vCPUs of a domain are used for a target. In this order: vCPU 0 always; one that cannot be offlined always;
 * those in use now, so that the fewest change (pitfall 13: offlining destroys task affinities); of a guest core the
 * first SMT thread before the second; guest nodes evenly; lowest index.
 *
 * Growing from the emptiest node and shrinking from the fullest are one order read in two directions: sorted by how
 * many vCPUs of its node come before it, the best `target` are a prefix.
 */
import type { ObservedVcpu } from "./observed_vcpu.ts";
import type { NodeId } from "./units.ts";

/** For each vCPU whether to use it. More than `target` only if more cannot be offlined. */
export function chooseOnline(target: number, vcpus: readonly ObservedVcpu[]): boolean[] {
  const byRank: number[][] = [[], [], [], [], []];
  vcpus.forEach((observed, order) => {
    byRank[rankOf(observed)]!.push(order);
  });
  evenOut(vcpus, byRank);
  const chosen = vcpus.map(() => false);
  let count = 0;
  byRank.forEach((orders, rank) => {
    for (const order of orders) {
      if (rank !== ALWAYS && target <= count) return;
      chosen[order] = true;
      count += 1;
    }
  });
  return chosen;
}

/** Orders each rank by how many vCPUs of the same guest node come before, those of better ranks included. */
function evenOut(vcpus: readonly ObservedVcpu[], byRank: readonly number[][]): void {
  const nodeOf = (order: number) => vcpus[order]!.vcpu.guestNode;
  if (vcpus.every((_, order) => nodeOf(order) === nodeOf(0))) return;
  const perNode = new Map<NodeId, number>();
  for (const orders of byRank) {
    const before = new Map<number, number>();
    for (const order of orders) {
      const seen = perNode.get(nodeOf(order)) ?? 0;
      before.set(order, seen);
      perNode.set(nodeOf(order), seen + 1);
    }
    orders.sort((a, b) => before.get(a)! - before.get(b)! || a - b);
  }
}

const ALWAYS = 0;

function rankOf({ vcpu, inUse, canOffline }: ObservedVcpu): number {
  if (inUse && !canOffline) return ALWAYS;
  return (inUse ? 1 : 3) + (0 < vcpu.guestThread ? 1 : 0);
}
