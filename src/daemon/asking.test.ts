/** Guests and people ask for vCPUs, and guests are told how to watch their load: the daemon's part of it, as stories. */
import { describe, expect, test } from "vitest";
import type { VcpuRequest } from "../core/request.ts";
import type { MonitorSettings } from "../hypervisor/port.ts";
import type { RequestView } from "../protocol/state_view.ts";
import { type DaemonWorld, type DaemonWorldOptions, worlds } from "./daemon_world_suite.ts";
import { replay } from "./replay.ts";
import { REQUESTS_KEPT } from "./request_log.ts";

const worldOf = worlds();

/** Two guests with four vCPUs each on four pCPUs: two each by weights, as busy as they can be. */
async function pair(options: Partial<DaemonWorldOptions> = {}): Promise<DaemonWorld> {
  const world = worldOf({ pcpus: 4, ...options });
  for (const id of ["a", "b"]) world.host.arrive({ id, vcpus: 4, busyThreads: 4, hasMonitor: true });
  await world.start();
  await world.pass(3_000);
  return world;
}

function exceeding(domain: string, id: string, over: Partial<VcpuRequest> = {}): VcpuRequest {
  const exceeded = { measure: "vm.composite", level: "vm", value: 2, threshold: 1 } as const;
  return { domain, id, origin: "monitor", exceeded, target: null, ...over };
}

function requestsOf(world: DaemonWorld, name: string): readonly RequestView[] {
  return world.daemon.view().domains.find((domain) => domain.name === name)?.requests ?? [];
}

/** The journal of all that happened decides the same again, from its start and from every checkpoint. */
function expectReplay(world: DaemonWorld): void {
  for (const records of world.journals()) {
    const whole = replay(records, "start");
    expect(whole.differences).toEqual([]);
    records.forEach(({ record }, i) => {
      if (record.kind !== "checkpoint") return;
      const part = replay(records.slice(i), "start");
      expect([part.differences, part.state]).toEqual([[], whole.state]);
    });
  }
}

describe("a guest asks", () => {
  test("P-16..P-18: it is lent what another leaves unused, and the owner gets it back when it asks", async () => {
    // Small enough for checkpoints in the middle of it.
    const world = await pair({ maxBytes: 16 * 1024 });
    world.host.setBusyThreads("b", 0);
    await world.pass(30_000);
    world.host.ask(exceeding("a", "r1"));
    await world.pass(2_000);
    expect(world.host.answersTo("a")).toEqual([
      { request: "r1", answer: { outcome: "granted", vcpu: 2, loan: true } },
    ]);
    expect([(await world.online("a"))?.length, (await world.online("b"))?.length]).toEqual([3, 1]);
    const [request] = requestsOf(world, "a");
    expect(request).toMatchObject({ id: "r1", origin: "monitor", fate: "granted", vcpu: 2, node: null });
    expect(request?.exceeded).toEqual({ measure: "vm.composite", level: "vm", value: 2, threshold: 1 });
    expect(request!.answeredAtMs! - request!.atMs).toBeLessThan(1_000);
    expect(request!.onlineAtMs).toBeGreaterThanOrEqual(request!.answeredAtMs!);
    expect(world.daemon.view().domains.map(({ loan }) => loan)).toEqual([1, -1]);

    world.host.setBusyThreads("b", 4);
    await world.pass(2_000);
    world.host.ask(exceeding("b", "back"));
    await world.pass(5_000);
    expect(world.host.answersTo("b").at(-1)).toMatchObject({ answer: { outcome: "granted", loan: false } });
    expect([(await world.online("a"))?.length, (await world.online("b"))?.length]).toEqual([2, 2]);
    expect(world.daemon.view().domains.map(({ loan }) => loan)).toEqual([undefined, undefined]);
    await world.kill();
    await world.start();
    await world.pass(2_000);
    await world.stop();
    expect(world.journals().length).toBeGreaterThan(1);
    expectReplay(world);
  });

  test("asked again under the same id, it is answered again and stands once in the view; a denial says why", async () => {
    const world = await pair();
    for (let i = 0; i < 3; i++) {
      world.host.ask(exceeding("a", "same"));
      await world.pass(1_000);
    }
    const answers = world.host.answersTo("a");
    expect(answers).toHaveLength(3);
    expect(new Set(answers.map((answer) => JSON.stringify(answer))).size).toBe(1);
    expect(requestsOf(world, "a")).toEqual([
      expect.objectContaining({
        id: "same",
        fate: "denied",
        vcpu: null,
        why: expect.stringMatching(/due 2/),
      }),
    ]);
  });

  test("all that ask in one tick are one event, and strict weights deny with the reason", async () => {
    const world = await pair({ policy: { admission: { mode: "strict", loansMax: null } } });
    for (const id of ["a", "b"]) world.host.ask(exceeding(id, "r"));
    await world.pass(1_000);
    const asked = world
      .journals()
      .flat()
      .flatMap(({ record }) =>
        record.kind === "event" && record.event.kind === "requested" ? [record.event.requests.length] : [],
      );
    expect(asked).toEqual([2]);
    expect(world.host.answersTo("b")[0]).toMatchObject({ answer: { why: { code: "strict-weights" } } });
  });

  test("pitfall 28: a flood is bounded, answered with reasons, and does nothing to the others", async () => {
    const world = await pair();
    const before = await world.online("b");
    for (let i = 0; i < 2_000; i++) world.host.ask(exceeding("a", `flood-${i}`));
    await world.pass(1_000);
    world.host.ask(exceeding("a", "nowhere", { target: { kind: "node", node: 77 } }));
    world.host.ask(exceeding("a", "lie", { exceeded: null }));
    await world.pass(2_000);
    const events = world
      .journals()
      .flat()
      .flatMap(({ record }) =>
        record.kind === "event" && record.event.kind === "requested" ? [record.event.requests.length] : [],
      );
    expect(Math.max(...events)).toBeLessThanOrEqual(256);
    expect(requestsOf(world, "a")).toHaveLength(REQUESTS_KEPT);
    expect(world.host.answersTo("a").every(({ answer }) => answer.outcome === "denied")).toBe(true);
    expect(await world.online("b")).toEqual(before);
    expect(world.daemon.view().domains[1]).toMatchObject({ target: 2, entitlementMilliPcpu: 2_000 });
    await world.stop();
    expectReplay(world);
  });

  test("what was asked before the first observation waits for it", async () => {
    let release: () => void = () => undefined;
    const held = new Promise<void>((resolve) => {
      release = resolve;
    });
    const world = worldOf({
      pcpus: 2,
      between: (door) => ({ ...door, observe: (deadline) => held.then(() => door.observe(deadline)) }),
    });
    world.host.arrive({ id: "a", vcpus: 2, hasMonitor: true });
    const starting = world.start();
    await world.pass(500);
    world.host.ask(exceeding("a", "early"));
    await world.pass(500);
    expect(world.host.answersTo("a")).toEqual([]);
    release();
    await starting;
    await world.pass(1_000);
    expect(world.host.answersTo("a")).toHaveLength(1);
  });
});

describe("P-15: a person on the host asks", () => {
  async function ask(world: DaemonWorld, name: string, node: number | null = null) {
    const asked = world.daemon.requestVcpu(name, node);
    await world.pass(1_000);
    return asked;
  }

  test("is granted like a guest, and no guest hears the answer", async () => {
    const world = await pair();
    world.host.setBusyThreads("b", 0);
    await world.pass(30_000);
    expect(await ask(world, "a")).toMatchObject({
      ok: true,
      request: { origin: "administrator", exceeded: null, fate: "granted", vcpu: 2 },
    });
    expect(world.host.answersTo("a")).toEqual([]);
    await world.stop();
    expectReplay(world);
  });

  test.each([
    ["c", null, { ok: false, errors: ['There is no domain "c". Did you mean a?'] }],
    ["constructor", null, { ok: false, errors: ['There is no domain "constructor". There are: a, b'] }],
    ["a", 9, { ok: true, request: { fate: "denied", why: expect.stringMatching(/no virtual NUMA node 9/) } }],
    ["a", null, { ok: true, request: { fate: "denied", why: expect.stringMatching(/due 2/) } }],
  ])("for %s on node %s", async (name, node, expected) => {
    expect(await ask(await pair(), name, node)).toMatchObject(expected);
  });

  test("a crowd at the socket is turned away, and nobody waits for ever", async () => {
    const world = await pair();
    const asked = Promise.all(Array.from({ length: 100 }, () => world.daemon.requestVcpu("a", null)));
    await world.pass(3_000);
    const answers = await asked;
    expect(answers.filter(({ ok }) => ok)).toHaveLength(16);
    expect(answers.at(-1)).toEqual({
      ok: false,
      errors: ["Too many requests wait for an answer; try again in a second"],
    });
    const again = world.daemon.requestVcpu("a", null);
    await world.pass(1_000);
    expect((await again).ok).toBe(true);
  });

  test("one that plugs a vCPU is told that it waits, and the view shows how that ends", async () => {
    const world = worldOf({ pcpus: 4 });
    world.host.arrive({ id: "a", vcpus: 1, vcpusMax: 2, busyThreads: 2, hasMonitor: true });
    world.host.behaveAtHotplug("a", "slow");
    await world.start();
    await world.pass(3_000);
    const asked = world.daemon.requestVcpu("a", null);
    await world.pass(4_000);
    expect(await asked).toMatchObject({ ok: true, request: { fate: "waiting", answeredAtMs: null } });
    await world.pass(15_000);
    expect(requestsOf(world, "a")[0]).toMatchObject({ fate: "granted", vcpu: 1 });
    expect(await world.online("a")).toEqual([0, 1]);
    await world.stop();
    expectReplay(world);
  });
});

describe("P-57..P-61: how guests are to watch their load", () => {
  /** What each guest was told, in order. */
  function listening(): {
    readonly told: [string, MonitorSettings][];
    readonly options: Partial<DaemonWorldOptions>;
  } {
    const told: [string, MonitorSettings][] = [];
    return {
      told,
      options: {
        between: (door) => ({
          ...door,
          setMonitor(domain, settings) {
            told.push([domain, settings]);
            door.setMonitor(domain, settings);
          },
        }),
      },
    };
  }

  test("each is told once when it comes, and again when something changes for it", async () => {
    const { told, options } = listening();
    const world = await pair(options);
    const standard = { on: true, measuresEveryMs: 10_000, thresholds: [] };
    expect(told.splice(0)).toEqual([
      ["a", standard],
      ["b", standard],
    ]);
    world.daemon.setDomain(
      "a",
      { monitor: { thresholds: { "vm.composite": 2, "node.composite": "none" } } },
      "x",
    );
    world.daemon.setDomain("a", { weight: 300 }, "x");
    expect(told.splice(0)).toEqual([
      [
        "a",
        {
          ...standard,
          thresholds: [
            { measure: "node.composite", value: null },
            { measure: "vm.composite", value: 2 },
          ],
        },
      ],
    ]);
    world.host.depart("b");
    await world.pass(2_000);
    world.host.arrive({ id: "b", vcpus: 2, hasMonitor: true });
    await world.pass(2_000);
    expect(told.splice(0)).toEqual([["b", standard]]);
    world.daemon.setDomain("a", { monitor: "default" }, "x");
    expect(told.splice(0)).toEqual([["a", standard]]);
  });

  test("every change is accounted for, in the log, the notes and the journal, and outlives a restart", async () => {
    const { told, options } = listening();
    const world = await pair(options);
    world.daemon.setDomain("a", { monitor: { on: false, thresholds: { "vm.composite": 2 } } }, "alice");
    world.daemon.setDomain("a", { monitor: { thresholds: { "vm.composite": 3 } } }, "bob");
    const said = [
      "a: load monitor was on, is off now; changed by alice",
      "a: threshold vm.composite was as the guest has it, is 2 now; changed by alice",
      "a: threshold vm.composite was 2, is 3 now; changed by bob",
    ];
    expect(world.texts.filter((text) => text.includes("changed by"))).toEqual(said);
    const { notes } = world.daemon.view();
    expect(
      notes.filter(({ code }) => code === "monitor-changed").map(({ text, domain }) => [text, domain]),
    ).toEqual(said.map((text) => [text, "a"]));
    const written = world
      .journals()
      .flat()
      .flatMap(({ record }) => (record.kind === "note" ? [record.text] : []));
    expect(written).toEqual(said);
    told.length = 0;
    await world.kill();
    await world.start();
    expect(told[0]).toEqual([
      "a",
      { on: false, measuresEveryMs: 10_000, thresholds: [{ measure: "vm.composite", value: 3 }] },
    ]);
    expect(world.daemon.view().domains[0]?.monitor).toEqual({
      on: false,
      measuresEveryMs: 10_000,
      thresholds: { "vm.composite": 3 },
    });
  });

  test.each([
    [
      { monitor: { thresholds: { "vm.compost": 1 } } },
      /no field "vm\.compost" here\. Did you mean "vm\.composite"\?/,
    ],
    [{ monitor: { thresholds: { "vm.compost": "default" } } }, /no field "vm\.compost" here/],
    [{ monitor: { thresholds: { "vm.composite": -1 } } }, /A threshold is a number, 0 or more, not -1/],
    [{ monitor: { thresholds: { "vm.composite": "NaN" } } }, /A threshold is a number/],
    [{ monitor: { thresholds: { "vm.composite": 1e300 } } }, /A threshold is a number/],
    [{ monitor: { thresholds: [1, 2] } }, /A map of fields must stand here/],
    [{ monitor: { measuresEvery: "1ms" } }, /Measures are sent every 500ms or more rarely/],
    [{ monitor: 7 }, /A map of fields must stand here/],
    [JSON.parse('{"monitor": {"thresholds": {"__proto__": 1}}}') as object, /__proto__/],
  ])("%j is refused, and nothing is told or written down", async (fields, words) => {
    const { told, options } = listening();
    const world = await pair(options);
    told.length = 0;
    const answer = world.daemon.setDomain("a", fields, "mallory");
    expect(answer.ok ? "" : answer.errors.join("\n")).toMatch(words);
    expect(told).toEqual([]);
    expect(world.texts.filter((text) => text.includes("mallory"))).toEqual([]);
  });

  test("measures stand beside their thresholds in the view", async () => {
    const world = await pair();
    world.host.setMeasures("a", [{ measure: "vm.composite", subjects: [-1], values: [1.5] }]);
    await world.pass(5_000);
    const { load } = world.daemon.view().domains[0]!;
    expect(load?.measures[0]).toMatchObject({ measure: "vm.composite", unit: "ratio", values: [1.5] });
  });
});

describe("what domains use", () => {
  test("is told in steps and only when it changed, so that the journal stays small", async () => {
    const world = await pair();
    await world.pass(60_000);
    const told = world
      .journals()
      .flat()
      .flatMap(({ record }) =>
        record.kind === "event" &&
        (record.event.kind === "observed" || record.event.kind === "unchanged") &&
        record.event.use !== undefined
          ? [record.event.use]
          : [],
      );
    // All of two pCPUs each; a step that was told a little higher, while they still waited for pCPUs, holds within 5 %.
    expect(told.at(-1)!.map(({ domain }) => domain)).toEqual(["a", "b"]);
    for (const { used } of told.at(-1)!) expect(Math.abs(used - 2_000)).toBeLessThanOrEqual(100);
    expect(told.length).toBeLessThan(10);
    expect(told.flat().every(({ used }) => used % 50 === 0)).toBe(true);
  });
});
