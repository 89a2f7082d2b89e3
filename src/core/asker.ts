/** What the hypervisor knows of a domain that may ask for vCPUs: the facts that an answer rests on. */
import { chooseOnline } from "./choose_online.ts";
import type { DomainSnapshot } from "./model.ts";
import { type ObservedVcpu, observedVcpus } from "./observed_vcpu.ts";
import type { DomainPlan, Plan } from "./plan.ts";
import { type Policy, policyOf } from "./policy.ts";
import {
  type DomainId,
  MILLI_PER_PCPU,
  type MilliPcpu,
  type NodeId,
  type PcpuId,
  type VcpuIndex,
} from "./units.ts";

/**
 * One for each domain of `strictPlan`, ordered by id. `strictPlan` is what makePlan says by weights alone, whoever
 * asks for what. A domain without an entry in `usage` could not be measured.
 */
export function askersOf({ policy, domains, strictPlan, usage }: AskerSources): Asker[] {
  const snapshots = new Map(domains.map((domain) => [domain.id, domain]));
  return strictPlan.domains.flatMap((plan): Asker[] => {
    const domain = snapshots.get(plan.id);
    if (domain === undefined) return [];
    const { weight, vcpusMin, vcpusMax, cap } = policyOf(policy, plan.id);
    const plugged = domain.vcpus.length;
    const capped = cap === null ? plugged : Math.floor(cap / MILLI_PER_PCPU);
    const least = Math.min(vcpusMin, plugged);
    const most = Math.max(least, Math.min(plugged, vcpusMax ?? plugged, capped));
    return [
      {
        id: plan.id,
        weight,
        // A guest that cannot follow has more vCPUs in use than it is due; its pCPUs are what it is due.
        strict: Math.max(least, Math.min(most, plan.target, pcpusOf([plan]).size)),
        least,
        most,
        vcpus: observedVcpus(domain),
        state: domain.state,
        hears: domain.guest !== null && 0 < domain.guest.mechanisms.length,
        asks: domain.guest?.agent === "vbal-agent",
        usage: usage.get(plan.id) ?? null,
      },
    ];
  });
}

export interface AskerSources {
  readonly policy: Policy;
  readonly domains: readonly DomainSnapshot[];
  readonly strictPlan: Plan;
  readonly usage: ReadonlyMap<DomainId, MilliPcpu>;
}

export interface Asker {
  readonly id: DomainId;
  readonly weight: number;
  /** Whole vCPUs that it is due by weight, reservation and cap. `1 <= least <= strict <= most`. */
  readonly strict: number;
  readonly least: number;
  readonly most: number;
  /** Every plugged vCPU, ordered by index. */
  readonly vcpus: readonly ObservedVcpu[];
  readonly state: "running" | "paused";
  /** Its guest would bring a vCPU online. */
  readonly hears: boolean;
  /** Its guest has a load monitor and so can ask back what it gave. */
  readonly asks: boolean;
  /** pCPU time used of late, measured by the host. */
  readonly usage: MilliPcpu | null;
}

export function onlineCount({ vcpus }: Asker): number {
  return vcpus.reduce((count, { inUse }) => count + (inUse ? 1 : 0), 0);
}

export function nodesOf({ vcpus }: Asker): NodeId[] {
  return [...new Set(vcpus.map(({ vcpu }) => vcpu.guestNode))].sort((a, b) => a - b);
}

/** The vCPU that is to come online next, on `node` unless that is `null`; `null` when none is left. */
export function nextVcpu(asker: Asker, node: NodeId | null): VcpuIndex | null {
  // Of the named node as of the whole: first threads of a core first, nodes evenly.
  const eligible = asker.vcpus
    .filter(({ vcpu, inUse }) => inUse || node === null || vcpu.guestNode === node)
    .map((observed, order) => ({ ...observed, order }));
  const chosen = chooseOnline(onlineCount(asker) + 1, eligible);
  return eligible.find(({ inUse, order }) => chosen[order] && !inUse)?.vcpu.index ?? null;
}

/** How many whole pCPUs there are to divide: those in use by weights alone, and those left idle that may be lent. */
export function capacityOf({ rounding }: Policy, strictPlan: Plan): number {
  // `floor` leaves pCPUs to the host, which are not to be lent.
  return pcpusOf(strictPlan.domains).size + (rounding === "floor" ? 0 : strictPlan.idlePcpus.length);
}

function pcpusOf(domains: readonly DomainPlan[]): Set<PcpuId> {
  const all = new Set<PcpuId>();
  for (const { vcpus } of domains) for (const { pcpus } of vcpus) for (const pcpu of pcpus) all.add(pcpu);
  return all;
}
