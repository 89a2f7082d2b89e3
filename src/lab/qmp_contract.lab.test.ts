/** The QMP adapter on real QEMU guests: the contract of every adapter, and what only a real QEMU can show. */

import { readdirSync, readFileSync } from "node:fs";
import { describe, expect, test } from "vitest";
import { NICE } from "../agent/platform.ts";
import { type ContractFixture, describeHypervisorContract } from "../hypervisor/contract_suite.ts";
import { parseCpuList } from "../hypervisor/linux/cpu_list.ts";
import type { HypervisorChange, Observation } from "../hypervisor/port.ts";
import { createQmpAdapter } from "../hypervisor/qmp/qmp_adapter.ts";
import type { Guest } from "./guest.ts";
import { hold } from "./hold.ts";
import { type Lab, startLab } from "./lab.ts";
import { PACE } from "./real_host_suite.ts";

const BOOT_MS = 60_000;
const DEADLINE_MS = 5_000;
const STEP_MS = 50;

describeHypervisorContract("QMP", makeFixture, {
  patienceMs: BOOT_MS,
  timeoutMs: 2 * BOOT_MS,
  plugs: true,
  asks: true,
});

describe("a real QEMU", { timeout: 2 * BOOT_MS }, () => {
  test("pitfall 23: a vCPU hotplugged later is seen, and can be pinned", async () => {
    await withLab(async ({ lab, adapter, observe, until }) => {
      const guest = await lab.boot({ name: "a", vcpus: 2, bootVcpus: 1, agent: "none" });
      await until("a is seen", (seen) => seen.snapshot.domains.length === 1);
      await guest.waitReady();
      const monitor = await guest.monitor();
      const slots = (await monitor.execute("query-hotpluggable-cpus")) as {
        type: string;
        props: object;
        "qom-path"?: string;
      }[];
      const slot = slots.find((one) => one["qom-path"] === undefined)!;
      await monitor.execute("device_add", { driver: slot.type, id: "vcpu1", ...slot.props });
      const seen = await until("vCPU 1 is seen", (now) => now.snapshot.domains[0]?.vcpus.length === 2);
      expect(seen.snapshot.domains[0]!.vcpus.map((vcpu) => vcpu.index)).toEqual([0, 1]);
      await adapter.pinVcpu("a", 1, [0], DEADLINE_MS);
      expect((await observe()).snapshot.domains[0]!.vcpus[1]!.pins).toEqual([0]);
    });
  });

  test("a stopped process (SIGSTOP) is a paused domain, delays no other, and runs again", async () => {
    await withLab(async ({ lab, adapter, observe, until }) => {
      const guest = await lab.boot({ name: "a", vcpus: 1 });
      await lab.boot({ name: "b", vcpus: 1 });
      await until("both are seen", (seen) => seen.snapshot.domains.length === 2);
      guest.kill("SIGSTOP");
      await until("a is paused", (seen) => seen.snapshot.domains[0]?.state === "paused");
      await adapter.pinVcpu("b", 0, [0], DEADLINE_MS);
      await expect(adapter.setOnline("a", [0], "offline", DEADLINE_MS)).rejects.toThrow(/paused/);
      expect((await observe()).snapshot.domains.map((domain) => domain.state)).toEqual(["paused", "running"]);
      guest.kill("SIGCONT");
      await until("a runs", (seen) => seen.snapshot.domains[0]?.state === "running");
    });
  });

  test("a guest that is reset with vCPUs offline comes back with all of them, as the same incarnation", async () => {
    await withLab(async ({ lab, adapter, until }) => {
      const guest = await lab.boot({ name: "a", vcpus: 2, agent: "vbal" });
      const before = await until("the agent reports", speaks);
      expect(await adapter.setOnline("a", [0], "offline", BOOT_MS)).toEqual([0]);
      await (await guest.monitor()).execute("system_reset");
      await until("it is silent while it boots", (seen) => seen.snapshot.domains[0]?.guest === null);
      const after = await until("the agent reports again", speaks);
      expect(inUse(after)).toEqual([0, 1]);
      expect(after.snapshot.domains[0]!.incarnation).toBe(before.snapshot.domains[0]!.incarnation);
    });
  });

  test("pitfall 28: guest root onlines a vCPU by hand; it is reported and hinted", async () => {
    await withLab(async ({ lab, adapter, until, changes }) => {
      const guest = await lab.boot({ name: "a", vcpus: 2, agent: "vbal" });
      await until("the agent reports", speaks);
      expect(await adapter.setOnline("a", [0], "offline", BOOT_MS)).toEqual([0]);
      changes.length = 0;
      await guest.output(["sh", "-c", "echo 1 > /sys/devices/system/cpu/cpu1/online"]);
      await until("it is reported", (seen) => String(inUse(seen)) === "0,1");
      expect(changes).toContainEqual({ kind: "guest-reported", domain: "a" });
    });
  });

  test("the other mechanism: a vCPU is isolated, still online in the kernel's eyes, and comes back", async () => {
    await withLab(async ({ lab, adapter, until }) => {
      const guest = await lab.boot({ name: "a", vcpus: 2, agent: "vbal" });
      const seen = await until("the agent reports", speaks);
      expect(seen.snapshot.domains[0]!.guest!.mechanisms).toContain("isolate");
      // It goes before what runs in the guest, isolation or not.
      const stat = await guest.output(["sh", "-c", "cut -d ' ' -f 19 /proc/$(pidof vbal-agent)/stat"]);
      expect(Number(stat)).toBe(NICE);
      expect(await adapter.setOnline("a", [0], "isolate", BOOT_MS)).toEqual([0]);
      expect(await guest.output(["cat", "/sys/devices/system/cpu/online"])).toBe("0-1");
      expect(await adapter.setOnline("a", [0, 1], "isolate", BOOT_MS)).toEqual([0, 1]);
    });
  });

  test("a daemon that comes back within the guest's patience finds the vCPUs as it left them", async () => {
    await withLab(async ({ lab, adapter, until }) => {
      await lab.boot({ name: "a", vcpus: 2, agent: "vbal" });
      await until("the agent reports", speaks);
      expect(await adapter.setOnline("a", [0], "offline", BOOT_MS)).toEqual([0]);
      await adapter.close();
      const again = createQmpAdapter({ directory: lab.folder, agent: PACE });
      try {
        await again.start(() => undefined);
        let seen = await again.observe(DEADLINE_MS);
        for (let waited = 0; !speaks(seen) && waited < BOOT_MS; waited += STEP_MS) {
          await sleep(STEP_MS);
          seen = await again.observe(DEADLINE_MS);
        }
        expect(inUse(seen)).toEqual([0]);
        expect(await again.setOnline("a", [0, 1], "offline", BOOT_MS)).toEqual([0, 1]);
      } finally {
        await again.close();
      }
    });
  });

  test("the agent is killed: its domain stays, its word counts no more; started again, it is heard again", async () => {
    await withLab(async ({ lab, changes, until }) => {
      const guest = await lab.boot({ name: "a", vcpus: 2, agent: "vbal", respawnAgent: true });
      const before = await until("the agent reports", speaks);
      changes.length = 0;
      await guest.output(["killall", "-9", "vbal-agent"]);
      const after = await until("it went and came", (seen) => changes.length >= 2 && speaks(seen));
      expect(changes.every((change) => change.kind === "guest-reported")).toBe(true);
      expect(after.snapshot.domains[0]!.incarnation).toBe(before.snapshot.domains[0]!.incarnation);
      expect(inUse(after)).toEqual([0, 1]);
    });
  });

  test("pitfalls 19 and 20: migrated, it counts as paused and keeps vCPUs and pins, also for a daemon that comes later", async () => {
    await withLab(async ({ lab, adapter, until }) => {
      const guest = await lab.boot({ name: "a", vcpus: 2, agent: "vbal" });
      const before = await until("the agent reports", speaks);
      const monitor = await guest.monitor();
      await monitor.execute("migrate-set-parameters", { "max-bandwidth": SLOW_BYTES_PER_SECOND });
      await monitor.execute("migrate", { uri: "exec:cat > /dev/null" });
      await until("it is paused", (seen) => seen.snapshot.domains[0]?.state === "paused");
      for (const refused of [
        adapter.setOnline("a", [0], "offline", DEADLINE_MS),
        adapter.pinVcpu("a", 0, [0], DEADLINE_MS),
        adapter.pinEmulator("a", [0], DEADLINE_MS),
      ]) {
        await expect(refused).rejects.toMatchObject({ failure: "paused" });
      }
      const later = createQmpAdapter({ directory: lab.folder, agent: PACE });
      try {
        await adapter.close();
        await later.start(() => undefined);
        const states = async () =>
          (await later.observe(DEADLINE_MS)).snapshot.domains.map(({ state }) => state);
        await expect.poll(states, { timeout: BOOT_MS }).toEqual(["paused"]);
        await monitor.execute("migrate_cancel");
        await expect.poll(states, { timeout: BOOT_MS }).toEqual(["running"]);
        const pins = async () =>
          (await later.observe(DEADLINE_MS)).snapshot.domains[0]?.vcpus.map((vcpu) => vcpu.pins);
        expect(await pins()).toEqual(before.snapshot.domains[0]!.vcpus.map((vcpu) => vcpu.pins));
        expect(await later.setOnline("a", [0], "offline", BOOT_MS)).toEqual([0]);

        // To its end, as a snapshot is taken: its vCPUs stop until somebody resumes them.
        await monitor.execute("migrate-set-parameters", { "max-bandwidth": FAST_BYTES_PER_SECOND });
        await monitor.execute("migrate", { uri: "exec:cat > /dev/null" });
        await expect
          .poll(() => monitor.execute("query-migrate"), { timeout: BOOT_MS })
          .toMatchObject({ status: "completed" });
        await expect.poll(states, { timeout: BOOT_MS }).toEqual(["paused"]);
        await monitor.execute("cont");
        await expect.poll(states, { timeout: BOOT_MS }).toEqual(["running"]);
        expect(await later.setOnline("a", [0, 1], "offline", BOOT_MS)).toEqual([0, 1]);
      } finally {
        await later.close();
      }
    });
  });

  test("a guest with the stock agent only is ballooned through that", async () => {
    await withLab(async ({ lab, adapter, until }) => {
      await lab.boot({ name: "a", vcpus: 3, agent: "qga" });
      const seen = await until("the agent is heard", speaks);
      expect(seen.snapshot.domains[0]!.guest).toMatchObject({
        agent: "qemu-guest-agent",
        mechanisms: ["offline"],
      });
      expect(inUse(seen)).toEqual([0, 1, 2]);
      expect(await adapter.setOnline("a", [0, 2], "offline", BOOT_MS)).toEqual([0, 2]);
      expect(await adapter.setOnline("a", [0, 1, 2], "offline", BOOT_MS)).toEqual([0, 1, 2]);
      await expect(adapter.setOnline("a", [0], "isolate", BOOT_MS)).rejects.toThrow(/only offline/);
    });
  });
});

/** A guest of 256 MiB would take minutes; it is cancelled before. */
const SLOW_BYTES_PER_SECOND = 100_000;
const FAST_BYTES_PER_SECOND = 1_000_000_000;

function speaks(seen: Observation): boolean {
  return seen.snapshot.domains[0] !== undefined && seen.snapshot.domains[0].guest !== null;
}

function inUse(seen: Observation): number[] {
  return (seen.snapshot.domains[0]?.guest?.vcpus ?? [])
    .filter((vcpu) => vcpu.online)
    .map((vcpu) => vcpu.index);
}

interface Hand {
  readonly lab: Lab;
  readonly adapter: ReturnType<typeof createQmpAdapter>;
  readonly changes: HypervisorChange[];
  readonly observe: () => Promise<Observation>;
  readonly until: (what: string, holds: (seen: Observation) => boolean) => Promise<Observation>;
}

/** A lab and an adapter that looks at it, both ended however the story ends. */
async function withLab(story: (hand: Hand) => Promise<void>): Promise<void> {
  const lab = await startLab({ dir: LAB, restore: true });
  const adapter = createQmpAdapter({ directory: lab.folder, agent: PACE });
  const changes: HypervisorChange[] = [];
  const observe = () => adapter.observe(DEADLINE_MS);
  try {
    await adapter.start((change) => void changes.push(change));
    await story({
      lab,
      adapter,
      changes,
      observe,
      async until(what, holds) {
        for (let waited = 0; waited < BOOT_MS; waited += STEP_MS) {
          const seen = await observe();
          if (holds(seen)) return seen;
          await sleep(STEP_MS);
        }
        throw new Error(
          `${what}: not within ${BOOT_MS} ms; problems: ${JSON.stringify((await observe()).problems)}`,
        );
      },
    });
  } finally {
    await adapter.close();
    await lab.down();
  }
}

const LAB = "qmp-contract";

async function makeFixture(): Promise<ContractFixture> {
  const lab = await startLab({ dir: LAB, restore: true });
  const guests = new Map<string, Guest>();
  const guestOf = (name: string): Guest => {
    const guest = guests.get(name);
    if (guest === undefined) throw new Error(`No guest ${name} was started`);
    return guest;
  };
  const monitor = async (name: string, command: string) =>
    void (await (await guestOf(name).monitor()).execute(command));
  return {
    hypervisor: createQmpAdapter({ directory: lab.folder, agent: PACE }),
    connectAgain: () => createQmpAdapter({ directory: lab.folder, agent: PACE }),
    async arrive(name, { vcpus, vcpusMax, guest }) {
      await guests.get(name)?.stop();
      const agent = guest === "obedient" ? "vbal" : "none";
      guests.set(name, await lab.boot({ name, vcpus: vcpusMax ?? vcpus, bootVcpus: vcpus, agent }));
    },
    guests: {
      booted: (name) => guestOf(name).waitReady(),
      hold: (name) => hold(guestOf(name)),
      async ask(name, node) {
        const guest = guestOf(name);
        let heard = "";
        const onLine = (line: string) => {
          heard += line;
        };
        void guest
          .exec(["vbal-agent", "request", "--node", String(node), "--json"], { onLine })
          .catch(() => undefined);
        return { heard: async () => heard };
      },
    },
    kill: async (name) => void guestOf(name).kill("SIGKILL"),
    reset: (name) => monitor(name, "system_reset"),
    pause: (name) => monitor(name, "stop"),
    resume: (name) => monitor(name, "cont"),
    truePins: async (name, vcpu) => pinsByProc(guestOf(name).pid, vcpu),
    pass: sleep,
    dispose: () => lab.down(),
  };
}

/** What the kernel says in words: QEMU names its threads "CPU 0/TCG", and /proc lists where they may run. */
function pinsByProc(pid: number, vcpu: number): number[] {
  const tasks = `/proc/${pid}/task`;
  const name = new RegExp(`^CPU ${vcpu}/`);
  const thread = readdirSync(tasks).find((id) => name.test(readFileSync(`${tasks}/${id}/comm`, "utf8")));
  const status = readFileSync(`${tasks}/${thread ?? "none"}/status`, "utf8");
  return parseCpuList(/^Cpus_allowed_list:\s*(.*)$/m.exec(status)?.[1] ?? "") ?? [];
}

function sleep(ms: number): Promise<void> {
  return new Promise((resolve) => setTimeout(resolve, ms));
}
