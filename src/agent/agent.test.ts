import fc from "fast-check";
import { describe, expect, test } from "vitest";
import type { GuestMessage } from "../protocol/guest_messages.ts";
import { Agent } from "./agent.ts";
import { GuestOfData } from "./guest_of_data.ts";

const HELLO = { kind: "hello", versions: [1, 1], session: "s1", reportEveryMs: 1_000, patienceMs: 10_000 };
const RECORD = "/run/record.json";

/** A guest with a running agent; its host is connected and has said hello unless the story begins earlier. */
function start(
  vcpus: number,
  prepare: (guest: GuestOfData) => void = () => {},
): { guest: GuestOfData; agent: Agent } {
  const guest = new GuestOfData(vcpus);
  prepare(guest);
  const agent = startAgent(guest);
  guest.connect();
  guest.say(HELLO);
  return { guest, agent };
}

function startAgent(guest: GuestOfData): Agent {
  const agent = new Agent(guest, {
    portPath: "/dev/virtio-ports/vbal",
    recordPath: RECORD,
    askPath: "/run/ask",
    hostLayerPath: "/run/host",
    name: "vbal-agent test",
    onPortBusy: () => guest.log("busy"),
  });
  agent.start();
  return agent;
}

let id = 0;
/** Sends a set-online and lets the agent work; the answer to it. */
function setOnline(guest: GuestOfData, online: number[], mechanism = "offline"): GuestMessage | undefined {
  id++;
  const answers = guest.say({ kind: "set-online", id, online, mechanism });
  if (answers.length === 0) guest.pass(500);
  return guest.heard.findLast((m) => "id" in m && m.id === id);
}

const lastReport = (guest: GuestOfData): (GuestMessage & { kind: "report" }) | undefined =>
  guest.heard.findLast((m) => m.kind === "report");
const findings = (guest: GuestOfData): string[] =>
  lastReport(guest)!.preflight.map((f) => `${f.vcpu} ${f.what}: ${f.detail}`);

describe("greeting", () => {
  test("the agent asks to be greeted, answers the host's hello with its session and reports at once", () => {
    const { guest } = start(2);
    expect(guest.heard.map((m) => (m.kind === "hello" ? `hello ${m.session}` : m.kind))).toEqual([
      "hello ",
      "hello s1",
      "report",
    ]);
    expect(guest.heard[1]).toMatchObject({ mechanisms: ["offline", "isolate"], versions: [1, 2] });
  });

  test("a host of another version is told which versions there are", () => {
    const { guest } = start(2);
    expect(guest.say({ ...HELLO, versions: [3, 4] })).toEqual([
      { kind: "refused", id: -1, why: "No common version: this agent speaks 1 to 2, the host 3 to 4" },
    ]);
  });

  test("commands before the hello are refused, also after a new connection", () => {
    const { guest } = start(2);
    guest.hangUp();
    guest.connect();
    expect(guest.say({ kind: "ping", id: 7 })).toEqual([{ kind: "refused", id: 7, why: "Say hello first" }]);
  });

  test("a guest with one vCPU and no cpusets has no mechanism", () => {
    const { guest } = start(1, (g) => g.files.delete("/sys/fs/cgroup/cgroup.controllers"));
    expect(guest.heard[1]).toMatchObject({ mechanisms: [] });
  });

  test("a guest with one vCPU into which more can be plugged will be able to offline those", () => {
    const { guest } = start(1, (g) => {
      const vcpus = "/sys/devices/system/cpu";
      g.files.set(`${vcpus}/possible`, "0-3\n").set(`${vcpus}/hotplug/states`, "0: offline\n");
    });
    expect(guest.heard[1]).toMatchObject({ mechanisms: ["offline", "isolate"] });
  });

  test("isolated partitions came with Linux 6.1", () => {
    const { guest } = start(2, (g) => g.files.set("/proc/sys/kernel/osrelease", "5.10.0-1-amd64\n"));
    expect(guest.heard[1]).toMatchObject({ mechanisms: ["offline"] });
  });
});

describe("reports", () => {
  test("say what the kernel says", () => {
    const { guest } = start(2);
    expect(lastReport(guest)?.vcpus).toEqual([
      {
        vcpu: 0,
        online: true,
        isolated: false,
        canOffline: false,
        socket: 0,
        core: 0,
        node: 0,
        stealNs: 50_000_000,
      },
      {
        vcpu: 1,
        online: true,
        isolated: false,
        canOffline: true,
        socket: 0,
        core: 1,
        node: 0,
        stealNs: 70_000_000,
      },
    ]);
  });

  test("tell how often vCPUs interrupted each other, and when that was read, where the kernel counts it", () => {
    const { guest } = start(2);
    expect(lastReport(guest)).not.toHaveProperty("interrupts");
    const rows = "RES:  3  4  Rescheduling\nCAL:  5  6  Function call\nTLB:  1  2  TLB shootdowns\n";
    guest.files.set("/proc/interrupts", `     CPU0 CPU1\n${rows}`);
    guest.pass(1_000);
    const now = Math.floor(guest.nowMs());
    expect(lastReport(guest)?.interrupts).toEqual({ atMs: now, rescheduling: 7, calls: 11, shootdowns: 3 });
  });

  test("tell how long vCPUs ran programs and the kernel, where the kernel counts it", () => {
    const { guest } = start(2);
    expect(lastReport(guest)?.cpuTime).toEqual({ programsMs: 0, kernelMs: 0 });
    const lines = guest.files.get("/proc/stat")!.replace(/^cpu .*/, "cpu  7 1 2 90 0 1 3 0 0 0");
    guest.files.set("/proc/stat", lines);
    guest.pass(1_000);
    expect(lastReport(guest)?.cpuTime).toEqual({ programsMs: 80, kernelMs: 60 });
    guest.files.delete("/proc/stat");
    guest.pass(1_000);
    expect(lastReport(guest)).not.toHaveProperty("cpuTime");
  });

  test("tell how often vCPUs went from one thread to another, and when that was read, where the kernel shows it", () => {
    const { guest } = start(2);
    const stat = guest.files.get("/proc/stat")!.replace(/^ctxt .*\n/m, "");
    guest.files.set("/proc/stat", `${stat}ctxt 70231\nbtime 7\n`);
    guest.pass(1_000);
    expect(lastReport(guest)?.switches).toEqual({ atMs: Math.floor(guest.nowMs()), total: 70_231 });
    guest.files.set("/proc/stat", stat);
    guest.pass(1_000);
    expect(lastReport(guest)).not.toHaveProperty("switches");
  });

  test("come at the interval that the host asked for, and not without a host", () => {
    const { guest } = start(2);
    const count = (): number => guest.heard.filter((m) => m.kind === "report").length;
    guest.pass(5_000);
    expect(count()).toBe(6);
    guest.hangUp();
    guest.pass(60_000);
    expect(count()).toBe(6);
  });

  test("a vCPU that root onlined by hand is reported, not fought (pitfalls 5, 28)", () => {
    const { guest } = start(2);
    setOnline(guest, [0]);
    guest.writeFile("/sys/devices/system/cpu/cpu1/online", "1");
    guest.pass(3_000);
    expect(lastReport(guest)?.vcpus.map((v) => v.online)).toEqual([true, true]);
    expect(guest.onlineNow()).toBe("0-1");
  });
});

describe("offline (B-14..B-16)", () => {
  test("applies the difference only, gives before it takes, and never takes vCPU 0 (pitfall 2)", () => {
    const { guest } = start(4);
    setOnline(guest, [0, 1, 3]);
    guest.writes.length = 0;
    expect(setOnline(guest, [0, 2, 3])).toMatchObject({ kind: "online-set", online: [0, 2, 3], failed: [] });
    expect(guest.writes).toEqual([
      "/sys/devices/system/cpu/cpu2/online = 1",
      "/sys/devices/system/cpu/cpu1/online = 0",
    ]);
  });

  test("a command that asks for what is already so writes nothing", () => {
    const { guest } = start(4);
    expect(setOnline(guest, [0, 1, 2, 3])).toMatchObject({ kind: "online-set", online: [0, 1, 2, 3] });
    expect(guest.writes).toEqual([]);
  });

  test("partial results name each vCPU with the kernel's reason (pitfalls 1, 35)", () => {
    const { guest } = start(4, (g) => g.stubborn.set(2, "Device or resource busy"));
    expect(setOnline(guest, [0, 5])).toMatchObject({
      kind: "online-set",
      online: [0, 2],
      failed: [
        { vcpu: 5, why: "The guest has no such vCPU" },
        { vcpu: 2, why: "The kernel refused to offline it: Device or resource busy" },
      ],
    });
  });

  test("a change that cannot be recorded is not made", () => {
    const { guest } = start(2, (g) => g.readOnly.set(RECORD, "No space left on device"));
    expect(setOnline(guest, [0])).toMatchObject({
      online: [0, 1],
      failed: [{ vcpu: 1, why: `The record ${RECORD} cannot be written: No space left on device` }],
    });
  });

  test("a long command answers pings and shows progress (pitfalls 7, 17)", () => {
    const { guest } = start(8, (g) => {
      g.changeTakesMs = 300;
    });
    guest.say({ kind: "set-online", id: 90, online: [0], mechanism: "offline" });
    expect(guest.say({ kind: "ping", id: 91 })).toEqual([{ kind: "pong", id: 91 }]);
    guest.pass(10_000);
    const end = guest.heard.findIndex((m) => m.kind === "online-set");
    const counts = guest.heard
      .slice(0, end)
      .flatMap((m) => (m.kind === "report" ? [m.vcpus.filter((v) => v.online).length] : []));
    expect(counts).toEqual([8, 6, 4, 2]);
    expect(guest.heard[end]).toMatchObject({ online: [0], failed: [] });
  });

  test("a newer command takes the place of one under way", () => {
    const { guest } = start(8);
    guest.say({ kind: "set-online", id: 80, online: [0], mechanism: "offline" });
    const answers = guest.say({
      kind: "set-online",
      id: 81,
      online: [0, 1, 2, 3, 4, 5, 6, 7],
      mechanism: "offline",
    });
    guest.pass(1_000);
    expect(answers[0]).toMatchObject({ kind: "refused", id: 80 });
    expect(guest.heard.findLast((m) => m.kind === "online-set")).toMatchObject({ id: 81 });
    expect(guest.onlineNow()).toBe("0-7");
  });
});

describe("isolate (B-10..B-13)", () => {
  test("the vCPU stays online and visible, its interrupts move away and come back", () => {
    const { guest } = start(4);
    expect(setOnline(guest, [0, 1], "isolate")).toMatchObject({ online: [0, 1], failed: [] });
    expect([guest.onlineNow(), guest.isolatedNow()]).toEqual(["0-3", "2-3"]);
    expect(guest.files.get("/proc/irq/4/smp_affinity_list")).toBe("0-1");
    expect(lastReport(guest)?.vcpus.map((v) => [v.online, v.isolated])).toEqual([
      [true, false],
      [true, false],
      [true, true],
      [true, true],
    ]);
    expect(setOnline(guest, [0, 1, 2, 3], "isolate")).toMatchObject({ online: [0, 1, 2, 3] });
    expect(guest.isolatedNow()).toBe("");
    expect(guest.files.get("/proc/irq/4/smp_affinity_list")).toBe("0-3");
    expect(guest.listDirectory("/sys/fs/cgroup")).not.toContain("vbal-isolated");
    expect(guest.files.has(RECORD)).toBe(false);
  });

  test("the host has its answer before displaced interrupts are steered, which happens once for all changes", () => {
    const { guest } = start(4);
    const order: string[] = [];
    const write = guest.writeFile.bind(guest);
    guest.writeFile = (path, text) => {
      if (path.includes("/irq/"))
        order.push(guest.heard.some((m) => m.kind === "online-set") ? "steered" : "early");
      return write(path, text);
    };
    setOnline(guest, [0, 1], "isolate");
    expect(order).toEqual(["steered"]);
    expect(guest.heard.slice(-2).map((m) => m.kind)).toEqual(["online-set", "report"]);
  });

  test("a vCPU that one mechanism took, the other gives back", () => {
    const { guest } = start(3);
    setOnline(guest, [0, 1], "isolate");
    setOnline(guest, [0], "offline");
    expect([guest.onlineNow(), guest.isolatedNow()]).toEqual(["0,2", "2"]);
    expect(setOnline(guest, [0, 1, 2], "offline")).toMatchObject({ online: [0, 1, 2] });
    expect([guest.onlineNow(), guest.isolatedNow()]).toEqual(["0-2", ""]);
  });

  test("a vCPU that was offline while a cpuset changed is isolated for an instant, so that tasks find it again", () => {
    const { guest } = start(3);
    setOnline(guest, [0, 1], "offline");
    setOnline(guest, [0], "isolate");
    guest.writes.length = 0;
    setOnline(guest, [0, 2], "offline");
    expect(guest.writes.filter((write) => write.includes("cpuset.cpus ="))).toEqual([
      "/sys/fs/cgroup/vbal-isolated/cpuset.cpus = 1-2",
      "/sys/fs/cgroup/vbal-isolated/cpuset.cpus = 1",
    ]);
  });

  test("the kernel's refusal is passed on", () => {
    const path = "/sys/fs/cgroup/cgroup.subtree_control";
    const { guest } = start(2, (g) => g.readOnly.set(path, "Permission denied"));
    expect(setOnline(guest, [0], "isolate")).toMatchObject({
      online: [0, 1],
      failed: [
        { vcpu: 1, why: "The cpuset controller cannot be enabled in /sys/fs/cgroup: Permission denied" },
      ],
    });
  });
});

describe("everything comes back as it was found", () => {
  const take = (guest: GuestOfData): void => {
    setOnline(guest, [0, 1], "offline");
    setOnline(guest, [0], "isolate");
    expect([guest.onlineNow(), guest.isolatedNow()]).toEqual(["0-1", "1"]);
  };
  const expectAsFound = (guest: GuestOfData): void => {
    expect([guest.onlineNow(), guest.isolatedNow()]).toEqual(["0-2", ""]);
    expect(guest.files.get("/proc/irq/4/smp_affinity_list")?.trim()).toBe("0-2");
    expect(guest.files.has(RECORD)).toBe(false);
  };

  test("on a stop signal", () => {
    const { guest, agent } = start(3);
    take(guest);
    expect(agent.stop()).toBe(true);
    expectAsFound(guest);
  });

  test("on `restore`", () => {
    const { guest } = start(3);
    take(guest);
    expect(guest.say({ kind: "restore", id: 5 })).toEqual([{ kind: "restored", id: 5, online: [0, 1, 2] }]);
    expectAsFound(guest);
  });

  test.each([
    ["the host is silent", () => {}],
    ["the host went away", (guest: GuestOfData) => guest.hangUp()],
    ["the port was unplugged", (guest: GuestOfData) => guest.unplugPort()],
  ])("after the patience: %s", (_, lose) => {
    const { guest } = start(3);
    take(guest);
    lose(guest);
    guest.pass(9_900);
    expect(guest.onlineNow()).toBe("0-1");
    guest.pass(100);
    expectAsFound(guest);
    expect(guest.logged.at(-1)).toBe("Host not heard of for 10000 ms: every vCPU comes back");
  });

  test("not while the host is heard of", () => {
    const { guest } = start(3);
    take(guest);
    for (let i = 0; i < 10; i++) {
      guest.pass(5_000);
      guest.say({ kind: "ping", id: i });
    }
    expect(guest.onlineNow()).toBe("0-1");
  });

  test("rubbish is not a sign of the host's life", () => {
    const { guest } = start(3);
    take(guest);
    for (let i = 0; i < 10; i++) {
      guest.pass(1_000);
      guest.sayBytes(Uint8Array.of(0x7b, 0x0a));
    }
    expect(guest.onlineNow()).toBe("0-2");
    expectAsFound(guest);
  });

  test("not because the guest itself stood still: the host gets its patience anew", () => {
    const { guest } = start(3);
    take(guest);
    guest.standStill(600_000);
    expect(guest.onlineNow()).toBe("0-1");
    guest.pass(10_000);
    expectAsFound(guest);
  });

  test("by the next life after kill -9, when no host comes within the patience of the last one", () => {
    const { guest } = start(3);
    take(guest);
    guest.killAgent();
    startAgent(guest);
    guest.pass(9_000);
    expect(guest.onlineNow()).toBe("0-1");
    guest.pass(1_000);
    expectAsFound(guest);
  });

  test("by the host, which meets the next life in the middle of its plan", () => {
    const { guest } = start(3);
    take(guest);
    guest.killAgent();
    startAgent(guest);
    guest.connect();
    guest.say({ ...HELLO, session: "s2" });
    expect(setOnline(guest, [0, 1, 2])).toMatchObject({ online: [0, 1, 2] });
    expectAsFound(guest);
  });

  test("a vCPU that was offline at first is offline again", () => {
    const { guest, agent } = start(3, (g) => g.writeFile("/sys/devices/system/cpu/cpu2/online", "0"));
    setOnline(guest, [0, 1, 2]);
    expect(guest.onlineNow()).toBe("0-2");
    agent.stop();
    expect(guest.onlineNow()).toBe("0-1");
  });

  test("a record of an earlier boot is worth nothing", () => {
    const { guest } = start(3);
    take(guest);
    guest.killAgent();
    guest.files.set("/proc/sys/kernel/random/boot_id", "boot-2\n");
    startAgent(guest);
    guest.pass(60_000);
    expect(guest.onlineNow()).toBe("0-1");
  });

  test.each([
    ["not JSON", "{"],
    ["not an object", "[]"],
    ["of another shape", '{"boot":"boot-1","record":{"found":{"1":"lost"}}}'],
  ])("a record that is %s is said to be unreadable", (_, text) => {
    const { guest } = start(2, (g) => g.files.set(RECORD, text));
    expect(guest.logged).toEqual([expect.stringMatching(/^The record .* is unreadable: .* must be /)]);
    expect(setOnline(guest, [0])).toMatchObject({ online: [0] });
  });

  test("a second agent finds the port busy and changes nothing", () => {
    const { guest } = start(3);
    take(guest);
    startAgent(guest);
    expect(guest.logged.at(-1)).toBe("busy");
  });
});

describe("pinned tasks (pitfall 13)", () => {
  test("pre-flight names them, kernel threads left out", () => {
    const { guest } = start(3, (g) => {
      g.addTask(70, { name: "oracle", allowed: "2" });
      g.addTask(71, { name: "anyone", allowed: "0-2" });
      g.addTask(72, { name: "kworker/2", allowed: "2", parent: 2 });
    });
    expect(findings(guest)).toEqual(["2 pinned-task: oracle (task 70) may run on 2 only"]);
  });

  test("an affinity that offlining destroyed is put back when the vCPU returns", () => {
    const { guest } = start(3, (g) => g.addTask(70, { name: "oracle", allowed: "2" }));
    setOnline(guest, [0, 1]);
    expect(guest.allowedOf(70)).toBe("0-2");
    setOnline(guest, [0, 1, 2]);
    expect(guest.allowedOf(70)).toBe("2");
  });

  test("a later task with the same number is left alone", () => {
    const { guest } = start(3, (g) => g.addTask(70, { name: "oracle", allowed: "2" }));
    setOnline(guest, [0, 1]);
    guest.files.set("/proc/70/stat", `70 (other) S ${"0 ".repeat(18)}999 0\n`);
    setOnline(guest, [0, 1, 2]);
    expect(guest.allowedOf(70)).toBe("0-2");
  });

  test("without taskset the loss is reported honestly", () => {
    const { guest } = start(3, (g) => {
      g.addTask(70, { name: "oracle", allowed: "2" });
      g.hasTaskset = false;
    });
    setOnline(guest, [0, 1]);
    setOnline(guest, [0, 1, 2]);
    expect(findings(guest)).toContain(
      "2 pinned-task: oracle (task 70) lost its affinity 2: there is no taskset in PATH",
    );
  });
});

test("pre-flight names cpusets, interrupts and the kernel's own isolation (pitfalls 14, 15)", () => {
  const { guest } = start(3, (g) => {
    g.files.set("/sys/fs/cgroup/machine.slice/cpuset.cpus", "1-2\n");
    g.files.set("/proc/irq/4/smp_affinity_list", "1\n");
    g.files.set("/sys/devices/system/cpu/nohz_full", "2\n");
  });
  expect(findings(guest)).toEqual([
    "1 cpuset: /sys/fs/cgroup/machine.slice names 1-2",
    "2 cpuset: /sys/fs/cgroup/machine.slice names 1-2",
    "1 interrupt: interrupt 4 (ttyS0) is allowed there only",
    "2 kernel-isolated: Kernel parameter nohz_full",
  ]);
});

describe("what a host may say wrongly", () => {
  const refused = (why: string, about = -1): unknown => ({ kind: "refused", id: about, why });
  test.each([
    ["an unknown kind", { kind: "dance", id: 3 }, [refused('Unknown kind "dance"', 3)]],
    ["a list", [1], [refused('Frame is not a JSON object: "[1]"')]],
    [
      "a refusal is never answered, or two ends would talk for ever",
      { kind: "refused", id: 1, why: "x" },
      [],
    ],
  ])("%s", (_, said, answers) => {
    expect(start(2).guest.say(said)).toEqual(answers);
  });

  test("no bytes whatever stop the agent or touch a vCPU", () => {
    fc.assert(
      fc.property(fc.array(fc.uint8Array({ maxLength: 300 }), { maxLength: 10 }), (chunks) => {
        const { guest } = start(2);
        for (const chunk of chunks) guest.sayBytes(chunk);
        guest.sayBytes(Uint8Array.of(0x0a));
        expect(guest.say({ kind: "ping", id: 4 })).toEqual([{ kind: "pong", id: 4 }]);
        expect(guest.writes).toEqual([]);
      }),
    );
  });

  test("a flood of rubbish earns one answer per chunk, and the next command is understood", () => {
    const { guest } = start(2);
    const rubbish = new Uint8Array(10_000).map((_, i) => (i % 3 === 0 ? 0x0a : 0x21));
    expect(guest.sayBytes(rubbish)).toHaveLength(1);
    guest.sayBytes(Uint8Array.of(0x0a));
    expect(guest.say({ kind: "ping", id: 4 })).toEqual([{ kind: "pong", id: 4 }]);
  });
});

test("a port that is not there yet is opened when it comes", () => {
  const guest = new GuestOfData(2);
  const open = guest.openPort.bind(guest);
  guest.openPort = () => "No such file or directory";
  startAgent(guest);
  guest.pass(3_000);
  expect(guest.logged).toHaveLength(1);
  guest.openPort = open;
  guest.pass(1_000);
  guest.connect();
  expect(guest.heard.map((m) => m.kind)).toEqual(["hello"]);
});
