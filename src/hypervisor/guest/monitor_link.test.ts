/** The load monitor's part of the channel, against a guest of data at the other end of a socket (P-11..P-18). */
import { afterEach, describe, expect, test } from "vitest";
import type { GuestMessage, HostMessage } from "../../protocol/guest_messages.ts";
import { eventually, type Peer, startPeer } from "../peer_suite.ts";
import type { MonitorSettings } from "../port.ts";
import { nodeTimers, type Timers } from "../timers.ts";
import { createComplaints } from "./complaints.ts";
import type { GuestAsked, GuestChannel } from "./guest_channel.ts";
import { createMonitorLink, REQUESTS_PER_SECOND_MAX, RUN_TIMES_EVERY_MS } from "./monitor_link.ts";
import { createVbalAgentChannel } from "./vbal_agent_channel.ts";

const ON: MonitorSettings = {
  on: true,
  measuresEveryMs: 1_000,
  thresholds: [{ measure: "vcpu.composite", value: 2 }],
};
const MEASURES: GuestMessage & { readonly kind: "measures" } = {
  kind: "measures",
  intervalMs: 1_000,
  measures: [{ measure: "vm.runnable-threads", subjects: [-1], values: [1.5] }],
  degraded: ["Not measured on vCPU 0: switches. No schedstat"],
};
const REQUEST: GuestMessage = {
  kind: "request",
  request: "boot.1.2-1",
  origin: "monitor",
  exceeded: { measure: "node.composite", level: "node", subject: 1, value: 2, threshold: 1 },
  target: { kind: "node", id: 1 },
};

let peer: Peer;
let channel: GuestChannel;
let asked: GuestAsked[] = [];
afterEach(async () => {
  channel.close();
  await peer.close();
});

/** A guest that speaks up to `version` and says `more` whenever its monitor is set. */
async function begin(
  options: { version?: number; more?: readonly GuestMessage[]; timers?: Timers } = {},
): Promise<void> {
  const { version = 2, more = [], timers = nodeTimers } = options;
  asked = [];
  peer = await startPeer({
    onLine(line, socket) {
      if (line === "") return;
      for (const answer of answersTo(JSON.parse(line) as HostMessage, { version, more })) {
        socket.write(`${JSON.stringify(answer)}\n`);
      }
    },
  });
  channel = createVbalAgentChannel({
    path: peer.path,
    timers,
    reportEveryMs: 30,
    onChange: () => undefined,
    onRequest: (request) => void asked.push(request),
  });
}

function answersTo(
  message: HostMessage,
  { version, more }: { version: number; more: readonly GuestMessage[] },
): readonly GuestMessage[] {
  switch (message.kind) {
    case "hello":
      return [
        {
          kind: "hello",
          versions: [1, version],
          agent: "test",
          session: message.session,
          mechanisms: ["offline"],
        },
        { kind: "report", vcpus: [], preflight: [] },
      ];
    case "monitor":
      return [
        {
          kind: "monitor-set",
          id: message.id,
          unknown: ["vcpu.vibes"],
          inForce: [{ measure: "vcpu.composite", value: 2, origin: "host" }],
        },
        ...more,
      ];
    case "ping":
      return [
        { kind: "pong", id: message.id },
        { kind: "report", vcpus: [], preflight: [] },
      ];
    case "set-online":
    case "restore":
    case "run-times":
    case "answer":
      return [];
  }
}

function sent(kind: HostMessage["kind"]): HostMessage[] {
  return peer.heard
    .filter((line) => line !== "")
    .map((line) => JSON.parse(line) as HostMessage)
    .filter((message) => message.kind === kind);
}

describe("settings", () => {
  test("go out at each greeting and on change; the guest asks once it has confirmed", async () => {
    await begin({ more: [MEASURES] });
    channel.setMonitor(ON);
    await eventually(() => channel.word()?.report.asks === true);
    await eventually(() => channel.load()?.measures.length === 1);
    expect(channel.load()).toEqual({
      measures: [{ measure: "vm.runnable-threads", subjects: [-1], values: [1.5] }],
      degraded: ["Not measured on vCPU 0: switches. No schedstat"],
      thresholds: [{ measure: "vcpu.composite", value: 2, origin: "host" }],
      unknown: ["vcpu.vibes"],
    });
    channel.setMonitor(ON);
    channel.setMonitor({ ...ON, on: false });
    await eventually(() => channel.load() === null);
    expect(channel.word()?.report.asks).toBeUndefined();
    expect(sent("monitor").map((message) => message.kind === "monitor" && message.on)).toEqual([true, false]);
    channel.setMonitor(ON);
    peer.hangUp();
    await eventually(() => channel.load() !== null && 3 < sent("monitor").length);
  });

  test("an agent of version 1 is sent nothing of version 2, and what it says of it is nonsense", async () => {
    await begin({ version: 1 });
    channel.setMonitor(ON);
    await eventually(() => channel.word() !== null);
    channel.runTimes([{ vcpu: 0, runNs: 5 }]);
    channel.answer("x", { outcome: "granted", vcpu: 1, loan: false });
    peer.say(`${JSON.stringify(REQUEST)}\n`);
    await eventually(() => channel.problems().length > 0);
    expect(channel.problems()[0]).toContain("request does not belong to version 1");
    expect([sent("monitor"), sent("run-times"), sent("answer"), asked]).toEqual([[], [], [], []]);
    expect(channel.word()?.report.asks).toBeUndefined();
  });

  test("run times go only to a guest whose monitor is at work, while it works and once after that", async () => {
    const pauses: (() => void)[] = [];
    const pause = () => {
      for (const over of pauses.splice(0)) over();
    };
    await begin({
      timers: {
        after(delay, call) {
          if (delay !== RUN_TIMES_EVERY_MS) return nodeTimers.after(delay, call);
          pauses.push(call);
          return () => undefined;
        },
      },
    });
    await eventually(() => channel.word() !== null);
    channel.runTimes([{ vcpu: 0, runNs: 5 }]);
    channel.setMonitor(ON);
    await eventually(() => channel.load() !== null);
    const looks = [700, 730, 760, 900, 930, 950].map((ms) => ms * 1_000_000);
    for (const runNs of looks) {
      channel.runTimes([{ vcpu: 0, runNs }]);
      // The next look comes too soon.
      channel.runTimes([{ vcpu: 0, runNs: runNs + 1 }]);
      pause();
    }
    await eventually(() => 4 <= sent("run-times").length);
    const told = sent("run-times").map((message) => message.kind === "run-times" && message.vcpus[0]!.runNs);
    // The first two: it had run before anybody looked. Then it rests for a look, works, and rests again.
    expect(told).toEqual([looks[0], looks[1], looks[3], looks[4]]);
  });
});

test("at any interval of looks up to 3 s, run times come no more than 5 s apart, timers that are late included", () => {
  const lateMs = 100;
  for (let intervalMs = 100; intervalMs <= 3_000; intervalMs += 10) {
    const apartMs = intervalMs * Math.ceil(RUN_TIMES_EVERY_MS / intervalMs);
    expect(apartMs + lateMs, `${intervalMs} ms`).toBeLessThan(5_000);
  }
});

describe("requests", () => {
  test("reach the host as what they are, and the answer goes back in words (P-16..P-18)", async () => {
    await begin({ more: [REQUEST] });
    channel.setMonitor(ON);
    await eventually(() => asked.length === 1);
    expect(asked).toEqual([
      {
        id: "boot.1.2-1",
        origin: "monitor",
        exceeded: { measure: "node.composite", level: "node", value: 2, threshold: 1 },
        target: { kind: "node", node: 1 },
      },
    ]);
    channel.answer("boot.1.2-1", { outcome: "granted", vcpu: 3, loan: true });
    channel.answer("boot.1.2-2", { outcome: "denied", why: { code: "too-often", retryAfter: 400 } });
    await eventually(() => sent("answer").length === 2);
    expect(sent("answer")).toEqual([
      { kind: "answer", request: "boot.1.2-1", answer: { outcome: "granted", vcpu: 3, loan: true } },
      {
        kind: "answer",
        request: "boot.1.2-2",
        answer: {
          outcome: "denied",
          code: "too-often",
          why: "Asked too often; ask again in 400 ms.",
          retryAfterMs: 400,
        },
      },
    ]);
  });

  test("a flood of them: a few are looked at, the rest is dropped and told once (pitfall 28)", async () => {
    const flood = Array.from({ length: 40 }, (_, i) => ({ ...REQUEST, request: `r${i}` }));
    await begin({ more: flood });
    channel.setMonitor(ON);
    await eventually(() =>
      channel.problems().some((problem) => problem.includes("asked for vCPUs more than")),
    );
    expect(asked).toHaveLength(REQUESTS_PER_SECOND_MAX);
    expect(channel.problems()).toHaveLength(1);
  });

  test.each([
    ["an id without end", { request: "x".repeat(65) }],
    ["a value that no machine has", { exceeded: { ...REQUEST.exceeded, value: 1e300 } }],
    ["a monitor that saw nothing", { exceeded: null }],
    ["a node that is no number", { target: { kind: "node", id: "1" } }],
    ["an administrator with a measure", { origin: "administrator" }],
  ])("%s is nonsense and reaches nobody", async (_, bad) => {
    await begin({ more: [{ ...REQUEST, ...bad } as unknown as GuestMessage] });
    channel.setMonitor(ON);
    await eventually(() => channel.problems().some((problem) => problem.includes("make no sense")));
    expect(asked).toEqual([]);
  });
});

test("measures that are too old are not shown, and it is said that there are none", async () => {
  await begin();
  const due: { readonly delay: number; readonly call: () => void }[] = [];
  const timers = {
    after(delay: number, call: () => void) {
      due.push({ delay, call });
      return () => undefined;
    },
  };
  const link = createMonitorLink({
    path: "/run/x",
    timers,
    complaints: createComplaints(timers),
    send: () => undefined,
    nextId: () => 1,
    onRequest: () => undefined,
    onSet: () => undefined,
  });
  link.open();
  link.set(ON);
  link.heed({ kind: "monitor-set", id: 1, unknown: [], inForce: [] });
  link.heed(MEASURES);
  expect(link.load()?.measures).toHaveLength(1);
  due.find(({ delay }) => delay === 3 * ON.measuresEveryMs)?.call();
  expect(link.load()).toMatchObject({
    measures: [],
    degraded: [expect.stringMatching(/^No measures for 3 s: .*budget/)],
  });
});
