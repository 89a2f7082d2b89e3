/**
 * Demand: how many vCPUs each domain wants, and what it was told. It lives as long as the domain, changes only by
 * granted requests (admission.ts) and by give-back (give_back.ts), and is plain data, so that the journal replays it.
 */
import type { Allotment } from "./allotment.ts";
import { type Asker, onlineCount } from "./asker.ts";
import { judgeUse, NO_USE_YET, type UseMemory } from "./give_back.ts";
import type { Granted } from "./make_plan.ts";
import type { DomainPolicy, Policy } from "./policy.ts";
import { policyOf } from "./policy.ts";
import type { Answer } from "./request.ts";
import { type Allowance, fullAllowance } from "./request_rate.ts";
import type { DomainId, Milliseconds, VcpuIndex } from "./units.ts";

/** Ordered by id, one for each asker. */
export interface DemandState {
  readonly domains: readonly DomainDemand[];
}

export interface DomainDemand {
  readonly id: DomainId;
  /** vCPUs that it wants; it has fewer while others need their own. */
  readonly wants: number;
  /** vCPUs that it may use: the last allotment. */
  readonly allotted: number;
  /** Granted and not online yet: the plan should choose these. */
  readonly granted: readonly VcpuIndex[];
  readonly use: UseMemory;
  readonly allowance: Allowance;
  /** The last ones, so that a lost answer is given again. */
  readonly answers: readonly { readonly id: string; readonly answer: Answer }[];
}

export const NO_DEMAND: DemandState = { domains: [] };

/**
 * After an observation: who came and went, whose guest can no longer ask, and who has been quiet for long enough to
 * give a vCPU back. At most one vCPU for each domain in one call. `gaveBack` is ordered by id.
 */
export function reviewDemand(demand: DemandState, askers: readonly Asker[], now: Milliseconds): Reviewed {
  const known = new Map(demand.domains.map((entry) => [entry.id, entry]));
  const gaveBack: DomainId[] = [];
  const domains = askers.map((asker): DomainDemand => {
    const entry = known.get(asker.id);
    if (entry === undefined) return newcomer(asker, now);
    const granted = stillOffline(entry.granted, asker);
    // Who cannot ask back what it lends does not lend, and has its entitlement when it can ask again.
    if (!asker.asks || !asker.hears) {
      return { ...entry, granted, wants: Math.max(entry.wants, asker.strict), use: NO_USE_YET };
    }
    // While vCPUs come and go, the use says nothing about how many are needed.
    if (asker.state === "paused" || onlineCount(asker) !== entry.allotted || entry.allotted <= asker.least) {
      return { ...entry, granted, use: { ...entry.use, quietSince: null } };
    }
    const look = { usage: asker.usage, vcpus: entry.allotted, now };
    const { memory, givesBack } = judgeUse(entry.use, look);
    if (givesBack) gaveBack.push(entry.id);
    return { ...entry, granted, use: memory, wants: givesBack ? entry.allotted - 1 : entry.wants };
  });
  return { demand: { domains }, gaveBack };
}

export interface Reviewed {
  readonly demand: DemandState;
  readonly gaveBack: readonly DomainId[];
}

/** The demand with what everybody may use now; `allotments` are in the order of `askers`. */
export function withAllotted(
  demand: DemandState,
  askers: readonly Asker[],
  allotments: readonly Allotment[],
): DemandState {
  const targets = new Map(askers.map(({ id }, index) => [id, allotments[index]!.target]));
  return {
    domains: demand.domains.map((entry) => {
      const allotted = targets.get(entry.id) ?? entry.allotted;
      return allotted === entry.allotted ? entry : { ...entry, allotted };
    }),
  };
}

/**
 * The policy under which the planner gives everybody its allotment: no domain may use more vCPUs, and since the
 * allotments fit the pool, the division gives each of them all of it.
 */
export function policyOfDemand(policy: Policy, { domains }: DemandState): Policy {
  const limited: Record<DomainId, DomainPolicy> = {};
  for (const { id, allotted } of domains) {
    const own = policyOf(policy, id);
    limited[id] = { ...own, vcpusMax: Math.min(own.vcpusMax ?? allotted, allotted) };
  }
  return { ...policy, domains: { ...policy.domains, ...limited } };
}

/** For makePlan: the vCPUs that were granted and are not online yet. */
export function grantedIn({ domains }: DemandState): Granted {
  return new Map(domains.filter(({ granted }) => 0 < granted.length).map(({ id, granted }) => [id, granted]));
}

/** A guest that has just come has what it is due, until its use shows that it needs less. */
function newcomer({ id, strict }: Asker, now: Milliseconds): DomainDemand {
  return {
    id,
    wants: strict,
    allotted: strict,
    granted: [],
    use: NO_USE_YET,
    allowance: fullAllowance(now),
    answers: [],
  };
}

function stillOffline(granted: readonly VcpuIndex[], { vcpus }: Asker): readonly VcpuIndex[] {
  if (granted.length === 0) return granted;
  return granted.filter((index) => vcpus.some(({ vcpu, inUse }) => vcpu.index === index && !inUse));
}
