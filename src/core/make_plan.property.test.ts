/** What must hold for every host, policy and set of domains: properties checked on random worlds from a fixed seed. */
import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { makePlan } from "./make_plan.ts";
import type { Snapshot } from "./model.ts";
import type { DomainPlan, Plan } from "./plan.ts";
import type { DomainPolicy, Policy } from "./policy.ts";
import { carriedOut, domainOf, hostOf, policyWith } from "./sample_host.ts";
import { MILLI_PER_PCPU } from "./units.ts";

const SEED = 20_130_729;
const RUNS = 150;

interface World {
  readonly policy: Policy;
  readonly snapshot: Snapshot;
}

const shapes = fc.constantFrom(
  { pcpus: 1, perNode: 1, perLlc: 1, perCore: 1 },
  { pcpus: 4, perNode: 4, perLlc: 4, perCore: 1 },
  { pcpus: 6, perNode: 6, perLlc: 3, perCore: 1 },
  { pcpus: 8, perNode: 4, perLlc: 4, perCore: 2 },
  { pcpus: 12, perNode: 12, perLlc: 12, perCore: 1 },
  { pcpus: 32, perNode: 16, perLlc: 8, perCore: 2 },
);

const someDomain = fc.record({
  vcpus: fc.integer({ min: 1, max: 12 }),
  weight: fc.integer({ min: 1, max: 2000 }),
  reservation: fc.constantFrom(0, 0, 0, 500, 1500, 2000),
  cap: fc.constantFrom<number | null>(null, null, null, 300, 1500, 4000),
  vcpusMin: fc.constantFrom(1, 1, 1, 2, 3),
  vcpusMax: fc.constantFrom<number | null>(null, null, 2, 4),
  node: fc.constantFrom<number | null>(null, null, 0, 1),
  placement: fc.constantFrom<DomainPolicy["placement"]>("exclusive", "exclusive", "exclusive", "shared"),
  silent: fc.constantFrom(false, false, false, true),
  state: fc.constantFrom<"running" | "paused">("running", "running", "running", "paused"),
  cannotOffline: fc.constantFrom<readonly number[]>([], [], [1, 2]),
  threads: fc.constantFrom(1, 2),
  guestNodes: fc.constantFrom(1, 2),
});

const worlds: fc.Arbitrary<World> = fc
  .record({
    shape: shapes,
    rounding: fc.constantFrom<Policy["rounding"]>("largest-remainder", "largest-remainder", "floor", "ceil"),
    domains: fc.array(someDomain, { minLength: 0, maxLength: 16 }),
    offline: fc.constantFrom<readonly number[]>([], [], [0], [1, 3]),
    carryOut: fc.boolean(),
  })
  .map(({ shape, rounding, domains, offline, carryOut }) => {
    const named = domains.map((domain, index) => ({ id: `vm${String(index).padStart(2, "0")}`, ...domain }));
    const policy = policyWith(
      Object.fromEntries(
        named.map(({ id, weight, reservation, cap, vcpusMin, vcpusMax, node, placement }) => [
          id,
          { weight, reservation, cap, vcpusMin, vcpusMax, node, placement },
        ]),
      ),
      { rounding },
    );
    const all = hostOf(shape);
    const arrived = { pcpus: all, domains: named.map(({ id, ...domain }) => domainOf(id, domain)) };
    const settled = carryOut ? carriedOut(arrived, makePlan(policy, arrived)) : arrived;
    const pcpus = all.map((pcpu) => ({ ...pcpu, online: shape.pcpus === 1 || !offline.includes(pcpu.id) }));
    return { policy, snapshot: { ...settled, pcpus } };
  });

/** The smallest world that breaks the rule, with what is broken in it; `null` if none does. */
function counterexample(rule: (plan: Plan, world: World) => string[]) {
  const broken = ({ policy, snapshot }: World) => rule(makePlan(policy, snapshot), { policy, snapshot });
  const details = fc.check(
    fc.property(worlds, (world) => broken(world).length === 0),
    { seed: SEED, numRuns: RUNS },
  );
  if (!details.failed) return null;
  const [world] = details.counterexample!;
  return { broken: broken(world), world };
}

const onlineOf = ({ snapshot }: World) => snapshot.pcpus.filter(({ online }) => online).map(({ id }) => id);
const pcpusOf = ({ vcpus }: DomainPlan) => new Set(vcpus.flatMap(({ pcpus }) => pcpus));
const domainIn = ({ snapshot }: World, { id }: DomainPlan) =>
  snapshot.domains.find((domain) => domain.id === id)!;
const idsOf = (domains: readonly DomainPlan[]) => domains.map(({ id }) => id);
const same = (a: unknown, b: unknown) => JSON.stringify(a) === JSON.stringify(b);

/** The bounds that the policy sets, within what is plugged. */
function boundsOf({ policy }: World, { id, vcpus }: DomainPlan) {
  const { vcpusMin, vcpusMax, cap } = policy.domains[id]!;
  const least = Math.min(vcpusMin, vcpus.length);
  const most = Math.max(least, Math.min(vcpusMax ?? vcpus.length, vcpus.length));
  const capped = cap === null ? most : Math.min(most, Math.floor(cap / MILLI_PER_PCPU));
  return { least, most, whole: Math.max(least, capped), cap: cap ?? Number.POSITIVE_INFINITY };
}

describe(`makePlan(), ${RUNS} worlds from seed ${SEED}`, () => {
  it("B-5: conserves capacity; the sum is all of it unless every ceiling is reached", () => {
    const rule = (plan: Plan, world: World) => {
      const sum = plan.domains.reduce((total, { entitlement }) => total + entitlement, 0);
      const ceilings = plan.domains.reduce((total, domain) => {
        const { most, cap } = boundsOf(world, domain);
        return total + Math.min(most * MILLI_PER_PCPU, cap);
      }, 0);
      const wanted = Math.min(onlineOf(world).length * MILLI_PER_PCPU, ceilings);
      return sum === wanted ? [] : [`${sum} instead of ${wanted}`];
    };
    expect(counterexample(rule)).toBeNull();
  });

  it("pitfalls 2 and 3: every domain keeps vCPU 0 and its vCPUs min, and stays within its ceiling", () => {
    const rule = (plan: Plan, world: World) =>
      idsOf(
        plan.domains.filter((domain) => {
          const { guest, state } = domainIn(world, domain);
          const { least, whole } = boundsOf(world, domain);
          const stuck = domain.reasons.some(({ code }) => code === "cannot-offline");
          const target = domain.vcpus.filter(({ online }) => online).length;
          if (!domain.vcpus[0]!.online || domain.target !== target) return true;
          if (guest === null || state === "paused") return false;
          return target < least || (!stuck && whole < target);
        }),
      );
    expect(counterexample(rule)).toBeNull();
  });

  it("invariant 6: a silent or paused guest is never planned smaller than it is", () => {
    const rule = (plan: Plan, world: World) =>
      idsOf(
        plan.domains.filter((domain) => {
          const { guest, state, vcpus } = domainIn(world, domain);
          const planned = domain.vcpus.map(({ online }) => online);
          const present = guest?.vcpus.map(({ online }) => online) ?? vcpus.map(() => true);
          return (guest === null || state === "paused") && !same(planned, present);
        }),
      );
    expect(counterexample(rule)).toBeNull();
  });

  it("B-20: only online pCPUs are used, every vCPU has one, and the idle ones are named", () => {
    const rule = (plan: Plan, world: World) => {
      const online = new Set(onlineOf(world));
      const used = new Set(plan.domains.flatMap((domain) => [...pcpusOf(domain)]));
      const wrong = plan.domains.filter(({ vcpus, emulatorPcpus }) =>
        [emulatorPcpus, ...vcpus.map(({ pcpus }) => pcpus)].some((pcpus) => {
          const ascending = pcpus.every((pcpu, order) => order === 0 || pcpus[order - 1]! < pcpu);
          return pcpus.length === 0 || !ascending || pcpus.some((pcpu) => !online.has(pcpu));
        }),
      );
      const idle = [...online].filter((pcpu) => !used.has(pcpu));
      return same(plan.idlePcpus, idle) ? idsOf(wrong) : ["idle", ...idsOf(wrong)];
    };
    expect(counterexample(rule)).toBeNull();
  });

  it("B-21: work-conserving: while a pCPU is idle nobody is below its ceiling (with floor: below its due)", () => {
    const rule = (plan: Plan, world: World) => {
      if (plan.idlePcpus.length === 0) return [];
      const { rounding, domains } = world.policy;
      return idsOf(
        plan.domains.filter((domain) => {
          const { whole } = boundsOf(world, domain);
          const due = domain.entitlement / MILLI_PER_PCPU;
          const wanted = { "largest-remainder": whole, ceil: Math.ceil(due), floor: Math.floor(due) }[
            rounding
          ];
          const floats = domains[domain.id]!.placement === "shared";
          return !floats && pcpusOf(domain).size < Math.min(whole, wanted);
        }),
      );
    };
    expect(counterexample(rule)).toBeNull();
  });

  it("B-7, B-28: siblings never stack while the domain has as many pCPUs as vCPUs in use", () => {
    const rule = (plan: Plan) =>
      idsOf(
        plan.domains.filter(({ vcpus, reasons }) => {
          const used = vcpus.filter(({ online }) => online).map(({ pcpus }) => pcpus);
          const single = used.filter((pcpus) => pcpus.length === 1).map((pcpus) => pcpus[0]);
          const crowded = reasons.some(({ code }) => code === "more-vcpus-than-pcpus");
          const stacked = new Set(single).size < single.length;
          const tight = used.some((pcpus) => 1 < pcpus.length && pcpus.length < used.length);
          return !crowded && (stacked || tight);
        }),
      );
    expect(counterexample(rule)).toBeNull();
  });

  it("B-7: none is promised twice: domains that use the same pCPU name each other, others do not", () => {
    const rule = (plan: Plan) =>
      idsOf(
        plan.domains.filter((domain) => {
          const mine = pcpusOf(domain);
          const met = plan.domains.filter(
            (other) => other !== domain && [...pcpusOf(other)].some((pcpu) => mine.has(pcpu)),
          );
          return !same(idsOf(met), domain.sharesWith);
        }),
      );
    expect(counterexample(rule)).toBeNull();
  });

  it("B-7: exclusive where counts allow: no sharing while everybody's whole part and minimum fit", () => {
    const rule = (plan: Plan, world: World) => {
      const least = plan.domains.reduce((sum, domain) => {
        return sum + Math.max(boundsOf(world, domain).least, Math.floor(domain.entitlement / MILLI_PER_PCPU));
      }, 0);
      if (world.policy.rounding === "ceil" || onlineOf(world).length < least) return [];
      return idsOf(
        plan.domains.filter(({ id, sharesWith }) => {
          return world.policy.domains[id]!.placement === "exclusive" && 0 < sharesWith.length;
        }),
      );
    };
    expect(counterexample(rule)).toBeNull();
  });

  it("fair to within rounding: a domain's own pCPUs are less than one below its entitlement", () => {
    const rule = (plan: Plan, world: World) =>
      idsOf(
        plan.domains.filter((domain) => {
          const { cap, placement } = world.policy.domains[domain.id]!;
          if (placement === "shared" || 0 < domain.sharesWith.length || cap !== null) return false;
          return pcpusOf(domain).size * MILLI_PER_PCPU <= domain.entitlement - MILLI_PER_PCPU;
        }),
      );
    expect(counterexample(rule)).toBeNull();
  });

  it("pitfall 28: an offline vCPU is confined to its domain's pCPUs", () => {
    const rule = (plan: Plan) =>
      idsOf(
        plan.domains.filter((domain) => {
          const all = [...pcpusOf(domain)].sort((a, b) => a - b);
          return domain.vcpus.some(({ online, pcpus }) => !online && !same(pcpus, all));
        }),
      );
    expect(counterexample(rule)).toBeNull();
  });

  it("invariant 1: the order of the input does not matter", () => {
    const rule = (plan: Plan, { policy, snapshot }: World) => {
      const turned: Snapshot = {
        pcpus: snapshot.pcpus.toReversed(),
        domains: snapshot.domains.toReversed().map((domain) => ({
          ...domain,
          vcpus: domain.vcpus
            .toReversed()
            .map((vcpu) => ({ ...vcpu, pins: vcpu.pins?.toReversed() ?? null })),
          guest: domain.guest && { ...domain.guest, vcpus: domain.guest.vcpus.toReversed() },
        })),
      };
      return same(makePlan(policy, turned), plan) ? [] : ["differs"];
    };
    expect(counterexample(rule)).toBeNull();
  });

  it("a plan that was carried out asks for nothing more", () => {
    const rule = (plan: Plan, { policy, snapshot }: World) => {
      const again = makePlan(policy, carriedOut(snapshot, plan));
      return again.moves.map(({ domain, vcpu, why }) => `${domain}.${vcpu} ${why.code}`);
    };
    expect(counterexample(rule)).toBeNull();
  });
});
