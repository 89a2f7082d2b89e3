/** Small hosts and domains: for the tests of every layer and for the benchmark. */
import type { DomainSnapshot, GuestReport, Pcpu, Snapshot, Vcpu } from "./model.ts";
import type { Plan } from "./plan.ts";
import { DEFAULT_DOMAIN_POLICY, DEFAULT_POLICY, type DomainPolicy, type Policy } from "./policy.ts";
import type { DomainId, PcpuId } from "./units.ts";

/** pCPUs 0 to `pcpus - 1` in equal nodes, LLCs and cores, numbered in order. */
export function hostOf({ pcpus, perNode, perLlc, perCore }: HostShape): Pcpu[] {
  return Array.from({ length: pcpus }, (_, id) => ({
    id,
    core: Math.floor(id / perCore),
    llc: Math.floor(id / perLlc),
    node: Math.floor(id / perNode),
    online: true,
  }));
}

export interface HostShape {
  readonly pcpus: number;
  readonly perNode: number;
  readonly perLlc: number;
  readonly perCore: number;
}

/** One node, one LLC, no SMT. */
export function flatHost(pcpus: number): Pcpu[] {
  return hostOf({ pcpus, perNode: pcpus, perLlc: pcpus, perCore: 1 });
}

/** A running domain that follows, with vCPUs that are all online and may run anywhere, unless told otherwise. */
export function domainOf(id: DomainId, shape: DomainShape): DomainSnapshot {
  const { vcpus, online = vcpus, pins = null, cannotOffline = [], threads = 1, guestNodes = 1 } = shape;
  const guest: GuestReport = {
    agent: "vbal-agent",
    mechanisms: ["offline", "isolate"],
    vcpus: Array.from({ length: vcpus }, (_, index) => ({
      index,
      online: index < online,
      canOffline: index !== 0 && !cannotOffline.includes(index),
    })),
  };
  return {
    id,
    incarnation: "1",
    state: shape.state ?? "running",
    vcpus: Array.from(
      { length: vcpus },
      (_, index): Vcpu => ({
        index,
        pins: pins?.[index] ?? null,
        guestSocket: 0,
        guestCore: Math.floor(index / threads),
        guestThread: index % threads,
        guestNode: Math.floor((index * guestNodes) / vcpus),
      }),
    ),
    emulatorPins: null,
    guest: shape.silent === true ? null : guest,
  };
}

export interface DomainShape {
  readonly vcpus: number;
  /** That many, from 0. */
  readonly online?: number;
  readonly pins?: readonly (readonly PcpuId[])[];
  readonly cannotOffline?: readonly number[];
  readonly threads?: number;
  readonly guestNodes?: number;
  readonly silent?: boolean;
  readonly state?: DomainSnapshot["state"];
}

/** The default policy with these fields of these domains changed. */
export function policyWith(
  domains: Readonly<Record<DomainId, Partial<DomainPolicy>>>,
  rest: Partial<Omit<Policy, "domains">> = {},
): Policy {
  const entries = Object.entries(domains).map(([id, changed]) => [
    id,
    { ...DEFAULT_DOMAIN_POLICY, ...changed },
  ]);
  return { ...DEFAULT_POLICY, ...rest, domains: Object.fromEntries(entries) };
}

/** The host after everybody did what the plan says. */
export function carriedOut(snapshot: Snapshot, plan: Plan): Snapshot {
  const plans = new Map(plan.domains.map((domain) => [domain.id, domain]));
  const domains = snapshot.domains.map((domain): DomainSnapshot => {
    const planned = new Map(plans.get(domain.id)?.vcpus.map((vcpu) => [vcpu.index, vcpu]));
    const vcpus = domain.vcpus.map((vcpu) => ({
      ...vcpu,
      pins: planned.get(vcpu.index)?.pcpus ?? vcpu.pins,
    }));
    const guest = domain.guest && {
      ...domain.guest,
      vcpus: domain.guest.vcpus.map((vcpu) => ({
        ...vcpu,
        online: planned.get(vcpu.index)?.online ?? vcpu.online,
      })),
    };
    return { ...domain, vcpus, guest };
  });
  return { ...snapshot, domains };
}
