/**
 * The oracle: the best placement by exhaustive search, to hold the planner's fast choice against on small hosts.
 *
 * Branch and bound over pCPUs: each is given to a party that still lacks some, or to nobody. Every part of the cost
 * only grows along a branch, so a branch that is already no better than the best is cut. It shares the objective's
 * definition (src/core/regions.ts) with the planner, but no code.
 */
import type { Pcpu } from "../../core/model.ts";
import type { NodeId, PcpuId } from "../../core/units.ts";

/** Hinted pCPUs missed, nodes, split cores, LLCs, cores, vCPUs moved; compared in this order. */
export type PlacementCost = readonly [
  misses: number,
  nodes: number,
  splitCores: number,
  llcs: number,
  cores: number,
  moved: number,
];

export interface OracleParty {
  readonly size: number;
  readonly node: NodeId | null;
  /** The pCPUs of its vCPUs that are in use before and after. */
  readonly held: readonly PcpuId[];
}

export function costOfPlacement(
  pcpus: readonly Pcpu[],
  parties: readonly OracleParty[],
  ownerOf: readonly number[],
): PlacementCost {
  let [misses, nodes, splitCores, llcs, cores, moved] = [0, 0, 0, 0, 0, 0];
  const ownersOfCore = new Map<number, Set<number>>();
  parties.forEach((party, index) => {
    const mine = pcpus.filter((_, position) => ownerOf[position] === index);
    const ids = new Set(mine.map((pcpu) => pcpu.id));
    misses += party.node === null ? 0 : mine.filter((pcpu) => pcpu.node !== party.node).length;
    nodes += new Set(mine.map((pcpu) => pcpu.node)).size;
    llcs += new Set(mine.map((pcpu) => pcpu.llc)).size;
    for (const core of new Set(mine.map((pcpu) => pcpu.core))) {
      const owners = ownersOfCore.get(core) ?? new Set();
      ownersOfCore.set(core, owners.add(index));
      cores += 1;
    }
    moved += party.held.filter((pcpu) => !ids.has(pcpu)).length;
  });
  for (const owners of ownersOfCore.values()) splitCores += owners.size - 1;
  return [misses, nodes, splitCores, llcs, cores, moved];
}

/** The least cost that any placement has. Exponential: for a dozen pCPUs at most. */
export function bestPlacement(pcpus: readonly Pcpu[], parties: readonly OracleParty[]): PlacementCost {
  const left = parties.map((party) => party.size);
  const ownerOf = pcpus.map(() => NOBODY);
  let spare = pcpus.length - left.reduce((sum, size) => sum + size, 0);
  let best: PlacementCost | null = null;

  const descend = (position: number): void => {
    const cost = costSoFar({ pcpus, parties, ownerOf, position });
    if (best !== null && !isCheaper(cost, best)) return;
    if (position === pcpus.length) {
      best = cost;
      return;
    }
    for (let party = 0; party < parties.length; party++) {
      if (left[party] === 0) continue;
      left[party]! -= 1;
      ownerOf[position] = party;
      descend(position + 1);
      left[party]! += 1;
    }
    ownerOf[position] = NOBODY;
    if (0 < spare) {
      spare -= 1;
      descend(position + 1);
      spare += 1;
    }
  };
  descend(0);
  return best!;
}

/** The least possible largest load when these vCPUs share `bins` pCPUs and siblings never meet. */
export function bestLargestLoad(bins: number, vcpus: readonly OracleVcpu[]): number {
  const heaviestFirst = [...vcpus].sort((a, b) => b.load - a.load);
  const loads = Array.from({ length: bins }, () => 0);
  const tenants = Array.from({ length: bins }, () => new Set<string>());
  let best = Number.POSITIVE_INFINITY;
  const descend = (order: number, largest: number): void => {
    if (best <= largest) return;
    const vcpu = heaviestFirst[order];
    if (vcpu === undefined) {
      best = largest;
      return;
    }
    for (let bin = 0; bin < bins; bin++) {
      if (tenants[bin]!.has(vcpu.domain)) continue;
      tenants[bin]!.add(vcpu.domain);
      loads[bin]! += vcpu.load;
      descend(order + 1, Math.max(largest, loads[bin]!));
      loads[bin]! -= vcpu.load;
      tenants[bin]!.delete(vcpu.domain);
      // Empty bins are alike.
      if (tenants[bin]!.size === 0) break;
    }
  };
  descend(0, 0);
  return best;
}

export interface OracleVcpu {
  readonly domain: string;
  readonly load: number;
}

export function isCheaper(a: PlacementCost, b: PlacementCost): boolean {
  const differing = a.findIndex((value, index) => value !== b[index]);
  return differing !== -1 && a[differing]! < b[differing]!;
}

const NOBODY = -1;

/** The cost of the pCPUs before `position`; a held pCPU beyond it may still be kept. */
function costSoFar({ pcpus, parties, ownerOf, position }: PartialPlacement): PlacementCost {
  const decided = pcpus.slice(0, position);
  const ids = new Set(decided.map((pcpu) => pcpu.id));
  const decidable = parties.map((party) => ({ ...party, held: party.held.filter((pcpu) => ids.has(pcpu)) }));
  return costOfPlacement(decided, decidable, ownerOf);
}

interface PartialPlacement {
  readonly pcpus: readonly Pcpu[];
  readonly parties: readonly OracleParty[];
  readonly ownerOf: readonly number[];
  readonly position: number;
}
