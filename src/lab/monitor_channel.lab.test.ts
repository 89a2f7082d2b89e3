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
let channel: GuestChannel;
let asked: GuestAsked[] = [];
/** What the host answers at once; `null`: nothing. */
let decide: (request: GuestAsked) => Answer | null = () => null;

function connect(): GuestChannel {
  const made = createVbalAgentChannel({
    path: guest.agentSocket,
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
  lab = await startLab({ dir: "monitor-channel" });
  guest = await lab.boot({ name: "asking", vcpus: 4, numaNodes: 2, agent: "vbal" });
  await guest.waitReady();
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
    "for p in $(pidof pattern); do for t in /proc/$p/task/*; do taskset -p c ${t##*/}; done; done",
  ]);
  const runnableOn3 = (): number => {
    const report = channel.load()?.measures.find(({ measure }) => measure === "vcpu.runnable-threads");
    return report?.values[report.subjects.indexOf(3)] ?? 0;
  };
  await expect.poll(runnableOn3, WAIT).toBeGreaterThan(0.5);
  await guest.output(["sh", "-c", "kill $(pidof pattern)"]);
  await load;
  expect(channel.problems()).toEqual([]);
});

test("turned off, the guest asks no more; when the agent ends, nothing is left attached to the kernel", async () => {
  channel.setMonitor({ ...ON, on: false });
  await expect.poll(() => channel.load(), WAIT).toBeNull();
  expect(channel.word()?.report.asks).toBeUndefined();
  await guest.output(["killall", "-TERM", "vbal-agent"]);
  const trigger = ["cat", "/sys/kernel/tracing/events/sched/sched_switch/trigger"];
  await expect.poll(() => guest.output(trigger), WAIT).not.toContain("vbal");
});
