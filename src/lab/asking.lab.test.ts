/**
 * From load in a guest to a vCPU that carries it: real guests with two nodes, their own load monitors, the real daemon.
 *
 * Of each guest, vCPUs 0 and 1 are in one node, vCPUs 2 and 3 in the other, so that whoever spreads vCPUs evenly would take
 * vCPU 2 next. The load is two threads in a cpuset of the vCPUs of the first.
 */
import { execFile } from "node:child_process";
import { rmSync } from "node:fs";
import { join, resolve } from "node:path";
import { afterAll, afterEach, beforeAll, expect, test } from "vitest";
import { DEFAULT_POLICY, type Policy } from "../core/policy.ts";
import { Daemon } from "../daemon/daemon.ts";
import { replay } from "../daemon/replay.ts";
import { createQmpAdapter } from "../hypervisor/qmp/qmp_adapter.ts";
import { DEFAULT_CONFIG } from "../protocol/config.ts";
import type { DomainView, RequestView } from "../protocol/state_view.ts";
import type { Guest } from "./guest.ts";
import { journalAt } from "./journal_suite.ts";
import { type Lab, startLab } from "./lab.ts";
import { BOUND_LOAD, bindingOf, PREPARE_NODE } from "./node_load.ts";
import { onlineInGuest, threadPins } from "./real_host_suite.ts";

/** A guest gives back what it does not need after 20 s without use; a crowded machine disturbs it meanwhile. */
const WAIT = { timeout: 120_000, interval: 100 };
const STORY_MS = 400_000;
const MAIN = resolve(import.meta.dirname, "../../dist/cli/main.js");
/** The node of vCPUs 0 and 1 as QEMU and the firmware have it, and as the guest does: Linux counts from vCPU 0's. */
const PROXIMITY_DOMAIN = 1;
const NODE = 0;
const NEW_VCPU = 1;

let lab: Lab;
/** All up from the start, since booting is what takes longest; those whose turn it is not are at rest. */
let there: Guest;
let plugged: Guest;
let strict: Guest;
const running = new Set<Host>();
const loads = new Set<AbortController>();

beforeAll(async () => {
  lab = await startLab({ dir: "asking", restore: true });
  [there, plugged, strict] = await Promise.all([
    bootGuest({ name: "there" }),
    bootGuest({ name: "plugged", bootVcpus: 1 }),
    bootGuest({ name: "strict" }),
  ]);
});
afterEach(async () => {
  for (const { daemon } of running) await daemon.kill();
  running.clear();
  for (const load of loads) load.abort();
});
afterAll(() => lab.down());

test(
  "P-11..P-18: an offline vCPU of the node that is short comes online, carries the load, and is given back",
  async () => {
    const guest = there;
    const found = new Set(threadPins(guest).values());
    const host = await startHost(guest);
    // It needs one vCPU and gives the other back, which takes 20 s.
    await expect.poll(() => [host.view()?.online, host.view()?.load !== undefined], WAIT).toEqual([1, true]);
    await expect.poll(() => onlineInGuest(guest)).toBe("0");

    const load = beginLoad(guest);
    await carriesLoad(host, guest);
    expect(grantOf(host)).toMatchObject({ vcpu: NEW_VCPU, node: NODE, origin: "monitor" });
    expect(grantOf(host)!.exceeded!.threshold).toBeLessThan(grantOf(host)!.exceeded!.value);
    expect(await onlineInGuest(guest)).toBe("0-1");
    expect(await host.vbal("request", guest.name, "--node", "7")).toMatchObject({
      code: 1,
      printed: expect.stringMatching(/^Denied: .*node 7/),
    });

    await load.end();
    await expect.poll(() => host.view()?.online, WAIT).toBe(1);
    // P-15, P-65: whoever expects load asks before it comes, and may name the node as the firmware does.
    const inGuest = await guest.exec(["vbal-agent", "request", "--node", `${NODE}`]);
    expect([inGuest.code, inGuest.stdout]).toEqual([0, `Granted: vCPU ${NEW_VCPU}\n`]);
    await expect.poll(() => onlineInGuest(guest), WAIT).toBe("0-1");

    await host.stop();
    expect(await onlineInGuest(guest)).toBe("0-3");
    expect(new Set(threadPins(guest).values())).toEqual(found);
    await guest.stop();
  },
  STORY_MS,
);

test(
  "a vCPU is plugged into the node that is short, carries the load, and is gone after a clean stop",
  async () => {
    const guest = plugged;
    const host = await startHost(guest);
    await expect.poll(() => host.view()?.load !== undefined, WAIT).toBe(true);
    const load = beginLoad(guest);
    await carriesLoad(host, guest);
    expect(grantOf(host)).toMatchObject({ vcpu: NEW_VCPU, node: NODE, origin: "monitor" });
    expect(host.view()!.vcpus.map(({ index }) => index)).toEqual([0, NEW_VCPU]);

    // Two pCPUs are all that there is.
    const onHost = await host.vbal("request", guest.name, "--node", `${NODE}`);
    expect(onHost).toMatchObject({ code: 1, printed: expect.stringMatching(/^Denied: \S/) });
    const inGuest = await guest.exec(["vbal-agent", "request", "--node", "1"]);
    expect([inGuest.code, inGuest.stdout]).toEqual([1, expect.stringMatching(/^Denied.*\S/)]);
    await load.end();

    await host.stop();
    await expect.poll(() => guest.output(["cat", "/sys/devices/system/cpu/present"])).toBe("0");

    await guest.stop();
  },
  STORY_MS,
);

test(
  "strict weights deny with the reason",
  async () => {
    const guest = strict;
    const host = await startHost(guest, { admission: { mode: "strict", loansMax: null } });
    await expect.poll(() => [host.view()?.online, host.view()?.load !== undefined], WAIT).toEqual([2, true]);
    const weights = /^Denied.*: The host divides by weights alone, and 2 vCPUs/;
    expect(await host.vbal("request", guest.name)).toMatchObject({
      code: 1,
      printed: expect.stringMatching(weights),
    });
    const inGuest = await guest.exec(["vbal-agent", "request", "--node", `${NODE}`]);
    expect([inGuest.code, inGuest.stdout]).toEqual([1, expect.stringMatching(weights)]);
    await host.stop();
    await guest.stop();
  },
  STORY_MS,
);

async function bootGuest(shape: { readonly name: string; readonly bootVcpus?: number }): Promise<Guest> {
  const guest = await lab.boot({
    ...shape,
    vcpus: 4,
    numaNodes: 2,
    firstNode: PROXIMITY_DOMAIN,
    agent: "vbal",
  });
  await guest.waitReady();
  await guest.output(["sh", "-c", PREPARE_NODE]);
  return guest;
}

function beginLoad(guest: Guest): { end(): Promise<void> } {
  const stop = new AbortController();
  loads.add(stop);
  const ended = guest.exec(["sh", "-c", BOUND_LOAD], { signal: stop.signal }).catch(() => undefined);
  return {
    async end() {
      stop.abort();
      await ended;
    },
  };
}

function grantOf(host: Host): RequestView | undefined {
  return host.view()?.requests?.find(({ fate }) => fate === "granted");
}

/** Both vCPUs of the node run the load, each on a pCPU of its own. */
async function carriesLoad(host: Host, guest: Guest): Promise<void> {
  const seen = async () => {
    const [old, added] = [await bindingOf(guest, 0), await bindingOf(guest, NEW_VCPU)];
    return { loadOn: added.loadOn, pins: [old.pins, added.pins].sort() };
  };
  await expect
    .poll(() => host.view()?.requests?.map(({ fate, why }) => `${fate}: ${why}`), WAIT)
    .toContainEqual(expect.stringMatching(/^granted/));
  await expect.poll(seen, WAIT).toEqual({ loadOn: [0, NEW_VCPU], pins: ["0", "1"] });
  expect(await guest.output(["cat", `/sys/devices/system/node/node${NODE}/cpulist`])).toBe("0-1");
}

interface Host {
  readonly daemon: Daemon;
  view(): DomainView | undefined;
  /** The CLI as people call it. */
  vbal(...args: readonly string[]): Promise<{ readonly code: number; readonly printed: string }>;
  /** A clean stop that puts everything back, after which the journal decides the same again. */
  stop(): Promise<void>;
}

async function startHost(guest: Guest, policy: Partial<Policy> = {}): Promise<Host> {
  const folder = join(lab.folder, `${guest.name}.daemon`);
  rmSync(folder, { recursive: true, force: true });
  const socket = join(folder, "control.sock");
  const journal = join(folder, "journal.jsonl");
  const daemon = new Daemon({
    config: {
      ...DEFAULT_CONFIG,
      policy: { ...DEFAULT_POLICY, pool: [0, 1], ...policy },
      journal: { ...DEFAULT_CONFIG.journal, path: journal },
      control: { ...DEFAULT_CONFIG.control, socket },
    },
    configFile: null,
    hypervisor: createQmpAdapter({
      domains: [{ name: guest.name, qmp: guest.qmpSocket, agent: guest.agentSocket }],
    }),
    version: "test",
    log: () => undefined,
  });
  await daemon.start();
  const host: Host = {
    daemon,
    view: () => daemon.view().domains[0],
    vbal: (...args) =>
      new Promise((done) => {
        execFile(process.execPath, [MAIN, ...args, "--control", socket], (fault, stdout, stderr) =>
          done({ code: fault === null ? 0 : Number(fault.code), printed: `${stdout}${stderr}` }),
        );
      }),
    async stop() {
      expect(await daemon.stop()).toEqual([]);
      running.delete(host);
      const records = journalAt(journal);
      expect(records.length).toBeGreaterThan(10);
      expect(replay(records, "start").differences).toEqual([]);
      rmSync(folder, { recursive: true, force: true });
    },
  };
  running.add(host);
  return host;
}
