/**
 * Guests with a load and a load monitor, through the whole controller, in simulated time: at rest under steady load, no
 * oscillation under noise (pitfall 10), and how long an owner waits for what it is due.
 */
import { describe, expect, it } from "vitest";
import { USE_STEP } from "./event.ts";
import { ALL_SAFEGUARDS, type Safeguards } from "./safeguards.ts";
import { TestWorld } from "./test_world_suite.ts";

const TEN_MINUTES = 600;
/** A monitor asks when more than this part of its vCPUs is used, in percent. */
const THRESHOLD = 80;

/** Each second the load uses what vCPUs there are, and the guest asks above its threshold. Returns the changes of its count. */
function changesOf(
  world: TestWorld,
  id: string,
  loadAt: (second: number) => number,
  seconds: number,
  meanwhile: () => void = () => {},
): number {
  let changes = 0;
  for (let second = 0; second < seconds; second++) {
    const online = world.online(id).length;
    const used = Math.min(loadAt(second), online * 1000);
    world.use.set(id, Math.round(used / USE_STEP) * USE_STEP);
    world.pass(1000);
    if (online * 10 * THRESHOLD < used) world.ask(id);
    meanwhile();
    world.settle();
    if (world.online(id).length !== online) changes += 1;
  }
  return changes;
}

/** One guest that may use up to `vcpus`, brought to rest at `load`. */
function atRest(vcpus: number, load: number): TestWorld {
  const world = new TestWorld(vcpus).arrive("a", { vcpus, asks: true });
  changesOf(world, "a", () => load, TEN_MINUTES);
  return world;
}

/** The same sequence each time; a multiplicative congruence. */
function noise(): () => number {
  let state = 12_345;
  return () => {
    state = (state * 16_807) % 2_147_483_647;
    return state / 2_147_483_647;
  };
}

describe("steady and noisy load", () => {
  it.each([2, 4, 8, 16])(
    "%i vCPUs: a steady load at the edge of the threshold changes once in ten minutes at most",
    (vcpus) => {
      for (const count of [1, Math.ceil(vcpus / 2), vcpus - 1]) {
        for (const edge of [0 - USE_STEP, 0, USE_STEP]) {
          const load = count * 10 * THRESHOLD + edge;
          const world = atRest(vcpus, load);
          expect(changesOf(world, "a", () => load, TEN_MINUTES)).toBeLessThanOrEqual(1);
        }
      }
    },
  );

  it.each([2, 4, 8, 16])("%i vCPUs: load that jitters around the threshold does not oscillate", (vcpus) => {
    const load = (vcpus - 1) * 10 * THRESHOLD;
    const next = noise();
    const world = atRest(vcpus, load);
    const changes = changesOf(world, "a", () => load + (next() - 0.5) * 600, TEN_MINUTES);
    expect(changes).toBeLessThanOrEqual(1);
  });

  it("noise as large as the load itself: it grows to what the peaks need and stays there", () => {
    const next = noise();
    const world = atRest(8, 3000);
    const jump = () => next() * 8000;
    const first = changesOf(world, "a", jump, TEN_MINUTES);
    const second = changesOf(world, "a", jump, TEN_MINUTES);
    // It grows vCPU by vCPU until it has what the peaks need, and stays there.
    expect(first).toBeLessThanOrEqual(8);
    expect(second).toBeLessThanOrEqual(1);
  });
});

/** As `changesOf` for `a`, beside `b`, which wants all that it can have and asks every second. */
function changesBeside(world: TestWorld, loadAt: (second: number) => number, seconds: number): number {
  return changesOf(world, "a", loadAt, seconds, () => {
    world.use.set("b", world.online("b").length * 1000);
    world.ask("b");
  });
}

/** Due four of eight each; `a` has a load monitor, and so has the hungry one. */
function besideHungry(load: number, safeguards: Partial<Safeguards> = {}): TestWorld {
  const world = new TestWorld(8).arrive("a", { vcpus: 8, asks: true }).arrive("b", { vcpus: 8, asks: true });
  world.safeguards = { ...ALL_SAFEGUARDS, ...safeguards };
  world.settle();
  changesBeside(world, () => load, 60);
  return world;
}

describe("lending on request to a neighbour that always asks", () => {
  it("a steady load at any edge changes once in ten minutes at most, and has what it needs", () => {
    // Where the threshold is, and where a line of give-back is.
    for (const load of [800, 1600, 2400, 2500, 3200]) {
      for (const edge of [0 - USE_STEP, 0, USE_STEP]) {
        const steady = Math.max(0, load + edge);
        const world = besideHungry(steady);
        expect(changesBeside(world, () => steady, TEN_MINUTES)).toBeLessThanOrEqual(1);
        expect(world.online("a").length * 1000).toBeGreaterThanOrEqual(Math.min(4000, steady));
      }
    }
  });

  it.each([
    ["jitter around the threshold", (next: () => number) => 2400 + (next() - 0.5) * 600],
    ["jumps from nothing to everything", (next: () => number) => next() * 4000],
    ["two seconds on, two seconds off", (_: () => number, second: number) => (second % 4 < 2 ? 4000 : 0)],
    ["four seconds on, four seconds off", (_: () => number, second: number) => (second % 8 < 4 ? 4000 : 0)],
  ])("noise does not oscillate (pitfall 10): %s", (_, load) => {
    const next = noise();
    const world = besideHungry(4000);
    const seen = (second: number) => load(next, second);
    const first = changesBeside(world, seen, TEN_MINUTES);
    const second = changesBeside(world, seen, TEN_MINUTES);
    // Each loan goes and comes vCPU by vCPU; the regrets grow, and so does the time between them.
    expect(first).toBeLessThanOrEqual(8);
    expect(second).toBeLessThanOrEqual(2);
  });
});

describe("switched off: lendAfterTwoLooks", () => {
  it("one look is enough, and a load that jumps loses a vCPU whenever it is low", () => {
    const next = noise();
    const world = besideHungry(4000, { lendAfterTwoLooks: false });
    expect(changesBeside(world, () => next() * 4000, TEN_MINUTES)).toBeGreaterThan(16);
  });
});

describe("a guest with steady load and its entitlement", () => {
  /** `a` lent three of its four to `b`, which uses them all; then the load of `a` comes. */
  function lent(): TestWorld {
    const world = new TestWorld(8)
      .arrive("a", { vcpus: 8, asks: true })
      .arrive("b", { vcpus: 8, asks: true });
    world.use.set("a", 100).set("b", 4000);
    world.settle();
    world.pass(100_000);
    for (let request = 0; request < 3; request++) {
      world.use.set("b", 7000);
      world.settle();
      world.ask("b").settle();
    }
    return world;
  }

  /** Milliseconds until `a` has its four vCPUs again, asking once a second. */
  function backAfter(world: TestWorld): number {
    const from = world.now;
    world.use.set("a", 4000);
    while (world.online("a").length < 4 && world.now < from + 120_000) {
      world.ask("a").settle();
      world.pass(1000);
    }
    return world.now - from;
  }

  it("whose load stays never gives any of it back", () => {
    const world = new TestWorld(8)
      .arrive("a", { vcpus: 8, asks: true })
      .arrive("b", { vcpus: 8, asks: true });
    world.settle();
    for (let second = 0; second < TEN_MINUTES; second++) {
      world.use.set("a", 4000).set("b", 4000);
      world.ask("b", { exceeded: { measure: "m", level: "vm", value: 1e9, threshold: 0 } }).pass(1000);
      expect(world.online("a")).toHaveLength(4);
    }
  });

  it("has it back with one request for each vCPU: two seconds each with a monitor that looks once a second", () => {
    expect(backAfter(lent())).toBeLessThanOrEqual(3 * 2_000);
  });

  it.each(["stuck", "silent"] as const)(
    "and within its patience, 5 s for each vCPU, from a borrower that is %s",
    (temper) => {
      const world = lent();
      world.temper("b", temper);
      if (temper === "silent") world.change("b", (domain) => ({ ...domain, guest: null }));
      const { stuckAfter } = world.policy.patience;
      expect(backAfter(world)).toBeLessThanOrEqual(3 * (stuckAfter + 2_000));
    },
  );

  /** `a` was quiet for seconds only, and lent three of its four on request. */
  function lentOnRequest(): TestWorld {
    const world = new TestWorld(8)
      .arrive("a", { vcpus: 8, asks: true })
      .arrive("b", { vcpus: 8, asks: true });
    world.use.set("a", 100).set("b", 4000);
    world.settle();
    world.pass(2_000);
    for (let request = 0; request < 3; request++) {
      world.use.set("b", world.online("b").length * 1000);
      world.ask("b").settle();
      world.pass(2_000);
    }
    expect(world.online("a")).toHaveLength(1);
    return world;
  }

  it("lent on request, all of it is back with one request", () => {
    expect(backAfter(lentOnRequest())).toBeLessThanOrEqual(2_000);
  });

  it.each(["stuck", "silent"] as const)(
    "lent on request, and within the patience, 5 s, in all, from a borrower that is %s",
    (temper) => {
      const world = lentOnRequest();
      world.temper("b", temper);
      if (temper === "silent") world.change("b", (domain) => ({ ...domain, guest: null }));
      expect(backAfter(world)).toBeLessThanOrEqual(world.policy.patience.stuckAfter + 2_000);
    },
  );

  it("switched off: without taking before giving, the owner runs beside the borrower", () => {
    const world = lent();
    world.temper("b", "stuck");
    world.safeguards = { ...ALL_SAFEGUARDS, confirmTakes: false };
    world.use.set("a", 4000);
    world.ask("a").settle();
    const mine = world.pins("a")[1];
    expect(world.pins("b").filter((pins) => pins?.[0] === mine?.[0] && pins?.length === 1)).toHaveLength(1);
  });
});
