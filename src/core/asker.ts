/** What the hypervisor knows of a domain that may ask for vCPUs: the facts that an answer rests on. */
import { chooseOnline } from "./choose_online.ts";
import type { DomainSnapshot, VcpuSlot } from "./model.ts";
import { type ObservedVcpu, observedVcpus } from "./observed_vcpu.ts";
import { type Policy, policyOf } from "./policy.ts";
import type { StrictDues } from "./strict_dues.ts";
import { type DomainId, MILLI_PER_PCPU, type MilliPcpu, type NodeId, type VcpuIndex } from "./units.ts";

/** One for each domain of `dues`, ordered by id. */
export function askersOf({ policy, domains, dues, usage, growthGivenUp, leaving }: AskerSources): Asker[] {
  const snapshots = new Map(domains.map((domain) => [domain.id, domain]));
  return dues.domains.flatMap(({ id, due }): Asker[] => {
    const domain = snapshots.get(id);
    if (domain === undefined) return [];
    const { weight, vcpusMin, vcpusMax, cap, plug } = policyOf(policy, id);
    const asks = domain.guest?.asks === true;
    const goes = leaving?.get(id) ?? NONE;
    const plugged = domain.vcpus.length - goes.length;
    const capped = cap === null ? Number.MAX_SAFE_INTEGER : Math.floor(cap / MILLI_PER_PCPU);
    const least = Math.min(vcpusMin, plugged);
    const ceiling = Math.max(least, Math.min(vcpusMax ?? capped, capped));
    const most = Math.min(plugged, ceiling);
    // Who cannot ask has its due, whatever its vCPUs are; there can be thousands of them.
    const all = asks ? observedVcpus(domain) : NONE;
    return [
      {
        id,
        incarnation: domain.incarnation,
        weight,
        strict: Math.max(least, Math.min(most, due)),
        least,
        most,
        ceiling,
        plugged,
        vcpus: goes.length === 0 ? all : all.filter(({ vcpu }) => !goes.includes(vcpu.index)),
        freeSlots: plug ? (domain.freeSlots ?? NONE) : NONE,
        state: domain.state,
        hears: domain.guest !== null && 0 < domain.guest.mechanisms.length,
        asks,
        usage: usage.get(id) ?? null,
        growthGivenUpUntil: growthGivenUp?.get(id) ?? null,
      },
    ];
  });
}

const NONE: readonly never[] = [];

export interface AskerSources {
  readonly policy: Policy;
  readonly domains: readonly DomainSnapshot[];
  readonly dues: StrictDues;
  /** A domain without an entry could not be measured. */
  readonly usage: ReadonlyMap<DomainId, MilliPcpu>;
  /** Domains that are expected to have no more vCPUs than they have, until when. */
  readonly growthGivenUp?: ReadonlyMap<DomainId, number>;
  /** vCPUs that are being unplugged. */
  readonly leaving?: ReadonlyMap<DomainId, readonly VcpuIndex[]>;
}

export interface Asker {
  readonly id: DomainId;
  readonly incarnation: string;
  readonly weight: number;
  /** Whole vCPUs that it is due by weight, reservation and cap. `1 <= least <= strict <= most`. */
  readonly strict: number;
  readonly least: number;
  readonly most: number;
  /** The most that the administrator allows, however many are plugged. `most <= ceiling`. */
  readonly ceiling: number;
  readonly plugged: number;
  /** Every plugged vCPU of one that asks, ordered by index. */
  readonly vcpus: readonly ObservedVcpu[];
  /** Where vbal may plug another one, in the hypervisor's order. */
  readonly freeSlots: readonly VcpuSlot[];
  readonly state: "running" | "paused";
  /** Its guest would bring a vCPU online. */
  readonly hears: boolean;
  /** Its guest has a load monitor at work and so can ask back what it gave. */
  readonly asks: boolean;
  /** pCPU time used of late or waited for, measured by the host. */
  readonly usage: MilliPcpu | null;
  readonly growthGivenUpUntil: number | null;
}

export function onlineCount({ vcpus }: Asker): number {
  return vcpus.reduce((count, { inUse }) => count + (inUse ? 1 : 0), 0);
}

/** Also one that has no vCPU yet. */
export function nodesOf({ vcpus, freeSlots }: Asker): NodeId[] {
  const slots = [...vcpus.map(({ vcpu }) => vcpu), ...freeSlots];
  return [...new Set(slots.map(({ guestNode }) => guestNode))].sort((a, b) => a - b);
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

/** Where a further vCPU could be plugged, on `node` unless that is `null`. */
export function nextSlot({ freeSlots }: Asker, node: NodeId | null): VcpuSlot | null {
  return freeSlots.find(({ guestNode }) => node === null || guestNode === node) ?? null;
}
