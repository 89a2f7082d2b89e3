/**
 * A plan as `vbal plan --json` prints it and the daemon gives it: a stable form with units in the names, for other
 * programs. Reasons stay data and carry their sentence as `text`.
 */
import { explainReason } from "../core/explain.ts";
import type { Pcpu, Snapshot } from "../core/model.ts";
import type { Plan } from "../core/plan.ts";
import { type Policy, policyOf } from "../core/policy.ts";
import type { Reason } from "../core/reason.ts";

export interface PlanView {
  /** Ordered by name; a domain that is not managed is absent. */
  readonly domains: readonly PlanDomainView[];
  /** vCPUs whose pCPUs change. */
  readonly moves: readonly MoveView[];
  readonly idlePcpus: readonly number[];
  readonly notes: readonly ReasonView[];
  readonly host: { readonly pcpus: readonly Pcpu[] };
}

export interface PlanDomainView {
  readonly name: string;
  readonly weight: number;
  readonly entitlementMilliPcpu: number;
  /** How many vCPUs should be online. */
  readonly target: number;
  /** How many are online now; null for a silent guest. */
  readonly onlineNow: number | null;
  readonly vcpus: readonly {
    readonly index: number;
    readonly online: boolean;
    readonly pcpus: readonly number[];
  }[];
  /** Some pCPU of it also belongs to another domain. */
  readonly shared: boolean;
  readonly sharesWith: readonly string[];
  readonly reasons: readonly ReasonView[];
}

export interface MoveView {
  readonly domain: string;
  readonly vcpu: number;
  /** null when the present pins could not be read. */
  readonly from: readonly number[] | null;
  readonly to: readonly number[];
  readonly why: ReasonView;
}

export type ReasonView = Reason & { readonly text: string };

export function planView(made: {
  readonly policy: Policy;
  readonly snapshot: Snapshot;
  readonly plan: Plan;
}): PlanView {
  const { policy, snapshot, plan } = made;
  const present = new Map(snapshot.domains.map((domain) => [domain.id, domain]));
  return {
    domains: plan.domains.map((domain) => ({
      name: domain.id,
      weight: policyOf(policy, domain.id).weight,
      entitlementMilliPcpu: domain.entitlement,
      target: domain.target,
      onlineNow: present.get(domain.id)?.guest?.vcpus.filter(({ online }) => online).length ?? null,
      vcpus: domain.vcpus,
      shared: domain.sharesWith.length > 0,
      sharesWith: domain.sharesWith,
      reasons: domain.reasons.map(reasonView),
    })),
    moves: plan.moves.map(({ domain, vcpu, from, to, why }) => ({
      domain,
      vcpu,
      from,
      to,
      why: reasonView(why),
    })),
    idlePcpus: plan.idlePcpus,
    notes: plan.notes.map(reasonView),
    host: { pcpus: snapshot.pcpus },
  };
}

export function reasonView(reason: Reason): ReasonView {
  return { ...reason, text: explainReason(reason) };
}
