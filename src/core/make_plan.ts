/**
 * The plan: entitlement, target, which vCPUs, which pCPUs; each stage in its own file. Equal inputs give equal bytes,
 * whatever the order in which the snapshot lists pCPUs, domains, vCPUs and pins.
 */
import { chooseOnline } from "./choose_online.ts";
import { type Entitlement, entitlements } from "./entitlement.ts";
import type { DomainSnapshot, Pcpu, Snapshot, Vcpu } from "./model.ts";
import { movesOf } from "./moves.ts";
import { type Placement, pinVcpus } from "./pinning.ts";
import type { DomainPlan, Plan, PlannedVcpu } from "./plan.ts";
import { type DomainPolicy, type Policy, policyOf } from "./policy.ts";
import type { Reason } from "./reason.ts";
import { type Grant, type Stake, wholePcpus } from "./target.ts";
import { MILLI_PER_PCPU, type PcpuId, type VcpuIndex } from "./units.ts";

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
      vcpus: subject.domain.vcpus,
      used: subject.domain.vcpus.filter((vcpu) => usages[index]!.used.has(vcpu.index)),
      usedNow: subject.usedNow,
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
      target: usage.used.size,
      vcpus: plannedVcpus(subject, usage, placement),
      sharesWith: placement.sharesWith,
      emulatorPcpus: emulatorPcpus ?? placement.pcpus,
      reasons: [
        ...due[index]!.reasons,
        ...targetReasons(subject, due[index]!, grant),
        ...usage.reasons,
        ...placementReasons({ subject, placement, used: usage.used.size, pool }),
      ],
    };
  });
  const moves = movesOf(
    pool,
    subjects.map(({ domain, usedNow }, index) => ({
      id: domain.id,
      vcpus: domain.vcpus,
      planned: domains[index]!.vcpus,
      usedNow,
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
  readonly policy: DomainPolicy;
  /** Within what is plugged: `1 <= vcpusMin <= vcpusMax`. */
  readonly vcpusMin: number;
  readonly vcpusMax: number;
  readonly usedNow: ReadonlySet<VcpuIndex>;
}

/** What the guest should use, and why that is not simply the grant. */
interface Usage {
  readonly used: ReadonlySet<VcpuIndex>;
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
  for (const observed of snapshot.domains) {
    const own = policyOf(policy, observed.id);
    if (!own.managed || observed.vcpus.length === 0) continue;
    const domain = { ...observed, vcpus: inOrder(observed.vcpus) };
    const vcpusMin = Math.min(own.vcpusMin, domain.vcpus.length);
    const vcpusMax = Math.max(
      vcpusMin,
      Math.min(own.vcpusMax ?? Number.POSITIVE_INFINITY, domain.vcpus.length),
    );
    subjects.push({ domain, policy: own, vcpusMin, vcpusMax, usedNow: usedNowOf(domain) });
  }
  return subjects.sort((a, b) => (a.domain.id < b.domain.id ? -1 : 1));
}

function inOrder(vcpus: readonly Vcpu[]): Vcpu[] {
  return vcpus
    .map((vcpu) => (vcpu.pins === null ? vcpu : { ...vcpu, pins: [...vcpu.pins].sort((a, b) => a - b) }))
    .sort((a, b) => a.index - b.index);
}

/** As far as anybody knows: a silent guest may be using all its vCPUs. */
function usedNowOf({ guest, vcpus }: DomainSnapshot): Set<VcpuIndex> {
  if (guest === null) return new Set(vcpus.map((vcpu) => vcpu.index));
  return new Set(guest.vcpus.filter((vcpu) => vcpu.online).map((vcpu) => vcpu.index)).add(0);
}

function stakeOf({ policy, vcpusMin, vcpusMax }: Subject, { entitlement }: Entitlement): Stake {
  const { reservation, cap, placement } = policy;
  return { entitlement, reservation, cap, vcpusMin, vcpusMax, floats: placement === "shared" };
}

function usageOf({ domain, usedNow }: Subject, { target }: Grant): Usage {
  const { guest, vcpus } = domain;
  const plugged = new Set(vcpus.map((vcpu) => vcpu.index));
  const asTheyAre = new Set([...usedNow].filter((index) => plugged.has(index)));
  const reasons: Reason[] = domain.state === "paused" ? [{ code: "paused" }] : [];
  if (guest === null) return { used: plugged, reasons: [...reasons, { code: "silent-guest" }] };
  if (domain.state === "paused") return { used: asTheyAre, reasons };
  if (guest.mechanisms.length === 0) return { used: asTheyAre, reasons: [{ code: "no-mechanism" }] };
  const used = new Set(chooseOnline({ target, vcpus, guest }));
  if (used.size <= target) return { used, reasons };
  const stuck = guest.vcpus.filter(({ index, canOffline }) => index !== 0 && used.has(index) && !canOffline);
  const indices = stuck.map(({ index }) => index).sort((a, b) => a - b);
  return { used, reasons: [{ code: "cannot-offline", vcpus: indices }] };
}

function plannedVcpus({ domain }: Subject, { used }: Usage, { vcpus }: Placement): PlannedVcpu[] {
  return domain.vcpus.map(({ index }, order) => ({ index, online: used.has(index), pcpus: vcpus[order]! }));
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
  const { pcpus, sharesWith } = placement;
  const { node } = subject.policy;
  if (pcpus.length < used) reasons.push({ code: "more-vcpus-than-pcpus", vcpus: used, pcpus: pcpus.length });
  if (0 < sharesWith.length) reasons.push({ code: "shares-pcpus", with: sharesWith, pcpus });
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
