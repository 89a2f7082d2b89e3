/** The controller in any world: it comes to rest, and nobody is given what another has not left. */
import fc from "fast-check";
import { describe, expect, test } from "vitest";
import { ALL_SAFEGUARDS } from "./safeguards.ts";
import { TestWorld } from "./test_world_suite.ts";

describe("in any world", () => {
  const domain = fc.record({
    vcpus: fc.integer({ min: 1, max: 6 }),
    temper: fc.constantFrom("obedient", "obedient", "obedient", "stuck", "silent", "never-grows"),
    policy: fc.record({
      weight: fc.integer({ min: 1, max: 1000 }),
      node: fc.constantFrom(null, 0, 1),
      placement: fc.constantFrom("exclusive", "exclusive", "shared"),
    }),
    leaves: fc.boolean(),
  }) as fc.Arbitrary<{ vcpus: number; temper: "obedient"; policy: object; leaves: boolean }>;
  const story = fc.record({
    pcpus: fc.integer({ min: 1, max: 8 }),
    domains: fc.array(domain, { minLength: 1, maxLength: 6 }),
  });
  const host = (count: number) =>
    Array.from({ length: count }, (_, id) => ({
      id,
      core: id >> 1,
      llc: id >> 2,
      node: id >> 2,
      online: true,
    }));

  test("it comes to rest, obedient guests have exactly their plan, and nobody shares unless the plan says so", () => {
    fc.assert(
      fc.property(story, ({ pcpus, domains: any }) => {
        // A guest that never grows gets another chance every minute, so its world does not come to rest.
        const domains = any.filter(({ temper }) => (temper as string) !== "never-grows");
        const world = new TestWorld(host(pcpus));
        domains.forEach((one, i) => {
          world.arrive(`d${i}`, one);
          for (const action of world.observe()) world.carryOut(action);
        });
        world.pass(30_000);
        for (const [i, one] of domains.entries()) if (one.leaves) world.depart(`d${i}`);
        world.pass(60_000);
        for (const plan of world.state.plan?.domains ?? []) {
          const temper = domains[Number(plan.id.slice(1))]?.temper;
          expect(world.pins(plan.id)).toEqual(plan.vcpus.map(({ pcpus: wanted }) => wanted));
          if (temper !== "obedient") continue;
          expect(world.online(plan.id)).toEqual(
            plan.vcpus.filter(({ online }) => online).map(({ index }) => index),
          );
        }
      }),
      { seed: 20130729, numRuns: 60 },
    );
  });

  test("invariant 3: a pCPU is given only after every vCPU that should leave it is reported gone", () => {
    fc.assert(
      fc.property(story, ({ pcpus, domains }) => {
        expect(givenTooEarly(new TestWorld(host(pcpus)), domains)).toEqual([]);
      }),
      { seed: 20130730, numRuns: 60 },
    );
  });

  test("with that safeguard switched off, pCPUs are given too early", () => {
    const world = new TestWorld(host(4));
    world.safeguards = { ...ALL_SAFEGUARDS, confirmTakes: false };
    const obedient = { vcpus: 4, temper: "obedient", policy: {}, leaves: false } as const;
    expect(givenTooEarly(world, [obedient, obedient, obedient]).length).toBeGreaterThan(0);
  });

  /** Plays arrivals one by one and lists each gained pCPU on which a vCPU of another domain is still to leave. */
  function givenTooEarly(
    world: TestWorld,
    domains: readonly { vcpus: number; temper: "obedient"; policy: object; leaves: boolean }[],
  ): string[] {
    const early: string[] = [];
    const play = () => {
      for (let round = 0; round < 12; round++) {
        const before = world.notes.length;
        const actions = world.observe();
        const circle = world.notes.slice(before).some(({ code }) => code === "circle-broken");
        for (const action of actions) {
          if (action.kind !== "pin-vcpu" || circle) continue;
          const had = world.pins(action.domain)[action.vcpu] ?? [];
          for (const pcpu of action.pcpus.filter((p) => !had.includes(p))) {
            for (const plan of world.state.plan?.domains ?? []) {
              if (plan.id === action.domain) continue;
              for (const vcpu of plan.vcpus) {
                const there = world.pins(plan.id)[vcpu.index]?.includes(pcpu) ?? false;
                if (there && !vcpu.pcpus.includes(pcpu)) {
                  early.push(`${action.domain}.${action.vcpu} got ${pcpu} from ${plan.id}.${vcpu.index}`);
                }
              }
            }
          }
        }
        for (const action of actions) world.carryOut(action);
        world.now += 1000;
      }
    };
    domains.forEach((one, i) => {
      world.arrive(`d${i}`, one);
      play();
    });
    for (const [i, one] of domains.entries()) if (one.leaves) world.depart(`d${i}`);
    play();
    return early;
  }
});
