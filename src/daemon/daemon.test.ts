/** The daemon on a simulated host: faults of the host, of guests and of the daemon itself, as stories. */
import { describe, expect, test } from "vitest";
import { DEFAULT_DOMAIN_POLICY, type DomainPolicy, type Policy } from "../core/policy.ts";
import { worlds } from "./daemon_world_suite.ts";
import { replay } from "./replay.ts";

const worldOf = worlds();

/** Two equal guests on as many pCPUs as one of them has vCPUs: each is due half. */
const PAIR_OF_TWO = ["a", "b"].map((id) => ({ id, vcpus: 2 }));
const PAIR_OF_FOUR = ["a", "b"].map((id) => ({ id, vcpus: 4 }));

function weights(domains: Readonly<Record<string, Partial<DomainPolicy>>>): Partial<Policy> {
  return {
    domains: Object.fromEntries(
      Object.entries(domains).map(([id, own]) => [id, { ...DEFAULT_DOMAIN_POLICY, ...own }]),
    ),
  };
}

describe("the host", () => {
  test("B-5..B-7: weights become vCPUs and pins, and a clean stop puts everything back", async () => {
    const world = worldOf({
      pcpus: 12,
      policy: weights({ vm1: { weight: 512 } }),
      domains: [
        { id: "vm1", vcpus: 12 },
        { id: "vm2", vcpus: 12 },
      ],
    });
    const before = await world.truth();
    await world.settle();
    expect((await world.online("vm1"))?.length).toBe(8);
    expect(await world.online("vm2")).toEqual([0, 1, 2, 3]);
    expect((await world.pins("vm2")).slice(0, 4)).toEqual([[8], [9], [10], [11]]);
    expect(await world.stop()).toEqual([]);
    expect(await world.truth()).toEqual(before);
  });

  test("a pCPU goes offline: its domain moves, nobody is left on it; it comes back and is used again", async () => {
    const world = worldOf({ pcpus: 4, domains: PAIR_OF_FOUR });
    await world.settle();
    world.host.pcpuOffline(3);
    await world.pass(3_000);
    expect([await world.online("a"), await world.online("b")]).toEqual([[0, 1], [0]]);
    expect(await world.pins("b")).toEqual([[2], [2], [2], [2]]);
    world.host.pcpuOnline(3);
    await world.pass(3_000);
    expect(await world.online("b")).toEqual([0, 1]);
    expect(world.texts.filter((text) => text.startsWith("Failed"))).toEqual([]);
  });

  test("a stop while a pCPU is offline puts back what is possible, and says nothing is left", async () => {
    const world = worldOf({ pcpus: 2, domains: PAIR_OF_TWO });
    await world.settle(2_000);
    world.host.pcpuOffline(1);
    await world.pass(2_000);
    expect(await world.stop()).toEqual([]);
    expect([await world.online("a"), await world.online("b")]).toEqual([
      [0, 1],
      [0, 1],
    ]);
    expect(await world.pins("a")).toEqual([[0], [0]]);
  });

  test("more domains than pCPUs: everybody keeps one vCPU, and who shares is named", async () => {
    const world = worldOf({ pcpus: 2 });
    for (const id of ["a", "b", "c", "d", "e"]) world.host.arrive({ id, vcpus: 2 });
    await world.settle();
    for (const { name, online, sharesWith, vcpus } of world.daemon.view().domains) {
      expect({ name, online, shares: sharesWith.length > 0 }).toEqual({ name, online: 1, shares: true });
      expect(vcpus[0]?.pcpus?.length).toBeGreaterThan(0);
    }
  });

  test("a domain with more weight than it can use: the others get the rest", async () => {
    const world = worldOf({
      pcpus: 4,
      policy: weights({ big: { weight: 65_535 } }),
      domains: [
        { id: "big", vcpus: 1 },
        { id: "small", vcpus: 4 },
      ],
    });
    await world.settle();
    expect([await world.online("big"), await world.online("small")]).toEqual([[0], [0, 1, 2]]);
  });

  test("domains come and go in the middle of changes; those that stay end up right", async () => {
    const world = worldOf({ pcpus: 4 });
    await world.start();
    for (let i = 0; i < 8; i++) {
      world.host.arrive({ id: `d${i}`, vcpus: 4, bootMs: i % 2 === 0 ? 0 : 1_000 });
      if (i >= 2) world.host.depart(`d${i - 2}`);
      await world.pass(250);
    }
    await world.pass(10_000);
    expect([await world.online("d6"), await world.online("d7")].map((online) => online?.length)).toEqual([
      2, 2,
    ]);
    const pins = [...(await world.pins("d6")), ...(await world.pins("d7"))];
    expect(new Set(pins.flat())).toEqual(new Set([0, 1, 2, 3]));
  });

  test("pitfall 23: the pins of a vCPU that is plugged later are put back too, and nobody takes it from the guest", async () => {
    const world = worldOf({ pcpus: 4, domains: PAIR_OF_TWO });
    await world.settle(2_000);
    world.host.plugVcpu("a");
    // Its thread starts with the pins of the emulator.
    world.host.repinBehindOurBack("a", 2, (await world.domain("a")).emulatorPins ?? []);
    world.host.depart("b");
    await world.pass(3_000);
    expect(await world.online("a")).toEqual([0, 1, 2]);
    expect(await world.stop()).toEqual([]);
    expect(await world.pins("a")).toEqual([
      [0, 1, 2, 3],
      [0, 1, 2, 3],
      [0, 1, 2, 3],
    ]);
    expect(await world.online("a")).toEqual([0, 1, 2]);
  });
});

describe("guests", () => {
  test.each([
    { guest: "slow", other: [0], message: /./ },
    { guest: "stuck", other: [0], message: /a: the guest was stuck and is now uncooperative/ },
    { guest: "refusing", other: [0], message: /Failed: set-online a: .*refused.*it is tried again later/ },
    { guest: "silent", other: [0], message: /./ },
    { guest: "flapping", other: [0], message: /a: vCPUs 0-1 are online though 0 were asked for/ },
  ] as const)("a $guest guest is kept on its pCPU and affects nobody", async ({ guest, other, message }) => {
    const world = worldOf({
      pcpus: 2,
      domains: [
        { id: "a", vcpus: 2, guest },
        { id: "b", vcpus: 2 },
      ],
    });
    await world.settle(40_000);
    expect(await world.pins("a")).toEqual([[0], [0]]);
    expect({ online: await world.online("b"), pins: await world.pins("b") }).toEqual({
      online: other,
      pins: [[1], [1]],
    });
    expect(world.texts.join("\n")).toMatch(message);
  });

  test("an agent that falls silent for a moment moves nothing; its guest was heard a moment ago", async () => {
    const world = worldOf({ pcpus: 4, domains: PAIR_OF_FOUR });
    await world.settle();
    const before = await world.truth();
    const lines = world.log.length;
    world.host.behave("a", "silent");
    await world.pass(3_000);
    world.host.behave("a", "obedient");
    await world.pass(3_000);
    expect(await world.truth()).toEqual(before);
    expect(world.texts.slice(lines)).toEqual([
      "a: the guest fell silent; it stays on its pCPUs and is asked nothing",
      "a: the guest answers, vCPUs 0-1 online",
    ]);
  });

  test("a reboot brings every vCPU back; vbal takes them again, and puts back the pins of before the first change", async () => {
    const world = worldOf({
      pcpus: 2,
      domains: [
        { id: "a", vcpus: 2, bootMs: 7_000 },
        { id: "b", vcpus: 2 },
      ],
    });
    await world.pass(8_000);
    const before = await world.truth();
    await world.settle();
    world.host.reset("a");
    await world.pass(20_000);
    expect(await world.online("a")).toEqual([0]);
    expect(await world.stop()).toEqual([]);
    const after = await world.truth();
    const withoutLife = ({ domains }: typeof after) =>
      domains.map((domain) => ({ ...domain, incarnation: "" }));
    expect(withoutLife(after)).toEqual(withoutLife(before));
  });

  test("a plan that changes back before a stuck guest followed leaves nobody uncooperative", async () => {
    const world = worldOf({ pcpus: 2, domains: [{ id: "a", vcpus: 2, guest: "stuck" }] });
    await world.settle(2_000);
    world.host.arrive({ id: "b", vcpus: 2 });
    await world.pass(2_000);
    world.host.depart("b");
    await world.pass(60_000);
    expect(world.daemon.view().domains[0]).toMatchObject({ cooperation: "active", target: 2, online: 2 });
  });

  test("a stop while a guest is silent says that its vCPUs could not be put back", async () => {
    const world = worldOf({ pcpus: 2, domains: PAIR_OF_TWO });
    await world.settle(2_000);
    world.host.behave("a", "silent");
    await world.pass(1_000);
    expect(await world.stop()).toEqual(["a"]);
    expect(await world.online("b")).toEqual([0, 1]);
    expect(await world.pins("a")).toEqual([
      [0, 1],
      [0, 1],
    ]);
    expect(world.texts).toContain("a could not be put back as it was found; the journal knows how it was");
  });

  test("a stop during which the guest comes back waits for it", async () => {
    const world = worldOf({
      pcpus: 2,
      domains: [
        { id: "a", vcpus: 2, bootMs: 6_000 },
        { id: "b", vcpus: 2 },
      ],
    });
    await world.pass(8_000);
    await world.settle();
    world.host.pause("a");
    await world.pass(1_000);
    const stopping = world.stop();
    world.host.resume("a");
    expect(await stopping).toEqual([]);
    expect(await world.online("a")).toEqual([0, 1]);
  });
});

describe("the daemon is killed", () => {
  test("a restart touches nothing that is right, and a later clean stop restores what was found first", async () => {
    const calls: string[] = [];
    const world = worldOf({
      pcpus: 4,
      between: (door) => ({
        ...door,
        pinVcpu: (...args) => {
          calls.push(`pin ${args.slice(0, 3).join(" ")}`);
          return door.pinVcpu(...args);
        },
        setOnline: (...args) => {
          calls.push(`online ${args.slice(0, 2).join(" ")}`);
          return door.setOnline(...args);
        },
      }),
    });
    world.host.arrive({ id: "a", vcpus: 4 });
    world.host.arrive({ id: "b", vcpus: 4 });
    world.host.repinBehindOurBack("a", 1, [1, 2]);
    world.host.guestOfflines("b", [2]);
    const before = await world.truth();
    await world.settle();
    await world.kill();
    await world.pass(20_000);
    calls.length = 0;
    // The guests need a moment to be heard again, as over a real channel.
    world.host.behave("a", "silent");
    world.host.behave("b", "silent");
    await world.settle(500);
    world.host.behave("a", "obedient");
    world.host.behave("b", "obedient");
    await world.pass(3_000);
    expect(calls).toEqual([]);
    await world.kill();
    await world.start();
    expect(await world.stop()).toEqual([]);
    expect(await world.truth()).toEqual(before);
  });

  test.each([0, 250, 500, 750, 1_000, 1_500, 2_000, 3_000])(
    "%i ms after the start, in the middle of a rebalance: it converges, and the stop restores what was found first",
    async (killedAfterMs) => {
      const world = worldOf({ pcpus: 4, policy: weights({ b: { weight: 768 } }) });
      world.host.arrive({ id: "a", vcpus: 4, guest: "slow" });
      world.host.arrive({ id: "b", vcpus: 4 });
      const before = await world.truth();
      await world.start();
      await world.pass(killedAfterMs);
      await world.kill();
      await world.start();
      await world.pass(20_000);
      expect([await world.online("a"), await world.online("b")]).toEqual([[0], [0, 1, 2]]);
      expect(await world.pins("a")).toEqual([[0], [0], [0], [0]]);
      expect(await world.stop()).toEqual([]);
      expect(await world.truth()).toEqual(before);
    },
  );

  test("a domain that the next life does not see at once is neither forgotten nor robbed", async () => {
    const world = worldOf({ pcpus: 4, looksUntilAllSeen: 3, domains: PAIR_OF_FOUR });
    const before = await world.truth();
    await world.settle(12_000);
    await world.kill();
    const lines = world.log.length;
    const there = await world.truth();
    await world.settle(2_000);
    expect(await world.truth()).toEqual(there);
    await world.pass(10_000);
    expect(await world.truth()).toEqual(there);
    expect(world.texts.slice(lines).filter((text) => !text.includes("the guest answers"))).toEqual([]);
    await world.kill();
    await world.start();
    expect(await world.stop()).toEqual([]);
    expect(await world.truth()).toEqual(before);
  });

  test("a domain that left while there was no daemon is waited for, and then its share is given away", async () => {
    const world = worldOf({ pcpus: 2, domains: PAIR_OF_TWO });
    await world.settle(2_000);
    await world.kill();
    world.host.depart("b");
    await world.settle(2_000);
    expect(await world.online("a")).toEqual([0]);
    await world.pass(10_000);
    expect(await world.online("a")).toEqual([0, 1]);
    expect(world.texts).toContain("b departed");
  });

  test("killed during a clean stop: the next life takes control again and restores what was found first", async () => {
    const world = worldOf({
      pcpus: 2,
      domains: [
        { id: "a", vcpus: 2, guest: "slow" },
        { id: "b", vcpus: 2 },
      ],
    });
    const before = await world.truth();
    await world.settle(4_000);
    const stopping = world.daemon.stop();
    await world.pass(250);
    await world.daemon.kill();
    void stopping.catch(() => undefined);
    await world.pass(1_000);
    await world.settle(5_000);
    expect(await world.online("a")).toEqual([0]);
    expect(await world.stop()).toEqual([]);
    expect(await world.truth()).toEqual(before);
  });
});

describe("invariant 12: the journal replays", () => {
  test("a record that was tampered with is found", async () => {
    const world = worldOf({ pcpus: 2, domains: PAIR_OF_TWO });
    await world.settle(2_000);
    await world.kill();
    const records = world.journals()[0]!.map((numbered) => {
      const { record } = numbered;
      if (record.kind !== "event" || record.event.kind !== "observed") return numbered;
      const { snapshot } = record.event;
      const event = { ...record.event, snapshot: { ...snapshot, domains: snapshot.domains.slice(0, 1) } };
      return { ...numbered, record: { ...record, event } };
    });
    const [first] = replay(records, "start").differences;
    expect(first?.journalled).not.toBe(first?.replayed);
    expect(first?.line).toBeGreaterThan(1);
  });
});
