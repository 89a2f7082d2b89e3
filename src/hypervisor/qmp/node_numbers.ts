/**
 * Which of a QEMU's nodes is which of the guest's. QEMU's `node-id` is the proximity domain in the firmware's table
 * (ACPI's SRAT); Linux numbers its nodes in the order in which that table first names them, and QEMU lists the places
 * for vCPUs there first, by socket, core and thread, filled or not. Source: drivers/acpi/numa/srat.c,
 * acpi_map_pxm_to_node; QEMU's hw/i386/acpi-build.c, build_srat.
 *
 * Example: socket 0 in QEMU's node 1 and socket 1 in node 0: the guest calls QEMU's node 1 its node 0.
 */
import type { VcpuSlot } from "../../core/model.ts";
import type { RequestTarget } from "../../core/request.ts";
import type { NodeId } from "../../core/units.ts";
import { byPlace } from "./vcpu_slots.ts";

/** The guest's number by QEMU's. */
export type NodeNumbers = ReadonlyMap<NodeId, NodeId>;

/** `places`: all that the machine has, with QEMU's nodes. */
export function numberNodes(places: readonly VcpuSlot[]): NodeNumbers {
  const named = new Set([...places].sort(byPlace).map(({ guestNode }) => guestNode));
  return new Map([...named].map((node, number) => [node, number]));
}

/** The same thing with the guest's own number for its node. */
export function inGuest<T extends { readonly guestNode: NodeId }>(numbers: NodeNumbers, thing: T): T {
  return { ...thing, guestNode: numbers.get(thing.guestNode) ?? thing.guestNode };
}

/** A guest that names a proximity domain (P-65) means one of QEMU's nodes; from here on it has the guest's number. */
export function targetInGuest(numbers: NodeNumbers, target: RequestTarget | null): RequestTarget | null {
  if (target?.kind !== "proximity-domain") return target;
  return { kind: "proximity-domain", id: numbers.get(target.id) ?? target.id };
}
