/**
 * The division of a host: who takes part, how much pCPU time each is due by weight, and how many whole pCPUs that makes.
 * The first half of a plan (make_plan.ts); admission starts from it, too (strict_dues.ts).
 */
import { type Entitlement, entitlements } from "./entitlement.ts";
import type { DomainSnapshot, Pcpu, Snapshot } from "./model.ts";
import { type ObservedVcpu, observedVcpus } from "./observed_vcpu.ts";
import { type DomainPolicy, type Policy, policyOf } from "./policy.ts";
import type { Reason } from "./reason.ts";
import { type Division, type Stake, wholePcpus } from "./target.ts";
import { MILLI_PER_PCPU } from "./units.ts";

/** In the order of the subjects. `1 <= pcpus`. */
export function divide({ rounding }: Policy, pcpus: number, subjects: readonly Subject[]): Shares {
  const due = entitlements(
    pcpus * MILLI_PER_PCPU,
    subjects.map(({ domain, policy: { weight, reservation, cap }, vcpusMax }) => ({
      id: domain.id,
      weight,
      reservation,
      cap,
      vcpus: vcpusMax,
    })),
  );
  const stakes = subjects.map((subject, index) => stakeOf(subject, due[index]!));
  return { due, division: wholePcpus(pcpus, rounding, stakes) };
}

export interface Shares {
  readonly due: readonly Entitlement[];
  readonly division: Division;
}

/** A managed domain in canonical order, with what the policy and the guest make of it. */
export interface Subject {
  readonly domain: DomainSnapshot;
  readonly vcpus: readonly ObservedVcpu[];
  readonly policy: DomainPolicy;
  /** Within what is plugged: `1 <= vcpusMin <= vcpusMax`. */
  readonly vcpusMin: number;
  readonly vcpusMax: number;
}

/** The online pCPUs that vCPUs may use, ordered by id; those set apart for emulators are not among them. */
export function poolOf(policy: Policy, pcpus: readonly Pcpu[]): Pcpu[] {
  const wanted = policy.pool === null ? null : new Set(policy.pool);
  const apart = new Set(policy.emulatorPcpus ?? []);
  return pcpus
    .filter(({ id, online }) => online && (wanted === null || wanted.has(id)) && !apart.has(id))
    .sort((a, b) => a.id - b.id);
}

export function subjectsOf(policy: Policy, snapshot: Snapshot): Subject[] {
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

/** Why its guest is asked for nothing. */
export function hindrancesOf({ state, guest }: DomainSnapshot): readonly Reason[] {
  if (state === "running" && guest !== null && 0 < guest.mechanisms.length) return NONE;
  const reasons: Reason[] = [];
  if (state === "paused") reasons.push({ code: "paused" });
  if (guest === null) reasons.push({ code: "silent-guest" });
  else if (guest.mechanisms.length === 0) reasons.push({ code: "no-mechanism" });
  return reasons;
}

const NONE: readonly never[] = [];

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
