/** Places in a guest's topology, compared. */
import type { VcpuSlot } from "./model.ts";

/** A place has one vCPU at most. The node is where the place is, and no part of its name. */
export function sameSlot(a: VcpuSlot, b: VcpuSlot): boolean {
  return a.guestSocket === b.guestSocket && a.guestCore === b.guestCore && a.guestThread === b.guestThread;
}

/** The place alone, of whatever has one. */
export function slotOf({ guestSocket, guestCore, guestThread, guestNode }: VcpuSlot): VcpuSlot {
  return { guestSocket, guestCore, guestThread, guestNode };
}
