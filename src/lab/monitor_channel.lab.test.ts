/** The load monitor of a real guest with two nodes, as its host hears it over the channel (P-11..P-19). */
import { afterAll, beforeAll, expect, test } from "vitest";
import { z } from "zod";
import type { Answer } from "../core/request.ts";
import type { GuestAsked, GuestChannel } from "../hypervisor/guest/guest_channel.ts";
import { createVbalAgentChannel } from "../hypervisor/guest/vbal_agent_channel.ts";
import type { MonitorSettings } from "../hypervisor/port.ts";
import { nodeTimers } from "../hypervisor/timers.ts";
import type { Guest } from "./guest.ts";
import { type Lab, startLab } from "./lab.ts";

const ON: MonitorSettings = {
  on: true,
  measuresEveryMs: 1_000,
  thresholds: [{ measure: "vm.composite", value: null }],
};
/** A crowded host gives an emulated guest a fraction of a pCPU. */
const WAIT = { timeout: 60_000, interval: 100 };

let lab: Lab;
let guest: Guest;
/** At rest until its test: booted beside the other, since booting is what takes longest. */
let growing: Guest;
let channel: GuestChannel;
let asked: GuestAsked[] = [];
/** What the host answers at once; `null`: nothing. */
let decide: (request: GuestAsked) => Answer | null = () => null;

function connect(to: Guest = guest): GuestChannel {
  const made = createVbalAgentChannel({
    path: to.agentSocket,
    timers: nodeTimers,
    onChange: () => undefined,
    onRequest(request) {
      asked.push(request);
      const answer = decide(request);
      if (answer !== null) made.answer(request.id, answer);
    },
  });
  made.setMonitor(ON);
  return made;
}

beforeAll(async () => {
  lab = await startLab({ dir: "monitor-channel", restore: true });
  // Tests want to see measures every second, which is more than 1 % of an emulated vCPU.
  const shape = { vcpus: 4, numaNodes: 2, agent: "vbal", monitorBudgetPercent: 100 } as const;
  guest = await lab.boot({ ...shape, name: "asking" });
  growing = await lab.boot({ ...shape, name: "growing", bootVcpus: 3 });
  await Promise.all([guest.waitReady(), growing.waitReady()]);
  channel = connect();
});

afterAll(async () => {
  channel.close();
  await lab.down();
});

test("the host turns the monitor on, hears measures, and its thresholds are in force and shown in the guest", async () => {
  await expect.poll(() => channel.load()?.measures.length ?? 0, WAIT).toBeGreaterThan(30);
  expect(channel.word()?.report.asks).toBe(true);
  expect(channel.load()?.thresholds).toContainEqual({ measure: "vm.composite", value: null, origin: "host" });
  const shown = z
    .object({ thresholds: z.array(z.object({ id: z.string(), origin: z.string(), layers: z.unknown() })) })
    .parse(JSON.parse(await guest.output(["vbal-agent", "thresholds", "--json"])));
  expect(shown.thresholds).toContainEqual({
    id: "vm.composite",
    origin: "host",
    layers: { default: 1, host: null },
  });
});

test("P-15: a person in the guest asks, and the exit status tells the answer; several at once", async () => {
  decide = ({ target }) =>
    target?.kind === "node" && target.node === 1
      ? { outcome: "granted", vcpu: 3, loan: false }
      : { outcome: "denied", why: { code: "no-such-node", node: 7, nodes: [0, 1] } };
  const granted = await guest.exec(["vbal-agent", "request", "--node", "1"]);
  expect([granted.code, granted.stdout]).toEqual([0, "Granted: vCPU 3\n"]);
  const denied = await guest.exec(["vbal-agent", "request", "--proximity-domain", "7", "--json"]);
  expect(denied.code).toBe(1);
  expect(JSON.parse(denied.stdout)).toMatchObject({ outcome: "denied", code: "no-such-node" });
  const three = "for i in 1 2 3; do vbal-agent request --node 1 & done; wait";
  expect(await guest.output(["sh", "-c", three])).toBe(Array(3).fill("Granted: vCPU 3").join("\n"));
  expect((await guest.exec(["vbal-agent", "request", "--ask", "/run/none"])).code).toBe(2);
  expect(new Set(asked.map(({ id }) => id)).size).toBe(asked.length);
});

test("load bound to node 1: the guest asks for node 1, a new host hears the same request, and the vCPU takes part", async () => {
  asked = [];
  decide = () => null;
  expect(await channel.setOnline([0, 1, 2], "offline", AbortSignal.timeout(60_000))).toEqual([0, 1, 2]);
  const load = guest.exec(["sh", "-c", "taskset 4 /lab/pattern hold 1 4 60 & echo $! > /tmp/load; wait"]);
  await expect.poll(() => asked.length, WAIT).toBeGreaterThan(0);
  const [first] = asked;
  expect(first).toMatchObject({ origin: "monitor", target: { kind: "node", node: 1 } });
  // The host goes away without an answer; its successor hears the request under the same id, and only that one.
  channel.close();
  asked = [];
  decide = () => ({ outcome: "granted", vcpu: 3, loan: false });
  channel = connect();
  await expect.poll(() => asked.length, WAIT).toBeGreaterThan(0);
  expect(new Set(asked.map(({ id }) => id))).toEqual(new Set([first!.id]));
  expect(await channel.setOnline([0, 1, 2, 3], "offline", AbortSignal.timeout(60_000))).toContain(3);
  await guest.output([
    "sh",
    "-c",
    // biome-ignore lint/suspicious/noTemplateCurlyInString: the guest's shell fills it in
    "for p in $(pidof pattern); do for t in /proc/$p/task/*; do taskset -p c ${t##*/}; done; done",
  ]);
  await expect.poll(() => readingOf(channel, "vcpu.runnable-threads", 3), WAIT).toBeGreaterThan(0.5);
  await guest.output(["sh", "-c", "kill $(pidof pattern)"]);
  await load;
  expect(channel.problems()).toEqual([]);
});

test("a vCPU plugged while the monitor runs is measured in its node; the ids of another boot are others", async () => {
  asked = [];
  decide = () => ({ outcome: "denied", why: { code: "paused" } });
  const own = connect(growing);
  try {
    await expect.poll(() => readingOf(own, "vcpu.runnable-threads", 2), WAIT).toBeDefined();
    expect(readingOf(own, "vcpu.runnable-threads", 3)).toBeUndefined();
    await plugLastSlot(growing);
    expect(await own.setOnline([0, 1, 2, 3], "offline", AbortSignal.timeout(60_000))).toContain(3);
    const load = growing.exec(["sh", "-c", "taskset 8 /lab/pattern hold 1 3 60"]);
    await expect.poll(() => readingOf(own, "vcpu.runnable-threads", 3), WAIT).toBeGreaterThan(2);
    // One message has both: the node's busiest vCPU is the new one, and the other node is at rest.
    const highest = (node: number) => readingOf(own, "node.runnable-threads.maximum", node);
    expect([highest(1) === readingOf(own, "vcpu.runnable-threads", 3), highest(0)! < 1.5]).toEqual([
      true,
      true,
    ]);
    await expect
      .poll(() => asked.map(({ exceeded, target }) => [exceeded?.level, target]), WAIT)
      .toContainEqual(["vcpu", { kind: "node", node: 1 }]);
    await growing.output(["sh", "-c", "kill $(pidof pattern)"]);
    await load;

    const boots: string[] = [lifeOf(asked[0]!.id)];
    for (const boot of [2, 3]) {
      await (await growing.monitor()).execute("system_reset");
      growing.detach();
      await growing.waitReady();
      asked = [];
      // Exit status 2, nobody answered, until the host has greeted the new agent.
      await expect.poll(async () => (await growing.exec(["vbal-agent", "request"])).code, WAIT).toBe(1);
      boots.push(lifeOf(asked.at(-1)!.id));
      expect(new Set(boots).size).toBe(boot);
    }
  } finally {
    own.close();
    await growing.stop();
  }
});

test("turned off, the guest asks no more; when the agent ends, nothing is left attached to the kernel", async () => {
  channel.setMonitor({ ...ON, on: false });
  await expect.poll(() => channel.load(), WAIT).toBeNull();
  expect(channel.word()?.report.asks).toBeUndefined();
  await guest.output(["killall", "-TERM", "vbal-agent"]);
  const trigger = ["cat", "/sys/kernel/tracing/events/sched/sched_switch/trigger"];
  await expect.poll(() => guest.output(trigger), WAIT).not.toContain("vbal");
});

function readingOf(from: GuestChannel, measure: string, subject: number): number | undefined {
  const report = from.load()?.measures.find((each) => each.measure === measure);
  return report?.values[report.subjects.indexOf(subject)] ?? undefined;
}

/** What all requests of one life of the agent begin with. */
function lifeOf(request: string): string {
  return request.slice(0, request.lastIndexOf("-"));
}

const SLOTS = z.array(
  z.object({
    type: z.string(),
    "qom-path": z.string().optional(),
    props: z.record(z.string(), z.number()),
  }),
);

async function plugLastSlot(into: Guest): Promise<void> {
  const monitor = await into.monitor();
  const free = SLOTS.parse(await monitor.execute("query-hotpluggable-cpus")).filter(
    (slot) => slot["qom-path"] === undefined,
  );
  expect(free).toHaveLength(1);
  await monitor.execute("device_add", { driver: free[0]!.type, id: "plugged", ...free[0]!.props });
  await expect.poll(() => into.output(["cat", "/sys/devices/system/cpu/present"]), WAIT).toBe("0-3");
}
