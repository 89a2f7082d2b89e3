/**
 * What goes wrong around monitors: real sockets with a peer that misbehaves. Real guests are in
 * src/lab/qmp_contract.lab.test.ts. Where a story needs a QEMU that is well, this very process plays it: its monitor
 * says that this process's main thread is vCPU 0, and all the rest is read from /proc.
 */
import { spawn } from "node:child_process";
import { mkdirSync, mkdtempSync, rmSync, symlinkSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterEach, beforeEach, describe, expect, test } from "vitest";
import { type Peer, type PeerOptions, startPeer } from "../peer_suite.ts";
import type { Hypervisor, HypervisorChange, Observation } from "../port.ts";
import { sourcesIn } from "./domain_sources.ts";
import { createQmpAdapter, type QmpAdapterOptions } from "./qmp_adapter.ts";

const DEADLINE_MS = 2_000;

let folder: string;
let adapter: Hypervisor;
let changes: HypervisorChange[];
const peers: Peer[] = [];

beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), "vbal-adapter-"));
  changes = [];
});
afterEach(async () => {
  await adapter.close();
  await Promise.all(peers.splice(0).map((peer) => peer.close()));
  rmSync(folder, { recursive: true, force: true });
});

async function begin(options: QmpAdapterOptions = { directory: folder }): Promise<void> {
  adapter = createQmpAdapter(options);
  await adapter.start((change) => void changes.push(change));
}

/** A monitor at folder/NAME.qmp, by a link, since a peer makes its own socket. */
async function monitorAt(name: string, options: PeerOptions): Promise<Peer> {
  const peer = await startPeer(options);
  peers.push(peer);
  symlinkSync(peer.path, join(folder, `${name}.qmp`));
  return peer;
}

interface WellOptions {
  /** What its monitor for people says; it has none where that is left out. */
  readonly prints?: (line: string) => string;
  /** The process whose main thread is vCPU 0. */
  readonly pid?: number;
}

const well = (name = "any", { prints, pid = process.pid }: WellOptions = {}): PeerOptions => ({
  onConnect: (socket) => socket.write('{"QMP": {}}\n'),
  onLine(line, socket) {
    const {
      execute,
      id,
      arguments: args,
    } = JSON.parse(line) as {
      execute: string;
      id: number;
      arguments: Record<string, string>;
    };
    const cpu = {
      "cpu-index": 0,
      "thread-id": pid,
      props: { "socket-id": 0, "core-id": 0, "thread-id": 0 },
    };
    const answers: Record<string, unknown> = {
      qmp_capabilities: {},
      "query-status": { running: true, status: "running" },
      "query-cpus-fast": [cpu],
      "query-name": { name },
      ...(prints === undefined ? {} : { "human-monitor-command": prints(args["command-line"] ?? "") }),
    };
    const unknown = { error: { class: "CommandNotFound", desc: `No command ${execute}` } };
    const answer = execute in answers ? { return: answers[execute] } : unknown;
    socket.write(`${JSON.stringify({ ...answer, id })}\n`);
  },
});

async function observeUntil(holds: (seen: Observation) => boolean): Promise<Observation> {
  for (;;) {
    const seen = await adapter.observe(DEADLINE_MS);
    if (holds(seen)) return seen;
    await new Promise((resolve) => setTimeout(resolve, 10));
  }
}
const ids = (seen: Observation) => seen.snapshot.domains.map((domain) => domain.id);
const words = (seen: Observation) =>
  seen.problems.map((problem) => `${problem.domain}: ${problem.message}`).join("\n");

describe.runIf(process.platform === "linux")("finding domains", () => {
  test("in a directory: what comes later is found by the watch, what ends departs", async () => {
    await begin();
    expect(ids(await adapter.observe(DEADLINE_MS))).toEqual([]);
    await monitorAt("late", well());
    const seen = await observeUntil((now) => ids(now).length === 1);
    expect(ids(seen)).toEqual(["late"]);
    expect(seen.problems).toEqual([]);
    expect(changes).toEqual([{ kind: "domain-arrived", domain: "late" }]);
  });

  test("in a list: named there, or by QEMU", async () => {
    await monitorAt("x", well("from-qemu"));
    await monitorAt("y", well("ignored"));
    await begin({
      domains: [{ qmp: join(folder, "x.qmp") }, { name: "listed", qmp: join(folder, "y.qmp") }],
    });
    expect(ids(await observeUntil((now) => ids(now).length === 2))).toEqual(["from-qemu", "listed"]);
  });

  test("two of one name: the first counts, and a problem says which is left out", async () => {
    await monitorAt("x", well("twin"));
    await monitorAt("y", well("twin"));
    await begin({ domains: [{ qmp: join(folder, "x.qmp") }, { qmp: join(folder, "y.qmp") }] });
    const seen = await observeUntil((now) => now.problems.length > 0);
    expect(ids(seen)).toEqual(["twin"]);
    expect(words(seen)).toMatch(/y\.qmp and .*x\.qmp are both named twin; the second is ignored/);
  });

  test("a directory that is not there: a problem now, domains once it is", async () => {
    const later = join(folder, "later");
    await begin({ directory: later });
    expect(words(await adapter.observe(DEADLINE_MS))).toMatch(
      /null: The directory for domains cannot be read: .*later/,
    );
    mkdirSync(later);
    folder = later;
    await monitorAt("a", well());
    await observeUntil((now) => ids(now).length === 1 && now.problems.length === 0);
  }, 10_000);

  test("file names become sources", () => {
    expect(
      sourcesIn("/run", ["b.qmp", "a.qmp", "a.agent", "a.qga", "stray.agent", ".qmp", "notes.txt"]),
    ).toEqual([
      { name: "a", qmp: "/run/a.qmp", agent: "/run/a.agent", qga: "/run/a.qga" },
      { name: "b", qmp: "/run/b.qmp", agent: null, qga: null },
    ]);
  });
});

describe.runIf(process.platform === "linux")(
  "one bad monitor: told, with advice, and no other domain is affected",
  () => {
    const LISTS = new Set(["query-hotpluggable-cpus", "qom-list"]);
    const noThreads: PeerOptions = {
      ...well(),
      onLine(line, socket) {
        const { execute, id } = JSON.parse(line) as { execute: string; id: number };
        const cpus = [{ "cpu-index": 0, "thread-id": 2 ** 30 }];
        const status = { running: true, status: "running", enabled: false };
        const value = execute === "query-cpus-fast" ? cpus : LISTS.has(execute) ? [] : status;
        socket.write(`${JSON.stringify({ return: value, id })}\n`);
      },
    };
    test.each<[string, () => Promise<unknown>, RegExp]>([
      [
        "a file that is no socket",
        async () => writeFileSync(join(folder, "bad.qmp"), ""),
        /ECONNREFUSED.*nobody listens there; its QEMU ended without removing the socket/,
      ],
      [
        "held by another program",
        () => monitorAt("bad", {}),
        /no greeting within 2000 ms: another program may hold it/,
      ],
      [
        "speaks another protocol",
        () => monitorAt("bad", { onConnect: (socket) => socket.write("SSH-2.0-OpenSSH\r\n") }),
        /what is no QMP message: "SSH-2.0-OpenSSH.*check that it is a QMP socket/,
      ],
      ["closes at once", () => monitorAt("bad", { onConnect: (socket) => socket.destroy() }), /bad\.qmp/],
      ["threads that are not on this host", () => monitorAt("bad", noThreads), /another PID namespace/],
    ])("%s", async (_, makeBad, message) => {
      await makeBad();
      await monitorAt("good", well());
      await begin();
      const seen = await observeUntil((now) => ids(now).length === 1 && message.test(words(now)));
      expect(ids(seen)).toEqual(["good"]);
      expect(seen.problems.every((problem) => problem.domain === "bad")).toBe(true);
      await expect(adapter.pinVcpu("bad", 0, [0], DEADLINE_MS)).rejects.toMatchObject({
        failure: "no-such-domain",
      });
    });

    test("closed while its process lives: the domain stays, can be pinned, and the monitor comes back", async () => {
      const peer = await monitorAt("a", well());
      await begin();
      const before = await observeUntil((now) => ids(now).length === 1);
      peer.hangUp();
      const during = await observeUntil((now) => now.problems.length > 0);
      expect(words(during)).toMatch(/a: .*a\.qmp was closed by the other end/);
      expect(ids(during)).toEqual(["a"]);
      const pins = before.snapshot.domains[0]!.vcpus[0]!.pins!;
      await adapter.pinVcpu("a", 0, pins, DEADLINE_MS);
      const after = await observeUntil((now) => now.problems.length === 0);
      expect(after.snapshot.domains[0]!.incarnation).toBe(before.snapshot.domains[0]!.incarnation);
      expect(changes).toEqual([{ kind: "domain-arrived", domain: "a" }]);
    });

    test("a guest without any channel: asking it says how to give it one", async () => {
      await monitorAt("a", well());
      await begin();
      await observeUntil((now) => ids(now).length === 1);
      await expect(adapter.setOnline("a", [0], "offline", DEADLINE_MS)).rejects.toMatchObject({
        failure: "guest-silent",
        message: expect.stringContaining("give it a virtio-serial port"),
      });
    });
  },
);

describe.runIf(process.platform === "linux")("looking whether vCPUs spin", () => {
  const EVERY_MS = 10;
  const registers = "RIP=0000000000001002 RFL=00000246 [---Z-P-] CPL=0 II=0 A20=1 SMM=0 HLT=0\r\n";
  const prints = (line: string) =>
    line === "info registers"
      ? registers
      : "0000000000001000: 0xf3 0x90 0x8b 0x07 0x85 0xc0 0x75 0xf8\r\n0000000000001008: 0xc3\r\n";

  test("what was seen last stands in the usage; while the connection is away, nothing is known", async () => {
    // Nobody takes it off its pCPU, or puts it there.
    const still = spawn("sleep", ["60"]);
    try {
      const peer = await monitorAt("a", well("any", { prints, pid: still.pid! }));
      await begin({ directory: folder, spinLooksMs: EVERY_MS });
      await observeUntil((now) => now.usage[0]?.spinning === 1);
      peer.hangUp();
      const during = await observeUntil((now) => now.usage[0]?.spinning === null);
      expect(ids(during)).toEqual(["a"]);
    } finally {
      still.kill();
    }
  });

  test("nobody is asked where nobody said how often", async () => {
    const peer = await monitorAt("a", well("any", { prints }));
    await begin();
    const seen = await observeUntil((now) => ids(now).length === 1);
    expect(seen.usage[0]!.spinning).toBe(null);
    expect(peer.heard.join()).not.toContain("human-monitor-command");
  });

  test("a monitor that refuses: told, and the domain is there as before", async () => {
    await monitorAt("a", well());
    await begin({ directory: folder, spinLooksMs: EVERY_MS });
    const seen = await observeUntil((now) => now.problems.length > 0);
    expect(words(seen)).toMatch(/^a: .*a\.qmp does not say where its vCPUs are/);
    expect([ids(seen), seen.usage[0]!.spinning]).toEqual([["a"], null]);
  });
});
