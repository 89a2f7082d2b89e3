import { afterEach, describe, expect, test } from "vitest";
import { eventually, type Peer, type PeerOptions, startPeer } from "../peer_suite.ts";
import { nodeTimers } from "../timers.ts";
import { queryCpusFast } from "./qmp_commands.ts";
import { connectQmp, type QmpConnection, type QmpEvent } from "./qmp_connection.ts";

const GREETING = '{"QMP": {"version": {}, "capabilities": []}}\r\n';
const DEADLINE_MS = 5_000;
const SHORT_MS = 60;

let peer: Peer | null = null;
let qmp: QmpConnection | null = null;
afterEach(async () => {
  qmp?.close();
  await peer?.close();
  peer = qmp = null;
});

interface Heard {
  readonly events: QmpEvent[];
  readonly garbage: string[];
}

async function connect(options: PeerOptions, deadline = DEADLINE_MS): Promise<Heard> {
  peer = await startPeer(options);
  const heard: Heard = { events: [], garbage: [] };
  qmp = await connectQmp({
    path: peer.path,
    deadline,
    timers: nodeTimers,
    onEvent: (event) => heard.events.push(event),
    onGarbage: (message) => heard.garbage.push(message),
  });
  return heard;
}

/** A peer that greets, and answers each command by `answer(command, id)`. */
function monitor(answer: (command: string, id: number) => string | null): PeerOptions {
  return {
    onConnect: (socket) => socket.write(GREETING),
    onLine(line, socket) {
      const { execute, id } = JSON.parse(line) as { execute: string; id: number };
      const text = execute === "qmp_capabilities" ? `{"return": {}, "id": ${id}}` : answer(execute, id);
      if (text !== null) socket.write(`${text}\r\n`);
    },
  };
}

describe("a monitor that behaves", () => {
  test("overlapping commands get their own answers, in whatever order they come", async () => {
    const later: string[] = [];
    await connect(
      monitor((command, id) => {
        later.unshift(`{"return": "${command}", "id": ${id}}`);
        return later.length < 3 ? null : later.join("\r\n");
      }),
    );
    const answers = ["one", "two", "three"].map((command) => qmp!.execute(command, {}, DEADLINE_MS));
    expect(await Promise.all(answers)).toEqual(["one", "two", "three"]);
  });

  test("an error is QEMU's own words", async () => {
    await connect(
      monitor((_, id) => `{"error": {"class": "CommandNotFound", "desc": "No such thing"}, "id": ${id}}`),
    );
    await expect(qmp!.execute("dance", {}, DEADLINE_MS)).rejects.toMatchObject({
      message: "No such thing",
      errorClass: "CommandNotFound",
    });
  });

  test("events come in between, also in pieces", async () => {
    const heard = await connect(monitor((_, id) => `{"return": 1, "id": ${id}}`));
    peer!.say('{"event": "RES');
    peer!.say('ET", "data": {"guest": true}, "timestamp": {}}\r\n{"event": "STOP"}\r\n');
    await eventually(() => heard.events.length === 2);
    expect(heard.events).toMatchObject([
      { event: "RESET", data: { guest: true } },
      { event: "STOP", data: {} },
    ]);
  });
});

describe("a monitor that does not", () => {
  test("refused: the error names the path and the reason", async () => {
    await expect(
      connectQmp({
        path: "/nowhere/a.qmp",
        deadline: DEADLINE_MS,
        timers: nodeTimers,
        onEvent: () => undefined,
        onGarbage: () => undefined,
      }),
    ).rejects.toMatchObject({ code: "ENOENT" });
  });

  test("held by another program: no greeting within the deadline", async () => {
    await expect(connect({}, SHORT_MS)).rejects.toThrow(
      /no greeting within 60 ms: another program may hold it/,
    );
  });

  test("slow: a command ends at its deadline, a late answer is ignored, the next command works", async () => {
    let held = "";
    await connect(
      monitor((command, id) => {
        if (command !== "slow") return `${held}{"return": "quick", "id": ${id}}`;
        held = `{"return": "late", "id": ${id}}\r\n`;
        return null;
      }),
    );
    await expect(qmp!.execute("slow", {}, SHORT_MS)).rejects.toMatchObject({ failure: "timed-out" });
    expect(await qmp!.execute("quick", {}, DEADLINE_MS)).toBe("quick");
  });

  test("closed in the middle of a command: everything open rejects, and so does what comes after", async () => {
    await connect(monitor(() => null));
    const open = [qmp!.execute("one", {}, DEADLINE_MS), qmp!.execute("two", {}, DEADLINE_MS)];
    const outcomes = Promise.allSettled(open);
    await eventually(() => peer!.heard.length === 3);
    peer!.hangUp();
    for (const outcome of await outcomes) {
      expect(outcome).toMatchObject({ status: "rejected", reason: { failure: "connection-lost" } });
    }
    expect((await qmp!.ended).message).toContain(peer!.path);
    await expect(qmp!.execute("three", {}, DEADLINE_MS)).rejects.toMatchObject({
      failure: "connection-lost",
    });
  });

  test.each([
    ["not JSON", "hello there\r\n"],
    ["JSON of another kind", '{"jsonrpc": "2.0"}\r\n'],
    ["bytes that are no text", Uint8Array.of(0xff, 0xfe, 0x00, 0x0a)],
    ["a line without end", `${"x".repeat(4_194_305)}\r\n`],
  ])("garbage, %s: told once, and the connection goes on", async (_, garbage) => {
    const heard = await connect(monitor((_command, id) => `{"return": 1, "id": ${id}}`));
    peer!.say(garbage);
    expect(await qmp!.execute("still-there", {}, DEADLINE_MS)).toBe(1);
    expect(heard.garbage).toHaveLength(1);
    expect(heard.garbage[0]).toContain(peer!.path);
  });

  test("an answer of another shape is refused with the field's name", async () => {
    await connect(monitor((_, id) => `{"return": [{"cpu-index": 0, "thread-id": "x"}], "id": ${id}}`));
    await expect(queryCpusFast(qmp!, DEADLINE_MS)).rejects.toThrow(/thread-id/);
  });

  test("one that answers nothing is not sent more than it can be owed", async () => {
    await connect(monitor(() => null));
    const open = Array.from({ length: 64 }, () => qmp!.execute("wait", {}, DEADLINE_MS).catch(() => null));
    await expect(qmp!.execute("one-more", {}, DEADLINE_MS)).rejects.toThrow(/left 64 commands unanswered/);
    qmp!.close();
    await Promise.all(open);
  });
});
