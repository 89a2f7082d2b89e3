/** The libvirt adapter on a real libvirt: what only a real one can show, whatever happens to guests and to libvirt itself. */
import { execFileSync } from "node:child_process";
import { readdirSync, readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { setTimeout as sleep } from "node:timers/promises";
import { afterAll, afterEach, beforeAll, describe, expect, test } from "vitest";
import { createLibvirtAdapter } from "../hypervisor/libvirt/libvirt_adapter.ts";
import type { HypervisorChange, Observation } from "../hypervisor/port.ts";
import { CGROUP_CONTROLLERS, defaultShares, machineGroup } from "./libvirt/cgroup_layout.ts";
import { pinsOfVirsh } from "./libvirt/libvirt_story_suite.ts";
import { type PrivateLibvirt, SET_METADATA, startPrivateLibvirt } from "./libvirt/private_libvirt.ts";
import { signal } from "./processes.ts";
import { PACE, until } from "./real_host_suite.ts";

const DEADLINE_MS = 20_000;
const SHORT_DEADLINE_MS = 500;
let libvirt: PrivateLibvirt;

beforeAll(async () => {
  libvirt = await startPrivateLibvirt({ dir: "libvirt" });
});
afterAll(() => libvirt.stop());

describe("the adapter on libvirt", () => {
  let adapter: ReturnType<typeof createLibvirtAdapter>;
  const changes: HypervisorChange[] = [];
  afterEach(async () => {
    await adapter.close();
    await libvirt.clear();
  });
  async function connect(uri = libvirt.uri): Promise<void> {
    changes.length = 0;
    adapter = createLibvirtAdapter({ uri, agent: PACE });
    await adapter.start((change) => void changes.push(change));
  }
  const seen = (what: string, holds: (seen: Observation) => boolean) =>
    until(what, () => adapter.observe(DEADLINE_MS), holds);
  const domainIn = ({ snapshot }: Observation) => snapshot.domains[0];

  test("a vCPU is plugged into the running domain and taken out again; its persistent definition knows nothing of it", async () => {
    await libvirt.boot({ name: "a", vcpus: 3, bootVcpus: 1, agent: "vbal", ioThreads: 1 }, "defined");
    const inactive = await libvirt.virsh("dumpxml", "--inactive", "a");
    await connect();
    const before = domainIn(await seen("its agent speaks", (now) => domainIn(now)?.guest != null))!;
    expect(before.vcpus.map(({ index, removable }) => [index, removable])).toEqual([[0, undefined]]);
    expect(before.freeSlots?.map(({ guestSocket }) => guestSocket)).toEqual([1, 2]);

    expect(await adapter.plugVcpu("a", before.freeSlots![0]!, DEADLINE_MS)).toBe(1);
    await seen("vCPU 1 is there", (now) => domainIn(now)?.vcpus.length === 2);
    expect(await adapter.setOnline("a", [0, 1], "offline", DEADLINE_MS)).toEqual([0, 1]);
    expect(await libvirt.output("a", ["nproc"])).toBe("2");
    await adapter.pinVcpu("a", 1, [1], DEADLINE_MS);
    await adapter.pinEmulator("a", [0], DEADLINE_MS);
    expect((await pinsOfVirsh(libvirt, "a"))[1]).toEqual([1]);
    expect(await libvirt.virsh("iothreadinfo", "a", "--live")).toMatch(/^\s*1\s+0\s*$/m);

    expect(await adapter.setOnline("a", [0], "offline", DEADLINE_MS)).toEqual([0]);
    await adapter.unplugVcpu("a", 1, DEADLINE_MS);
    const after = domainIn(await seen("vCPU 1 is gone", (now) => domainIn(now)?.vcpus.length === 1))!;
    expect(await libvirt.output("a", ["cat", "/sys/devices/system/cpu/present"])).toBe("0");
    // Its QEMU emulates, and would die of another one.
    expect(after.freeSlots).toBeUndefined();
    await expect(adapter.unplugVcpu("a", 0, DEADLINE_MS)).rejects.toThrow(/there at boot/);
    expect(await libvirt.virsh("dumpxml", "--inactive", "a")).toBe(inactive);
  });

  test("weights come from metadata before shares, follow a change, and a broken one is told with what to do", async () => {
    await libvirt.boot({ name: "a", vcpus: 1, agent: "none", shares: 2 * defaultShares() }, "paused");
    await connect();
    const fields = ({ defined }: Observation) => JSON.stringify(defined?.[0]?.fields);
    await seen("the shares count", (now) => fields(now) === '{"weight":512}');
    await libvirt.virsh("metadata", "a", "--live", ...SET_METADATA, "<policy weight='7' vcpus-min='2'/>");
    await seen("the metadata counts", (now) => fields(now) === '{"weight":7,"vcpus":{"min":2}}');
    await libvirt.virsh("metadata", "a", "--live", ...SET_METADATA, "<policy wieght='7'/>");
    const broken = await seen("it is told", ({ problems }) => problems.length > 0);
    expect(broken.problems[0]!.message).toMatch(/metadata is not in force: .*Did you mean "weight"/);
    expect(fields(broken)).toBe('{"weight":512}');
  });

  test("a colleague pins behind libvirt's back: seen, told, and put right by the next pin", async () => {
    await libvirt.boot({ name: "a", vcpus: 1, agent: "none" }, "paused");
    await connect();
    await seen("a is there", (now) => domainIn(now) !== undefined);
    execFileSync("taskset", ["-p", "-c", "0", String(vcpuThread(libvirt.qemu("a").pid, 0))]);
    const told = await seen("it is told", ({ problems }) => problems.length > 0);
    expect(domainIn(told)!.vcpus[0]!.pins).toEqual([0]);
    expect(told.problems[0]!.message).toMatch(/behind libvirt's back/);
    await adapter.pinVcpu("a", 0, [1], DEADLINE_MS);
    await seen("nothing is wrong", ({ problems }) => problems.length === 0);
  });

  test("libvirt is killed and restarted: the domain stays, it ends unseen by libvirt, and its successor is another", async () => {
    await libvirt.boot({ name: "a", vcpus: 1, agent: "none" }, "paused");
    await connect();
    const first = domainIn(await seen("a is there", (now) => domainIn(now) !== undefined))!;
    await libvirt.kill();
    const cut = await seen("the loss is told", ({ problems }) => problems.length > 0);
    expect(cut.problems[0]!.message).toMatch(/No connection to libvirt/);
    expect(domainIn(cut)).toEqual(first);
    await expect(adapter.pinVcpu("a", 0, [0], DEADLINE_MS)).rejects.toMatchObject({
      failure: "connection-lost",
    });
    signal(libvirt.qemu("a"), "SIGKILL");
    await seen("its end is seen all the same", (now) => domainIn(now) === undefined);
    await libvirt.start();
    await until(
      "libvirt has seen its end, too",
      () => libvirt.virsh("list", "--all", "--name"),
      (names) => names.trim() === "",
    );
    await libvirt.boot({ name: "a", vcpus: 1, agent: "none" }, "paused");
    const second = domainIn(await seen("a is there again", (now) => domainIn(now) !== undefined))!;
    expect(second.incarnation).not.toBe(first.incarnation);
  });

  test("from another host: pins and usage are libvirt's word, and virsh agrees", async () => {
    await libvirt.boot({ name: "a", vcpus: 2, agent: "none", ioThreads: 1 }, "paused");
    await connect(libvirt.tunnelUri());
    const there = await seen("a is there", (now) => domainIn(now) !== undefined);
    expect(there.snapshot.pcpus.map(({ id }) => id).slice(0, 2)).toEqual([0, 1]);
    expect(there.usage[0]!.vcpus.map(({ run, lastPcpu }) => [typeof run, lastPcpu])).toEqual([
      ["number", null],
      ["number", null],
    ]);
    await adapter.pinVcpu("a", 1, [1], DEADLINE_MS);
    await adapter.pinEmulator("a", [0], DEADLINE_MS);
    const pinned = domainIn(await adapter.observe(DEADLINE_MS))!;
    expect([pinned.vcpus.map(({ pins }) => pins), pinned.emulatorPins]).toEqual([
      [domainIn(there)!.vcpus[0]!.pins, [1]],
      [0],
    ]);
    expect((await pinsOfVirsh(libvirt, "a"))[1]).toEqual([1]);
  });

  test("libvirt hangs: a command ends at its deadline, observing goes on without it, and later all is well", async () => {
    await libvirt.boot({ name: "a", vcpus: 1, agent: "none" }, "paused");
    await connect();
    const before = domainIn(await seen("a is there", (now) => domainIn(now) !== undefined));
    libvirt.signal("SIGSTOP");
    try {
      const command = adapter.pinVcpu("a", 0, [0], SHORT_DEADLINE_MS);
      await expect(command).rejects.toMatchObject({ failure: "timed-out" });
      expect(domainIn(await adapter.observe(SHORT_DEADLINE_MS))).toEqual(before);
    } finally {
      libvirt.signal("SIGCONT");
    }
    await until("it works again", () => adapter.pinVcpu("a", 0, [1], DEADLINE_MS).then(() => true), Boolean);
    expect((await pinsOfVirsh(libvirt, "a"))[0]).toEqual([1]);
  });

  test("pitfalls 19, 20: while a domain is being saved it counts as paused, and nothing is done to it", async () => {
    await libvirt.restore({ name: "a", vcpus: 2, agent: "vbal" });
    await connect();
    await seen("its agent speaks", (now) => domainIn(now)?.guest != null);
    const dump = libvirt.virsh("dump", "a", join(libvirt.folder, "a.dump"), "--live", "--memory-only");
    await seen("it is left alone", (now) => domainIn(now)?.state === "paused");
    await expect(adapter.setOnline("a", [0], "offline", DEADLINE_MS)).rejects.toMatchObject({
      failure: "paused",
    });
    await dump;
    await seen("it is taken up again", (now) => domainIn(now)?.state === "running");
    expect(await adapter.setOnline("a", [0], "offline", DEADLINE_MS)).toEqual([0]);
  });

  test("a domain is destroyed in the middle of a command: the command ends at once, another domain is unharmed", async () => {
    await libvirt.boot({ name: "a", vcpus: 2, agent: "none" });
    await libvirt.boot({ name: "b", vcpus: 1, agent: "none" }, "paused");
    await connect();
    await seen("both are there", ({ snapshot }) => snapshot.domains.length === 2);
    const failed = adapter.setOnline("a", [0], "offline", 10 * DEADLINE_MS).catch((error: unknown) => error);
    await sleep(50);
    await libvirt.virsh("destroy", "a");
    expect(await failed).toMatchObject({ failure: "no-such-domain" });
    await adapter.pinVcpu("b", 0, [0], DEADLINE_MS);
    expect(await pinsOfVirsh(libvirt, "b")).toEqual([[0]]);
  });
});

describe("guests of the lab's libvirt", () => {
  afterEach(() => libvirt.clear());
  const why = (name: string) => libvirt.virsh("domstate", name, "--reason");

  test("one is restored by libvirt: its boot is behind it, its agent runs, and it knows the time", async () => {
    await libvirt.restore({ name: "a", vcpus: 2, agent: "qga" }, "defined");
    expect(await why("a")).toBe("running (restored)");
    await until(
      "its agent answers",
      () => libvirt.virsh("qemu-agent-command", "a", '{"execute": "guest-ping"}'),
      (answer) => answer === '{"return":{}}',
    );
    const skewS = Number(await libvirt.output("a", ["date", "+%s"])) - Date.now() / 1_000;
    expect(Math.abs(skewS)).toBeLessThan(60);
  });

  test("a state that QEMU cannot read: it is told which, and the guest boots", async () => {
    const broken = join(libvirt.folder, "broken.state");
    writeFileSync(broken, "QEVM}");
    const warnings: string[] = [];
    const hear = ({ message }: Error) => void warnings.push(message);
    process.on("warning", hear);
    try {
      await libvirt.restore({ name: "a", vcpus: 1, agent: "none" }, "transient", broken);
      await until(
        "it is told",
        () => warnings.join("\n"),
        (told) => told.includes(`Guest a boots, since it could not go on from ${broken}: `),
      );
    } finally {
      process.off("warning", hear);
    }
    expect(await why("a")).toBe("running (booted)");
  });
});

describe("another driver, as on another host (libvirt's own test:///default)", () => {
  test("its pCPUs and its domain are libvirt's word; what it refuses is refused; killed, its process is started anew", async () => {
    const uri = "test:///default";
    const adapter = createLibvirtAdapter({ uri, agent: PACE });
    const changes: HypervisorChange[] = [];
    try {
      await adapter.start((change) => void changes.push(change));
      const { snapshot, problems } = await adapter.observe(DEADLINE_MS);
      expect(problems).toEqual([]);
      expect(snapshot.pcpus.map(({ id }) => id)).toEqual(Array.from({ length: 16 }, (_, id) => id));
      expect(new Set(snapshot.pcpus.map(({ node }) => node))).toEqual(new Set([0, 1]));
      expect(snapshot.domains.map(({ id, state, vcpus }) => [id, state, vcpus.length])).toEqual([
        ["test", "running", 2],
      ]);
      await expect(adapter.pinVcpu("test", 0, [0], DEADLINE_MS)).rejects.toThrow(
        /libvirt refused: unsupported/,
      );
      await expect(adapter.pinVcpu("test", 0, [16], DEADLINE_MS)).rejects.toMatchObject({
        failure: "no-such-pcpu",
      });
      changes.length = 0;
      for (const pid of processesWith(uri)) process.kill(pid, "SIGKILL");
      await until(
        "it is noticed",
        () => changes.length,
        (count) => 0 < count,
      );
      const again = await until(
        "it is back",
        () => adapter.observe(DEADLINE_MS),
        (seen) => seen.problems.length === 0,
      );
      expect(again.snapshot).toEqual(snapshot);
    } finally {
      await adapter.close();
    }
    await until(
      "no process is left",
      () => processesWith(uri),
      (left) => left.length === 0,
    );
  });
});

/** Those that talk to this libvirt for us. */
function processesWith(uri: string): number[] {
  return readdirSync("/proc")
    .filter((entry) => /^\d+$/.test(entry))
    .filter((entry) => {
      try {
        return readFileSync(`/proc/${entry}/cmdline`, "utf8").includes(`libvirt_process.js\0${uri}\0`);
      } catch {
        return false;
      }
    })
    .map(Number);
}

describe("cpusets that somebody else set", () => {
  let narrow: PrivateLibvirt;
  let adapter: ReturnType<typeof createLibvirtAdapter>;
  beforeAll(async () => {
    narrow = await startPrivateLibvirt({
      dir: "libvirt-cpusets",
      cgroupControllers: CGROUP_CONTROLLERS,
    });
  });
  afterAll(async () => {
    await adapter.close();
    await narrow.stop();
  });

  test("pitfall 14: narrowed, the vCPU goes and that is told, and a pin beyond is refused; widened, or under a wider pin, nothing is wrong", async () => {
    await narrow.boot({ name: "narrow", vcpus: 1, agent: "none" }, "paused");
    adapter = createLibvirtAdapter({ uri: narrow.uri, agent: PACE });
    await adapter.start(() => undefined);
    const look = async () => (await adapter.observe(DEADLINE_MS)).problems.map(({ message }) => message);
    await until("it is there", look, (told) => told.length === 0);
    await adapter.pinVcpu("narrow", 0, [1], DEADLINE_MS);
    const group = machineGroup(narrow.qemu("narrow").pid);
    group.narrow("0");
    await until("it is told", look, (told) =>
      told.some((message) => /the kernel says 0: .*a cpuset/.test(message)),
    );
    await expect(adapter.pinVcpu("narrow", 0, [1], DEADLINE_MS)).rejects.toThrow(
      `the cpuset of ${group.folder} holds only 0. Widen it`,
    );
    await until("it is told why", look, (told) => told.some((message) => message.includes("holds only 0")));
    await adapter.pinVcpu("narrow", 0, [0], DEADLINE_MS);
    await until("nothing is wrong", look, (told) => told.length === 0);
    group.widen("0-1");
    await adapter.pinVcpu("narrow", 0, [1], DEADLINE_MS);
    expect((await pinsOfVirsh(narrow, "narrow"))[0]).toEqual([1]);
    await adapter.pinEmulator("narrow", [0, 1], DEADLINE_MS);
    await until("nothing is wrong any more", look, (told) => told.length === 0);
    await adapter.pinVcpu("narrow", 0, [0, 1], DEADLINE_MS);
    group.narrow("0");
    // Long enough for libvirt to be asked again: a wider pin that is narrowed is nobody's fight.
    await sleep(3_000);
    const { snapshot, problems } = await adapter.observe(DEADLINE_MS);
    expect([snapshot.domains[0]?.vcpus[0]?.pins, problems]).toEqual([[0], []]);
  });
});

function vcpuThread(pid: number, vcpu: number): string {
  const tasks = `/proc/${pid}/task`;
  return readdirSync(tasks).find((id) =>
    readFileSync(`${tasks}/${id}/comm`, "utf8").startsWith(`CPU ${vcpu}/`),
  )!;
}
