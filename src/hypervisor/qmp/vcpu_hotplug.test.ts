/**
 * Plugging and unplugging against a scripted monitor, which does what no real QEMU does on demand: it resets, falls
 * silent, refuses, loses events. Each row of events is what QEMU 7.2 was seen to send (qapi/acpi.json).
 */
import { afterEach, describe, expect, test } from "vitest";
import type { VcpuSlot } from "../../core/model.ts";
import { watchThread } from "../linux/threads.ts";
import { eventually, type Peer, startPeer } from "../peer_suite.ts";
import { nodeTimers, type Timers } from "../timers.ts";
import type { CpuInfo } from "./qmp_commands.ts";
import { connectQmp, type QmpConnection } from "./qmp_connection.ts";
import type { QmpProcess } from "./qmp_process.ts";
import { readVcpuFacts } from "./vcpu_facts.ts";
import {
  createVcpuHotplug,
  HOTPLUG_SAFEGUARDS,
  type HotplugSafeguards,
  LEAVING_MAX_MS,
  type VcpuHotplug,
} from "./vcpu_hotplug.ts";
import { deviceIdOf } from "./vcpu_slots.ts";

const DEADLINE_MS = 2_000;
/** What a test waits for that should not come. */
const SHORT_MS = 400;

/** A machine of two sockets with two cores each; vCPUs 0 and 1 were there at boot. */
const slotAt = (place: number): VcpuSlot => ({
  guestSocket: Math.floor(place / 2),
  guestCore: place % 2,
  guestThread: 0,
  guestNode: Math.floor(place / 2),
});
const propsAt = (place: number) => ({
  "socket-id": Math.floor(place / 2),
  "core-id": place % 2,
  "thread-id": 0,
  "node-id": Math.floor(place / 2),
});
const PLACES = [0, 1, 2, 3];
/** What was plugged has the path that vbal's own id for it gives. */
const pathOf = (place: number): string =>
  place < 2 ? `/machine/unattached/device[${place}]` : `/machine/peripheral/${deviceIdOf(slotAt(place))}`;

interface ScriptedQemu {
  readonly hotplug: VcpuHotplug;
  readonly deviceDels: readonly string[];
  /** The guest's kernel says what it made of the vCPU at a place. */
  ost(place: number, source: number, status: number): void;
  say(event: string, data?: object): void;
  /** It is there no longer, with or without an event. */
  vanish(place: number, told?: "told" | "untold"): void;
  vcpus(): Promise<readonly number[]>;
  /** `LEAVING_MAX_MS` have passed. */
  losePatience(): void;
  refuseNext(command: string, why: string): void;
}

let peer: Peer | null = null;
let qmp: QmpConnection | null = null;
afterEach(async () => {
  qmp?.close();
  await peer?.close();
  peer = qmp = null;
});

async function scripted(
  options: { readonly plugged?: readonly number[]; readonly safeguards?: HotplugSafeguards } = {},
): Promise<ScriptedQemu> {
  const plugged = new Set([0, 1, ...(options.plugged ?? [])]);
  const deviceDels: string[] = [];
  const refusals = new Map<string, string>();
  const answers: Record<string, (args: Record<string, unknown>) => unknown> = {
    qmp_capabilities: () => ({}),
    "query-cpus-fast": () =>
      [...plugged].map((place) => ({
        "cpu-index": place,
        "thread-id": process.pid,
        "qom-path": pathOf(place),
        props: propsAt(place),
      })),
    "query-hotpluggable-cpus": () =>
      PLACES.map((place) => ({
        type: "any-x86_64-cpu",
        "vcpus-count": 1,
        props: propsAt(place),
        ...(plugged.has(place) ? { "qom-path": pathOf(place) } : {}),
      })),
    "query-kvm": () => ({ enabled: true }),
    "qom-list": () => [],
    "qom-get": () => true,
    device_add(args) {
      plugged.add(2 * Number(args["socket-id"]) + Number(args["core-id"]));
      return {};
    },
    device_del({ id }) {
      deviceDels.push(String(id));
      return {};
    },
  };
  const server = await startPeer({
    onConnect: (socket) => socket.write('{"QMP": {}}\n'),
    onLine(line, socket) {
      const { execute, arguments: args, id } = JSON.parse(line);
      const why = refusals.get(execute);
      refusals.delete(execute);
      const answer =
        why === undefined
          ? { return: answers[execute]!(args) }
          : { error: { class: "GenericError", desc: why } };
      socket.write(`${JSON.stringify({ ...answer, id })}\n`);
    },
  });
  peer = server;
  const impatient: (() => void)[] = [];
  const timers: Timers = {
    after(delay, callback) {
      if (delay !== LEAVING_MAX_MS) return nodeTimers.after(delay, callback);
      impatient.push(callback);
      return () => void impatient.splice(impatient.indexOf(callback) >>> 0, 1);
    },
  };
  const connection = await connectQmp({
    path: server.path,
    deadline: DEADLINE_MS,
    timers: nodeTimers,
    onEvent: (event) => hotplug.heed(event),
    onGarbage: (message) => expect.fail(message),
  });
  qmp = connection;
  const known: QmpProcess = {
    id: "a",
    pid: process.pid,
    startTime: "",
    vcpus: await readVcpuFacts(connection, new Set(), DEADLINE_MS),
    numbers: new Map(),
    numbered: null,
    memory: [],
    threads: [],
    unpinnable: new Set(),
    itself: watchThread(process.pid, process.pid),
    state: { letter: "S", startTime: "1", lastPcpu: 0, pinnable: true },
    times: new Map(),
    watched: new Map(),
    running: true,
    migrating: false,
    stale: false,
  };
  const demand = async (): Promise<QmpProcess> => {
    known.vcpus = await readVcpuFacts(connection, known.vcpus.hotplugged, DEADLINE_MS);
    return known;
  };
  const hotplug = createVcpuHotplug(
    {
      timers,
      channels: [],
      demand,
      known: () => known,
      isPaused: () => false,
      monitor: () => connection,
    },
    options.safeguards,
  );
  const say = (event: string, data: object = {}): void => server.say(`${JSON.stringify({ event, data })}\n`);
  return {
    hotplug,
    deviceDels,
    say,
    ost: (place, source, status) =>
      say("ACPI_DEVICE_OST", { info: { "slot-type": "CPU", slot: String(place), source, status } }),
    vanish(place, told = "told") {
      plugged.delete(place);
      if (told === "told") say("DEVICE_DELETED", { path: pathOf(place) });
    },
    vcpus: async () => (await demand()).vcpus.cpus.map((cpu: CpuInfo) => cpu["cpu-index"]),
    losePatience() {
      for (const callback of impatient.splice(0)) callback();
    },
    refuseNext: (command, why) => void refusals.set(command, why),
  };
}

const asked = (command: string): Promise<void> =>
  eventually(() => peer!.heard.some((line) => line.includes(command)));
const soon = (): AbortSignal => AbortSignal.timeout(DEADLINE_MS);
const TIMED_OUT = /aborted due to timeout/;
const INSERTED = 0x200;
const EJECTION = 0x3;
const SUCCESS = 0;

describe("plugging", () => {
  test("the guest's kernel takes it: resolved with its number", async () => {
    const qemu = await scripted();
    const plugging = qemu.hotplug.plug(slotAt(2), soon());
    await asked("device_add");
    qemu.ost(3, INSERTED, 1); // Of another vCPU: not heeded.
    qemu.ost(2, 0x1, 0x80); // It is at it.
    qemu.ost(2, INSERTED, SUCCESS);
    expect(await plugging).toBe(2);
  });

  test("pitfall 6: a reset meanwhile: the guest finds the vCPU in its firmware's tables", async () => {
    const qemu = await scripted();
    const plugging = qemu.hotplug.plug(slotAt(2), soon());
    await asked("device_add");
    qemu.say("RESET", { guest: true });
    expect(await plugging).toBe(2);
  });

  test("pitfall 35: the guest's kernel does not take it: refused, and QEMU is asked to take it back", async () => {
    const qemu = await scripted();
    const plugging = qemu.hotplug.plug(slotAt(2), soon());
    await asked("device_add");
    qemu.ost(2, INSERTED, 1);
    await eventually(() => qemu.deviceDels.length === 1);
    qemu.vanish(2);
    await expect(plugging).rejects.toMatchObject({
      failure: "guest-refused",
      message: expect.stringContaining("its kernel answered with status 1"),
    });
    expect(await qemu.vcpus()).toEqual([0, 1]);
  });

  test("QEMU refuses: its own words, and nothing is left", async () => {
    const qemu = await scripted();
    qemu.refuseNext("device_add", "no memory");
    await expect(qemu.hotplug.plug(slotAt(2), soon())).rejects.toMatchObject({
      failure: "not-applied",
      message: expect.stringMatching(/QEMU would not plug a vCPU into a: no memory/),
    });
    expect(await qemu.vcpus()).toEqual([0, 1]);
  });

  test("pitfall 7: the guest's word is lost: the command ends at its deadline, and the next look shows the vCPU", async () => {
    const qemu = await scripted();
    await expect(qemu.hotplug.plug(slotAt(2), AbortSignal.timeout(SHORT_MS))).rejects.toThrow(TIMED_OUT);
    expect(await qemu.vcpus()).toEqual([0, 1, 2]);
    await expect(qemu.hotplug.plug(slotAt(2), soon())).rejects.toMatchObject({ failure: "no-such-slot" });
  });
});

describe("pitfall 1: unplugging is only a request", () => {
  test.each<[string, "told" | "untold"]>([
    ["with QEMU's event", "told"],
    ["with all events lost", "untold"],
  ])("the guest lets go, %s", async (_, told) => {
    const qemu = await scripted({ plugged: [2] });
    const unplugging = qemu.hotplug.unplug(2, soon());
    await eventually(() => qemu.deviceDels.length === 1);
    qemu.ost(2, EJECTION, 0x84); // It is at it.
    qemu.vanish(2, told);
    await unplugging;
    expect(await qemu.vcpus()).toEqual([0, 1]);
  });

  test.each([
    { status: 0x80, why: "it does not support that" },
    { status: 0x81, why: "it is in use" },
    { status: 0x82, why: "it is busy" },
    { status: 0x83, why: "something that depends on it is busy" },
    { status: 0x1, why: "its kernel answered with status 1" },
  ])("the guest says no: $why; it may be asked again at once", async ({ status, why }) => {
    const qemu = await scripted({ plugged: [2] });
    const refused = qemu.hotplug.unplug(2, soon());
    await eventually(() => qemu.deviceDels.length === 1);
    qemu.ost(2, EJECTION, status);
    await expect(refused).rejects.toMatchObject({
      failure: "guest-refused",
      message: expect.stringContaining(why),
    });
    const again = qemu.hotplug.unplug(2, soon());
    await eventually(() => qemu.deviceDels.length === 2);
    qemu.vanish(2);
    await again;
  });

  test("a reset meanwhile: the guest has forgotten the request and starts with the vCPU, so it is asked again", async () => {
    const qemu = await scripted({ plugged: [2] });
    const forgotten = qemu.hotplug.unplug(2, soon());
    await eventually(() => qemu.deviceDels.length === 1);
    qemu.say("RESET", { guest: true });
    await expect(forgotten).rejects.toMatchObject({ failure: "connection-lost" });
    const again = qemu.hotplug.unplug(2, soon());
    await eventually(() => qemu.deviceDels.length === 2);
    qemu.vanish(2);
    await again;
  });

  test("never answered: waited for again without a second request; after long silence it is asked anew", async () => {
    const qemu = await scripted({ plugged: [2] });
    for (const _ of [1, 2]) {
      await expect(qemu.hotplug.unplug(2, AbortSignal.timeout(SHORT_MS))).rejects.toThrow(TIMED_OUT);
    }
    expect(qemu.deviceDels).toHaveLength(1);
    qemu.losePatience();
    const anew = qemu.hotplug.unplug(2, soon());
    await eventually(() => qemu.deviceDels.length === 2);
    qemu.vanish(2);
    await anew;
  });

  test("a request that an earlier daemon left behind is waited for, not refused", async () => {
    const qemu = await scripted({ plugged: [2] });
    qemu.refuseNext("device_del", "Device vbal-vcpu-1-0-0 is already in the process of unplug");
    const unplugging = qemu.hotplug.unplug(2, soon());
    await asked("device_del");
    qemu.vanish(2);
    await unplugging;
    expect(await qemu.vcpus()).toEqual([0, 1]);
  });

  test("QEMU refuses: its own words, and another may be asked for", async () => {
    const qemu = await scripted({ plugged: [2, 3] });
    qemu.refuseNext("device_del", "not now");
    await expect(qemu.hotplug.unplug(2, soon())).rejects.toMatchObject({
      failure: "not-applied",
      message: expect.stringContaining("QEMU would not unplug vCPU 2 of a: not now"),
    });
    const other = qemu.hotplug.unplug(3, soon());
    await eventually(() => qemu.deviceDels.length === 1);
    qemu.vanish(3);
    await other;
  });

  test("one that was there at boot is never asked for", async () => {
    const qemu = await scripted();
    await expect(qemu.hotplug.unplug(1, soon())).rejects.toMatchObject({ failure: "not-supported" });
    expect(qemu.deviceDels).toEqual([]);
  });
});

describe("one leaves at a time", () => {
  /** Asks for a second one while the first has not been answered; which requests were sent? */
  async function askedFor(safeguards: HotplugSafeguards): Promise<readonly string[]> {
    const qemu = await scripted({ plugged: [2, 3], safeguards });
    await expect(qemu.hotplug.unplug(2, AbortSignal.timeout(SHORT_MS))).rejects.toThrow(TIMED_OUT);
    await expect(qemu.hotplug.unplug(3, AbortSignal.timeout(SHORT_MS))).rejects.toThrow(
      safeguards.oneLeaving ? /one vCPU after another/ : TIMED_OUT,
    );
    return qemu.deviceDels;
  }

  test("a guest that has not answered about one vCPU is not asked for another", async () => {
    expect(await askedFor(HOTPLUG_SAFEGUARDS)).toEqual([pathOf(2)]);
  });

  test("with that safeguard switched off, it could lose two at once", async () => {
    expect(await askedFor({ ...HOTPLUG_SAFEGUARDS, oneLeaving: false })).toEqual([pathOf(2), pathOf(3)]);
  });
});
