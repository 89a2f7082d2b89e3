import { afterEach, describe, expect, test } from "vitest";
import { eventually, type Peer, startPeer } from "../peer_suite.ts";
import { nodeTimers } from "../timers.ts";
import type { GuestChannel } from "./guest_channel.ts";
import { createQemuGuestAgent } from "./qemu_guest_agent.ts";

let peer: Peer;
let channel: GuestChannel;
afterEach(async () => {
  channel.close();
  await peer.close();
});

interface StockAgent {
  /** Of each vCPU. */
  readonly online: boolean[];
  /** vCPUs that will not go offline. */
  readonly keeps?: readonly number[];
  /** Comes before the answer to the sync. */
  readonly rubbish?: string | Uint8Array;
  readonly hasStats?: boolean;
}

/** The stock agent's replies, as captured from qemu-ga 7.2 and cut down to what is read. */
async function begin(agent: StockAgent, isNeeded = () => true): Promise<void> {
  peer = await startPeer({
    onLine(line, socket) {
      // The byte 0xFF is not part of the JSON that follows it.
      const request = JSON.parse(line.replace(/^\u00ff/, "")) as {
        execute: string;
        arguments: Record<string, unknown>;
      };
      const reply = (value: unknown) => socket.write(`${JSON.stringify({ return: value })}\n`);
      const refuse = (desc: string) =>
        socket.write(`${JSON.stringify({ error: { class: "GenericError", desc } })}\n`);
      switch (request.execute) {
        case "guest-sync-delimited":
          socket.write(agent.rubbish ?? "");
          socket.write(Uint8Array.of(0xff));
          reply(request.arguments["id"]);
          break;
        case "guest-get-vcpus":
          reply(
            agent.online.map((online, id) => ({
              "logical-id": id,
              online,
              ...(id === 0 ? {} : { "can-offline": true }),
            })),
          );
          break;
        case "guest-get-cpustats":
          if (agent.hasStats === false) refuse("The command guest-get-cpustats has not been found");
          else reply(agent.online.map((_, cpu) => ({ type: "linux", cpu, user: 10, steal: 7 })));
          break;
        case "guest-set-vcpus": {
          let done = 0;
          for (const { "logical-id": id, online } of request.arguments["vcpus"] as {
            "logical-id": number;
            online: boolean;
          }[]) {
            if (agent.keeps?.includes(id)) break;
            agent.online[id] = online;
            done += 1;
          }
          if (done > 0) reply(done);
          else refuse("logical processor can't be offlined");
          break;
        }
      }
    },
  });
  channel = createQemuGuestAgent({
    path: peer.path,
    timers: nodeTimers,
    isNeeded,
    onChange: () => undefined,
  });
}

async function ask(online: number[]): Promise<readonly number[]> {
  await eventually(() => channel.word() !== null);
  return channel.setOnline(online, "offline", AbortSignal.timeout(5_000));
}

describe("the stock agent", () => {
  test("is read: vCPUs, steal time in nanoseconds, vCPU 0 not for the taking", async () => {
    await begin({ online: [true, true, false] });
    await eventually(() => channel.word() !== null);
    expect(channel.word()!.report).toEqual({
      agent: "qemu-guest-agent",
      mechanisms: ["offline"],
      vcpus: [
        { index: 0, online: true, canOffline: false },
        { index: 1, online: true, canOffline: true },
        { index: 2, online: false, canOffline: true },
      ],
    });
    expect(channel.word()!.steal.get(1)).toBe(7_000_000);
  });

  test("before QEMU 7.1 it knows no steal time; all else works", async () => {
    await begin({ online: [true, true], hasStats: false });
    await eventually(() => channel.word() !== null);
    expect(channel.word()!.steal.size).toBe(0);
    expect(await ask([0])).toEqual([0]);
  });

  test.each<[string, StockAgent, number[], number[]]>([
    ["takes vCPUs", { online: [true, true, true] }, [0, 2], [0, 2]],
    ["gives vCPUs", { online: [true, false, false] }, [0, 1, 2], [0, 1, 2]],
    ["does both at once", { online: [true, true, false] }, [0, 2], [0, 2]],
    [
      "stops half-way: what it really uses is the answer",
      { online: [true, true, true], keeps: [2] },
      [0],
      [0, 2],
    ],
    ["has nothing to do", { online: [true, false], keeps: [1] }, [0], [0]],
  ])("%s", async (_, agent, wanted, inUse) => {
    await begin(agent);
    expect(await ask(wanted)).toEqual(inUse);
  });

  test("refuses outright: its own words", async () => {
    await begin({ online: [true, true], keeps: [1] });
    await expect(ask([0])).rejects.toMatchObject({
      failure: "guest-refused",
      message: expect.stringContaining("can't be offlined"),
    });
  });

  test("cannot isolate", async () => {
    await begin({ online: [true, true] });
    await expect(channel.setOnline([0], "isolate", AbortSignal.timeout(5_000))).rejects.toThrow(
      /only offline/,
    );
  });

  test.each([
    ["the answer to somebody else's question", '{"return": [{"logical-id": 9}]}\n'],
    ["an error about the byte 0xFF", '{"error": {"class": "GenericError", "desc": "JSON parse error"}}\n'],
    ["another sync's answer", new Uint8Array([0xff, ...new TextEncoder().encode('{"return": 77}\n')])],
    ["half a line", '{"retu'],
    ["no JSON", "login: \n"],
  ])("what an earlier user left in the channel is thrown away: %s", async (_, rubbish) => {
    await begin({ online: [true, true], rubbish });
    await eventually(() => channel.word() !== null);
    expect(channel.word()!.report.vcpus).toHaveLength(2);
  });

  test("floods: one problem, however long it lasts", async () => {
    await begin({ online: [true, true], rubbish: `${"x".repeat(3_000_000)}\n` });
    await eventually(() => channel.problems().some((problem) => problem.includes("sends too much")));
    expect(channel.problems().filter((problem) => problem.includes("sends too much"))).toHaveLength(1);
  });

  test("is left alone while a better channel speaks", async () => {
    await begin({ online: [true, true] }, () => false);
    await eventually(() => peer.connections.length === 1);
    expect(channel.word()).toBeNull();
    expect(peer.heard).toEqual([]);
  });

  test("goes away and comes back", async () => {
    await begin({ online: [true, true] });
    await eventually(() => channel.word() !== null);
    peer.hangUp();
    await eventually(() => channel.word() === null);
    expect(await ask([0])).toEqual([0]);
  });
});
