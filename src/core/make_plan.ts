/**
 * The plan: entitlement, target, which vCPUs, which pCPUs; each stage in its own file. Equal inputs give equal bytes,
 * whatever the order in which the snapshot lists pCPUs, domains, vCPUs and pins.
 */
import { chooseOnline } from "./choose_online.ts";
import { type Entitlement, entitlements } from "./entitlement.ts";
import { type HostTopology, hostTopology } from "./host_topology.ts";
import type { DomainSnapshot, Pcpu, Snapshot } from "./model.ts";
import { movesOf } from "./moves.ts";
import { type ObservedVcpu, observedVcpus } from "./observed_vcpu.ts";
import { type Placement, pinVcpus } from "./pinning.ts";
import type { DomainPlan, Plan, PlannedVcpu } from "./plan.ts";
import { type DomainPolicy, type Policy, policyOf } from "./policy.ts";
import type { Reason } from "./reason.ts";
import { type Grant, type Stake, wholePcpus } from "./target.ts";
import { type DomainId, MILLI_PER_PCPU, type PcpuId, type VcpuIndex } from "./units.ts";

export function makePlan(policy: Policy, snapshot: Snapshot, granted: Granted = NOTHING_GRANTED): Plan {
  const pool = poolOf(policy, snapshot.pcpus);
  if (pool.length === 0) return { domains: [], moves: [], idlePcpus: [], notes: [{ code: "no-pcpus" }] };
  const subjects = subjectsOf(policy, snapshot);
  const due = entitlements(
    pool.length * MILLI_PER_PCPU,
    subjects.map(({ domain, policy: { weight, reservation, cap }, vcpusMax }) => ({
      id: domain.id,
      weight,
      reservation,
      cap,
      vcpus: vcpusMax,
    })),
  );
  const division = wholePcpus(
    pool.length,
    policy.rounding,
    subjects.map((subject, index) => stakeOf(subject, due[index]!)),
  );
  const usages = subjects.map((subject, index) => usageOf(subject, division.grants[index]!, granted));
  const topology = hostTopology(pool);
  const placements = pinVcpus({
    topology,
    tenants: subjects.map((subject, index) => ({
      id: subject.domain.id,
      grant: division.grants[index]!,
      node: subject.policy.node,
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
        targetReasons(subject, due[index]!, division.grants[index]!),
        usage.reasons,
        placementReasons({ subject, placement, used: usage.count, topology }),
      ),
    };
  });
  const moves = movesOf(
    topology,
    subjects.map(({ domain, vcpus }, index) => ({
      id: domain.id,
      vcpus,
      planned: domains[index]!.vcpus,
    })),
  );
  const given = new Set<PcpuId>();
  for (const { pcpus } of placements) for (const pcpu of pcpus) given.add(pcpu);
  const idlePcpus = topology.ids.filter((pcpu) => !given.has(pcpu));
  const notes: Reason[] = idlePcpus.length === 0 ? [] : [{ code: "pcpus-left-idle", pcpus: idlePcpus }];
  return { domains, moves, idlePcpus, notes };
}

/** vCPUs that guests asked for and were granted (admission.ts): where a domain grows, they come first. */
export type Granted = ReadonlyMap<DomainId, readonly VcpuIndex[]>;

const NOTHING_GRANTED: Granted = new Map();

/** A managed domain in canonical order, with what the policy and the guest make of it. */
interface Subject {
  readonly domain: DomainSnapshot;
  readonly vcpus: readonly ObservedVcpu[];
  readonly policy: DomainPolicy;
  /** Within what is plugged: `1 <= vcpusMin <= vcpusMax`. */
  readonly vcpusMin: number;
  readonly vcpusMax: number;
}

/** What the guest should use, and why that is not simply the grant. */
interface Usage {
  /** For each vCPU. */
  readonly used: readonly boolean[];
  readonly count: number;
  readonly reasons: readonly Reason[];
}

/** The online pCPUs that vCPUs may use, ordered by id; those set apart for emulators are not among them. */
function poolOf(policy: Policy, pcpus: readonly Pcpu[]): Pcpu[] {
  const wanted = policy.pool === null ? null : new Set(policy.pool);
  const apart = new Set(policy.emulatorPcpus ?? []);
  return pcpus
    .filter(({ id, online }) => online && (wanted === null || wanted.has(id)) && !apart.has(id))
    .sort((a, b) => a.id - b.id);
}

/** `null` where emulators go to their own domain's pCPUs, also when none of those set apart is online. */
function emulatorPoolOf(policy: Policy, pcpus: readonly Pcpu[]): PcpuId[] | null {
  const apart = new Set(policy.emulatorPcpus ?? []);
  const online = pcpus.filter(({ id, online }) => online && apart.has(id)).map(({ id }) => id);
  return online.length === 0 ? null : online.sort((a, b) => a - b);
}

function subjectsOf(policy: Policy, snapshot: Snapshot): Subject[] {
  const subjects: Subject[] = [];
  for (const domain of snapshot.domains) {
    const own = policyOf(policy, domain.id);
    const plugged = domain.vcpus.length;
    if (!own.managed || plugged === 0) continue;
    const vcpusMin = Math.min(own.vcpusMin, plugged);
    const vcpusMax = Math.max(vcpusMin, Math.min(own.vcpusMax ?? plugged, plugged));
    subjects.push({ domain, vcpus: observedVcpus(domain), policy: own, vcpusMin, vcpusMax });
  }
  return inOrderOfIds(subjects) ? subjects : subjects.sort((a, b) => (a.domain.id < b.domain.id ? -1 : 1));
}

/** The hypervisor lists domains in order, as a rule. */
function inOrderOfIds(subjects: readonly Subject[]): boolean {
  for (let index = 1; index < subjects.length; index++) {
    if (subjects[index]!.domain.id < subjects[index - 1]!.domain.id) return false;
  }
  return true;
}

function stakeOf({ policy, vcpusMin, vcpusMax }: Subject, { entitlement }: Entitlement): Stake {
  const { reservation, cap, placement } = policy;
  return { entitlement, reservation, cap, vcpusMin, vcpusMax, floats: placement === "shared" };
}

function usageOf({ domain, vcpus }: Subject, { target }: Grant, granted: Granted): Usage {
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

/** Why its guest is asked for nothing. */
function hindrancesOf({ state, guest }: DomainSnapshot): readonly Reason[] {
  if (state === "running" && guest !== null && 0 < guest.mechanisms.length) return NONE;
  const reasons: Reason[] = [];
  if (state === "paused") reasons.push({ code: "paused" });
  if (guest === null) reasons.push({ code: "silent-guest" });
  else if (guest.mechanisms.length === 0) reasons.push({ code: "no-mechanism" });
  return reasons;
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
