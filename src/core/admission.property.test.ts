/** What must hold whatever guests do: random hosts, floods and lies, from a fixed seed. */
import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { AskingHost } from "./asking_host_suite.ts";
import { REQUEST_BURST } from "./request_rate.ts";
import { domainOf, policyWith } from "./sample_host.ts";

const SEED = 9_164_809;
const RUNS = 15;

const hosts = fc.record({
  pcpus: fc.integer({ min: 4, max: 16 }),
  domains: fc.array(
    fc.record({
      weight: fc.constantFrom(64, 128, 256, 512),
      vcpus: fc.integer({ min: 1, max: 10 }),
      vcpusMin: fc.constantFrom(1, 1, 2),
      silent: fc.constantFrom(false, false, false, true),
    }),
    { minLength: 2, maxLength: 5 },
  ),
  /** What happens second by second: a domain's use changes and it asks, or it does not. */
  story: fc.array(
    fc.record({ who: fc.nat(4), usage: fc.constantFrom(0, 0, 100, 900, 3000, 9000), asks: fc.boolean() }),
    { minLength: 10, maxLength: 30 },
  ),
});
type World = typeof hosts extends fc.Arbitrary<infer Value> ? Value : never;

function hostOf({ pcpus, domains }: World): AskingHost {
  const named = domains.map((domain, index) => ({ id: `vm${index}`, ...domain }));
  const policies = Object.fromEntries(named.map(({ id, weight, vcpusMin }) => [id, { weight, vcpusMin }]));
  return new AskingHost(
    pcpus,
    named.map(({ id, vcpus, silent }) => domainOf(id, { vcpus, silent })),
    policyWith(policies),
  );
}

function play(world: World, each: (host: AskingHost) => void): AskingHost {
  const host = hostOf(world);
  for (const { who, usage, asks } of world.story) {
    const domain = `vm${who % world.domains.length}`;
    host.usage.set(domain, usage);
    // Two dozen seconds, so that give-back has its turn.
    host.looks(asks ? 1 : 24);
    if (asks) host.ask({ domain });
    each(host);
  }
  return host;
}

function holds(rule: (world: World) => void): void {
  fc.assert(fc.property(hosts, rule), { seed: SEED, numRuns: RUNS });
}

describe(`admission, ${RUNS} hosts from seed ${SEED}`, () => {
  it("the sum of what everybody may use is never above the capacity, unless weights alone make it so", () => {
    holds((world) => {
      play(world, (host) => {
        const { askers, capacity } = host.options();
        const strict = askers.reduce((sum, asker) => sum + asker.strict, 0);
        const sum = host.demand.domains.reduce((total, { allotted }) => total + allotted, 0);
        expect(sum).toBeLessThanOrEqual(Math.max(capacity, strict));
      });
    });
  });

  it("on request is lent only what the host saw unused, of guests that can ask back", () => {
    let loans = 0;
    holds((world) => {
      const host = hostOf(world);
      for (const { who, usage } of world.story) {
        const domain = `vm${who % world.domains.length}`;
        const before = new Map(host.usage);
        host.usage.set(domain, usage);
        host.looks(1);
        const askers = new Map(host.askers().map((asker) => [asker.id, asker]));
        for (const { lender } of host.ask({ domain }, { domain: "vm0" })) {
          if (lender === null) continue;
          loans += 1;
          const owner = askers.get(lender.id)!;
          expect(owner.asks && owner.hears && owner.least <= lender.left).toBe(true);
          for (const use of [host.usage, before]) {
            expect(use.get(lender.id)).toBeLessThanOrEqual(lender.left * 1000 - 500);
          }
        }
      }
    });
    expect(loans).toBeGreaterThan(0);
  });

  it("the plan gives everybody its allotment, on pCPUs of its own where nobody has to share", () => {
    holds((world) => {
      play(world, (host) => {
        const { askers, capacity } = host.options();
        if (capacity < askers.reduce((sum, asker) => sum + asker.strict, 0)) return;
        const plan = host.plan();
        const wrong = plan.domains.filter(({ id, target, sharesWith }, index) => {
          return (askers[index]!.hears && target !== host.allotted(id)) || 0 < sharesWith.length;
        });
        expect(wrong).toEqual([]);
      });
    });
  });

  it("an owner that wants its own has it within as many requests as it lent vCPUs, whatever the others do", () => {
    holds((world) => {
      const host = play(world, () => {});
      for (const { id, asks, hears, strict } of host.askers()) {
        // Who cannot ask lends nothing.
        const lent = asks && hears ? strict - host.allotted(id) : 0;
        for (let request = 0; request < lent; request++) {
          // Everybody else asks, too, and says that it is more urgent.
          const others = host.askers().filter((other) => other.id !== id);
          host.ask({ domain: id }, ...others.map((other) => ({ domain: other.id })));
          host.now += 1000;
        }
        expect(host.allotted(id)).toBeGreaterThanOrEqual(strict);
      }
    });
  });

  it("a guest that floods and lies costs nobody else anything that is its own, and is mostly not even heard", () => {
    holds((world) => {
      const host = play(world, () => {});
      const liar = "vm0";
      const exceeded = { measure: "vm.composite", level: "vm", value: 1e9, threshold: 0 } as const;
      const before = new Map(
        host.askers().map(({ id, strict }) => [id, Math.min(strict, host.allotted(id))]),
      );
      const answers = Array.from({ length: 100 }, (_, serial) => ({
        domain: liar,
        id: `flood-${serial}`,
        exceeded,
        target: serial % 2 === 0 ? null : ({ kind: "node", node: serial } as const),
      })).flatMap((request) => host.ask(request));
      const heard = answers.filter(
        ({ answer }) => answer === null || answer.outcome === "granted" || answer.why.code !== "too-often",
      );
      expect(heard.length).toBeLessThanOrEqual(REQUEST_BURST);
      for (const [id, own] of before) expect(host.allotted(id)).toBeGreaterThanOrEqual(id === liar ? 0 : own);
    });
  });

  it("invariant 1: equal inputs give equal bytes, and the state is plain data", () => {
    holds((world) => {
      const [one, other] = [play(world, () => {}), play(world, () => {})];
      expect(JSON.stringify(one.demand)).toBe(JSON.stringify(other.demand));
      expect(JSON.parse(JSON.stringify(one.demand))).toEqual(one.demand);
    });
  });

  it("under a load that does not change, the host comes to rest", () => {
    holds((world) => {
      const host = play(world, () => {});
      // Everybody that may ask does so for a while; then whatever was decided stays.
      const ask = (seconds: number) => {
        for (let second = 0; second < seconds; second++) {
          host.look();
          host.ask(...host.askers().map(({ id }) => ({ domain: id })));
        }
      };
      for (const { id } of host.askers()) host.usage.set(id, 9000);
      ask(40);
      const changes = host.changes;
      ask(30);
      expect(host.changes).toBe(changes);
    });
  });
});
