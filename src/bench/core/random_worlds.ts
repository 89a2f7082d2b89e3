/** Random hosts with domains and weights, drawn from a seed. */
import type { DomainSnapshot, Snapshot } from "../../core/model.ts";
import { DEFAULT_DOMAIN_POLICY, DEFAULT_POLICY, type DomainPolicy, type Policy } from "../../core/policy.ts";
import { domainOf, type HostShape, hostOf } from "../../core/sample_host.ts";
import { type Draw, pick } from "../seeded.ts";

export interface World {
  readonly policy: Policy;
  readonly snapshot: Snapshot;
}

/** Weights as administrators write them: powers of two around the default, and now and then an odd one. */
const WEIGHTS: readonly number[] = [64, 128, 256, 256, 256, 512, 1024, 333];

export function randomWorld(draw: Draw, { domains, shape, vcpusMax }: WorldShape): World {
  const policies: Record<string, DomainPolicy> = {};
  const snapshots: DomainSnapshot[] = [];
  for (let index = 0; index < domains; index++) {
    const arrival = randomDomain(draw, { name: nameOf(index), vcpusMax });
    policies[arrival.domain.id] = arrival.policy;
    snapshots.push(arrival.domain);
  }
  return {
    policy: { ...DEFAULT_POLICY, domains: policies },
    snapshot: { pcpus: hostOf(shape), domains: snapshots },
  };
}

export interface WorldShape {
  readonly domains: number;
  readonly shape: HostShape;
  readonly vcpusMax: number;
}

/** One domain leaves and another one comes. */
export function churned(draw: Draw, world: World, options: ChurnOptions): World {
  const leaving = draw(world.snapshot.domains.length);
  const staying = world.snapshot.domains.filter((_, index) => index !== leaving);
  const { domain, policy } = randomDomain(draw, { name: nameOf(options.serial), vcpusMax: options.vcpusMax });
  return {
    policy: { ...world.policy, domains: { ...world.policy.domains, [domain.id]: policy } },
    snapshot: { ...world.snapshot, domains: [...staying, domain] },
  };
}

export interface ChurnOptions {
  /** Not used before, so that the newcomer has a name of its own. */
  readonly serial: number;
  readonly vcpusMax: number;
}

function randomDomain(draw: Draw, { name, vcpusMax }: { readonly name: string; readonly vcpusMax: number }) {
  const domain = domainOf(name, { vcpus: 1 + draw(vcpusMax) });
  return { domain, policy: { ...DEFAULT_DOMAIN_POLICY, weight: pick(draw, WEIGHTS) } };
}

function nameOf(serial: number): string {
  return `d${String(serial).padStart(5, "0")}`;
}
