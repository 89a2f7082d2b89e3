/**
 * The plan: entitlement, target, which vCPUs, which pCPUs; each stage in its own file. Equal inputs give equal bytes,
 * whatever the order in which the snapshot lists pCPUs, domains, vCPUs and pins.
 */
import { chooseOnline } from "./choose_online.ts";
import { type Entitlement, entitlements } from "./entitlement.ts";
import type { DomainSnapshot, Pcpu, Snapshot } from "./model.ts";
import { movesOf } from "./moves.ts";
import { type ObservedVcpu, observedVcpus } from "./observed_vcpu.ts";
import { type Placement, pinVcpus } from "./pinning.ts";
import type { DomainPlan, Plan, PlannedVcpu } from "./plan.ts";
import { type DomainPolicy, type Policy, policyOf } from "./policy.ts";
import type { Reason } from "./reason.ts";
import { type Grant, type Stake, wholePcpus } from "./target.ts";
import { MILLI_PER_PCPU, type PcpuId } from "./units.ts";

export function makePlan(policy: Policy, snapshot: Snapshot): Plan {
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
  const usages = subjects.map((subject, index) => usageOf(subject, division.grants[index]!));
  const placements = pinVcpus({
    pool,
    tenants: subjects.map((subject, index) => ({
      id: subject.domain.id,
      grant: division.grants[index]!,
      node: subject.policy.node,
      vcpus: subject.vcpus,
      used: usages[index]!.used,
    })),
    sharedPcpus: division.sharedPcpus,
    floatingPcpus: division.floatingPcpus,
  });

  const emulatorPcpus = emulatorPoolOf(policy, snapshot.pcpus);
  const domains = subjects.map((subject, index): DomainPlan => {
    const grant = division.grants[index]!;
    const usage = usages[index]!;
    const placement = placements[index]!;
    return {
      id: subject.domain.id,
      entitlement: due[index]!.entitlement,
      target: usage.count,
      vcpus: plannedVcpus(subject, usage, placement),
      sharesWith: placement.sharesWith,
      emulatorPcpus: emulatorPcpus ?? placement.pcpus,
      reasons: [
        ...due[index]!.reasons,
        ...targetReasons(subject, due[index]!, grant),
        ...usage.reasons,
        ...placementReasons({ subject, placement, used: usage.count, pool }),
      ],
    };
  });
  const moves = movesOf(
    pool,
    subjects.map(({ domain, vcpus }, index) => ({
      id: domain.id,
      vcpus,
      planned: domains[index]!.vcpus,
    })),
  );
  const given = new Set(placements.flatMap((placement) => placement.pcpus));
  const idlePcpus = pool.map((pcpu) => pcpu.id).filter((pcpu) => !given.has(pcpu));
  const notes: Reason[] = idlePcpus.length === 0 ? [] : [{ code: "pcpus-left-idle", pcpus: idlePcpus }];
  return { domains, moves, idlePcpus, notes };
}

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
  return subjects.sort((a, b) => (a.domain.id < b.domain.id ? -1 : 1));
}

function stakeOf({ policy, vcpusMin, vcpusMax }: Subject, { entitlement }: Entitlement): Stake {
  const { reservation, cap, placement } = policy;
  return { entitlement, reservation, cap, vcpusMin, vcpusMax, floats: placement === "shared" };
}

function usageOf({ domain, vcpus }: Subject, { target }: Grant): Usage {
  const reasons: Reason[] = [];
  if (domain.state === "paused") reasons.push({ code: "paused" });
  if (domain.guest === null) reasons.push({ code: "silent-guest" });
  else if (domain.guest.mechanisms.length === 0) reasons.push({ code: "no-mechanism" });
  if (0 < reasons.length) {
    const used = vcpus.map(({ inUse }) => inUse);
    return { used, count: countOf(used), reasons };
  }
  const used = chooseOnline(target, vcpus);
  const count = countOf(used);
  if (count <= target) return { used, count, reasons };
  const kept = vcpus.filter(({ vcpu, inUse, canOffline }) => vcpu.index !== 0 && inUse && !canOffline);
  return { used, count, reasons: [{ code: "cannot-offline", vcpus: kept.map(({ vcpu }) => vcpu.index) }] };
}

function countOf(used: readonly boolean[]): number {
  return used.reduce((count, one) => count + (one ? 1 : 0), 0);
}

function plannedVcpus({ vcpus }: Subject, { used }: Usage, placement: Placement): PlannedVcpu[] {
  return vcpus.map(({ vcpu }, order) => ({
    index: vcpu.index,
    online: used[order]!,
    pcpus: placement.vcpus[order]!,
  }));
}

function targetReasons({ vcpusMin }: Subject, { entitlement }: Entitlement, { target }: Grant): Reason[] {
  const granted = target * MILLI_PER_PCPU;
  if (granted === entitlement) return [];
  if (granted < entitlement) return [{ code: "rounded-down", entitlement, target }];
  if (target === vcpusMin) return [{ code: "raised-to-minimum", vcpusMin }];
  return [{ code: "rounded-up", entitlement, target }];
}

function placementReasons({ subject, placement, used, pool }: PlacedOptions): Reason[] {
  const reasons: Reason[] = [];
  const { pcpus, sharedPcpus, sharesWith } = placement;
  const { node } = subject.policy;
  if (pcpus.length < used) reasons.push({ code: "more-vcpus-than-pcpus", vcpus: used, pcpus: pcpus.length });
  if (0 < sharesWith.length) reasons.push({ code: "shares-pcpus", with: sharesWith, pcpus: sharedPcpus });
  if (node !== null) {
    const mine = new Set(pcpus);
    if (pool.some((pcpu) => mine.has(pcpu.id) && pcpu.node !== node))
      reasons.push({ code: "node-full", node });
  }
  return reasons;
}

interface PlacedOptions {
  readonly subject: Subject;
  readonly placement: Placement;
  readonly used: number;
  readonly pool: readonly Pcpu[];
}
