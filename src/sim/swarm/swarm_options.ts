/**
 * What one seed of the swarm is like. Swarm testing (A. Groce et al., ISSTA 2012): whole kinds of faults are left out at
 * random, and the rest is weighted at random, because what a test never does matters as much as what it does.
 */
import type { Pcpu } from "../../core/model.ts";
import {
  DEFAULT_DOMAIN_POLICY,
  DEFAULT_POLICY,
  type DomainPolicy,
  type Policy,
  type Rounding,
} from "../../core/policy.ts";
import type { Draws } from "./draws.ts";

/** What befalls the host now and then. */
export const HAPPENINGS = [
  "domain-arrives",
  "domain-departs",
  "domain-restarts",
  "monitor-lost",
  "domain-paused",
  "domain-resumed",
  "guest-reboots",
  "guest-changes-temper",
  "guest-acts-alone",
  "vcpu-plugged",
  "vcpu-unplugged",
  "pcpu-offline",
  "pcpu-online",
  "repinned-by-others",
  "load-changed",
  "asking-begins-or-ends",
  "policy-changed",
  "rules-changed",
  "paused-by-administrator",
  "daemon-restarts",
] as const;
export type Happening = (typeof HAPPENINGS)[number];

/** What befalls a look or a command. */
export const MISHAPS = [
  "look-late",
  "look-fails",
  "look-partial",
  "pins-unread",
  "command-slow",
  "command-lost",
  "command-late",
  "command-doubled",
  "request-lost",
  "request-late",
  "request-doubled",
  "answer-lost",
  "use-unread",
] as const;
export type Mishap = (typeof MISHAPS)[number];

/** How a guest takes what it is told; `lying` says that it did and did not, `clumsy` does a part. */
export const TEMPERS = ["obedient", "slow", "stuck", "refusing", "lying", "clumsy", "dead"] as const;
export type Temper = (typeof TEMPERS)[number];

/**
 * How a guest asks. `flooding` asks far more often than it may, `lying` names loads and nodes that are not there; an
 * `honest` one asks while its load is more than its vCPUs can carry.
 */
export const MANNERS = ["honest", "flooding", "lying"] as const;
export type Manners = (typeof MANNERS)[number];

export interface SwarmOptions {
  readonly pcpus: number;
  readonly pcpusPerCore: number;
  readonly nodes: number;
  readonly domainsMax: number;
  readonly vcpusMax: number;
  readonly policy: Policy;
  /** Relative; 0 for a kind that is left out. */
  readonly happenings: Readonly<Record<Happening, number>>;
  /** Probabilities; 0 for a kind that is left out. */
  readonly mishaps: Readonly<Record<Mishap, number>>;
  readonly tempers: readonly Temper[];
  /** Of guests that ask; empty on a host where nobody does. */
  readonly manners: readonly Manners[];
  readonly faultsForMs: number;
  readonly betweenHappeningsMs: number;
}

export function drawOptions(draws: Draws): SwarmOptions {
  const weights = <Kind extends string>(kinds: readonly Kind[], weight: () => number) =>
    Object.fromEntries(kinds.map((kind) => [kind, draws.chance(0.5) ? weight() : 0])) as Record<Kind, number>;
  const manners = draws.chance(0.5)
    ? (["honest", ...MANNERS.slice(1).filter(() => draws.chance(0.5))] as const)
    : [];
  // Giving back takes its time, and so it needs some quiet.
  const isCalm = 0 < manners.length && draws.chance(0.3);
  // Where there is room, requests are granted.
  const isRoomy = 0 < manners.length && draws.chance(0.6);
  const pcpus = isRoomy ? draws.between(4, 8) : draws.between(1, 8);
  return {
    pcpus,
    pcpusPerCore: draws.between(1, 2),
    nodes: draws.between(1, 2),
    domainsMax: isRoomy ? draws.between(1, 2) : draws.between(1, 5),
    vcpusMax: isRoomy ? draws.between(1, 4) : draws.between(1, 8),
    policy: {
      ...DEFAULT_POLICY,
      rounding: draws.pick<Rounding>(["largest-remainder", "largest-remainder", "floor", "ceil"]),
      emulatorPcpus: pcpus > 2 && draws.chance(0.2) ? [pcpus - 1] : null,
    },
    happenings: { ...weights(HAPPENINGS, () => draws.between(1, 10)), "domain-arrives": 4 },
    mishaps: {
      ...weights(MISHAPS, () => draws.between(1, 40) / 100),
      // Rare on a host, and it is drawn for each vCPU at each look.
      "pins-unread": draws.chance(0.25) ? draws.between(1, 10) / 100 : 0,
    },
    tempers: ["obedient", ...TEMPERS.slice(1).filter(() => draws.chance(0.5))],
    faultsForMs: (isCalm ? draws.between(60, 150) : draws.between(5, 60)) * 1_000,
    betweenHappeningsMs: isCalm ? 10_000 : draws.pick([200, 1_000, 3_000]),
    manners,
  };
}

/** What an administrator might change for the whole host. */
export function drawHostPolicy(draws: Draws, policy: Policy): Policy {
  const last = draws.between(2, 7);
  return {
    ...policy,
    rounding: draws.pick<Rounding>(["largest-remainder", "largest-remainder", "floor", "ceil"]),
    emulatorPcpus: draws.chance(0.2) ? [last] : null,
    pool: draws.chance(0.2) ? Array.from({ length: last }, (_, id) => id) : null,
    admission: {
      mode: draws.chance(0.2) ? "strict" : "demand",
      loansMax: draws.chance(0.3) ? draws.between(0, 2) : null,
    },
  };
}

/** What an administrator might write for a domain. */
export function drawDomainPolicy(draws: Draws): DomainPolicy {
  const vcpusMin = draws.chance(0.3) ? draws.between(1, 3) : 1;
  return {
    ...DEFAULT_DOMAIN_POLICY,
    managed: !draws.chance(0.1),
    weight: draws.pick([1, 100, 256, 256, 512, 1_000, 65_535]),
    reservation: draws.chance(0.2) ? draws.between(0, 3) * 500 : 0,
    cap: draws.chance(0.2) ? draws.between(1, 6) * 500 : null,
    vcpusMin,
    vcpusMax: draws.chance(0.2) ? vcpusMin + draws.between(0, 3) : null,
    node: draws.chance(0.2) ? 0 : null,
    placement: draws.chance(0.2) ? "shared" : "exclusive",
    mechanism: draws.pick(["offline", "offline", "isolate"]),
    plug: !draws.chance(0.2),
  };
}

export function pcpusOf({ pcpus, pcpusPerCore, nodes }: SwarmOptions): Pcpu[] {
  const perNode = Math.ceil(pcpus / nodes);
  return Array.from({ length: pcpus }, (_, id) => {
    const node = Math.floor(id / perNode);
    return { id, core: Math.floor(id / pcpusPerCore), llc: node, node, online: true };
  });
}
