/**
 * Entitlement: the pCPU time that each domain is due, in milli-pCPU.
 *
 * Theory. VCPU-Bal gives domain a the share `N(a) = W(a) * T / sum W` of T pCPUs (Song et al., Schedule Processes, not VCPUs, APSys 2013, section
 * 3; B-5). That share alone fails in three ways, and each has its bound:
 * - A weight can be infeasible: the share is more than the domain could use, because it has fewer vCPUs. The surplus
 *   is divided again among the others by weight (the problem is known from proportional-share schedulers:
 *   Chandra et al., Surplus Fair Scheduling, OSDI 2000). A cap is the same bound, set by the administrator.
 * - A reservation is pCPU time that is due whatever the others weigh: a floor.
 * - Reservations can exceed the capacity. Then the weights no longer count: each domain gets the capacity in
 *   proportion to its reservation, a domain without one gets none, and every reserved domain says so.
 * Floors, ceilings and weights together are water-filling (water_filling.ts), so the sum is the capacity exactly
 * unless all the ceilings together are below it, and never more.
 *
 * Example (B-6). 12 pCPUs, weights 512 and 256: 12,000 * 512 / 768 = 8,000 and 12,000 * 256 / 768 = 4,000. If the
 * first had 6 vCPUs, its share of 8,000 would be infeasible: 6,000 for it and 6,000 for the other.
 */
import type { Reason } from "./reason.ts";
import { type DomainId, MILLI_PER_PCPU, type MilliPcpu } from "./units.ts";
import { waterFill } from "./water_filling.ts";

/** One result per claim, in the order of the claims; ties are broken by that order, so sort claims by id. */
export function entitlements(capacity: MilliPcpu, claims: readonly Claim[]): Entitlement[] {
  const members = claims.map((claim) => {
    const ceiling = ceilingOf(claim);
    return { weight: claim.weight, floor: Math.min(claim.reservation, ceiling), ceiling };
  });
  const weightSum = claims.reduce((sum, claim) => sum + claim.weight, 0);
  const reserved = members.reduce((sum, member) => sum + member.floor, 0);
  const given = waterFill(capacity, members);
  return claims.map((claim, index) => {
    const entitlement = given[index]!;
    const share = Math.round((claim.weight * capacity) / weightSum);
    const byWeight: Reason = { code: "share", weight: claim.weight, weightSum, capacity, share };
    const bound: Reason | null =
      capacity < reserved
        ? { code: "reservations-exceed-capacity", reserved, capacity }
        : boundReason({ claim, entitlement, share, floor: members[index]!.floor });
    return { id: claim.id, entitlement, reasons: bound === null ? [byWeight] : [byWeight, bound] };
  });
}

/** What a domain brings to the division. */
export interface Claim {
  readonly id: DomainId;
  readonly weight: number;
  readonly reservation: MilliPcpu;
  readonly cap: MilliPcpu | null;
  /** As many vCPUs as it may ever use: those plugged, or its vCPUs max. */
  readonly vcpus: number;
}

export interface Entitlement {
  readonly id: DomainId;
  readonly entitlement: MilliPcpu;
  readonly reasons: readonly Reason[];
}

function ceilingOf(claim: Claim): MilliPcpu {
  return Math.min(claim.vcpus * MILLI_PER_PCPU, claim.cap ?? Number.POSITIVE_INFINITY);
}

function boundReason({ claim, entitlement, share, floor }: Bounded): Reason | null {
  const atCeiling = entitlement === ceilingOf(claim);
  if (atCeiling && entitlement < share) {
    return entitlement === claim.cap
      ? { code: "lowered-to-cap", cap: claim.cap }
      : { code: "lowered-to-vcpus", vcpus: claim.vcpus };
  }
  if (entitlement === floor && share < floor) return { code: "raised-to-reservation", reservation: floor };
  // One milli-pCPU more or less is the rounding of the shares, not somebody else's bound.
  if (share + 1 < entitlement) return { code: "surplus-from-others", surplus: entitlement - share };
  if (entitlement < share - 1) return { code: "lowered-for-reservations", shortfall: share - entitlement };
  return null;
}

interface Bounded {
  readonly claim: Claim;
  readonly entitlement: MilliPcpu;
  readonly share: MilliPcpu;
  readonly floor: MilliPcpu;
}
