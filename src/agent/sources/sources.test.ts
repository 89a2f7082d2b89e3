/** What the sources make of the kernel's words (seen on Linux 6.1). */
import { describe, expect, test } from "vitest";
import { GuestOfData } from "../guest_of_data.ts";
import { readCounters } from "./counters.ts";
import { LoadMonitor } from "./load_monitor.ts";
import { LoneThreads } from "./lone_threads.ts";
import { parseTable, SwitchTrace } from "./switch_trace.ts";
import { Threads } from "./threads.ts";
import { VcpuNodes } from "./vcpu_nodes.ts";

const EVENT = "/sys/kernel/tracing/events/sched/sched_switch";

test("counters: waiting and switches to threads from /proc/schedstat, idle, steal and all switches from /proc/stat", () => {
  const guest = new GuestOfData(2);
  guest.files.set(
    "/proc/schedstat",
    "version 15\ntimestamp 1\ncpu0 0 0 0 0 0 0 1630837482 155257458 644\ndomain0 3 0 0\n",
  );
  guest.files.set(
    "/proc/stat",
    "cpu  9 0 9 9 0 0 0 5 0 0\ncpu0 9 0 9 90 10 0 0 5 0 0\ncpu1 1 0 1 7 0 0 0 0 0 0\nctxt 1518\n",
  );
  expect(readCounters(guest)).toEqual({
    atMs: 1_000,
    switches: 1_518,
    vcpus: [
      { vcpu: 0, idleNs: 1e9, stealNs: 5e7, waitNs: 155_257_458, arrivals: 644 },
      { vcpu: 1, idleNs: 7e7, stealNs: 0, waitNs: 0, arrivals: null },
    ],
  });
});

/** The kernel's table for the rows [vCPU, prev, next, count]. */
function tableOf(name: string, rows: readonly (readonly number[])[], dropped = 0): string {
  const lines = rows.map(
    ([vcpu, prev, next, count]) =>
      `{ common_cpu: ${pad(vcpu)}, prev_pid: ${pad(prev)}, next_pid: ${pad(next)} } hitcount: ${pad(count)}\n`,
  );
  const hits = rows.reduce((sum, row) => sum + row[3]!, 0);
  const head = `# event histogram\n#\n# trigger info: hist:name=${name}:keys=common_cpu,prev_pid,next_pid [active]\n#\n\n`;
  const totals = `Totals:\n    Hits: ${hits}\n    Entries: ${rows.length}\n    Dropped: ${dropped}\n`;
  return `${head}${lines.join("")}\n${totals}`;
}

function pad(value: number | undefined): string {
  return `${value}`.padStart(10);
}

describe("the kernel's table of switches", () => {
  test("our section of several, with what did not fit", () => {
    const text = tableOf("vbal_8", [[0, 1, 2, 3]]) + tableOf("vbal_7", [[1, 0, 110, 4]], 6);
    expect(parseTable(text, "hist:name=vbal_7:keys=common_cpu")).toEqual({
      pairs: [{ vcpu: 1, prev: 0, next: 110, count: 4 }],
      entries: 1,
      hits: 10,
    });
  });

  test("a section that is cut off is a reason, not a result", () => {
    expect(parseTable(tableOf("vbal_8", []), "hist:name=vbal_7:")).toContain("could not be read");
  });

  test("what is new since the last look; then paused, and counting again", () => {
    const guest = new GuestOfData(1);
    guest.files.set(`${EVENT}/trigger`, "# none\n");
    const trace = new SwitchTrace(guest, 7);
    trace.attach();
    expect(trace.count()).toBeNull();
    guest.files.set(`${EVENT}/hist`, tableOf("vbal_7", [[0, 1, 2, 30]]));
    expect(trace.take("count")).toMatchObject({ hits: 30, pairs: [{ count: 30 }] });
    guest.files.set(
      `${EVENT}/hist`,
      tableOf("vbal_7", [
        [0, 1, 2, 30],
        [0, 2, 1, 5],
      ]),
    );
    expect(trace.take("pause")).toMatchObject({ hits: 5, pairs: [{ prev: 2, next: 1, count: 5 }] });
    expect(trace.count()).toBeNull();
    expect(guest.writes.map((write) => write.split(":").at(-1))).toEqual(["cont", "pause", "cont"]);
    expect(guest.started.map((command) => command[2])).toEqual([
      expect.stringMatching(/^echo 'hist:name=vbal_7:.*:pause' >> /),
    ]);
  });

  test("whatever makes the kernel wait for all vCPUs is done by a process of its own: the agent listens meanwhile", () => {
    const guest = new GuestOfData(1);
    guest.files.set(`${EVENT}/trigger`, "# none\n");
    const trace = new SwitchTrace(guest, 7);
    guest.startedEnd = false;
    trace.attach();
    expect(trace.count()).toBe("The kernel is still at work on the trigger");
    guest.startedEnd = true;
    expect(trace.count()).toBeNull();
    trace.detach();
    expect(guest.started.map((command) => command[2]!.split("'")[1]!.slice(0, 6))).toEqual([
      "hist:n",
      "!hist:",
    ]);
  });

  test("a full table is cleared, which patches no code, and goes on paused", () => {
    const guest = new GuestOfData(1);
    guest.files.set(`${EVENT}/trigger`, "# none\n");
    const trace = new SwitchTrace(guest, 7);
    trace.attach();
    trace.count();
    const rows = Array.from({ length: 500 }, (_, i): [number, number, number, number] => [0, i, i + 1, 1]);
    guest.files.set(`${EVENT}/hist`, tableOf("vbal_7", rows));
    expect(trace.take("count")).toMatchObject({ pairs: { length: 128 } });
    expect(trace.counting).toBe(false);
    expect(guest.started.at(-1)![2]).toContain(":clear'");
  });

  test.each([
    { processor: "Intel(R) Xeon(R) CPU E7", after: "detached" },
    { processor: "QEMU TCG CPU version 2.5+", after: "paused: patching it again might hang the emulator" },
  ])("resting on $processor it is $after", ({ processor, after }) => {
    const guest = new GuestOfData(1);
    guest.files.set(`${EVENT}/trigger`, "# none\n").set("/proc/cpuinfo", `model name\t: ${processor}\n`);
    const trace = new SwitchTrace(guest, 7);
    trace.attach();
    trace.count();
    trace.rest();
    expect(guest.writes.at(-1)!.endsWith(":pause")).toBe(after !== "detached");
    expect(guest.started).toHaveLength(after === "detached" ? 2 : 1);
    trace.detach();
    expect(guest.started).toHaveLength(2);
  });

  test("a kernel that never takes the trigger is asked three times, not for ever", () => {
    const guest = new GuestOfData(1);
    guest.files.set(`${EVENT}/trigger`, "# none\n");
    guest.readOnly.set(`${EVENT}/trigger`, "No such file or directory");
    const trace = new SwitchTrace(guest, 7);
    for (let i = 0; i < 10; i++) {
      trace.attach();
      trace.count();
    }
    expect(guest.started).toHaveLength(3);
    expect(trace.count()).toContain("CONFIG_HIST_TRIGGERS");
  });

  test("what a killed agent left attached is removed, a living one's is not", () => {
    const guest = new GuestOfData(1);
    guest.files.set(`${EVENT}/trigger`, "hist:name=vbal_5:keys=x\nhist:name=vbal_6:keys=x\n");
    guest.files.set("/proc/6/comm", "vbal-agent\n");
    expect(new SwitchTrace(guest, 7).counting).toBe(false);
    expect(guest.writes.join()).toContain("!hist:name=vbal_5:");
    expect(guest.writes.join()).not.toContain("vbal_6");
  });

  test("without tracefs there is a reason", () => {
    expect(new SwitchTrace(new GuestOfData(1), 7).count()).toContain("mount -t tracefs");
  });
});

describe("the process and the application of a thread", () => {
  test.each([
    { why: "a service", group: "/system.slice/db.service", application: "/system.slice/db.service" },
    { why: "no groups: the name", group: "/", application: "server" },
    { why: "a login: the name", group: "/user.slice/user-0.slice/session-3.scope", application: "server" },
  ])("$why", ({ group, application }) => {
    const guest = new GuestOfData(1);
    guest.files.set("/proc/21/status", "Name:\tworker\nTgid:\t20\nPPid:\t1\n");
    guest.files.set("/proc/20/comm", "server\n").set("/proc/20/cgroup", `0::${group}\n`);
    const threads = new Threads(guest);
    threads.learn([0, 21, 99]);
    expect([threads.find(21), threads.find(99)]).toEqual([{ process: 20, application }, undefined]);
  });

  test("kernel threads are one application of many processes", () => {
    const guest = new GuestOfData(1);
    guest.files.set("/proc/15/status", "Name:\trcu\nTgid:\t15\nPPid:\t2\n");
    const threads = new Threads(guest);
    threads.learn([15]);
    expect(threads.find(15)).toEqual({ process: 15, application: "kernel" });
  });
});

describe("threads that never switch", () => {
  const guest = new GuestOfData(4);
  const statOf = (tid: number, state: string, vcpu: number): string =>
    `${tid} (a b) ${state} ${"0 ".repeat(35)}${vcpu} 0\n`;
  for (let pid = 100; pid < 200; pid++) {
    guest.files.set(`/proc/${pid}/task/${pid}/stat`, statOf(pid, pid === 120 ? "R" : "S", 3));
  }

  test("are looked for a few at a time, and only on the vCPUs where somebody unseen runs", () => {
    const lone = new LoneThreads(guest);
    expect(lone.look(new Set([2]))).toEqual([]);
    let looks = 0;
    while (lone.look(new Set([3])).length === 0 && looks < 20) looks++;
    expect(lone.pairs()).toEqual([{ vcpu: 3, prev: 0, next: 120, count: 1 }]);
    expect(lone.look(new Set())).toEqual([]);
  });
});

test("the node of a vCPU that came later, or came back elsewhere, is read anew (pitfall 21)", () => {
  const guest = new GuestOfData(2);
  const nodes = new VcpuNodes(guest);
  nodes.heed([0, 1]);
  expect([nodes.nodeOf(0), nodes.nodeOf(1)]).toEqual([0, 0]);
  guest.files.delete("/sys/devices/system/cpu/cpu1/node0/distance");
  guest.files.set("/sys/devices/system/cpu/cpu1/node1/distance", "20\n");
  nodes.heed([0]);
  nodes.heed([0, 1]);
  expect(nodes.nodeOf(1)).toBe(1);
});

describe("a guest that switches too often to be watched all the time", () => {
  test("is traced for a moment once in 20 s, says so, and goes on knowing what it saw", () => {
    const guest = new GuestOfData(1);
    guest.files.set(`${EVENT}/trigger`, "# none\n");
    let switches = 0;
    const second = (perSecond: number): ReturnType<LoadMonitor["sample"]> => {
      monitor.traceFrom();
      switches += perSecond;
      guest.pass(1_000);
      const rows = [[0, 7, 8, switches] as [number, number, number, number]];
      guest.files
        .set("/proc/stat", `cpu0 0 0 0 0 0 0 0 0\nctxt ${switches}\n`)
        .set("/proc/schedstat", `version 15\ncpu0 0 0 0 0 0 0 0 0 ${switches}\n`)
        .set(`${EVENT}/hist`, tableOf("vbal_77", rows));
      return monitor.sample(() => null);
    };
    guest.files
      .set("/proc/self/stat", "77 (vbal-agent) S 1\n")
      .set("/proc/stat", "cpu0 0 0 0 0 0 0 0 0\nctxt 0\n");
    guest.files.set("/proc/schedstat", "version 15\ncpu0 0 0 0 0 0 0 0 0 0\n");
    for (const tid of [7, 8]) guest.files.set(`/proc/${tid}/status`, `Name:\tx\nTgid:\t${tid}\nPPid:\t1\n`);
    const monitor = new LoadMonitor(guest, "not measured");
    monitor.attach();
    expect(second(1_000).degraded.join()).not.toContain("told apart once");
    const started = guest.started.length;
    for (let i = 0; i < 40; i++) {
      const { degraded, vcpus } = second(100_000);
      expect(degraded[0]).toMatch(/told apart once in 20 s: there are 100000 a second/);
      expect(vcpus[0]!.readings["switches-other-process"].value).toBe(100_000);
    }
    // Detached at once, then attached and detached for one more look, and the next one is under way.
    expect(guest.started.length - started).toBeLessThanOrEqual(5);
  });
});
