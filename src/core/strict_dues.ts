/** What everybody is due by weights alone, in whole vCPUs, whoever asks for what: where admission begins. */
import { divide, hindrancesOf, poolOf, type Subject, subjectsOf } from "./division.ts";
import type { Snapshot } from "./model.ts";
import type { Policy } from "./policy.ts";
import type { Grant } from "./target.ts";
import type { DomainId } from "./units.ts";

export function strictDues(policy: Policy, snapshot: Snapshot): StrictDues {
  const pool = poolOf(policy, snapshot.pcpus).length;
  if (pool === 0) return { capacity: 0, domains: [] };
  const subjects = subjectsOf(policy, snapshot);
  const { grants, sharedPcpus, floatingPcpus } = divide(policy, pool, subjects).division;
  const inUse = grants.reduce((sum, { own }) => sum + own, sharedPcpus + floatingPcpus);
  return {
    // `floor` leaves pCPUs to the host, which are not to be lent.
    capacity: policy.rounding === "floor" ? inUse : pool,
    domains: subjects.map((subject, index) => {
      const grant = grants[index]!;
      const pcpus = grant.floats ? floatingPcpus : grant.own + grant.shared;
      // A guest that cannot follow has more vCPUs in use than it is due; its pCPUs are what it is due.
      return { id: subject.domain.id, due: Math.min(usedOf(subject, grant), pcpus) };
    }),
  };
}

/** Plain data, so that the controller keeps it for as long as its inputs stay. */
export interface StrictDues {
  /** Whole pCPUs that may be divided: those in use by weights alone, and those left idle that may be lent. */
  readonly capacity: number;
  /** Every managed domain, ordered by id. */
  readonly domains: readonly { readonly id: DomainId; readonly due: number }[];
}

/** How many vCPUs the plan has it use. */
function usedOf({ domain, vcpus }: Subject, { target }: Grant): number {
  const isHindered = 0 < hindrancesOf(domain).length;
  let [inUse, kept] = [0, 0];
  for (const vcpu of vcpus) {
    if (!vcpu.inUse) continue;
    inUse += 1;
    if (!vcpu.canOffline) kept += 1;
  }
  return isHindered ? inUse : Math.max(kept, Math.min(target, vcpus.length));
}
