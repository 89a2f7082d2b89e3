/**
 * vCPUs plugged into real guests and taken out again, through the port: what ACPI, QEMU and a Linux kernel make of it.
 *
 * QEMU 7.2 that emulates dies of a vCPU plugged after another was taken out, so each story has a guest of its own.
 */
import { describe, expect, test } from "vitest";
import type { VcpuSlot } from "../core/model.ts";
import type { HypervisorChange, Observation } from "../hypervisor/port.ts";
import { createQmpAdapter } from "../hypervisor/qmp/qmp_adapter.ts";
import type { Guest } from "./guest.ts";
import { type Lab, startLab } from "./lab.ts";
import type { GuestSpec } from "./qemu_arguments.ts";

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
      expect(await guest.output(["cat", "/sys/devices/system/node/node1/cpulist"])).toBe("2-3");
      await guest.output(["taskset", "-c", "3", "true"]);

      await expect(adapter.unplugVcpu("a", 2, DEADLINE_MS)).rejects.toMatchObject({
        failure: "not-supported",
      });
      expect(await adapter.setOnline("a", [0, 1, 2], "offline", DEADLINE_MS)).toEqual([0, 1, 2]);
      await adapter.unplugVcpu("a", 3, DEADLINE_MS);
      const after = await until("it is gone", (seen) => domain(seen)?.vcpus.length === 3);
      expect(await guest.output(["cat", "/sys/devices/system/cpu/present"])).toBe("0-2");
      await expect(adapter.unplugVcpu("a", 3, DEADLINE_MS)).rejects.toMatchObject({
        failure: "no-such-vcpu",
      });
      // An emulating QEMU would die of the next one, and says so; one with KVM offers the slot again.
      const again = lab.accelerator === "tcg" ? undefined : [LAST_SLOT];
      expect(domain(after)!.freeSlots).toEqual(again);
    });
  });
});

interface Hand {
  readonly lab: Lab;
  readonly guest: Guest;
  readonly adapter: ReturnType<typeof createQmpAdapter>;
  readonly changes: HypervisorChange[];
  readonly until: (what: string, holds: (seen: Observation) => boolean) => Promise<Observation>;
  readonly domain: (seen: Observation) => Observation["snapshot"]["domains"][number] | undefined;
}

async function withGuest(spec: GuestSpec, story: (hand: Hand) => Promise<void>): Promise<void> {
  const lab = await startLab({ dir: "hotplug" });
  const adapter = createQmpAdapter({ directory: lab.folder });
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
