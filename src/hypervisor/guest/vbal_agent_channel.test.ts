import { afterEach, describe, expect, test } from "vitest";
import type { GuestMessage, HostMessage, VcpuReport } from "../../protocol/guest_messages.ts";
import { eventually, type Peer, startPeer } from "../peer_suite.ts";
import { nodeTimers } from "../timers.ts";
import { askGuest } from "./ask_guest.ts";
import type { GuestChannel } from "./guest_channel.ts";
import { createVbalAgentChannel } from "./vbal_agent_channel.ts";

const REPORT_EVERY_MS = 30;

let peer: Peer;
let channel: GuestChannel;
let changes = 0;
afterEach(async () => {
  channel.close();
  await peer.close();
});

type Behaviour = (message: HostMessage) => readonly (GuestMessage | string)[];

/** A guest of two vCPUs that does as told; a test changes what it wants. */
const honest: Behaviour = (message) => {
  switch (message.kind) {
    case "hello":
      return [
        { kind: "hello", versions: [1, 1], agent: "test", session: message.session, mechanisms: ["offline"] },
        report([0, 1]),
      ];
    case "set-online":
      return [
        { kind: "online-set", id: message.id, online: message.online, failed: [], tookMicroseconds: 1 },
      ];
    case "ping":
      return [{ kind: "pong", id: message.id }, report([0, 1])];
    case "restore":
      return [{ kind: "restored", id: message.id, online: [0, 1] }];
    case "monitor":
    case "run-times":
    case "answer":
      return [];
  }
};

function report(online: readonly number[]): GuestMessage {
  const vcpus = [0, 1].map(
    (vcpu): VcpuReport => ({
      vcpu,
      online: online.includes(vcpu),
      isolated: false,
      canOffline: true,
      socket: 0,
      core: vcpu,
      node: 0,
      stealNs: vcpu === 0 ? 5 : -1,
    }),
  );
  return { kind: "report", vcpus, preflight: [] };
}

async function begin(behave: Behaviour, reportEveryMs = REPORT_EVERY_MS): Promise<void> {
  changes = 0;
  peer = await startPeer({
    onLine(line, socket) {
      if (line === "") return;
      for (const answer of behave(JSON.parse(line) as HostMessage)) {
        socket.write(typeof answer === "string" ? answer : `${JSON.stringify(answer)}\n`);
      }
    },
  });
  channel = createVbalAgentChannel({
    path: peer.path,
    timers: nodeTimers,
    reportEveryMs,
    onChange: () => {
      changes += 1;
    },
  });
}

function sent(kind: HostMessage["kind"]): HostMessage[] {
  return peer.heard
    .filter((line) => line !== "")
    .map((line) => JSON.parse(line) as HostMessage)
    .filter((message) => message.kind === kind);
}

const ask = (online: number[], deadline = 5_000) =>
  askGuest({
    domain: "a",
    channels: [channel],
    online,
    mechanism: "offline",
    timers: nodeTimers,
    signal: AbortSignal.timeout(deadline),
  });

describe("an honest agent", () => {
  test("is greeted, heard and obeyed; vCPU 0 is never for the taking, whatever it says", async () => {
    await begin(honest);
    await eventually(() => channel.word() !== null);
    expect(channel.word()!.report).toEqual({
      agent: "vbal-agent",
      mechanisms: ["offline"],
      vcpus: [
        { index: 0, online: true, canOffline: false },
        { index: 1, online: true, canOffline: true },
      ],
    });
    expect([...channel.word()!.steal]).toEqual([[0, 5]]);
    expect(channel.word()!.interruptsPerSecond).toBeNull();
    expect(channel.word()!.switchesPerSecond).toBeNull();
    expect(channel.word()!.inKernel).toBeNull();
    expect(await ask([0])).toEqual([0]);
    expect(channel.problems()).toEqual([]);
  });

  test("how often vCPUs interrupt each other takes two reports of one conversation", async () => {
    let reports = 0;
    const counting = () => {
      const totals = { atMs: 1_000 * ++reports, rescheduling: 300 * reports, calls: 0, shootdowns: 0 };
      return { ...report([0, 1]), interrupts: totals } as GuestMessage;
    };
    await begin((message) => {
      const [hello] = honest(message);
      return message.kind === "hello" ? [hello!, counting(), ...(reports < 2 ? [counting()] : [])] : [];
    }, 10_000);
    await eventually(() => channel.word()?.interruptsPerSecond === 300);
    channel.forget();
    await eventually(() => reports === 3 && channel.word() !== null);
    expect(channel.word()!.interruptsPerSecond).toBeNull();
  });

  test("how often threads take turns takes two reports of one conversation", async () => {
    let reports = 0;
    const counting = () => {
      reports += 1;
      const switches = { atMs: 1_000 * reports, total: 700 * reports };
      return { ...report([0, 1]), switches } as GuestMessage;
    };
    await begin((message) => {
      const [hello] = honest(message);
      return message.kind === "hello" ? [hello!, counting(), ...(reports < 2 ? [counting()] : [])] : [];
    }, 10_000);
    await eventually(() => channel.word()?.switchesPerSecond === 700);
    channel.forget();
    await eventually(() => reports === 3 && channel.word() !== null);
    expect(channel.word()!.switchesPerSecond).toBeNull();
  });

  test("how much of its time is the kernel's takes two reports of one conversation", async () => {
    let reports = 0;
    const counting = () => {
      reports += 1;
      const cpuTime = { programsMs: 3_000 * reports, kernelMs: 1_000 * reports };
      return { ...report([0, 1]), cpuTime } as GuestMessage;
    };
    await begin((message) => {
      const [hello] = honest(message);
      return message.kind === "hello" ? [hello!, counting(), ...(reports < 2 ? [counting()] : [])] : [];
    }, 10_000);
    await eventually(() => channel.word()?.inKernel === 0.25);
    channel.forget();
    await eventually(() => reports === 3 && channel.word() !== null);
    expect(channel.word()!.inKernel).toBeNull();
  });

  test("the confirmation counts at once, before the next report", async () => {
    await begin((message) => (message.kind === "ping" ? [] : honest(message)), 10_000);
    await ask([0]);
    expect(channel.word()!.report.vcpus.map((vcpu) => vcpu.online)).toEqual([true, false]);
    expect(changes).toBe(2);
  });

  test("what it could not do is told, and what it uses is the answer", async () => {
    await begin((message) =>
      message.kind !== "set-online"
        ? honest(message)
        : [
            {
              kind: "online-set",
              id: message.id,
              online: [0, 1],
              failed: [{ vcpu: 1, why: "it is busy" }],
              tookMicroseconds: 1,
            },
          ],
    );
    expect(await ask([0])).toEqual([0, 1]);
    expect(channel.problems()).toEqual([expect.stringContaining("left vCPU 1 as it was: it is busy")]);
  });

  test("its refusal is passed on", async () => {
    await begin((message) =>
      message.kind === "set-online" ? [{ kind: "refused", id: message.id, why: "not now" }] : honest(message),
    );
    await expect(ask([0])).rejects.toMatchObject({
      failure: "guest-refused",
      message: expect.stringContaining("not now"),
    });
  });

  test("a mechanism that it does not have is not asked for", async () => {
    await begin(honest);
    await eventually(() => channel.word() !== null);
    await expect(channel.setOnline([0], "isolate", AbortSignal.timeout(5_000))).rejects.toMatchObject({
      failure: "guest-refused",
    });
    expect(sent("set-online")).toEqual([]);
  });
});

describe("an agent that comes and goes", () => {
  test("falls silent: after three intervals its word counts no more", async () => {
    let mute = false;
    await begin((message) => (mute ? [] : honest(message)));
    await eventually(() => channel.word() !== null);
    mute = true;
    await eventually(() => channel.word() === null);
    mute = false;
    expect(await ask([0])).toEqual([0]);
  });

  test("a command to a silent one waits for it to speak", async () => {
    let mute = true;
    await begin((message) => (mute ? [] : honest(message)));
    const answer = ask([0]);
    await eventually(() => sent("hello").length >= 2);
    mute = false;
    channel.greet();
    expect(await answer).toEqual([0]);
  });

  test("a new agent says hello without our session: it is greeted anew, reports before that do not count", async () => {
    let fresh = true;
    await begin((message) => {
      if (message.kind !== "hello" || !fresh) return honest(message);
      fresh = false;
      return [{ kind: "hello", versions: [1, 1], agent: "test", session: "", mechanisms: [] }, report([0])];
    });
    await eventually(() => channel.word() !== null);
    expect(channel.word()!.report.vcpus.map((vcpu) => vcpu.online)).toEqual([true, true]);
  });

  test("one that started anew refuses a ping: it is greeted anew", async () => {
    let restarted = true;
    await begin((message) => {
      if (message.kind !== "ping" || !restarted) return honest(message);
      restarted = false;
      return [{ kind: "refused", id: message.id, why: "Say hello first" }];
    });
    await eventually(() => sent("hello").length === 2);
    expect(await ask([0])).toEqual([0]);
  });

  test("the socket closes in the middle of a command: it rejects, and the channel comes back as a new session", async () => {
    await begin((message) => (message.kind === "set-online" ? [] : honest(message)));
    await eventually(() => channel.word() !== null);
    const answer = ask([0]);
    await eventually(() => sent("set-online").length === 1);
    peer.hangUp();
    await expect(answer).rejects.toMatchObject({ failure: "connection-lost" });
    await eventually(() => channel.word() !== null);
    const sessions = sent("hello").map((message) => (message.kind === "hello" ? message.session : ""));
    expect(new Set(sessions).size).toBeGreaterThan(1);
  });

  test("a reset guest's word counts no more until it speaks again", async () => {
    await begin(honest);
    await eventually(() => channel.word() !== null);
    channel.forget();
    expect(channel.word()).toBeNull();
    await eventually(() => channel.word() !== null);
  });
});

describe("an agent that talks nonsense", () => {
  test.each([
    ["not JSON", "what?\n"],
    ["bytes", "\u0000\u00ff\n"],
    ["an unknown kind", '{"kind":"give-me-everything"}\n'],
    ["half a frame, then a whole one", '{"kind":"rep\n'],
    ["vCPU -1", '{"kind":"online-set","id":1,"online":[-1],"failed":[],"tookMicroseconds":0}\n'],
    ["a frame without end", `${"x".repeat(300_000)}\n`],
  ])("%s: counted, told, survived", async (_, nonsense) => {
    await begin((message) => (message.kind === "hello" ? [nonsense, ...honest(message)] : honest(message)));
    await eventually(() => channel.word() !== null && channel.problems().length > 0);
    expect(channel.problems()).toEqual([expect.stringMatching(/sent \d+ messages that make no sense/)]);
    expect(await ask([0])).toEqual([0]);
  });

  test("versions that are too new, or too old, are refused with words, and its reports are not believed", async () => {
    await begin((message) =>
      message.kind === "hello"
        ? [
            {
              kind: "hello",
              versions: [7, 9],
              agent: "later",
              session: message.session,
              mechanisms: ["offline"],
            },
            report([0]),
          ]
        : [],
    );
    await eventually(() => channel.problems().length > 0);
    expect(channel.problems()[0]).toMatch(
      /later\) speaks versions 7 to 9 .* this host 1 to 2: install the agent/,
    );
    expect(channel.word()).toBeNull();
  });

  test("an agent that refuses us is quoted", async () => {
    await begin((message) =>
      message.kind === "hello" ? [{ kind: "refused", id: -1, why: "No common version" }] : [],
    );
    await eventually(() => channel.problems().length > 0);
    expect(channel.problems()[0]).toContain("No common version");
  });

  test.each([
    ["messages", `${JSON.stringify({ kind: "pong", id: 1 })}\n`.repeat(5_000)],
    ["bytes", "x".repeat(3_000_000)],
  ])(
    "a flood of %s: one problem, the rest is dropped, and it is heard again when it calms down",
    async (_, flood) => {
      let flooding = true;
      await begin((message) => {
        if (!flooding) return honest(message);
        flooding = false;
        return [flood, "\n"];
      });
      await eventually(() => channel.problems().some((problem) => problem.includes("sends too much")));
      await eventually(() => channel.word() !== null);
      expect(channel.problems().filter((problem) => problem.includes("sends too much"))).toHaveLength(1);
    },
    20_000,
  );
});

test("nobody at the socket: a problem that says so, and a command ends with its deadline", async () => {
  peer = await startPeer();
  channel = createVbalAgentChannel({
    path: `${peer.path}.gone`,
    timers: nodeTimers,
    onChange: () => undefined,
  });
  await eventually(() => channel.problems().length > 0);
  expect(channel.problems()).toEqual([expect.stringContaining("No connection to the guest's agent at")]);
  await expect(ask([0], 50)).rejects.toThrow(/timeout/);
});
