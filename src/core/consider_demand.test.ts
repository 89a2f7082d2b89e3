/** Requests through the whole controller: answers, loans, call-backs, plugging; in stories. */
import { describe, expect, it } from "vitest";
import type { ControllerState } from "./controller_state.ts";
import { explainReason } from "./explain.ts";
import { explainNote } from "./explain_note.ts";
import { ALL_SAFEGUARDS, type Safeguards } from "./safeguards.ts";
import { TestWorld } from "./test_world_suite.ts";

/** 8 pCPUs, so that two domains are due 4 each; both have 8 vCPUs and load monitors. */
function twoOnEight(safeguards: Partial<Safeguards> = {}): TestWorld {
  const world = new TestWorld(8).arrive("a", { vcpus: 8, asks: true }).arrive("b", { vcpus: 8, asks: true });
  world.safeguards = { ...ALL_SAFEGUARDS, ...safeguards };
  world.use.set("a", 4000).set("b", 4000);
  world.settle();
  return world;
}

/** The same after `a` was idle for long enough to lend three of its four. */
function lentByA(safeguards: Partial<Safeguards> = {}): TestWorld {
  const world = twoOnEight(safeguards);
  world.use.set("a", 100);
  world.pass(90_000);
  world.use.set("b", 7000);
  return world;
}

/** One vCPU of two is plugged, a slot is free on each node, and it is due all four pCPUs. */
function withSlots(safeguards: Partial<Safeguards> = {}): TestWorld {
  const world = new TestWorld(4).arrive("a", { vcpus: 2, nodes: [0, 1], slots: [0, 1], asks: true });
  world.safeguards = { ...ALL_SAFEGUARDS, ...safeguards };
  world.use.set("a", 2000);
  world.settle();
  return world;
}

const counts = (world: TestWorld) =>
  world.snapshot.domains.map(({ id }) => `${id} ${world.online(id).length}`).join(", ");
const kinds = (world: TestWorld) => world.log.map(({ kind }) => kind);

describe("demand, through the controller", () => {
  it("gives back, lends, and comes back when the owner asks (P-11, P-16 to P-18)", () => {
    const world = lentByA();
    expect(counts(world)).toBe("a 1, b 4");
    for (let request = 0; request < 4; request++) world.ask("b").settle();
    expect(world.told()).toEqual(["lent 4", "lent 5", "lent 6", "no-free-pcpu"]);
    expect(counts(world)).toBe("a 1, b 7");
    world.use.set("a", 1000);
    world.ask("a").settle();
    expect(world.told()).toEqual(["granted 1"]);
    expect(counts(world)).toBe("a 2, b 6");
    const texts = world.notes.map(explainNote);
    expect(texts).toContain("a: has not needed its last vCPU for a while and keeps 1 vCPU");
    expect(texts.some((text) => text.startsWith("b: 1 borrowed vCPU called back"))).toBe(true);
    expect(texts).toContain(
      "a: asked for a vCPU (request a-5) and was granted vCPU 1, within its entitlement",
    );
  });

  it("lends on request what is not used, and tells everybody why", () => {
    const world = twoOnEight();
    world.use.set("a", 100);
    world.pass(3_000);
    for (let request = 0; request < 3; request++) {
      world.use.set("b", 1000 * world.online("b").length);
      world.pass(2_000).ask("b").settle();
    }
    expect(world.told()).toEqual(["lent 4", "lent 5", "lent 6"]);
    world.use.set("a", 1000);
    world.ask("a").settle();
    expect(world.told()).toEqual(["granted 1"]);
    expect(counts(world)).toBe("a 4, b 4");
    const texts = world.notes.map(explainNote);
    expect(texts).toContain(
      "a: leaves a vCPU unused, which is lent to b, since it asks and no pCPU is free; it keeps 3 vCPUs and has back what was lent when it asks",
    );
    expect(texts).toContain("a: asked and has back the 3 vCPUs that were lent to others");
    expect(texts.some((text) => text.startsWith("b: 3 borrowed vCPUs called back"))).toBe(true);
  });

  it("`explain` tells that a target rests on demand, and the entitlement stays what weights make it", () => {
    const world = lentByA();
    world.ask("b").settle();
    const told = world.state.plan!.domains.map(({ reasons }) => reasons.map(explainReason).join(" "));
    expect(told[0]).toContain("leaves 3 of the 4 vCPUs that it is due unused");
    expect(told[1]).toContain("borrows 1 vCPU beyond the 4 that it is due");
    expect(world.state.plan!.domains.map(({ entitlement }) => entitlement)).toEqual([4000, 4000]);
  });

  it("a host where nobody asks is divided by weights alone, however little is used", () => {
    const world = new TestWorld(8).arrive("a", { vcpus: 8 }).arrive("b", { vcpus: 8 });
    world.use.set("a", 0).set("b", 0);
    world.settle();
    const { plan } = world.pass(300_000).state;
    expect(plan!.domains.map(({ target }) => target)).toEqual([4, 4]);
    expect(world.state.domains.every(({ demand }) => demand === undefined)).toBe(true);
    world.ask("a");
    expect(world.told()).toEqual(["no-load-monitor"]);
  });

  it("when nothing changed, nothing is planned anew", () => {
    const world = lentByA();
    world.ask("b").settle();
    const { plan } = world.state;
    for (let second = 0; second < 5; second++) world.play({ kind: "unchanged" });
    expect(world.state.plan).toBe(plan);
  });

  it("a lost answer is given again, also by a daemon that was started anew in between", () => {
    const world = lentByA();
    world.ask("b", { id: "r" }).settle();
    world.state = JSON.parse(JSON.stringify(world.state)) as ControllerState;
    world.play({ kind: "started" });
    world.ask("b", { id: "r" });
    world.settle();
    world.ask("b", { id: "r" }).settle();
    expect(world.told()).toEqual(["lent 4", "not-now", "lent 4"]);
    expect(counts(world)).toBe("a 1, b 5");
  });

  it("the same id in a new life of the domain is a new request", () => {
    const world = lentByA();
    world.ask("b", { id: "r" }).settle();
    world.change("b", (domain) => ({ ...domain, incarnation: "anew" }));
    world.settle();
    world.ask("b", { id: "r" }).settle();
    const codes = world.notes.map(({ code }) => code).filter((code) => code.startsWith("request-"));
    expect(codes).toEqual(["request-granted", "request-granted"]);
  });

  it("a state that was journalled before there were requests is taken up", () => {
    const world = twoOnEight();
    const { dues: _1, demandInputs: _2, use: _3, ...old } = world.state;
    const domains = old.domains.map(({ demand: _4, plugged: _5, ...domain }) => domain);
    world.state = { ...new TestWorld(1).state, ...old, domains };
    world.play({ kind: "started" });
    world.settle();
    world.ask("a").settle();
    expect(world.told()).toEqual(["no-free-pcpu"]);
  });
});

describe("plugging", () => {
  it("P-13, P-18: where all vCPUs are online, one is plugged on the named node, and the answer names the guest's number", () => {
    const world = withSlots();
    world.ask("a", { target: { kind: "node", node: 1 } });
    expect(world.told()).toEqual([]);
    world.settle();
    expect(world.told()).toEqual(["granted 2"]);
    expect(world.online("a")).toEqual([0, 1, 2]);
    expect(world.domain("a").vcpus[2]).toMatchObject({ guestNode: 1, pins: [2] });
    world.ask("a", { target: { kind: "node", node: 1 } });
    expect(world.told()).toEqual(["no-slot-on-node"]);
  });

  it("asked again meanwhile, the answer still comes once, and another request waits its turn", () => {
    const world = withSlots();
    world.feed({
      kind: "requested",
      requests: ["r", "r", "s"].map((id) => ({
        domain: "a",
        id,
        origin: "administrator",
        exceeded: null,
        target: null,
      })),
    });
    expect(world.told()).toEqual(["being-plugged"]);
    expect(kinds(world).filter((kind) => kind === "plug-vcpu")).toHaveLength(1);
  });

  it("a hypervisor that refuses is a denial with its reason, and nothing is kept for the vCPU", () => {
    const world = withSlots();
    world.feed({ kind: "requested", requests: [] });
    const [plug] = world
      .feed({
        kind: "requested",
        requests: [{ domain: "a", id: "r", origin: "administrator", exceeded: null, target: null }],
      })
      .flatMap((action) => ("id" in action ? [action] : []));
    const outcome = { ok: false, failure: "not-supported", why: "This machine has no hotplug" } as const;
    world.feed({ kind: "command-ended", id: plug!.id, outcome });
    world.observe();
    expect(world.replies[0]?.answer).toMatchObject({
      why: { code: "plug-failed", node: 0, reason: "This machine has no hotplug" },
    });
    expect(world.state.domains[0]).toMatchObject({ plugged: [], demand: { plugging: null, wants: 2 } });
  });

  it("pitfall 1: a vCPU that does not come in time is denied; when it comes after all, it is unplugged in the end", () => {
    const world = withSlots();
    world.feed({
      kind: "requested",
      requests: [{ domain: "a", id: "r", origin: "administrator", exceeded: null, target: null }],
    });
    const late = world.state.underWay[0]!;
    for (let second = 0; second < 21; second++) {
      world.now += 1000;
      world.observe();
    }
    expect(world.told()).toEqual([]);
    const outcome = { ok: false, failure: "timed-out", why: "No answer" } as const;
    world.feed({ kind: "command-ended", id: late.id, outcome });
    world.observe();
    expect(world.told()).toEqual(["plug-failed"]);
    world.use.set("a", 300);
    world.carryOut({ id: late.id, ...late.command });
    world.pass(3000);
    expect(world.domain("a").vcpus).toHaveLength(3);
    world.pass(200_000);
    expect(world.domain("a").vcpus).toHaveLength(2);
  });

  it("a second try that finds the slot taken, by the first one, still makes it vbal's own", () => {
    const world = withSlots();
    const [plug] = world
      .feed({
        kind: "requested",
        requests: [{ domain: "a", id: "r", origin: "administrator", exceeded: null, target: null }],
      })
      .flatMap((action) => ("id" in action ? [action] : []));
    const lost = { ok: false, failure: "timed-out", why: "No answer" } as const;
    world.feed({ kind: "command-ended", id: plug!.id, outcome: lost });
    world.now += 3000;
    const again = world.observe().flatMap((action) => ("id" in action ? [action] : []));
    expect(again).toMatchObject([{ kind: "plug-vcpu" }]);
    // The first one took effect after all.
    world.carryOut({ ...plug!, id: 999 });
    const taken = { ok: false, failure: "no-such-slot", why: "The slot is taken" } as const;
    world.feed({ kind: "command-ended", id: again[0]!.id, outcome: taken });
    world.settle();
    expect(world.told()).toEqual(["granted 2"]);
    world.play({ kind: "release" });
    world.settle();
    expect(world.domain("a").vcpus).toHaveLength(2);
  });

  it("after give-back what vbal plugged goes, slowly, and never what was found", () => {
    const world = withSlots();
    world.ask("a").settle();
    world.use.set("a", 100);
    world.pass(100_000);
    expect(world.domain("a").vcpus).toHaveLength(3);
    world.pass(200_000);
    expect(world.domain("a").vcpus.map(({ index }) => index)).toEqual([0, 1]);
    expect(world.online("a")).toEqual([0]);
  });

  it("a clean stop unplugs what vbal plugged and leaves what was found", () => {
    const world = withSlots();
    world.ask("a").settle();
    world.play({ kind: "release" });
    world.settle();
    expect(world.domain("a").vcpus.map(({ index, pins }) => ({ index, pins }))).toEqual([
      { index: 0, pins: [0, 1, 2, 3] },
      { index: 1, pins: [0, 1, 2, 3] },
    ]);
    expect(world.state.domains[0]).toMatchObject({ touched: false });
  });

  it("a daemon that was started anew between the grant and the vCPU's arrival answers all the same", () => {
    const world = withSlots();
    const [plug] = world
      .feed({
        kind: "requested",
        requests: [{ domain: "a", id: "r", origin: "administrator", exceeded: null, target: null }],
      })
      .filter(({ kind }) => kind === "plug-vcpu");
    world.state = JSON.parse(JSON.stringify(world.state)) as ControllerState;
    world.feed({ kind: "started" });
    // It arrives while nobody is there to be told that the command has ended.
    world.carryOut(plug!);
    world.settle();
    expect(world.told()).toEqual(["granted 2"]);
    expect(world.domain("a").vcpus).toHaveLength(3);
  });

  it("a vCPU that comes without being asked for is never unplugged", () => {
    const world = withSlots();
    world.change("a", (domain) => ({
      ...domain,
      vcpus: [
        ...domain.vcpus,
        {
          index: 2,
          pins: [0, 1, 2, 3],
          guestSocket: 0,
          guestCore: 9,
          guestThread: 0,
          guestNode: 0,
          removable: true,
        },
      ],
    }));
    world.use.set("a", 100);
    world.settle();
    world.pass(400_000);
    expect(world.domain("a").vcpus).toHaveLength(3);
  });

  it("the administrator may forbid it", () => {
    const world = new TestWorld(4).arrive("a", { vcpus: 2, slots: [0], asks: true, policy: { plug: false } });
    world.settle();
    world.ask("a");
    expect(world.told()).toEqual(["no-vcpu-left"]);
  });
});

describe("safeguards, each switched off once", () => {
  it.each([true, false])("answerOnce %s: a lost answer grants twice without it", (answerOnce) => {
    const world = lentByA({ answerOnce });
    world.ask("b", { id: "r" }).settle();
    world.ask("b", { id: "r" }).settle();
    expect(counts(world)).toBe(answerOnce ? "a 1, b 5" : "a 1, b 6");
  });

  it.each([true, false])(
    "lendOnlyToBusy %s: pitfall 11: a liar is lent what others leave",
    (lendOnlyToBusy) => {
      const world = lentByA({ lendOnlyToBusy });
      world.use.set("b", 300);
      world.settle();
      world.ask("b").settle();
      expect(world.told()).toEqual([lendOnlyToBusy ? "not-busy" : "lent 4"]);
    },
  );

  it.each([
    [true, 1],
    [false, 3],
  ])("unplugSlowly %s: a load that comes and goes has it plugged %i times", (unplugSlowly, times) => {
    const world = withSlots({ unplugSlowly });
    for (let round = 0; round < 8; round++) {
      world.use.set("a", 2000);
      world.pass(2_000);
      if (world.online("a").length < 3) world.ask("a").settle();
      world.use.set("a", 1000);
      world.pass(60_000);
    }
    expect(kinds(world).filter((kind) => kind === "plug-vcpu")).toHaveLength(times);
  });
});
