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

/** Calls `property` with every world and its plan. */
function check(property: (plan: Plan, world: World) => void): void {
  fc.assert(
    fc.property(worlds, (world) => {
      property(makePlan(world.policy, world.snapshot), world);
    }),
    { seed: SEED, numRuns: RUNS },
  );
}

const onlineOf = ({ snapshot }: World) => snapshot.pcpus.filter(({ online }) => online).map(({ id }) => id);
const pcpusOf = ({ vcpus }: DomainPlan) => new Set(vcpus.flatMap(({ pcpus }) => pcpus));
const followsOf = ({ snapshot }: World, { id }: DomainPlan) => {
  const domain = snapshot.domains.find((candidate) => candidate.id === id)!;
  return domain.guest !== null && domain.state === "running";
};

describe(`makePlan(), ${RUNS} worlds from seed ${SEED}`, () => {
  it("B-5: conserves capacity; the sum is all of it unless every ceiling is reached", () => {
    check((plan, world) => {
      const capacity = onlineOf(world).length * MILLI_PER_PCPU;
      const sum = plan.domains.reduce((total, { entitlement }) => total + entitlement, 0);
      const ceilings = plan.domains.reduce((total, { id, vcpus }) => {
        const { vcpusMin, vcpusMax, cap } = world.policy.domains[id]!;
        const most = Math.max(
          Math.min(vcpusMax ?? vcpus.length, vcpus.length),
          Math.min(vcpusMin, vcpus.length),
        );
        return total + Math.min(most * MILLI_PER_PCPU, cap ?? Number.POSITIVE_INFINITY);
      }, 0);
      expect(sum).toBe(Math.min(capacity, ceilings));
    });
  });

  it("pitfalls 2 and 3: every domain keeps vCPU 0 and its vCPUs min, and stays within its ceiling", () => {
    check((plan, world) => {
      for (const domain of plan.domains) {
        const { vcpusMin, vcpusMax } = world.policy.domains[domain.id]!;
        expect(domain.vcpus[0]).toMatchObject({ index: 0, online: true });
        expect(domain.target).toBe(domain.vcpus.filter(({ online }) => online).length);
        if (!followsOf(world, domain)) continue;
        const least = Math.min(vcpusMin, domain.vcpus.length);
        const kept = domain.reasons.some(({ code }) => code === "cannot-offline");
        expect(domain.target).toBeGreaterThanOrEqual(least);
        if (!kept)
          expect(domain.target).toBeLessThanOrEqual(Math.max(least, vcpusMax ?? domain.vcpus.length));
      }
    });
  });

  it("invariant 6: a silent or paused guest is never planned smaller than it is", () => {
    check((plan, { snapshot }) => {
      for (const { id, vcpus } of plan.domains) {
        const { guest, state } = snapshot.domains.find((domain) => domain.id === id)!;
        if (guest === null) expect(vcpus.every(({ online }) => online)).toBe(true);
        else if (state === "paused") {
          expect(vcpus.map(({ online }) => online)).toEqual(guest.vcpus.map(({ online }) => online));
        }
      }
    });
  });

  it("B-20: only online pCPUs are used, every vCPU has one, and the idle ones are named", () => {
    check((plan, world) => {
      const online = onlineOf(world);
      const used = new Set(plan.domains.flatMap((domain) => [...pcpusOf(domain)]));
      for (const { vcpus, emulatorPcpus } of plan.domains) {
        for (const { pcpus } of [...vcpus, { pcpus: emulatorPcpus }]) {
          expect(pcpus.length).toBeGreaterThan(0);
          expect(pcpus).toEqual(pcpus.toSorted((a, b) => a - b));
          for (const pcpu of pcpus) expect(online).toContain(pcpu);
        }
      }
      expect(plan.idlePcpus).toEqual(online.filter((pcpu) => !used.has(pcpu)));
    });
  });

  it("B-21: work-conserving: nothing idle unless every domain is at its ceiling (not with floor)", () => {
    check((plan, world) => {
      if (world.policy.rounding === "floor" || plan.idlePcpus.length === 0) return;
      for (const domain of plan.domains) {
        const { cap, vcpusMin, vcpusMax, placement } = world.policy.domains[domain.id]!;
        if (placement === "shared") continue;
        const plugged = domain.vcpus.length;
        const capped = cap === null ? plugged : Math.floor(cap / MILLI_PER_PCPU);
        const ceiling = Math.max(Math.min(vcpusMax ?? plugged, plugged, capped), Math.min(vcpusMin, plugged));
        // With ceil, a whole pCPU of one's own beyond the rounded entitlement is not given.
        const due =
          world.policy.rounding === "ceil" ? Math.ceil(domain.entitlement / MILLI_PER_PCPU) : ceiling;
        expect(pcpusOf(domain).size).toBeGreaterThanOrEqual(Math.min(ceiling, due));
      }
    });
  });

  it("B-7: siblings never stack while the domain has as many pCPUs as vCPUs in use", () => {
    check((plan) => {
      for (const { vcpus, reasons, sharesWith } of plan.domains) {
        const used = vcpus.filter(({ online }) => online);
        const crowded = reasons.some(({ code }) => code === "more-vcpus-than-pcpus");
        const single = used.filter(({ pcpus }) => pcpus.length === 1).map(({ pcpus }) => pcpus[0]);
        if (!crowded) expect(new Set(single).size).toBe(single.length);
        if (!crowded && sharesWith.length === 0 && single.length < used.length) {
          expect(used.every(({ pcpus }) => pcpus.length >= used.length)).toBe(true);
        }
      }
    });
  });

  it("B-7: none is promised twice: domains that use the same pCPU name each other, others do not", () => {
    check((plan) => {
      const tenants = new Map<number, string[]>();
      for (const domain of plan.domains) {
        for (const pcpu of pcpusOf(domain)) tenants.set(pcpu, [...(tenants.get(pcpu) ?? []), domain.id]);
      }
      for (const domain of plan.domains) {
        const met = new Set([...pcpusOf(domain)].flatMap((pcpu) => tenants.get(pcpu)!));
        met.delete(domain.id);
        expect(domain.sharesWith).toEqual([...met].sort());
      }
    });
  });

  it("B-7: exclusive where counts allow: no sharing while everybody's whole part and minimum fit", () => {
    check((plan, world) => {
      if (world.policy.rounding === "ceil") return;
      const least = plan.domains.reduce((sum, { id, entitlement, vcpus }) => {
        const minimum = Math.min(world.policy.domains[id]!.vcpusMin, vcpus.length);
        return sum + Math.max(minimum, Math.floor(entitlement / MILLI_PER_PCPU));
      }, 0);
      if (onlineOf(world).length < least) return;
      for (const domain of plan.domains) {
        if (world.policy.domains[domain.id]!.placement === "exclusive") expect(domain.sharesWith).toEqual([]);
      }
    });
  });

  it("fair to within rounding: a domain's own pCPUs are less than one below its entitlement", () => {
    check((plan, world) => {
      for (const domain of plan.domains) {
        const { cap, placement } = world.policy.domains[domain.id]!;
        if (placement === "shared" || 0 < domain.sharesWith.length || cap !== null) continue;
        expect(pcpusOf(domain).size * MILLI_PER_PCPU).toBeGreaterThan(domain.entitlement - MILLI_PER_PCPU);
      }
    });
  });

  it("pitfall 28: an offline vCPU is confined to its domain's pCPUs", () => {
    check((plan) => {
      for (const domain of plan.domains) {
        const used = domain.vcpus.filter(({ online }) => online).flatMap(({ pcpus }) => pcpus);
        for (const { online, pcpus } of domain.vcpus) {
          if (!online) expect(used.every((pcpu) => pcpus.includes(pcpu))).toBe(true);
        }
      }
    });
  });

  it("invariant 1: the order of the input does not matter", () => {
    check((plan, { policy, snapshot }) => {
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
      expect(JSON.stringify(makePlan(policy, turned))).toBe(JSON.stringify(plan));
    });
  });

  it("a plan that was carried out asks for nothing more", () => {
    check((plan, { policy, snapshot }) => {
      const after = carriedOut(snapshot, plan);
      const again = makePlan(policy, after);
      expect(again.moves).toEqual([]);
      expect(again.domains.map(({ vcpus }) => vcpus)).toEqual(plan.domains.map(({ vcpus }) => vcpus));
    });
  });
});
