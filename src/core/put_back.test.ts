/** Invariant 7: what vbal lets go is as it was found, also where that could not be read, or not be done, at once. */
import { describe, expect, it } from "vitest";
import type { DomainSnapshot } from "./model.ts";
import { DEFAULT_DOMAIN_POLICY } from "./policy.ts";
import { TestWorld } from "./test_world_suite.ts";
import type { VcpuIndex } from "./units.ts";

const ALL = [0, 1, 2, 3];

/** The domain with these pins of this vCPU; `null`: they cannot be read. */
function withPins(
  vcpu: VcpuIndex,
  pins: readonly number[] | null,
): (domain: DomainSnapshot) => DomainSnapshot {
  return (domain) => ({
    ...domain,
    vcpus: domain.vcpus.map((one) => (one.index === vcpu ? { ...one, pins } : one)),
  });
}

/** The guest has restarted in a process of its own, with this many vCPUs, of which these are in use. */
function startedAnew(
  vcpus: number,
  online: readonly VcpuIndex[],
): (domain: DomainSnapshot) => DomainSnapshot {
  return (domain) => ({
    ...domain,
    incarnation: `${domain.incarnation}+`,
    vcpus: domain.vcpus.slice(0, vcpus),
    guest: domain.guest && {
      ...domain.guest,
      vcpus: domain.guest.vcpus
        .slice(0, vcpus)
        .map((one) => ({ ...one, online: online.includes(one.index) })),
    },
  });
}

function release(world: TestWorld): void {
  world.play({ kind: "release" });
  world.settle();
}

const isTouched = (world: TestWorld) => world.state.domains.some(({ touched }) => touched);

describe("pitfall 8: pins that cannot be read", () => {
  it("at first, are found when they can", () => {
    const world = new TestWorld(4).arrive("a", { vcpus: 4 }).arrive("b", { vcpus: 4 });
    world.change("a", withPins(1, null)).settle();
    // Other vCPUs of it are pinned by now; this one is as it came.
    world.change("a", withPins(1, ALL)).settle();
    expect(world.pins("a")[1]).not.toEqual(ALL);
    release(world);
    expect(world.pins("a")).toEqual([ALL, ALL, ALL, ALL]);
  });

  it("at a clean stop, are waited for", () => {
    const world = new TestWorld(4).arrive("a", { vcpus: 4 });
    world.settle();
    const [mine] = world.pins("a");
    world.change("a", withPins(0, null)).observe();
    release(world);
    expect(isTouched(world)).toBe(true);
    world.change("a", withPins(0, mine!)).settle();
    expect(world.pins("a")).toEqual([ALL, ALL, ALL, ALL]);
    expect(isTouched(world)).toBe(false);
  });

  it("are where they were: nobody else is given that pCPU (invariant 3)", () => {
    const world = new TestWorld(4).arrive("a", { vcpus: 4 });
    world.settle();
    expect(world.pins("a")).toEqual([[0], [1], [2], [3]]);
    world.change("a", withPins(3, null)).arrive("b", { vcpus: 2, pins: [[0], [0]] });
    world.pass(60_000);
    const given = world.log.flatMap((command) =>
      command.kind === "pin-vcpu" && command.domain === "b" ? command.pcpus : [],
    );
    expect(given).not.toContain(3);
    world.change("a", withPins(3, [3])).settle();
    expect(world.pins("b").flat()).toContain(3);
  });
});

it("a domain that is let go while a pCPU is offline may run there when it comes back", () => {
  const world = new TestWorld(4).arrive("a", { vcpus: 4 });
  world.settle();
  const setOnline = (online: boolean) => {
    const pcpus = world.snapshot.pcpus.map((pcpu) => (pcpu.id === 3 ? { ...pcpu, online } : pcpu));
    world.snapshot = { ...world.snapshot, pcpus };
  };
  setOnline(false);
  world.policy = { ...world.policy, domains: { a: { ...DEFAULT_DOMAIN_POLICY, managed: false } } };
  world.play({ kind: "policy-changed" });
  world.settle();
  expect(world.pins("a")[0]).toEqual([0, 1, 2]);
  setOnline(true);
  world.settle();
  expect(world.pins("a")).toEqual([ALL, ALL, ALL, ALL]);
  expect(isTouched(world)).toBe(false);
});

it("a vCPU that comes after its domain was let go is unplugged", () => {
  const world = new TestWorld(4).arrive("a", { vcpus: 1, slots: [0], asks: true });
  world.settle();
  const [plug] = world
    .feed({
      kind: "requested",
      requests: [{ domain: "a", id: "r", origin: "administrator", exceeded: null, target: null }],
    })
    .flatMap((action) => (action.kind === "plug-vcpu" ? [action] : []));
  const outcome = { ok: false, failure: "timed-out", why: "No answer" } as const;
  world.feed({ kind: "command-ended", id: plug!.id, outcome });
  world.policy = { ...world.policy, domains: { a: { ...DEFAULT_DOMAIN_POLICY, managed: false } } };
  world.play({ kind: "policy-changed" });
  world.settle();
  expect(isTouched(world)).toBe(false);
  world.carryOut(plug!);
  expect(world.domain("a").vcpus).toHaveLength(2);
  world.settle();
  expect(world.domain("a").vcpus).toHaveLength(1);
  expect(isTouched(world)).toBe(false);
});

it("a guest that has not followed yet is told at a clean stop that it need not", () => {
  const world = new TestWorld(4).arrive("a", { vcpus: 4, temper: "stuck" }).arrive("b", { vcpus: 4 });
  world.settle();
  world.pass(3_000);
  expect(world.state.domains[0]).toMatchObject({ asked: [0, 1] });
  release(world);
  const told = world.log.filter((command) => command.kind === "set-online" && command.domain === "a");
  expect(told.at(-1)).toMatchObject({ online: [0, 1, 2, 3] });
  expect(isTouched(world)).toBe(false);
});

it("a guest that is paused before it has followed is told again when it runs (swarm, seed 11558)", () => {
  const world = new TestWorld(4).arrive("a", { vcpus: 4 }).arrive("b", { vcpus: 4 });
  world.settle();
  expect(world.online("a")).toEqual([0, 1]);
  // It is told to use all again, and is paused before it has.
  world.depart("b").temper("a", "stuck").settle();
  expect(world.state.domains[0]).toMatchObject({ asked: [0, 1, 2, 3] });
  world
    .change("a", (domain) => ({ ...domain, state: "paused" }))
    .temper("a", "obedient")
    .settle();
  world.policy = { ...world.policy, domains: { a: { ...DEFAULT_DOMAIN_POLICY, managed: false } } };
  world.play({ kind: "policy-changed" });
  world.settle();
  expect(isTouched(world)).toBe(true);
  world.now += 60_000;
  world.change("a", (domain) => ({ ...domain, state: "running" })).settle();
  expect(world.online("a")).toEqual([0, 1, 2, 3]);
  expect(isTouched(world)).toBe(false);
});

describe("a new life of a domain", () => {
  it("that carried out what the earlier one was told is not found like that", () => {
    const world = new TestWorld(4).arrive("a", { vcpus: 4 }).arrive("b", { vcpus: 4 });
    world.settle();
    expect(world.online("a")).toEqual([0, 1]);
    world.change("a", startedAnew(4, [0, 1])).settle();
    release(world);
    expect(world.online("a")).toEqual([0, 1, 2, 3]);
  });

  it("that came with fewer in use for its own reasons keeps them so", () => {
    const world = new TestWorld(4).arrive("a", { vcpus: 4 }).arrive("b", { vcpus: 4 });
    world.settle();
    world.change("a", startedAnew(4, [0, 1, 2])).settle();
    release(world);
    expect(world.online("a")).toEqual([0, 1, 2]);
  });

  it("has no vCPU that was plugged later, though the earlier one had", () => {
    const world = new TestWorld(4).arrive("a", { vcpus: 2, slots: [0] }).arrive("b", { vcpus: 4 });
    world.settle();
    world.carryOut({
      id: 999,
      kind: "plug-vcpu",
      domain: "a",
      slot: { guestSocket: 0, guestCore: 2, guestThread: 0, guestNode: 0 },
    });
    world.settle();
    world.change("a", startedAnew(3, [0, 1, 2])).settle();
    expect(world.online("a")).toEqual([0, 1]);
    release(world);
    expect(world.online("a")).toEqual([0, 1, 2]);
  });
});
