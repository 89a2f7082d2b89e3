/**
 * The planner's results on many random worlds, as digests: whoever makes it faster or tidier must not change a plan.
 * A change that is meant to change plans changes the digests too; say in its commit what else changes and why.
 */
import { createHash } from "node:crypto";
import { expect, it } from "vitest";
import { makePlan } from "./make_plan.ts";
import type { DomainSnapshot, Snapshot } from "./model.ts";
import { DEFAULT_DOMAIN_POLICY, DEFAULT_POLICY, type DomainPolicy, type Policy } from "./policy.ts";
import { carriedOut, domainOf, hostOf } from "./sample_host.ts";

interface World {
  readonly policy: Policy;
  readonly snapshot: Snapshot;
}

interface Family {
  readonly seed: number;
  readonly domainsMax: number;
  readonly vcpusMax: number;
  /** Hints, bounds, silent and paused guests, vCPUs that cannot go, pins by other hands; else only weights. */
  readonly odd: boolean;
  readonly shape: Parameters<typeof hostOf>[0];
}

const WORLDS = 60;
/** Changes that follow one another on a world: each plan is carried out, then somebody leaves and somebody comes. */
const CHANGES = 4;

const FLAT = { pcpus: 12, perNode: 12, perLlc: 12, perCore: 1 };
const SMT = { pcpus: 16, perNode: 8, perLlc: 8, perCore: 2 };
const LARGE = { pcpus: 64, perNode: 16, perLlc: 8, perCore: 2 };

const FAMILIES: readonly (readonly [string, Family, string])[] = [
  ["weights alone", { seed: 1, domainsMax: 8, vcpusMax: 12, odd: false, shape: FLAT }, "0b134216edd1698f"],
  [
    "weights, SMT and nodes",
    { seed: 2, domainsMax: 8, vcpusMax: 8, odd: false, shape: SMT },
    "7844bc678324239a",
  ],
  [
    "every oddity, flat host",
    { seed: 3, domainsMax: 10, vcpusMax: 12, odd: true, shape: FLAT },
    "6a806554dfc849c3",
  ],
  [
    "every oddity, SMT and nodes",
    { seed: 4, domainsMax: 12, vcpusMax: 8, odd: true, shape: SMT },
    "3f8b313b3e33b48f",
  ],
  ["many domains", { seed: 5, domainsMax: 150, vcpusMax: 16, odd: true, shape: LARGE }, "0c36905d407840b0"],
];

it.each(FAMILIES)(`%s: the plans of ${WORLDS} worlds are what they were`, (_, family, digest) => {
  expect(digestOf(family)).toBe(digest);
});

function digestOf(family: Family): string {
  const draw = seeded(family.seed);
  const hash = createHash("sha256");
  for (let index = 0; index < WORLDS; index++) {
    let serial = 0;
    const arrival = () => randomDomain(draw, family, `vm${String(serial++).padStart(4, "0")}`);
    let world = randomWorld(draw, family, arrival);
    for (let change = 0; change < CHANGES; change++) {
      const plan = makePlan(world.policy, world.snapshot);
      hash.update(JSON.stringify(plan));
      world = changed(draw, { ...world, snapshot: carriedOut(world.snapshot, plan) }, arrival());
    }
  }
  return hash.digest("hex").slice(0, 16);
}

/** An integer from 0 to `below - 1`. */
type Draw = (below: number) => number;

/** A 32-bit linear congruential generator; the constants are Knuth's (vol. 2, 3.3.4), only the upper bits are used. */
function seeded(seed: number): Draw {
  let state = seed;
  return (below) => {
    state = (Math.imul(state, 1_664_525) + 1_013_904_223) >>> 0;
    return Math.floor(((state >>> 8) / 2 ** 24) * below);
  };
}

interface Arrival {
  readonly domain: DomainSnapshot;
  readonly policy: DomainPolicy;
}

function randomWorld(draw: Draw, { domainsMax, odd, shape }: Family, arrival: () => Arrival): World {
  const arrivals = Array.from({ length: 1 + draw(domainsMax) }, arrival);
  const offline = odd && draw(3) === 0 ? draw(shape.pcpus) : -1;
  return {
    policy: {
      ...DEFAULT_POLICY,
      rounding: (["largest-remainder", "largest-remainder", "floor", "ceil"] as const)[odd ? draw(4) : 0]!,
      emulatorPcpus: odd && draw(4) === 0 ? [draw(shape.pcpus)] : null,
      domains: Object.fromEntries(arrivals.map(({ domain, policy }) => [domain.id, policy])),
    },
    snapshot: {
      pcpus: hostOf(shape).map((pcpu) => ({ ...pcpu, online: pcpu.id !== offline })),
      domains: arrivals.map(({ domain }) => domain),
    },
  };
}

function randomDomain(draw: Draw, { vcpusMax, odd, shape }: Family, id: string): Arrival {
  const vcpus = 1 + draw(vcpusMax);
  const weight = [64, 128, 256, 256, 512, 1024, 333][draw(7)]!;
  if (!odd) return { domain: domainOf(id, { vcpus }), policy: { ...DEFAULT_DOMAIN_POLICY, weight } };
  const oneIn = (chances: number) => draw(chances) === 0;
  return {
    domain: domainOf(id, {
      vcpus,
      online: 1 + draw(vcpus),
      threads: 1 + draw(2),
      guestNodes: 1 + draw(3),
      silent: oneIn(6),
      state: oneIn(8) ? "paused" : "running",
      ...(oneIn(4) ? { cannotOffline: [1, 2] } : {}),
      ...(oneIn(3) ? { pins: randomPins(draw, vcpus, shape.pcpus) } : {}),
    }),
    policy: {
      ...DEFAULT_DOMAIN_POLICY,
      managed: !oneIn(12),
      weight,
      reservation: oneIn(4) ? 500 * draw(5) : 0,
      cap: oneIn(5) ? 400 + 700 * draw(5) : null,
      vcpusMin: oneIn(4) ? 1 + draw(3) : 1,
      vcpusMax: oneIn(4) ? 1 + draw(5) : null,
      node: oneIn(4) ? draw(2) : null,
      placement: oneIn(5) ? "shared" : "exclusive",
    },
  };
}

/** One pCPU, two, or all for each vCPU. */
function randomPins(draw: Draw, vcpus: number, pcpus: number): number[][] {
  return Array.from({ length: vcpus }, () => {
    const first = draw(pcpus);
    const kinds = [[first], [first, (first + 1) % pcpus], Array.from({ length: pcpus }, (_, id) => id)];
    return kinds[draw(3)]!.sort((a, b) => a - b);
  });
}

function changed(draw: Draw, { policy, snapshot }: World, { domain, policy: own }: Arrival): World {
  const leaving = draw(snapshot.domains.length);
  const staying = snapshot.domains.filter((_, index) => index !== leaving);
  return {
    policy: { ...policy, domains: { ...policy.domains, [domain.id]: own } },
    snapshot: { ...snapshot, domains: [...staying, domain] },
  };
}
