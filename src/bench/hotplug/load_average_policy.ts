/**
 * The peer: one more vCPU as soon as the guest's one-minute load average exceeds the number of its vCPUs online, looked
 * at once per second. It is told the node, which a load average does not know, and acts through the same adapter and
 * agent, so that what differs is when it notices.
 */
import { setTimeout as sleep } from "node:timers/promises";
import type { Hypervisor } from "../../hypervisor/port.ts";
import type { Guest } from "../../lab/guest.ts";

export interface LoadAveragePolicy {
  /** vCPU 0 alone is online, pinned; resolves when the guest did it. */
  begin(): Promise<void>;
  /** Looks from now on; returns how to stop. */
  follow(): () => void;
}

const LOOK_EVERY_MS = 1_000;
const DEADLINE_MS = 30_000;
const BOOT_MS_MAX = 60_000;

export function followLoadAverage(
  guest: Guest,
  hypervisor: Hypervisor,
  next: { readonly vcpu: number; readonly node: number; readonly plug: boolean },
): LoadAveragePolicy {
  const id = guest.name;
  async function grow(): Promise<void> {
    if (next.plug) {
      const { snapshot } = await hypervisor.observe(DEADLINE_MS);
      const slot = snapshot.domains[0]?.freeSlots?.find(({ guestNode }) => guestNode === next.node);
      if (slot === undefined) throw new Error(`${id} has no free slot on node ${next.node}`);
      await hypervisor.plugVcpu(id, slot, DEADLINE_MS);
    }
    await hypervisor.pinVcpu(id, next.vcpu, [1], DEADLINE_MS);
    await hypervisor.setOnline(id, [0, next.vcpu], "offline", DEADLINE_MS);
  }
  return {
    async begin() {
      await hypervisor.start(() => undefined);
      await untilHeard(hypervisor);
      await hypervisor.setOnline(id, [0], "offline", DEADLINE_MS);
      await hypervisor.pinVcpu(id, 0, [0], DEADLINE_MS);
    },
    follow() {
      let stopped = false;
      const loop = async (): Promise<void> => {
        while (!stopped) {
          await sleep(LOOK_EVERY_MS);
          const average = Number((await guest.output(["cat", "/proc/loadavg"])).split(" ")[0]);
          if (stopped || average <= 1) continue;
          await grow();
          return;
        }
      };
      // A guest that ends under it is told by whoever waits for the vCPU.
      loop().catch(() => undefined);
      return () => {
        stopped = true;
      };
    },
  };
}

async function untilHeard(hypervisor: Hypervisor): Promise<void> {
  const end = performance.now() + BOOT_MS_MAX;
  for (;;) {
    const { snapshot, problems } = await hypervisor.observe(DEADLINE_MS);
    if (snapshot.domains[0]?.guest) return;
    if (end < performance.now()) throw new Error(`The guest's agent is silent: ${JSON.stringify(problems)}`);
    await sleep(100);
  }
}
