/**
 * Which vCPUs of a domain are used for a target. In this order: vCPU 0 always; one that cannot be offlined always;
 * those in use now, so that the fewest change (pitfall 13: offlining destroys task affinities); those that a guest
 * asked for and was granted (P-18); of a guest core the first SMT thread before the second; guest nodes evenly; lowest index.
 *
 * Growing from the emptiest node and shrinking from the fullest are one order read in two directions: whoever has the
 * fewest chosen vCPUs on its node comes next, and the best `target` are a prefix.
 */
import type { ObservedVcpu } from "./observed_vcpu.ts";
import type { NodeId, VcpuIndex } from "./units.ts";

/** For each vCPU whether to use it. More than `target` only if more cannot be offlined. */
export function chooseOnline(
  target: number,
  vcpus: readonly ObservedVcpu[],
  granted: readonly VcpuIndex[] = [],
): boolean[] {
  const chosen = vcpus.map(() => false);
  const chooseFrom = isOneNode(vcpus) ? chooseInOrder : chooseEvenly;
  let count = chooseFrom(vcpus, chosen, ALWAYS, vcpus.length);
  for (let rank = ALWAYS + 1; rank <= LAST && count < target; rank++) {
    if (rank === GRANTED) count += chooseGranted(vcpus, chosen, granted, target - count);
    else count += chooseFrom(vcpus, chosen, rank, target - count);
  }
  return chosen;
}

const ALWAYS = 0;
const GRANTED = 3;
const LAST = 5;

function rankOf({ vcpu, inUse, canOffline }: ObservedVcpu): number {
  if (inUse && !canOffline) return ALWAYS;
  return (inUse ? 1 : GRANTED + 1) + (0 < vcpu.guestThread ? 1 : 0);
}

function chooseGranted(
  vcpus: readonly ObservedVcpu[],
  chosen: boolean[],
  granted: readonly VcpuIndex[],
  most: number,
): number {
  let count = 0;
  if (granted.length === 0) return count;
  for (const { vcpu, order } of vcpus) {
    if (count === most) break;
    if (chosen[order] || !granted.includes(vcpu.index)) continue;
    chosen[order] = true;
    count += 1;
  }
  return count;
}

function isOneNode(vcpus: readonly ObservedVcpu[]): boolean {
  for (const { vcpu } of vcpus) if (vcpu.guestNode !== vcpus[0]!.vcpu.guestNode) return false;
  return true;
}

/** Chooses `most` vCPUs of this rank; returns how many there were. */
function chooseInOrder(
  vcpus: readonly ObservedVcpu[],
  chosen: boolean[],
  rank: number,
  most: number,
): number {
  let count = 0;
  for (const observed of vcpus) {
    if (count === most) break;
    if (chosen[observed.order] || rankOf(observed) !== rank) continue;
    chosen[observed.order] = true;
    count += 1;
  }
  return count;
}

/** The same with the emptiest of the guest's nodes first. */
function chooseEvenly(vcpus: readonly ObservedVcpu[], chosen: boolean[], rank: number, most: number): number {
  const chosenOn = new Map<NodeId, number>();
  const companyOf = ({ vcpu }: ObservedVcpu) => chosenOn.get(vcpu.guestNode) ?? 0;
  const join = (observed: ObservedVcpu) => chosenOn.set(observed.vcpu.guestNode, companyOf(observed) + 1);
  for (const observed of vcpus) if (chosen[observed.order]) join(observed);
  for (let count = 0; count < most; count++) {
    let next: ObservedVcpu | null = null;
    for (const observed of vcpus) {
      if (chosen[observed.order] || rankOf(observed) !== rank) continue;
      if (next === null || companyOf(observed) < companyOf(next)) next = observed;
    }
    if (next === null) return count;
    chosen[next.order] = true;
    join(next);
  }
  return most;
}
