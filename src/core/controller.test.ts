/** The controller as stories: each world is a few lines, each test says what must come of it. */
import { describe, expect, test } from "vitest";
import type { Command } from "./action.ts";
import { GROWTH_GIVEN_UP_FOR_MS, RETRY_AFTER_MAX_MS } from "./controller.ts";
import { reconcile } from "./reconcile.ts";
import { ALL_SAFEGUARDS } from "./safeguards.ts";
import { TestWorld } from "./test_world_suite.ts";

describe("weights become vCPUs and pins", () => {
  test("B-5..B-7: weights 512 and 256 on 12 pCPUs give 8 and 4 vCPUs on pCPUs 0-7 and 8-11", () => {
    const world = new TestWorld(12)
      .arrive("vm1", { vcpus: 12, policy: { weight: 512 } })
      .arrive("vm2", { vcpus: 12, policy: { weight: 256 } });
    world.settle();
    expect(world.online("vm1")).toEqual([0, 1, 2, 3, 4, 5, 6, 7]);
    expect(world.online("vm2")).toEqual([0, 1, 2, 3]);
    expect(world.pins("vm1").slice(0, 8)).toEqual([[0], [1], [2], [3], [4], [5], [6], [7]]);
    expect(world.pins("vm2").slice(0, 4)).toEqual([[8], [9], [10], [11]]);
  });

  test("pitfall 28: vCPUs that are taken stay confined to their domain's pCPUs, should the guest bring them back", () => {
    const world = new TestWorld(2).arrive("a", { vcpus: 2 }).arrive("b", { vcpus: 2 });
    world.settle();
    expect(world.pins("a")).toEqual([[0], [0]]);
    expect(world.pins("b")).toEqual([[1], [1]]);
  });

  test("B-9: a domain that departs leaves its pCPUs to the others", () => {
    const world = new TestWorld(4).arrive("a", { vcpus: 4 }).arrive("b", { vcpus: 4 });
    world.settle();
    expect(world.online("a")).toEqual([0, 1]);
    world.depart("b").settle();
    expect(world.online("a")).toEqual([0, 1, 2, 3]);
    expect(world.pins("a")).toEqual([[0], [1], [2], [3]]);
  });

  test("what is right already is not touched, neither in a second look nor after a restart from the same state", () => {
    const world = new TestWorld(4).arrive("a", { vcpus: 4 }).arrive("b", { vcpus: 4 });
    world.settle();
    world.log.length = 0;
    expect(world.settle()).toBe(0);
    world.feed({ kind: "started" });
    expect(world.settle()).toBe(0);
    expect(world.log).toEqual([]);
  });
});

describe("take, confirm, give", () => {
  test("an active guest first lets its vCPU go, then it is confined, then the other domain gets the pCPU and the vCPU", () => {
    const world = new TestWorld(4)
      .arrive("a", { vcpus: 4 })
      .arrive("b", { vcpus: 4, policy: { weight: 256 } });
    world.settle();
    world.log.length = 0;
    world.policy = { ...world.policy, domains: { b: { ...world.policy.defaults, weight: 768 } } };
    world.play({ kind: "policy-changed" });
    world.settle();
    const story = world.log.map((command) =>
      command.kind === "set-online"
        ? `${command.domain} uses ${command.online.join(",")}`
        : command.kind === "pin-vcpu"
          ? `${command.domain}.${command.vcpu} on ${command.pcpus.join(",")}`
          : `${command.kind} ${command.domain}`,
    );
    const order = ["a uses 0", "a.1 on 0", "b.2 on 1", "b uses 0,1,2"].map((line) => story.indexOf(line));
    expect(order, story.join("; ")).not.toContain(-1);
    expect(order.toSorted((x, y) => x - y)).toEqual(order);
  });

  test.each([
    ["a stuck guest is waited for as long as patience says, then confined", "stuck", 4, 12],
    ["a silent guest is confined at once and never shrunk by guess", "silent", 0, 4],
  ] as const)("%s", (_, temper, waitSecondsMin, waitSecondsMax) => {
    const world = new TestWorld(2).arrive("a", { vcpus: 2, temper });
    world.settle();
    world.arrive("b", { vcpus: 2 });
    let seconds = 0;
    const bHasItsPcpu = () =>
      world.pins("b")[0]?.length === 1 &&
      world.pins("a").every((pins) => !pins?.includes(world.pins("b")[0]![0]!));
    while (!bHasItsPcpu() && seconds < 60) {
      world.pass(1000);
      seconds += 1;
    }
    expect(waitSecondsMin).toBeLessThanOrEqual(seconds);
    expect(seconds).toBeLessThanOrEqual(waitSecondsMax);
    expect(world.log.some((c) => c.kind === "set-online" && c.domain === "a") && temper === "silent").toBe(
      false,
    );
  });

  test("a paused guest holds up nobody and is asked nothing", () => {
    const world = new TestWorld(2).arrive("a", { vcpus: 2, paused: true }).arrive("b", { vcpus: 2 });
    world.settle();
    expect(world.online("b")).toEqual([0]);
    expect(world.log.filter((c) => c.kind === "set-online" && c.domain === "a")).toEqual([]);
  });
});

describe("guests that do not follow", () => {
  test("standing goes from active to stuck to uncooperative, and any progress forgives", () => {
    const world = new TestWorld(2).arrive("a", { vcpus: 2, temper: "stuck" }).arrive("b", { vcpus: 2 });
    world.pass(40_000);
    const standings = world.notes.flatMap((note) =>
      note.code === "standing-changed" && note.domain === "a" ? [note.to] : [],
    );
    expect(standings).toEqual(["stuck", "uncooperative"]);
    world.temper("a", "obedient").pass(40_000);
    expect(world.online("a")).toEqual([0]);
    expect(world.state.domains.find(({ id }) => id === "a")?.cooperation.standing).toBe("active");
  });

  test("a guest that never grows lends the rest of its share for a while, then gets another chance", () => {
    const world = new TestWorld(4)
      .arrive("a", { vcpus: 4, online: [0], temper: "never-grows" })
      .arrive("b", { vcpus: 4 });
    world.pass(40_000);
    expect(world.online("b")).toEqual([0, 1, 2]);
    world.temper("a", "obedient").pass(GROWTH_GIVEN_UP_FOR_MS + 10_000);
    expect(world.online("a")).toEqual([0, 1]);
    expect(world.online("b")).toEqual([0, 1]);
  });

  test("pitfall 5: a vCPU that guest root brings online is noted and asked back", () => {
    const world = new TestWorld(2).arrive("a", { vcpus: 2 }).arrive("b", { vcpus: 2 });
    world.settle();
    world.guestSets("a", [0, 1]).settle();
    expect(world.online("a")).toEqual([0]);
    expect(world.notes.filter(({ code }) => code === "guest-changed-by-itself")).toHaveLength(1);
  });

  test("a failing command is tried again with growing pauses, bounded", () => {
    const world = new TestWorld(2).arrive("a", { vcpus: 2, temper: "stuck" }).arrive("b", { vcpus: 2 });
    world.pass(300_000);
    const tries = world.log.filter((c) => c.kind === "set-online" && c.domain === "a").length;
    expect(10).toBeLessThan(tries);
    expect(tries).toBeLessThan(25);
  });
});

describe("a guest that follows and changes its vCPUs back at once", () => {
  const flapping = (seconds: number) => {
    const world = new TestWorld(4).arrive("a", { vcpus: 4, policy: { vcpusMax: 2 } });
    world.settle();
    world.log.length = 0;
    for (let second = 0; second < seconds; second++) {
      world.guestSets("a", [0, 1, 2, 3]).pass(1000);
    }
    return world;
  };
  const told = (world: TestWorld) => world.log.filter(({ kind }) => kind === "set-online").length;

  test("pitfall 5: is told again less and less often, every 30 s in the end", () => {
    expect(told(flapping(600))).toBeLessThanOrEqual(600 / 30 + 5);
  });

  test("and once it stops, has what it should have within that time, and is told at once when that is long ago", () => {
    const world = flapping(120);
    world.pass(RETRY_AFTER_MAX_MS + 1000);
    expect(world.online("a")).toEqual([0, 1]);
    world.pass(2 * RETRY_AFTER_MAX_MS);
    world.guestSets("a", [0, 1, 2, 3]).pass(1000);
    world.pass(1000);
    expect(world.online("a")).toEqual([0, 1]);
  });
});

describe("a clean stop", () => {
  test("puts back pins, vCPUs and emulator threads as they were found", () => {
    const world = new TestWorld(4)
      .arrive("a", { vcpus: 4, pins: [[0, 1], [1], [0, 1, 2], [3]], online: [0, 1, 3] })
      .arrive("b", { vcpus: 2, temper: "silent" });
    const before = world.snapshot;
    world.settle();
    expect(world.snapshot).not.toEqual(before);
    world.play({ kind: "release" });
    world.settle();
    expect(world.snapshot).toEqual(before);
    expect(world.state.domains.some(({ touched }) => touched)).toBe(false);
  });

  test("still knows what was found after kill -9 and a restart from the journalled state", () => {
    const world = new TestWorld(2).arrive("a", { vcpus: 2 }).arrive("b", { vcpus: 2 });
    const before = world.snapshot;
    world.settle();
    world.state = JSON.parse(JSON.stringify(world.state));
    world.feed({ kind: "started" });
    world.settle();
    world.play({ kind: "release" });
    world.settle();
    expect(world.snapshot).toEqual(before);
  });

  test("a domain that is opted out is put back and left alone", () => {
    const world = new TestWorld(2).arrive("a", { vcpus: 2 }).arrive("b", { vcpus: 2 });
    const found = world.domain("a");
    world.settle();
    const own = { ...world.policy.defaults, managed: false };
    world.policy = { ...world.policy, domains: { a: own } };
    world.play({ kind: "policy-changed" });
    world.settle();
    expect(world.domain("a")).toEqual(found);
    world.log.length = 0;
    world.pass(5000);
    expect(world.log.filter(({ domain }) => domain === "a")).toEqual([]);
  });
});

describe("circles", () => {
  const swapped = () => {
    const world = new TestWorld([
      { id: 0, core: 0, llc: 0, node: 0, online: true },
      { id: 1, core: 1, llc: 1, node: 1, online: true },
    ]);
    return world
      .arrive("a", { vcpus: 1, pins: [[1]], policy: { node: 0 } })
      .arrive("b", { vcpus: 1, pins: [[0]], policy: { node: 1 } });
  };

  test("two domains that exchange pCPUs do not wait for ever", () => {
    const world = swapped();
    world.settle();
    expect([world.pins("a"), world.pins("b")]).toEqual([[[0]], [[1]]]);
    expect(world.notes.filter(({ code }) => code === "circle-broken")).toHaveLength(1);
  });

  test("with that safeguard switched off, they do", () => {
    const world = swapped();
    world.safeguards = { ...ALL_SAFEGUARDS, breakCircles: false };
    world.settle();
    expect([world.pins("a"), world.pins("b")]).toEqual([[[1]], [[0]]]);
  });
});

describe("placed before online", () => {
  /** a is to have one more vCPU on a pCPU that b has not left yet. Lists where a's vCPU 1 might run when it was asked for. */
  function askedElsewhere(safeguards: TestWorld["safeguards"]): unknown[] {
    const world = new TestWorld(4).arrive("b", { vcpus: 4 });
    world.safeguards = safeguards;
    world.settle();
    world.arrive("a", { vcpus: 2, online: [0] });
    const elsewhere: unknown[] = [];
    for (let round = 0; round < 12; round++) {
      const actions = world.observe();
      const planned = world.state.plan?.domains.find(({ id }) => id === "a")?.vcpus[1]?.pcpus;
      for (const action of actions) {
        const asked = action.kind === "set-online" && action.domain === "a" && action.online.includes(1);
        const pins = world.pins("a")[1];
        if (asked && String(pins) !== String(planned)) elsewhere.push(pins);
      }
      for (const action of actions) world.carryOut(action);
      world.now += 100;
    }
    expect(world.online("a")).toEqual([0, 1]);
    return elsewhere;
  }

  test("a guest is asked for a vCPU only when that vCPU is reported in its place", () => {
    expect(askedElsewhere(ALL_SAFEGUARDS)).toEqual([]);
  });

  test("with that safeguard switched off, it is asked while the vCPU could run on somebody else's pCPU", () => {
    expect(askedElsewhere({ ...ALL_SAFEGUARDS, placeBeforeOnline: false })).toContainEqual([0, 1, 2, 3]);
  });
});

describe("a clean stop forgets nobody", () => {
  test("domains that were exchanged wait for each other on the way back too", () => {
    const world = new TestWorld([
      { id: 0, core: 0, llc: 0, node: 0, online: true },
      { id: 1, core: 1, llc: 1, node: 1, online: true },
    ])
      .arrive("a", { vcpus: 1, pins: [[1]], policy: { node: 0 } })
      .arrive("b", { vcpus: 1, pins: [[0]], policy: { node: 1 } });
    const before = world.snapshot;
    world.settle();
    expect([world.pins("a"), world.pins("b")]).toEqual([[[0]], [[1]]]);
    world.play({ kind: "release" });
    world.settle();
    expect([world.pins("a"), world.pins("b")]).toEqual([[[1]], [[0]]]);
    expect(world.snapshot).toEqual(before);
  });
});

describe("found by the swarm (src/sim/swarm)", () => {
  test("invariant 4: a guest at its minimum is asked for one vCPU instead of another in one request", () => {
    const world = new TestWorld(4)
      .arrive("a", { vcpus: 4, policy: { vcpusMin: 2 } })
      .arrive("b", { vcpus: 4 });
    world.settle();
    expect(world.online("a")).toEqual([0, 1]);
    world.log.length = 0;
    world.guestSets("a", [0, 3]).settle();
    const asked = world.log.flatMap((c) => (c.kind === "set-online" && c.domain === "a" ? [c.online] : []));
    expect(asked).toEqual([[0, 1]]);
  });

  test("the plan of an earlier life pins nothing to a pCPU that went offline since", () => {
    const world = new TestWorld(4)
      .arrive("a", { vcpus: 4 })
      .arrive("b", { vcpus: 4 })
      .arrive("c", { vcpus: 4 });
    world.settle();
    // While nobody looks, pCPU 3 goes, and whoever was pinned to it alone runs anywhere; b is slow to be seen.
    const left = [0, 1, 2];
    world.depart("b");
    world.snapshot = {
      pcpus: world.snapshot.pcpus.map((pcpu) => ({ ...pcpu, online: pcpu.id !== 3 })),
      domains: world.snapshot.domains.map((domain) => ({
        ...domain,
        vcpus: domain.vcpus.map((vcpu) => ({ ...vcpu, pins: left })),
      })),
    };
    world.feed({ kind: "started" });
    const given = world.observe().flatMap((action) => (action.kind === "pin-vcpu" ? action.pcpus : []));
    expect(given).not.toContain(3);
  });
});

test("invariant 3: where a pin of an older plan still sends a vCPU counts as where it is", () => {
  const world = new TestWorld(2)
    .arrive("a", { vcpus: 1, pins: [[0]] })
    .arrive("b", { vcpus: 1, pins: [[0]] });
  const want = (id: string, pcpu: number) => ({
    id,
    vcpus: [{ index: 0, online: true, pcpus: [pcpu] }],
    emulatorPcpus: null,
    mechanism: "offline" as const,
    vcpusMin: 1,
    courteous: true,
  });
  const wanted = [want("a", 1), want("b", 0)];
  const sent: Command = { kind: "pin-vcpu", domain: "b", vcpu: 0, pcpus: [1] };
  const given = (underWay: readonly Command[]) =>
    reconcile(wanted, world.snapshot, ALL_SAFEGUARDS, underWay).ready.map(({ domain }) => domain);
  expect(given([])).toEqual(["a"]);
  expect(given([sent])).toEqual([]);
});
