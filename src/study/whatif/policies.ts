/**
 * The policies that are asked about, as what each of them brings about on the recorded host: how many vCPUs each domain uses and
 * where they may run. What vbal would give is the shipped core's own plan (core/make_plan.ts) from the recorded snapshot.
 */
import { allot } from "../../core/allotment.ts";
import { makePlan, NO_PLAN_DEMAND } from "../../core/make_plan.ts";
import type { Plan } from "../../core/plan.ts";
import { policyOf } from "../../core/policy.ts";
import type { PcpuId } from "../../core/units.ts";
import { unreachable } from "../../core/unreachable.ts";
import type { RecordedDomain, Recording } from "./recording.ts";

export const WHATIF_POLICIES = ["default", "affinity", "static", "vbal strict", "vbal demand"] as const;
export type WhatIfPolicy = (typeof WHATIF_POLICIES)[number];

/** Of one domain under one policy. `pins`: one list for each vCPU in use. */
export interface Placement {
  readonly vcpus: number;
  /** Beyond those in use, the guest has these too, offline. */
  readonly offline: number;
  readonly pins: readonly (readonly PcpuId[])[];
}

/** In the order of the recording. */
export function placementsUnder(policy: WhatIfPolicy | "recorded", recording: Recording): Placement[] {
  const { domains, pcpus } = recording;
  switch (policy) {
    case "recorded":
      return domains.map(({ vcpus, online, pins }) => ({
        vcpus: online,
        offline: vcpus - online,
        pins: pins.map((own) => (own.length === 0 ? hostPcpus(recording) : own)),
      }));
    case "default":
      return domains.map(({ vcpus }) => ({ vcpus, offline: 0, pins: times(vcpus, () => pcpus) }));
    case "affinity":
      return domains.map(({ vcpus }) => ({
        vcpus,
        offline: 0,
        pins: times(vcpus, (k) => [pcpus[k % pcpus.length]!]),
      }));
    case "static":
      return planned(recording, makePlan(recording.policy, recording.snapshot)).map((placement) => ({
        ...placement,
        offline: 0,
      }));
    case "vbal strict":
      return planned(recording, makePlan(recording.policy, recording.snapshot));
    case "vbal demand":
      return planned(recording, demandPlan(recording));
    default:
      return unreachable(policy);
  }
}

function hostPcpus({ snapshot }: Recording): PcpuId[] {
  return snapshot.pcpus.filter(({ online }) => online).map(({ id }) => id);
}

function times<Item>(count: number, of: (k: number) => Item): Item[] {
  return Array.from({ length: count }, (_, k) => of(k));
}

/** A domain that the plan leaves out is left as it was. */
function planned(recording: Recording, plan: Plan): Placement[] {
  return recording.domains.map((domain) => {
    const own = plan.domains.find(({ id }) => id === domain.id);
    if (own === undefined) {
      const { online, vcpus, pins } = domain;
      return {
        vcpus: online,
        offline: vcpus - online,
        pins: pins.map((p) => (p.length ? p : hostPcpus(recording))),
      };
    }
    const used = own.vcpus.filter(({ online }) => online);
    return {
      vcpus: used.length,
      offline: own.vcpus.length - used.length,
      pins: used.map(({ pcpus }) => pcpus),
    };
  });
}

/** What domains leave of their due is lent to those that want more (core/allotment.ts). */
function demandPlan(recording: Recording): Plan {
  const { policy, snapshot, domains, pcpus } = recording;
  const strict = makePlan(policy, snapshot);
  const members = domains.flatMap((domain) => {
    const own = strict.domains.find(({ id }) => id === domain.id);
    return own === undefined ? [] : [{ domain, strict: own.target }];
  });
  const allotments = allot(
    pcpus.length,
    members.map(({ domain, strict: due }) => {
      const { weight, vcpusMax } = policyOf(policy, domain.id);
      return {
        weight,
        strict: due,
        wants: Math.min(vcpusMax ?? domain.vcpus, wantedVcpus(domain)),
        least: 1,
        present: due,
      };
    }),
  );
  return makePlan(policy, snapshot, {
    ...NO_PLAN_DEMAND,
    allotted: new Map(members.map(({ domain }, i) => [domain.id, allotments[i]!.target])),
  });
}

/** A guest's load monitor asks while more than so many threads per vCPU run or wait (agent/monitor/thresholds.ts). */
const RUNNABLE_PER_VCPU = 1.5;

/** As many as its load monitor would ask for until it is content. Threads run or wait as its vCPUs were seen to. */
export function wantedVcpus({ vcpus, run, wait }: RecordedDomain): number {
  const runnable = run.mean + (wait?.mean ?? 0);
  // What it runs must fit: it gives no vCPU back that it needs.
  return Math.min(vcpus, Math.max(1, Math.ceil(run.mean), Math.ceil(runnable / RUNNABLE_PER_VCPU)));
}
