/**
 * Attacks and accidents on real guests, with a neighbour that must not notice: a is attacked, b watched. Both stay up
 * for the whole file. Every story ends with a back under control and b as it was, to the thread and the vCPU.
 */
import { rmSync } from "node:fs";
import { createConnection, createServer, type Server, type Socket } from "node:net";
import { join } from "node:path";
import { setTimeout as sleep } from "node:timers/promises";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { DEFAULT_POLICY } from "../core/policy.ts";
import { Daemon } from "../daemon/daemon.ts";
import { createQmpAdapter } from "../hypervisor/qmp/qmp_adapter.ts";
import { DEFAULT_CONFIG } from "../protocol/config.ts";
import type { DomainView } from "../protocol/state_view.ts";
import type { Guest } from "./guest.ts";
import { type Lab, startLab } from "./lab.ts";
import {
  hasOneToItself,
  onlineInGuest,
  PACE,
  stateOf,
  threadPins,
  until,
  vcpuPins,
} from "./real_host_suite.ts";

const POLL = { timeout: 20_000, interval: 50 };
/** A story that hangs in the guest says so before its test is over, and does not reach into the next. */
const GUEST_DEADLINE = { deadlineMs: 30_000 };
const AGENT_PORT = "/dev/virtio-ports/org.vbal.agent.0";

let lab: Lab;
let a: Guest;
let b: Guest;
let stock: Guest;
let plain: Guest;
let monitorOfA: Proxy;
let daemon: Daemon;
const log: string[] = [];

beforeAll(async () => {
  lab = await startLab({ dir: "attacks-test", restore: true });
  [a, b, stock, plain] = await Promise.all([
    lab.boot({ name: "a", vcpus: 2, agent: "none" }),
    lab.boot({ name: "b", vcpus: 2, agent: "vbal" }),
    lab.boot({ name: "stock", vcpus: 2, agent: "qga" }),
    lab.boot({ name: "plain", vcpus: 2, agent: "none" }),
  ]);
  await Promise.all([a, b, stock, plain].map((guest) => guest.waitReady()));
  await startAgent();
  monitorOfA = await startProxy(join(lab.folder, "a.proxy"), a.qmpSocket);
  daemon = await startDaemon([
    { name: "a", qmp: monitorOfA.path, agent: a.agentSocket },
    { name: "b", qmp: b.qmpSocket, agent: b.agentSocket },
  ]);
  await underControl();
});

afterAll(async () => {
  await daemon.kill();
  await monitorOfA.close();
  await lab.down();
  rmSync(journalFolder(), { recursive: true, force: true });
});

function journalFolder(): string {
  return join(lab.folder, "daemon");
}

type Adapted = NonNullable<Parameters<typeof createQmpAdapter>[0]["domains"]>;

async function startDaemon(domains: Adapted): Promise<Daemon> {
  rmSync(journalFolder(), { recursive: true, force: true });
  const started = new Daemon({
    config: {
      ...DEFAULT_CONFIG,
      policy: { ...DEFAULT_POLICY, pool: [0, 1] },
      journal: { ...DEFAULT_CONFIG.journal, path: join(journalFolder(), "journal.jsonl") },
      control: { socket: join(journalFolder(), "control.sock") },
    },
    configFile: null,
    hypervisor: createQmpAdapter({ domains, agent: PACE }),
    version: "test",
    log: ({ text }) => log.push(text),
  });
  await started.start();
  return started;
}

/**
 * The agent in a is started by hand, so that a story may put something else in its place. It has its name only some
 * moments after its start: who kills it by name before that finds nobody.
 */
async function startAgent(): Promise<void> {
  const start = `setsid vbal-agent --port ${AGENT_PORT} >/dev/null 2>&1 </dev/null &`;
  await a.output(["sh", "-c", `${start} until pidof vbal-agent; do usleep 10000; done`], GUEST_DEADLINE);
}

async function killAgent(): Promise<void> {
  await a.output(
    ["sh", "-c", "while pidof vbal-agent; do killall -9 vbal-agent; usleep 10000; done"],
    GUEST_DEADLINE,
  );
}

/** Something in the guest that is root and writes what it likes to the host. */
async function agentSends(script: string): Promise<void> {
  await a.output(["sh", "-c", `(${script}) > ${AGENT_PORT}`], GUEST_DEADLINE);
}

/**
 * What floods the channel is dropped second by second, and the next story's words with it: waits until nothing has been
 * dropped for longer than the gate's second, twice.
 */
async function channelIsCalm(): Promise<void> {
  const dropped = () => log.filter((text) => text.includes("sends too much")).length;
  for (let before = 0; before !== dropped(); ) {
    before = dropped();
    await sleep(2_500);
  }
}

async function underControl(): Promise<void> {
  await until(
    "a and b have one pCPU each",
    async () => (await hasOneToItself(a, [b])) && (await hasOneToItself(b, [a])),
    (yes) => yes,
  ).catch((error: unknown) => {
    throw new Error(`${String(error)}\n${log.slice(-20).join("\n")}`);
  });
}

function viewOf(name: string): DomainView | undefined {
  return daemon.view().domains.find((domain) => domain.name === name);
}

function problems(): readonly string[] {
  return daemon.view().problems.map(({ message }) => message);
}

/** Runs a story of which b must not notice anything. Resolves with what went wrong: words that nobody said, changes of b. */
async function attack(story: () => Promise<void>, messages: readonly RegExp[]): Promise<string[]> {
  await underControl();
  const before = await stateOf(b);
  log.length = 0;
  await story();
  await underControl();
  const after = await stateOf(b);
  const said = log.join("\n");
  const missing = messages
    .filter((message) => !message.test(said))
    .map((message) => `Not said: ${message}: ${said}`);
  const same = JSON.stringify(after) === JSON.stringify(before);
  return same ? missing : [...missing, `b was ${JSON.stringify(before)} and is ${JSON.stringify(after)}`];
}

describe("the guest's agent", () => {
  test("killed and started again: nothing moves, and it is heard again", async () => {
    await underControl();
    const before = await stateOf(a);
    expect(
      await attack(async () => {
        await killAgent();
        await until(
          "a is silent",
          () => viewOf("a"),
          (view) => view?.cooperation === "silent",
        );
        await startAgent();
        await until(
          "a is heard",
          () => viewOf("a"),
          (view) => view?.online === 1,
        );
      }, [
        /^a: the guest fell silent; it stays on its pCPUs and is asked nothing$/m,
        /^a: the guest answers, vCPUs 0 online$/m,
      ]),
    ).toEqual([]);
    expect(await stateOf(a)).toEqual(before);
  });

  test("pitfalls 5 and 28: guest root onlines a vCPU by hand: it can use no pCPU of others, is noted, and asked back", async () => {
    expect(
      await attack(async () => {
        await a.output(["sh", "-c", "echo 1 > /sys/devices/system/cpu/cpu1/online"]);
        expect(new Set((await vcpuPins(a)).flat()).size).toBe(1);
        await until(
          "it is noted",
          () => log.join("\n"),
          (text) => text.includes("someone in the guest"),
        );
      }, [
        /^a: vCPUs 0-1 are online though 0 were asked for; someone in the guest changed them, it is asked again$/m,
      ]),
    ).toEqual([]);
  });

  test.each([
    {
      what: "garbage, half a frame and bytes outside ASCII",
      script: `printf 'what is this\\n{"kind":"repo\\n\\377\\376\\n{"kind":"report","vcpus":7}\\n'`,
      message:
        /The agent at .*a\.agent sent \d+ messages that make no sense, the last: .*Is it vbal's agent\?/,
    },
    {
      what: "a frame of a megabyte",
      script: "head -c 1000000 /dev/zero | tr '\\0' x; echo",
      message:
        /The agent at .*a\.agent sent \d+ messages that make no sense, the last: Frame longer than \d+ bytes/,
    },
    {
      what: "a flood of well-formed messages",
      script: `yes '{"kind":"pong","id":1}' | head -n 3000`,
      message: /The agent at .*a\.agent sends too much; the rest of \d+ seconds was dropped\. Restart it/,
    },
    {
      what: "a version that this host does not speak",
      script: `printf '\\n{"kind":"hello","versions":[77,78],"agent":"agent 77","session":"","mechanisms":["offline"]}\\n'; sleep 2`,
      message:
        /\(agent 77\) speaks versions 77 to 78 of the protocol, this host 1 to 2: install the agent that belongs/,
    },
    {
      what: "the half of a frame, left by an agent that was killed",
      script: `printf '{"kind":"report","vcp'`,
      message: /The agent at .*a\.agent sent \d+ messages that make no sense/,
    },
  ])("in its place: $what", async ({ script, message }) => {
    expect(
      await attack(async () => {
        await killAgent();
        await agentSends(script);
        if (script.includes('"vcp')) await startAgent();
        await until(
          "it is told",
          () => log.join("\n"),
          (text) => message.test(text),
        );
        await channelIsCalm();
        if (!script.includes('"vcp')) await startAgent();
        await until(
          "a is heard",
          () => viewOf("a"),
          (view) => view?.online === 1,
        );
      }, [message]),
    ).toEqual([]);
  });

  test("a report that claims vCPUs nobody plugged, all offline, leads to nothing that harms", async () => {
    expect(
      await attack(async () => {
        await killAgent();
        const vcpu = (index: number, online: boolean) =>
          JSON.stringify({
            vcpu: index,
            online,
            isolated: false,
            canOffline: true,
            socket: 0,
            core: index,
            node: 0,
            stealNs: -1,
          });
        const report = `{"kind":"report","preflight":[],"vcpus":[${[0, 1, 2, 900].map((index) => vcpu(index, false)).join(",")}]}`;
        await agentSends(`echo; echo '${report}'; sleep 1`);
        await startAgent();
        await until(
          "a is heard",
          () => viewOf("a"),
          (view) => view?.online === 1,
        );
      }, []),
    ).toEqual([]);
  });
});

describe("QEMU and its monitor", () => {
  test("stopped by QMP during a change, then resumed: it is asked nothing meanwhile, and follows afterwards", async () => {
    const monitor = await a.monitor();
    expect(
      await attack(async () => {
        await monitor.execute("stop");
        await a.monitor();
        daemon.setDomain("b", { managed: false });
        await until(
          "a is paused",
          () => viewOf("a"),
          (view) => view?.cooperation === "paused",
        );
        daemon.setDomain("b", { managed: "default" });
        await until(
          "b is placed again",
          () => hasOneToItself(b, [a]),
          (yes) => yes,
        );
        await monitor.execute("cont");
      }, []),
    ).toEqual([]);
  });

  test("its process stopped by SIGSTOP: paused, nobody waits for it, and it goes on after SIGCONT", async () => {
    expect(
      await attack(async () => {
        a.kill("SIGSTOP");
        await until(
          "a is paused",
          () => viewOf("a"),
          (view) => view?.cooperation === "paused",
        );
        daemon.setDomain("b", { managed: false });
        await until(
          "b is let go",
          () => vcpuPins(b),
          (pins) => pins[0]?.length === 2,
        );
        daemon.setDomain("b", { managed: "default" });
        await until(
          "b is back",
          () => vcpuPins(b),
          (pins) => pins[0]?.length === 1,
        );
        a.kill("SIGCONT");
      }, []),
    ).toEqual([]);
  });

  test("the monitor closed, refused, and slow: what is known stays in force, the message names the socket", async () => {
    expect(
      await attack(async () => {
        monitorOfA.refuse();
        await until(
          "it is told",
          () => log.join("\n"),
          (text) => /a\.proxy/.test(text),
        );
        // Without a monitor the guest is still there, and can still be asked.
        await a.output(["sh", "-c", "echo 1 > /sys/devices/system/cpu/cpu1/online"]);
        await until(
          "it is asked back",
          () => onlineInGuest(a),
          (online) => online === "0",
        );
        monitorOfA.hold(400);
        await until("it is mended", problems, (now) => !now.some((text) => text.includes("a.proxy")));
        monitorOfA.hold(0);
      }, [/a\.proxy/, /someone in the guest changed them/]),
    ).toEqual([]);
  });

  test("a reboot in the middle of a change: the pins hold all the while, and the guest is asked again when it is up", async () => {
    expect(
      await attack(async () => {
        daemon.setDomain("b", { managed: false });
        await until(
          "a grows",
          () => onlineInGuest(a),
          (online) => online === "0-1",
        );
        daemon.setDomain("b", { managed: "default" });
        await (await a.monitor()).execute("system_reset");
        // a's only agent was started by hand.
        a.detach();
        await a.waitReady();
        await startAgent();
      }, [/^a: the guest fell silent/m]),
    ).toEqual([]);
  });

  test("killed: its share goes to b, and a clean stop puts b back as it was before vbal", async () => {
    log.length = 0;
    a.kill("SIGKILL");
    await until(
      "b has both pCPUs",
      async () => `${await onlineInGuest(b)} ${JSON.stringify(await vcpuPins(b))}`,
      (seen) => seen === "0-1 [[0],[1]]" || seen === "0-1 [[1],[0]]",
    );
    expect(log).toContain("a departed");
    expect(await daemon.stop()).toEqual([]);
    expect(new Set(threadPins(b).values())).toEqual(new Set(["0-1"]));
    expect(await onlineInGuest(b)).toBe("0-1");
  });
});

describe("other agents", () => {
  test("a guest with the stock agent is ballooned through it; one without any is pinned and never shrunk by guess", async () => {
    log.length = 0;
    daemon = await startDaemon([
      { name: "stock", qmp: stock.qmpSocket, qga: stock.qgaSocket },
      { name: "plain", qmp: plain.qmpSocket },
    ]);
    await until(
      "stock is ballooned",
      () => hasOneToItself(stock, [plain]),
      (yes) => yes,
    );
    // What the host shows already, the daemon's next look finds.
    await expect
      .poll(() => viewOf("stock"), POLL)
      .toMatchObject({ guestAgent: "qemu-guest-agent", online: 1, target: 1 });
    await until(
      "plain is confined",
      async () => new Set((await vcpuPins(plain)).flat()).size,
      (count) => count === 1,
    );
    expect(await onlineInGuest(plain)).toBe("0-1");
    await expect
      .poll(() => viewOf("plain"), POLL)
      .toMatchObject({ guestAgent: null, online: null, cooperation: "silent" });
    const reasons = viewOf("plain")
      ?.reasons.map(({ text }) => text)
      .join(" ");
    expect(reasons).toMatch(/does not answer.*confined/i);
    expect(log.filter((text) => text.startsWith("Failed"))).toEqual([]);
    expect(await daemon.stop()).toEqual([]);
    expect(await onlineInGuest(stock)).toBe("0-1");
    for (const guest of [stock, plain]) expect(new Set(threadPins(guest).values())).toEqual(new Set(["0-1"]));
  });
});

interface Proxy {
  readonly path: string;
  /** Ends what is open and takes no connection, until `hold`. */
  refuse(): void;
  /** Listens, and keeps back each answer for so long. */
  hold(ms: number): void;
  close(): Promise<void>;
}

/** Stands between the daemon and a monitor. */
async function startProxy(path: string, behind: string): Promise<Proxy> {
  rmSync(path, { force: true });
  const open = new Set<Socket>();
  let heldMs = 0;
  let server: Server | null = null;
  const listen = () =>
    new Promise<void>((done) => {
      if (server !== null) return done();
      server = createServer((near) => {
        const far = createConnection(behind);
        for (const socket of [near, far]) {
          open.add(socket);
          socket.on("error", () => undefined);
          socket.on("close", () => {
            open.delete(socket);
            near.destroy();
            far.destroy();
          });
        }
        near.on("data", (chunk) => far.write(chunk));
        far.on("data", (chunk) => setTimeout(() => near.writable && near.write(chunk), heldMs));
      });
      server.listen(path, done);
    });
  const refuse = () => {
    server?.close();
    server = null;
    for (const socket of open) socket.destroy();
  };
  await listen();
  return {
    path,
    refuse,
    hold(ms) {
      heldMs = ms;
      void listen();
    },
    async close() {
      refuse();
    },
  };
}
