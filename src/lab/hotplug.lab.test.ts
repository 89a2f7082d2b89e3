/**
 * vCPUs plugged into real guests and taken out again, through the port: what ACPI, QEMU and a Linux kernel make of it.
 *
 * QEMU 7.2 that emulates dies of a vCPU plugged after another was taken out, so each story has a guest of its own.
 */
import { describe, expect, test } from "vitest";
import type { VcpuSlot } from "../core/model.ts";
import type { CommandError, HypervisorChange, Observation } from "../hypervisor/port.ts";
import { createQmpAdapter } from "../hypervisor/qmp/qmp_adapter.ts";
import type { Guest } from "./guest.ts";
import { hold } from "./hold.ts";
import { type Lab, startLab } from "./lab.ts";
import type { GuestSpec } from "./qemu_arguments.ts";
import { PACE } from "./real_host_suite.ts";

const BOOT_MS = 60_000;
const DEADLINE_MS = 20_000;
const STEP_MS = 50;

/** Two nodes of two vCPUs each; the free slot is the last of node 1. */
const TWO_NODES: GuestSpec = {
  name: "a",
  vcpus: 4,
  bootVcpus: 3,
  numaNodes: 2,
  memoryMiB: 384,
  agent: "vbal",
};
const LAST_SLOT: VcpuSlot = { guestSocket: 1, guestCore: 1, guestThread: 0, guestNode: 1 };

describe("issue 3: a vCPU is plugged into node 1 of a real guest", { timeout: 3 * BOOT_MS }, () => {
  test("it has the guest's number, is pinned, onlined, used, offlined and unplugged (P-18, pitfalls 1 and 23)", async () => {
    await withGuest(TWO_NODES, async ({ lab, guest, adapter, until, domain }) => {
      const before = await until("the agent speaks", (seen) => domain(seen)?.guest != null);
      expect(domain(before)!.freeSlots).toEqual([LAST_SLOT]);
      expect(domain(before)!.memory).toEqual([
        { guestNode: 0, hostNode: 0 },
        { guestNode: 1, hostNode: 0 },
      ]);
      expect(domain(before)!.vcpus.map((vcpu) => vcpu.removable)).toEqual([undefined, undefined, undefined]);

      expect(await adapter.plugVcpu("a", LAST_SLOT, DEADLINE_MS)).toBe(3);
      const plugged = await until("it is seen", (seen) => domain(seen)?.vcpus.length === 4);
      expect(domain(plugged)!.vcpus[3]).toMatchObject({ index: 3, removable: true, ...LAST_SLOT });
      expect(domain(plugged)!.freeSlots).toEqual([]);
      await adapter.pinVcpu("a", 3, [1], DEADLINE_MS);
      expect(await adapter.setOnline("a", [0, 1, 2, 3], "offline", DEADLINE_MS)).toEqual([0, 1, 2, 3]);
      await expect.poll(() => guest.output(["cat", "/sys/devices/system/node/node1/cpulist"])).toBe("2-3");
      await guest.output(["taskset", "-c", "3", "true"]);

      await expect(adapter.unplugVcpu("a", 2, DEADLINE_MS)).rejects.toMatchObject({
        failure: "not-supported",
      });
      expect(await adapter.setOnline("a", [0, 1, 2], "offline", DEADLINE_MS)).toEqual([0, 1, 2]);
      await adapter.unplugVcpu("a", 3, DEADLINE_MS);
      const after = await until("it is gone", (seen) => domain(seen)?.vcpus.length === 3);
      await expect.poll(() => guest.output(["cat", "/sys/devices/system/cpu/present"])).toBe("0-2");
      await expect(adapter.unplugVcpu("a", 3, DEADLINE_MS)).rejects.toMatchObject({
        failure: "no-such-vcpu",
      });
      // An emulating QEMU would die of the next one, and says so; one with KVM offers the slot again.
      const again = lab.accelerator === "tcg" ? undefined : [LAST_SLOT];
      expect(domain(after)!.freeSlots).toEqual(again);
    });
  });

  test("P-18: plugged out of order, the guest's number is not QEMU's; a daemon that comes later finds the same", async () => {
    const spec: GuestSpec = { ...TWO_NODES, bootVcpus: 1 };
    await withGuest(spec, async ({ lab, guest, adapter, until, domain }) => {
      await until("the agent speaks", (seen) => domain(seen)?.guest != null);
      const [first, second] = [slotAt(1, 0), slotAt(0, 1)];
      expect(await adapter.plugVcpu("a", first, DEADLINE_MS)).toBe(1);
      expect(await adapter.plugVcpu("a", second, DEADLINE_MS)).toBe(2);
      const nodeOf = async (vcpu: number) =>
        guest.output(["sh", "-c", `cd /sys/devices/system/cpu/cpu${vcpu}; echo node?`]);
      expect([await nodeOf(1), await nodeOf(2)]).toEqual(["node1", "node0"]);
      const places = (seen: Observation) =>
        domain(seen)?.vcpus.map(({ guestSocket, guestCore }) => `${guestSocket}/${guestCore}`);
      expect(places(await until("both are seen", (seen) => domain(seen)?.vcpus.length === 3))).toEqual([
        "0/0",
        "1/0",
        "0/1",
      ]);
      const later = createQmpAdapter({ directory: lab.folder, agent: PACE });
      try {
        await adapter.close();
        await later.start(() => undefined);
        await expect
          .poll(async () => places(await later.observe(DEADLINE_MS)), { timeout: BOOT_MS })
          .toEqual(["0/0", "1/0", "0/1"]);
      } finally {
        await later.close();
      }
    });
  });

  test("a guest that reboots with a plugged vCPU uses it from the start, and can give it back", async () => {
    await withGuest(TWO_NODES, async ({ guest, adapter, until, domain, changes }) => {
      await until("the agent speaks", (seen) => domain(seen)?.guest != null);
      expect(await adapter.plugVcpu("a", LAST_SLOT, DEADLINE_MS)).toBe(3);
      await (await guest.monitor()).execute("system_reset");
      await expect
        .poll(() => changes, { timeout: BOOT_MS })
        .toContainEqual({ kind: "domain-reset", domain: "a" });
      const after = await until("the agent speaks again, and uses all", (seen) => {
        const said = domain(seen)?.guest?.vcpus ?? [];
        return said.length === 4 && said.every((vcpu) => vcpu.online);
      });
      expect(domain(after)!.vcpus[3]).toMatchObject({ index: 3, removable: true, ...LAST_SLOT });
      await adapter.unplugVcpu("a", 3, DEADLINE_MS);
      await until("it is gone", (seen) => domain(seen)?.vcpus.length === 3);
    });
  });

  test("pitfall 1: a guest whose tasks hold its vCPUs says no, and the daemon goes on", async () => {
    await withGuest(TWO_NODES, async ({ guest, adapter, until, domain }) => {
      await until("the agent speaks", (seen) => domain(seen)?.guest != null);
      const vcpu = await adapter.plugVcpu("a", LAST_SLOT, DEADLINE_MS);
      await adapter.setOnline("a", [0, 1, 2, vcpu], "offline", DEADLINE_MS);
      const letGo = await hold(guest);
      await expect(adapter.unplugVcpu("a", vcpu, DEADLINE_MS)).rejects.toMatchObject({
        failure: "guest-refused",
        message: expect.stringContaining("keeps vCPU 3"),
      });
      await letGo();
      await adapter.unplugVcpu("a", vcpu, DEADLINE_MS);
    });
  });

  test("QEMU is killed while it plugs: the command ends as lost, and the domain departs", async () => {
    await withGuest(TWO_NODES, async ({ guest, adapter, until, domain }) => {
      await until("the agent speaks", (seen) => domain(seen)?.guest != null);
      const ended = adapter
        .plugVcpu("a", LAST_SLOT, DEADLINE_MS)
        .catch((error: CommandError) => error.failure);
      guest.kill("SIGKILL");
      expect(["no-such-domain", "connection-lost"]).toContain(await ended);
      await until("it is gone", (seen) => domain(seen) === undefined);
    });
  });
});

function slotAt(guestSocket: number, guestCore: number): VcpuSlot {
  return { guestSocket, guestCore, guestThread: 0, guestNode: guestSocket };
}

interface Hand {
  readonly lab: Lab;
  readonly guest: Guest;
  readonly adapter: ReturnType<typeof createQmpAdapter>;
  readonly changes: HypervisorChange[];
  readonly until: (what: string, holds: (seen: Observation) => boolean) => Promise<Observation>;
  readonly domain: (seen: Observation) => Observation["snapshot"]["domains"][number] | undefined;
}

async function withGuest(spec: GuestSpec, story: (hand: Hand) => Promise<void>): Promise<void> {
  const lab = await startLab({ dir: "hotplug", restore: true });
  const adapter = createQmpAdapter({ directory: lab.folder, agent: PACE });
  const changes: HypervisorChange[] = [];
  try {
    await adapter.start((change) => void changes.push(change));
    const guest = await lab.boot(spec);
    await guest.waitReady();
    await story({
      lab,
      guest,
      adapter,
      changes,
      domain: (seen) => seen.snapshot.domains.find(({ id }) => id === spec.name),
      async until(what, holds) {
        for (let waited = 0; waited < BOOT_MS; waited += STEP_MS) {
          const seen = await adapter.observe(DEADLINE_MS);
          if (holds(seen)) return seen;
          await new Promise((resolve) => setTimeout(resolve, STEP_MS));
        }
        const { problems } = await adapter.observe(DEADLINE_MS);
        throw new Error(`${what}: not within ${BOOT_MS} ms; problems: ${JSON.stringify(problems)}`);
      },
    });
  } finally {
    await adapter.close();
    await lab.down();
  }
}
