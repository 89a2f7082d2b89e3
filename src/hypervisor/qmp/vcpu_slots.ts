/** Where in its topology a QEMU guest has vCPUs and could have more. Slots are matched by place, never by their order. */
import type { VcpuSlot } from "../../core/model.ts";
import type { CpuSlot } from "./qmp_commands.ts";

/** A free slot, and what `device_add` needs to fill it. */
export interface FreeSlot {
  readonly slot: VcpuSlot;
  readonly device: Readonly<Record<string, unknown>>;
}

/**
 * Ordered by socket, core, thread: a kernel that finds a socket's vCPUs out of order takes seconds to start them.
 * A slot that holds several vCPUs at once (other architectures have such) is left out.
 */
export function freeSlotsOf(slots: readonly CpuSlot[]): FreeSlot[] {
  return slots
    .filter((slot) => slot["qom-path"] === undefined && slot["vcpus-count"] === 1)
    .map(({ type, props }) => {
      const slot = placeOf(props);
      return { slot, device: { ...props, driver: type, id: deviceIdOf(slot) } };
    })
    .sort((a, b) => byPlace(a.slot, b.slot));
}

export function byPlace(a: VcpuSlot, b: VcpuSlot): number {
  return a.guestSocket - b.guestSocket || a.guestCore - b.guestCore || a.guestThread - b.guestThread;
}

/** QEMU leaves out what a machine does not have; `otherwise` stands for the socket then. */
export function placeOf(props: CpuSlot["props"], otherwise = 0): VcpuSlot {
  return {
    guestSocket: props["socket-id"] ?? otherwise,
    guestCore: (props["die-id"] ?? 0) * CORES_PER_DIE_MAX + (props["core-id"] ?? 0),
    guestThread: props["thread-id"] ?? 0,
    guestNode: props["node-id"] ?? 0,
  };
}

export function isSamePlace(a: VcpuSlot, b: VcpuSlot): boolean {
  return a.guestSocket === b.guestSocket && a.guestCore === b.guestCore && a.guestThread === b.guestThread;
}

/** The id that vbal gives to a vCPU that it plugs: for people who look at QEMU; nothing else is read from it. */
export function deviceIdOf(slot: VcpuSlot): string {
  return `vbal-vcpu-${slot.guestSocket}-${slot.guestCore}-${slot.guestThread}`;
}

/** More cores per die than any x86 has: makes one core number out of die and core. */
const CORES_PER_DIE_MAX = 4_096;
