import { expect, test } from "vitest";
import { type ContractFixture, describeHypervisorContract } from "../contract_suite.ts";
import { eventually } from "../peer_suite.ts";
import type { CommandError, HypervisorChange } from "../port.ts";
import { runInRealTime, TICK_MS } from "./run_in_real_time.ts";
import { createSimulatedHost, type SimulatedHost } from "./simulated_host.ts";
import {
  FLAP_AFTER_MS,
  type GuestBehaviour,
  HOTPLUG_SLOW_MS,
  type HotplugBehaviour,
  SLOW_STEP_MS,
} from "./world.ts";

describeHypervisorContract("simulated", makeFixture, {
  patienceMs: 5_000,
  timeoutMs: 10_000,
  plugs: true,
  asks: true,
});

async function makeFixture(): Promise<ContractFixture> {
  const host = createSimulatedHost({ pcpus: 2 });
  return {
    hypervisor: host.connect(),
    connectAgain: () => host.connect(),
    async arrive(id, { vcpus, vcpusMax, guest }) {
      host.arrive({ id, vcpus, guest, hasMonitor: true, ...(vcpusMax === undefined ? {} : { vcpusMax }) });
      host.setMeasures(id, [{ measure: "runnable-threads/vm", subjects: [-1], values: [3] }]);
    },
    guests: {
      booted: async () => undefined,
      async hold(id) {
        host.behaveAtHotplug(id, "refusing");
        return async () => host.behaveAtHotplug(id, "obedient");
      },
      async ask(domain, node) {
        const target = { kind: "node", node } as const;
        host.ask({ domain, id: "by-hand-1", origin: "administrator", exceeded: null, target });
        return { heard: async () => JSON.stringify(host.answersTo(domain)) };
      },
    },
    kill: async (id) => host.depart(id),
    reset: async (id) => host.reset(id),
    pause: async (id) => host.pause(id),
    resume: async (id) => host.resume(id),
    async truePins(id, index) {
      const { snapshot } = await host.connect().observe(0);
      return snapshot.domains.find((domain) => domain.id === id)?.vcpus[index]?.pins ?? [];
    },
    pass: (duration) => host.advance(duration),
    dispose: async () => undefined,
  };
}

/** What the guest of `a` uses now, by its own report. */
async function inUse(host: SimulatedHost): Promise<readonly number[] | null> {
  const [domain] = (await host.connect().observe(0)).snapshot.domains;
  return domain?.guest?.vcpus.filter((vcpu) => vcpu.online).map((vcpu) => vcpu.index) ?? null;
}

const DEADLINE_MS = 1_000;

test.each<[GuestBehaviour, string, number[] | null, number[] | null]>([
  // behaviour, outcome of the call, in use at the deadline, in use much later
  ["obedient", "confirmed 0", [0], [0]],
  ["slow", "timed-out", [0, 1, 2], [0]], // pitfall 7: the effect comes after the deadline
  ["stuck", "timed-out", [0, 1, 2], [0, 1, 2]],
  ["refusing", "guest-refused", [0, 1, 2], [0, 1, 2]],
  ["silent", "guest-silent", null, null],
  ["flapping", "confirmed 0", [0], [0, 1, 2]], // pitfall 5: a rule in the guest brings them back
])(
  "a guest that is %s: asked for vCPU 0 only, it is %s",
  async (behaviour, outcome, atDeadline, muchLater) => {
    const host = createSimulatedHost({ pcpus: 4 });
    host.arrive({ id: "a", vcpus: 3, guest: behaviour });
    const answer = host
      .connect()
      .setOnline("a", [0], "offline", DEADLINE_MS)
      .then(
        (online) => `confirmed ${online.join()}`,
        (error: { failure: string }) => error.failure,
      );
    await host.advance(DEADLINE_MS);
    expect(await answer).toBe(outcome);
    expect(await inUse(host)).toEqual(atDeadline);
    await host.advance(2 * SLOW_STEP_MS + FLAP_AFTER_MS);
    expect(await inUse(host)).toEqual(muchLater);
  },
);

test("a newer command ends what an older, slow one had not finished", async () => {
  const host = createSimulatedHost({ pcpus: 4 });
  host.arrive({ id: "a", vcpus: 3, guest: "slow" });
  const hypervisor = host.connect();
  const older = hypervisor.setOnline("a", [0], "offline", DEADLINE_MS).catch((error: Error) => error);
  await host.advance(2 * SLOW_STEP_MS - 1);
  expect(await older).toBeInstanceOf(Error);
  expect(await inUse(host)).toEqual([0, 2]);
  const newer = hypervisor.setOnline("a", [0, 1, 2], "offline", 10 * DEADLINE_MS);
  await host.advance(10 * SLOW_STEP_MS);
  expect(await newer).toEqual([0, 1, 2]);
});

test("pitfall 6: a guest is silent while it boots, and reset brings every vCPU back", async () => {
  const host = createSimulatedHost({ pcpus: 2 });
  host.arrive({ id: "a", bootMs: 500 });
  expect(await inUse(host)).toBeNull();
  await host.advance(500);
  expect(await inUse(host)).toEqual([0, 1]);
  host.guestOfflines("a", [0, 1]);
  expect(await inUse(host)).toEqual([0]);
  host.reset("a");
  expect(await inUse(host)).toBeNull();
  await host.advance(500);
  expect(await inUse(host)).toEqual([0, 1]);
});

test("pitfall 28: guest root onlines a vCPU by hand; it is reported", async () => {
  const host = createSimulatedHost({ pcpus: 2 });
  const changes: HypervisorChange[] = [];
  await host.connect().start((change) => void changes.push(change));
  host.arrive({ id: "a" });
  host.guestOfflines("a", [1]);
  changes.length = 0;
  host.guestOnlines("a", [1]);
  expect(changes).toEqual([{ kind: "guest-reported", domain: "a" }]);
  expect(await inUse(host)).toEqual([0, 1]);
});

test("a pCPU goes offline: pins lose it, and a vCPU left with none may run on all", async () => {
  const host = createSimulatedHost({ pcpus: 3 });
  const hypervisor = host.connect();
  host.arrive({ id: "a", vcpus: 2 });
  await hypervisor.pinVcpu("a", 0, [0, 2], DEADLINE_MS);
  await hypervisor.pinVcpu("a", 1, [2], DEADLINE_MS);
  host.pcpuOffline(2);
  const { snapshot } = await hypervisor.observe(0);
  expect(snapshot.pcpus.map((pcpu) => pcpu.online)).toEqual([true, true, false]);
  expect(snapshot.domains[0]!.vcpus.map((vcpu) => vcpu.pins)).toEqual([[0], [0, 1]]);
  await expect(hypervisor.pinVcpu("a", 1, [2], DEADLINE_MS)).rejects.toThrow(/online \(0,1\), not 2/);
});

test("pitfall 23: a vCPU plugged later starts free to run everywhere and unused by the guest", async () => {
  const host = createSimulatedHost({ pcpus: 2 });
  const hypervisor = host.connect();
  host.arrive({ id: "a", vcpus: 1 });
  await hypervisor.pinVcpu("a", 0, [0], DEADLINE_MS);
  host.plugVcpu("a");
  const [domain] = (await hypervisor.observe(0)).snapshot.domains;
  expect(domain!.vcpus.map((vcpu) => vcpu.pins)).toEqual([[0], [0, 1]]);
  expect(domain!.guest!.vcpus.map((vcpu) => vcpu.online)).toEqual([true, false]);
});

test.each<
  [
    string,
    { pcpus: number; pins: number[][]; busy?: number },
    { run: number[]; wait: number[]; dispatches: number[] },
  ]
>([
  [
    "a pCPU of its own each: nobody waits",
    { pcpus: 2, pins: [[0], [1]] },
    { run: [600, 600], wait: [0, 0], dispatches: [1, 1] },
  ],
  [
    "two on one pCPU: half each",
    { pcpus: 2, pins: [[0], [0]] },
    { run: [300, 300], wait: [300, 300], dispatches: [30, 30] },
  ],
  [
    "three floating on two: two thirds each",
    {
      pcpus: 2,
      pins: [
        [0, 1],
        [0, 1],
        [0, 1],
      ],
    },
    { run: [400, 400, 400], wait: [200, 200, 200], dispatches: [30, 31, 30] },
  ],
  [
    "one busy thread: the other vCPU idles",
    { pcpus: 1, pins: [[0], [0]], busy: 1 },
    { run: [600, 0], wait: [0, 0], dispatches: [1, 0] },
  ],
])("600 ms of run, wait and dispatches, %s", async (_, { pcpus, pins, busy }, expected) => {
  const host = createSimulatedHost({ pcpus });
  host.arrive({ id: "a", vcpus: pins.length, ...(busy === undefined ? {} : { busyThreads: busy }) });
  const hypervisor = host.connect();
  for (const [index, pcpusOfIt] of pins.entries())
    await hypervisor.pinVcpu("a", index, pcpusOfIt, DEADLINE_MS);
  await host.advance(600);
  const [usage] = (await hypervisor.observe(0)).usage;
  expect(usage!.vcpus.map((vcpu) => vcpu.run! / 1e6)).toEqual(expected.run);
  expect(usage!.vcpus.map((vcpu) => vcpu.wait! / 1e6)).toEqual(expected.wait);
  expect(usage!.vcpus.map((vcpu) => vcpu.dispatches)).toEqual(expected.dispatches);
});

test("in real time, a simulated host lives by itself until it is stopped", async () => {
  const host = createSimulatedHost({ pcpus: 1 });
  const stop = runInRealTime(host);
  await eventually(() => 0 < host.now());
  stop();
  expect(host.now() % TICK_MS).toBe(0);
});

test.each<[string, HotplugBehaviour, string, number, string, number]>([
  // what, behaviour, outcome at the deadline, vCPUs then, what happens next, vCPUs after it
  ["pitfall 7: slow, the effect comes after the deadline", "slow", "timed-out", 1, "time", 2],
  ["refused", "refusing", "guest-refused", 1, "time", 1],
  ["pitfall 1: unanswered until the guest comes round", "stuck", "timed-out", 1, "obedient", 2],
  ["unanswered until the guest starts anew, which forgets it", "stuck", "timed-out", 1, "reset", 1],
])("a plug, %s", async (_, behaviour, outcome, atDeadline, then, after) => {
  const host = createSimulatedHost({ pcpus: 2 });
  host.arrive({ id: "a", vcpus: 1, vcpusMax: 2 });
  host.behaveAtHotplug("a", behaviour);
  const hypervisor = host.connect();
  const vcpus = async () => (await hypervisor.observe(0)).snapshot.domains[0]!.vcpus.length;
  const slot = (await hypervisor.observe(0)).snapshot.domains[0]!.freeSlots![0]!;
  const ended = hypervisor.plugVcpu("a", slot, DEADLINE_MS).catch((error: CommandError) => error.failure);
  await host.advance(DEADLINE_MS);
  expect([await ended, await vcpus()]).toEqual([outcome, atDeadline]);
  if (then === "reset") host.reset("a");
  else if (then !== "time") host.behaveAtHotplug("a", "obedient");
  await host.advance(HOTPLUG_SLOW_MS);
  expect(await vcpus()).toBe(after);
});

test("pitfall 1: while an unplug is unanswered no other vCPU is asked for; then it goes, or a reset forgets it", async () => {
  const host = createSimulatedHost({ pcpus: 2 });
  host.arrive({ id: "a", vcpus: 1, vcpusMax: 4, nodes: 2 });
  const hypervisor = host.connect();
  const domain = async () => (await hypervisor.observe(0)).snapshot.domains[0]!;
  for (const slot of (await domain()).freeSlots!.toReversed()) {
    const plugged = hypervisor.plugVcpu("a", slot, DEADLINE_MS);
    await host.advance(DEADLINE_MS);
    await plugged;
  }
  // The guest counts in the order of plugging: the last place came first.
  const places = async () => (await domain()).vcpus.map((vcpu) => `${vcpu.guestNode}/${vcpu.guestCore}`);
  expect(await places()).toEqual(["0/0", "1/1", "1/0", "0/1"]);
  host.behaveAtHotplug("a", "stuck");
  const ask = async (vcpu: number) => {
    const ended = hypervisor.unplugVcpu("a", vcpu, DEADLINE_MS).catch((error: CommandError) => error.failure);
    await host.advance(DEADLINE_MS);
    return ended;
  };
  expect([await ask(1), await ask(2), await ask(1)]).toEqual(["timed-out", "not-applied", "timed-out"]);
  host.behaveAtHotplug("a", "obedient");
  await host.advance(DEADLINE_MS);
  expect(await places()).toEqual(["0/0", "1/0", "0/1"]);
  host.behaveAtHotplug("a", "stuck");
  expect(await ask(2)).toBe("timed-out");
  host.reset("a");
  host.behaveAtHotplug("a", "obedient");
  await host.advance(DEADLINE_MS);
  // All stay, and are counted by their places.
  expect(await places()).toEqual(["0/0", "0/1", "1/0"]);
});
