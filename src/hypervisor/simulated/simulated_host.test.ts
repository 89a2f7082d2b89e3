import { expect, test } from "vitest";
import { type ContractFixture, describeHypervisorContract } from "../contract_suite.ts";
import { eventually } from "../peer_suite.ts";
import type { HypervisorChange } from "../port.ts";
import { runInRealTime, TICK_MS } from "./run_in_real_time.ts";
import { createSimulatedHost, type SimulatedHost } from "./simulated_host.ts";
import { FLAP_AFTER_MS, type GuestBehaviour, SLOW_STEP_MS } from "./world.ts";

describeHypervisorContract("simulated", makeFixture, { patienceMs: 5_000, timeoutMs: 10_000 });

async function makeFixture(): Promise<ContractFixture> {
  const host = createSimulatedHost({ pcpus: 2 });
  return {
    hypervisor: host.connect(),
    connectAgain: () => host.connect(),
    arrive: async (id, { vcpus, guest }) => host.arrive({ id, vcpus, guest }),
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

test.each<[string, { pcpus: number; pins: number[][]; busy?: number }, { run: number[]; wait: number[] }]>([
  ["a pCPU of its own each: nobody waits", { pcpus: 2, pins: [[0], [1]] }, { run: [600, 600], wait: [0, 0] }],
  ["two on one pCPU: half each", { pcpus: 2, pins: [[0], [0]] }, { run: [300, 300], wait: [300, 300] }],
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
    { run: [400, 400, 400], wait: [200, 200, 200] },
  ],
  [
    "one busy thread: the other vCPU idles",
    { pcpus: 1, pins: [[0], [0]], busy: 1 },
    { run: [600, 0], wait: [0, 0] },
  ],
])("600 ms of run and wait, %s", async (_, { pcpus, pins, busy }, expected) => {
  const host = createSimulatedHost({ pcpus });
  host.arrive({ id: "a", vcpus: pins.length, ...(busy === undefined ? {} : { busyThreads: busy }) });
  const hypervisor = host.connect();
  for (const [index, pcpusOfIt] of pins.entries())
    await hypervisor.pinVcpu("a", index, pcpusOfIt, DEADLINE_MS);
  await host.advance(600);
  const [usage] = (await hypervisor.observe(0)).usage;
  expect(usage!.vcpus.map((vcpu) => vcpu.run! / 1e6)).toEqual(expected.run);
  expect(usage!.vcpus.map((vcpu) => vcpu.wait! / 1e6)).toEqual(expected.wait);
});

test("in real time, a simulated host lives by itself until it is stopped", async () => {
  const host = createSimulatedHost({ pcpus: 1 });
  const stop = runInRealTime(host);
  await eventually(() => 0 < host.now());
  stop();
  expect(host.now() % TICK_MS).toBe(0);
});
