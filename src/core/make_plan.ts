/**
 * The plan: entitlement, target, which vCPUs, which pCPUs; each stage in its own file. Equal inputs give equal bytes,
 * whatever the order in which the snapshot lists pCPUs, domains, vCPUs and pins.
 */
import { chooseOnline } from "./choose_online.ts";
import { divide, hindrancesOf, poolOf, type Shares, type Subject, subjectsOf } from "./division.ts";
import type { Entitlement } from "./entitlement.ts";
import { type HostTopology, hostTopology } from "./host_topology.ts";
import { homesOf } from "./memory_home.ts";
import type { Pcpu, Snapshot } from "./model.ts";
import { movesOf } from "./moves.ts";
import { type Placement, pinVcpus } from "./pinning.ts";
import type { DomainPlan, Plan, PlannedVcpu } from "./plan.ts";
import type { Policy } from "./policy.ts";
import type { Reason } from "./reason.ts";
import type { Division, Grant } from "./target.ts";
import { type DomainId, MILLI_PER_PCPU, type NodeId, type PcpuId, type VcpuIndex } from "./units.ts";

export function makePlan(policy: Policy, snapshot: Snapshot, demand: PlanDemand = NO_PLAN_DEMAND): Plan {
  const pool = poolOf(policy, snapshot.pcpus);
  if (pool.length === 0) return { domains: [], moves: [], idlePcpus: [], notes: [{ code: "no-pcpus" }] };
  const subjects = subjectsOf(policy, snapshot);
  const strict = divide(policy, pool.length, subjects);
  const { due } = strict;
  const division = dividedByDemand({ policy, pcpus: pool.length, subjects, strict, demand });
  const usages = subjects.map((subject, index) => usageOf(subject, division.grants[index]!, demand.granted));
  const topology = hostTopology(pool);
  const homes = subjects.map(({ domain, vcpus }) => homesOf(domain, vcpus));
  const placements = pinVcpus({
    topology,
    tenants: subjects.map((subject, index) => ({
      id: subject.domain.id,
      grant: division.grants[index]!,
      node: subject.policy.node,
      homes: homes[index]!,
      vcpus: subject.vcpus,
      used: usages[index]!.used,
      usedCount: usages[index]!.count,
    })),
    sharedPcpus: division.sharedPcpus,
    floatingPcpus: division.floatingPcpus,
  });

  const emulatorPcpus = emulatorPoolOf(policy, snapshot.pcpus);
  const domains = subjects.map((subject, index): DomainPlan => {
    const usage = usages[index]!;
    const placement = placements[index]!;
    return {
      id: subject.domain.id,
      entitlement: due[index]!.entitlement,
      target: usage.count,
      vcpus: plannedVcpus(subject, usage, placement),
      sharesWith: placement.sharesWith,
      emulatorPcpus: emulatorPcpus ?? placement.pcpus,
      reasons: due[index]!.reasons.concat(
        targetReasons(subject, due[index]!, strict.division.grants[index]!),
        demandReasons(strict.division.grants[index]!, division.grants[index]!),
        usage.reasons,
        placementReasons({ subject, placement, used: usage.count, topology }),
        memoryReasons({ homes: homes[index]!, subject, placement, usage, topology }),
      ),
    };
  });
  const moves = movesOf(
    topology,
    subjects.map(({ domain, vcpus }, index) => ({
      id: domain.id,
      vcpus,
      homes: homes[index]!,
      planned: domains[index]!.vcpus,
    })),
  );
  const given = new Set<PcpuId>();
  for (const { pcpus } of placements) for (const pcpu of pcpus) given.add(pcpu);
  const idlePcpus = topology.ids.filter((pcpu) => !given.has(pcpu));
  const notes: Reason[] = idlePcpus.length === 0 ? [] : [{ code: "pcpus-left-idle", pcpus: idlePcpus }];
  return { domains, moves, idlePcpus, notes };
}

/** What guests that ask make of the division by weights (admission.ts). */
export interface PlanDemand {
  /** vCPUs that were asked for and granted: where a domain grows, they come first. */
  readonly granted: ReadonlyMap<DomainId, readonly VcpuIndex[]>;
  /** How many vCPUs each may use; `null` for what weights alone give. The allotments together fit the pool. */
  readonly allotted: ReadonlyMap<DomainId, number> | null;
}

export const NO_PLAN_DEMAND: PlanDemand = { granted: new Map(), allotted: null };

/**
 * Everybody gets its allotment: nobody may use more vCPUs than that, and since the allotments fit the pool, the
 * division gives each of them all of it. Entitlements stay what weights make them.
 */
function dividedByDemand({ policy, pcpus, subjects, strict, demand: { allotted } }: DemandOptions): Division {
  if (allotted === null) return strict.division;
  const limited = subjects.map((subject): Subject => {
    const { vcpusMin, vcpusMax, domain } = subject;
    const most = Math.max(1, Math.min(vcpusMax, allotted.get(domain.id) ?? vcpusMax));
    return { ...subject, vcpusMin: Math.min(vcpusMin, most), vcpusMax: most };
  });
  return divide(policy, pcpus, limited).division;
}

interface DemandOptions {
  readonly policy: Policy;
  readonly pcpus: number;
  readonly subjects: readonly Subject[];
  readonly strict: Shares;
  readonly demand: PlanDemand;
}

/** What the guest should use, and why that is not simply the grant. */
interface Usage {
  /** For each vCPU. */
  readonly used: readonly boolean[];
  readonly count: number;
  readonly reasons: readonly Reason[];
}

/** `null` where emulators go to their own domain's pCPUs, also when none of those set apart is online. */
function emulatorPoolOf(policy: Policy, pcpus: readonly Pcpu[]): PcpuId[] | null {
  const apart = new Set(policy.emulatorPcpus ?? []);
  const online = pcpus.filter(({ id, online }) => online && apart.has(id)).map(({ id }) => id);
  return online.length === 0 ? null : online.sort((a, b) => a - b);
}

function usageOf({ domain, vcpus }: Subject, { target }: Grant, granted: PlanDemand["granted"]): Usage {
  const hindrances = hindrancesOf(domain);
  if (0 < hindrances.length) {
    const used = vcpus.map(({ inUse }) => inUse);
    return { used, count: countOf(used), reasons: hindrances };
  }
  const used = chooseOnline(target, vcpus, granted.get(domain.id));
  const count = countOf(used);
  if (count <= target) return { used, count, reasons: NONE };
  const kept = vcpus.filter(({ vcpu, inUse, canOffline }) => vcpu.index !== 0 && inUse && !canOffline);
  return { used, count, reasons: [{ code: "cannot-offline", vcpus: kept.map(({ vcpu }) => vcpu.index) }] };
}

const NONE: readonly never[] = [];

function countOf(used: readonly boolean[]): number {
  let count = 0;
  for (const one of used) if (one) count += 1;
  return count;
}

function plannedVcpus({ vcpus }: Subject, { used }: Usage, placement: Placement): PlannedVcpu[] {
  return vcpus.map(({ vcpu }, order) => ({
    index: vcpu.index,
    online: used[order]!,
    pcpus: placement.vcpus[order]!,
  }));
}

function targetReasons(
  { vcpusMin }: Subject,
  { entitlement }: Entitlement,
  { target }: Grant,
): readonly Reason[] {
  const granted = target * MILLI_PER_PCPU;
  if (granted === entitlement) return NONE;
  if (granted < entitlement) return [{ code: "rounded-down", entitlement, target }];
  if (target === vcpusMin) return [{ code: "raised-to-minimum", vcpusMin }];
  return [{ code: "rounded-up", entitlement, target }];
}

function demandReasons(strict: Grant, { target }: Grant): readonly Reason[] {
  if (target < strict.target) return [{ code: "lends", due: strict.target, vcpus: strict.target - target }];
  if (strict.target < target) return [{ code: "borrows", due: strict.target, vcpus: target - strict.target }];
  return NONE;
}

function placementReasons({ subject, placement, used, topology }: PlacedOptions): readonly Reason[] {
  const { pcpus, sharedPcpus, sharesWith } = placement;
  const { node } = subject.policy;
  const isCrowded = pcpus.length < used;
  const shares = 0 < sharesWith.length;
  const isAstray =
    node !== null && pcpus.some((pcpu) => topology.pcpus[topology.positionOf.get(pcpu)!]!.node !== node);
  if (!isCrowded && !shares && !isAstray) return NONE;
  const reasons: Reason[] = [];
  if (isCrowded) reasons.push({ code: "more-vcpus-than-pcpus", vcpus: used, pcpus: pcpus.length });
  if (shares) reasons.push({ code: "shares-pcpus", with: sharesWith, pcpus: sharedPcpus });
  if (isAstray) reasons.push({ code: "node-full", node });
  return reasons;
}

interface PlacedOptions {
  readonly subject: Subject;
  readonly placement: Placement;
  readonly used: number;
  readonly topology: HostTopology;
}

/** The vCPUs in use that are away from their memory, since their node is full. */
function memoryReasons({ homes, subject, placement, usage, topology }: MemoryOptions): readonly Reason[] {
  if (homes === null || topology.root.children.length === 1) return NONE;
  const nodeOf = (pcpu: PcpuId) => topology.pcpus[topology.positionOf.get(pcpu)!]!.node;
  const far = subject.vcpus.filter(({ order }) => {
    const home = homes[order] ?? null;
    return (
      home !== null && usage.used[order] && placement.vcpus[order]!.some((pcpu) => nodeOf(pcpu) !== home)
    );
  });
  return far.length === 0 ? NONE : [{ code: "far-from-memory", vcpus: far.map(({ vcpu }) => vcpu.index) }];
}

interface MemoryOptions {
  readonly homes: readonly (NodeId | null)[] | null;
  readonly subject: Subject;
  readonly placement: Placement;
  readonly usage: Usage;
  readonly topology: HostTopology;
}
