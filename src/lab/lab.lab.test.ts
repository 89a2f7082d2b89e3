/** The lab on real guests: they boot, run every program, take a vCPU while running, and leave nothing behind. */
import { spawn } from "node:child_process";
import { mkdirSync, readdirSync, readFileSync, rmSync } from "node:fs";
import { join, resolve } from "node:path";
import { build } from "esbuild";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import type { Guest } from "./guest.ts";
import { GUEST_PROGRAMS } from "./guest_program.ts";
import { readRecords, writeRecord } from "./guest_record.ts";
import { attachLab, endLab, type Lab, startLab } from "./lab.ts";
import { identify, isAlive } from "./processes.ts";

const ROOT = resolve(import.meta.dirname, "../..");
const LAB = "lab-test";

let lab: Lab;
let plain: Guest;
let twoNodes: Guest;

beforeAll(async () => {
  lab = await startLab({ dir: LAB });
  [plain, twoNodes] = await Promise.all([
    lab.boot({ name: "plain", vcpus: 2 }),
    lab.boot({ name: "nodes", vcpus: 4, bootVcpus: 2, numaNodes: 2, memoryMiB: 384, agent: "vbal" }),
  ]);
  await Promise.all([plain.waitReady(), twoNodes.waitReady()]);
});

afterAll(async () => {
  await lab.down();
});

describe("commands in a guest", () => {
  test("arguments arrive as they are, without a shell", async () => {
    const odd = ["two words", "$HOME", "'", '"', "a\nb", "", "*", "é"];
    const { code, stdout } = await plain.exec(["printf", "[%s]", ...odd]);
    expect({ code, stdout }).toEqual({ code: 0, stdout: odd.map((word) => `[${word}]`).join("") });
  });

  test.each([
    {
      why: "its own exit code",
      argv: ["sh", "-c", "echo out; echo err >&2; exit 7"],
      code: 7,
      out: "out\n",
      err: "err\n",
    },
    { why: "killed: 128 + signal", argv: ["sh", "-c", "kill -9 $$"], code: 137, out: "", err: "" },
    {
      why: "no such program",
      argv: ["nothing-there"],
      code: 127,
      out: "",
      err: expect.stringContaining("No such file"),
    },
  ])("the outcome says $why", async ({ argv, code, out, err }) => {
    expect(await plain.exec(argv)).toMatchObject({ code, stdout: out, stderr: err });
  });

  test("large output arrives whole, while another command runs", async () => {
    const [large, small] = await Promise.all([
      plain.output(["sh", "-c", "seq 1 100000 | tail -c 500000"]),
      plain.output(["uname", "-s"]),
    ]);
    expect({ bytes: large.length, end: large.slice(-6), small }).toEqual({
      bytes: 499_999,
      end: "100000",
      small: "Linux",
    });
  });

  test("a command that outlives its deadline is killed in the guest, and the error names it", async () => {
    await expect(plain.exec(["sleep", "1000"], { deadlineMs: 300 })).rejects.toThrow(
      "sleep 1000 in the guest: not over after",
    );
    await expect.poll(async () => (await plain.exec(["pidof", "sleep"])).code).toBe(1);
  });
});

describe("guest programs", () => {
  test.each(GUEST_PROGRAMS)("%s does its fixed work", async (program) => {
    const result = await plain.run(program, { scale: 0.005 });
    expect(result.program).toBe(program);
    expect(result.seconds).toBeGreaterThan(0);
  });

  test.each([1, 2, 3])("the work does not depend on the number of threads: %i", async (threads) => {
    const printed = await plain.output([
      "/lab/load",
      "futex-barrier",
      "--scale",
      "0.002",
      "--threads",
      String(threads),
    ]);
    expect(JSON.parse(printed)).toMatchObject({ threads, rounds: 300 });
  });

  test("a program that counts its work tells the rate of every second", async () => {
    const heard: number[] = [];
    const total = await plain.rate("mm", { seconds: 2, onRate: ({ second }) => heard.push(second) });
    expect(heard).toEqual([1, 2]);
    expect(total.rounds).toBeGreaterThan(0);
  });

  test("threads follow the vCPUs that are online when asked to", async () => {
    const threads: number[] = [];
    const stop = new AbortController();
    const running = plain
      .rate("spin-barrier", {
        seconds: 300,
        follow: true,
        signal: stop.signal,
        onRate: (line) => threads.push(line.threads),
      })
      .catch(() => undefined);
    const vcpu1 = (online: 0 | 1) =>
      plain.output(["sh", "-c", `echo ${online} > /sys/devices/system/cpu/cpu1/online`]);
    await expect.poll(() => threads.at(-1)).toBe(2);
    await vcpu1(0);
    await expect.poll(() => threads.at(-1)).toBe(1);
    stop.abort();
    await running;
    await vcpu1(1);
  });
});

describe("vCPUs", () => {
  test("every vCPU has a thread of its own on the host, and can be pinned", async () => {
    const threads = await plain.vcpuThreads();
    expect(threads.map(({ index }) => index)).toEqual([0, 1]);
    await plain.pinVcpus([[0], [0]]);
    for (const { tid } of threads) expect(allowedPcpus(plain.pid, tid)).toBe("0");
  });

  test("pitfall 23: a vCPU that is hotplugged into the other node gets a new thread, goes online there and leaves", async () => {
    const monitor = await twoNodes.monitor();
    const slots = (await monitor.execute("query-hotpluggable-cpus")) as readonly Pluggable[];
    // QEMU lists the last slot first. The lowest is taken: vCPUs of a socket that come out of order answer in seconds.
    const free = slots.findLast((slot) => slot["qom-path"] === undefined && slot.props["node-id"] === 1);
    await monitor.execute("device_add", { driver: free!.type, id: "hot", ...free!.props });
    expect(await twoNodes.vcpuThreads()).toHaveLength(3);
    const online = "/sys/devices/system/node/node1/cpu2/online";
    await twoNodes.output(["sh", "-c", `until [ -e ${online} ]; do usleep 20000; done; echo 1 > ${online}`]);
    expect(await twoNodes.output(["nproc"])).toBe("3");

    const gone = monitor.nextEvent(
      ({ event, data }) => event === "DEVICE_DELETED" && String(data["path"]).includes("/hot"),
      UNPLUG_MAX_MS,
    );
    await monitor.execute("device_del", { id: "hot" });
    await gone;
    await expect.poll(async () => (await twoNodes.vcpuThreads()).length).toBe(2);
    await expect.poll(() => twoNodes.output(["nproc"])).toBe("2");
  });

  test("the agent that was asked for runs in the guest", async () => {
    await expect.poll(async () => (await twoNodes.exec(["pidof", "vbal-agent"])).code).toBe(0);
    expect((await plain.exec(["pidof", "vbal-agent"])).code).toBe(1);
  });
});

describe("guests that are restored", () => {
  test("go on after their boot, each with its own agent and the right time; a reset boots them as any other", async () => {
    const restored = await startLab({ dir: "restore-test", restore: true });
    try {
      const [ours, none] = await Promise.all([
        restored.boot({ name: "ours", vcpus: 1, agent: "vbal", monitorBudgetPercent: 5 }),
        restored.boot({ name: "none", vcpus: 1 }),
      ]);
      const agentOf = async (guest: Guest) => (await guest.exec(["pidof", "vbal-agent"])).code;
      await expect.poll(() => agentOf(ours)).toBe(0);
      expect(await agentOf(none)).toBe(1);
      expect(await ours.output(["cat", "/etc/vbal-agent.json"])).toBe('{"budgetPercent": 5}');
      const skewS = Number(await ours.output(["date", "+%s"])) - Date.now() / 1_000;
      expect(Math.abs(skewS)).toBeLessThan(60);
      const idOf = (guest: Guest) => guest.output(["cat", "/proc/sys/kernel/random/boot_id"]);
      const before = await idOf(ours);
      await (await ours.monitor()).execute("system_reset");
      ours.detach();
      await expect.poll(() => agentOf(ours)).toBe(0);
      expect(await idOf(ours)).not.toBe(before);
    } finally {
      await restored.down();
    }
  });
});

describe("an end without leftovers", () => {
  test("a guest that does not come up is reported with the reason, and its name is free again", async () => {
    const dying = await lab.boot({ name: "dying", vcpus: 1 });
    dying.kill("SIGKILL");
    await expect(dying.waitReady()).rejects.toThrow("Guest dying: QEMU ended");
    await dying.stop();
    expect(readRecords(lab.folder).map(({ spec }) => spec.name)).toEqual(["nodes", "plain"]);
  });

  test("a stopped (SIGSTOP) guest is ended, too", async () => {
    const frozen = await lab.boot({ name: "frozen", vcpus: 1 });
    frozen.kill("SIGSTOP");
    await frozen.stop();
    expect(frozen.alive).toBe(false);
  });

  test("guests die with the process that started them, even by kill -9; the next start clears their files", async () => {
    const folder = join(ROOT, ".lab", "owner-test");
    mkdirSync(folder, { recursive: true });
    const script = join(folder, "owner.mjs");
    await build({
      stdin: {
        contents: `import { startLab } from "./lab.ts";
          const lab = await startLab({ dir: "owner-test" });
          const guest = await lab.boot({ name: "orphan", vcpus: 1 });
          console.log(guest.pid);
          setInterval(() => {}, 1000);`,
        resolveDir: import.meta.dirname,
        loader: "ts",
      },
      bundle: true,
      platform: "node",
      format: "esm",
      outfile: script,
    });
    const owner = spawn(process.execPath, [script], { stdio: ["ignore", "pipe", "inherit"] });
    const pid = await new Promise<number>((said) => owner.stdout.once("data", (text) => said(Number(text))));
    const orphan = identify(pid)!;
    owner.kill("SIGKILL");
    await expect.poll(() => isAlive(orphan)).toBe(false);
    const next = await startLab({ dir: "owner-test" });
    expect(readdirSync(next.folder)).toEqual([]);
    rmSync(folder, { recursive: true });
  });

  test("a lab that goes down takes its files with it", async () => {
    const short = await startLab({ dir: "down-test" });
    const guests = await Promise.all(["a", "b"].map((name) => short.boot({ name, vcpus: 1 })));
    await short.down();
    expect({ alive: guests.map(({ alive }) => alive), files: readdirSync(short.folder) }).toEqual({
      alive: [false, false],
      files: [],
    });
  });

  test("a kept guest outlives its lab, can be found again, and is ended by name of the lab", async () => {
    const kept = await startLab({ dir: "kept-test", keep: true });
    const guest = await kept.boot({ name: "kept", vcpus: 1 });
    guest.detach();
    const [found] = attachLab("kept-test");
    expect(found?.pid).toBe(guest.pid);
    await startLab({ dir: "kept-test" });
    expect(guest.alive).toBe(true);
    expect(await endLab("kept-test")).toEqual(["kept"]);
    expect({ alive: guest.alive, files: readdirSync(kept.folder) }).toEqual({ alive: false, files: [] });
  });

  test("a guest that outlived its dead owner is found by its record and ended at the next start", async () => {
    const kept = await startLab({ dir: "reap-test", keep: true });
    const guest = await kept.boot({ name: "left", vcpus: 1 });
    const record = readRecords(kept.folder)[0]!;
    writeRecord(kept.folder, { ...record, owner: { pid: process.pid, startTime: "1" } });
    await startLab({ dir: "reap-test" });
    expect({ alive: guest.alive, files: readdirSync(kept.folder) }).toEqual({ alive: false, files: [] });
  });
});

/** The guest takes its time to empty a vCPU on a crowded host. */
const UNPLUG_MAX_MS = 30_000;

interface Pluggable {
  readonly type: string;
  readonly props: Readonly<Record<string, number>>;
  readonly "qom-path"?: string;
}

function allowedPcpus(pid: number, tid: number): string | undefined {
  const status = join("/proc", String(pid), "task", String(tid), "status");
  return /^Cpus_allowed_list:\s*(\S+)$/m.exec(readFileSync(status, "utf8"))?.[1];
}
