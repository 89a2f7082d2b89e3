/** Where a vCPU's memory is: on the host's node that holds the memory of its guest node (issue 3, point 6). */
import type { DomainSnapshot } from "./model.ts";
import type { ObservedVcpu } from "./observed_vcpu.ts";
import type { NodeId } from "./units.ts";

/** For each vCPU the host's node, `null` where its memory is on none in particular; `null` for a domain that says nothing. */
export function homesOf(
  { memory }: DomainSnapshot,
  vcpus: readonly ObservedVcpu[],
): readonly (NodeId | null)[] | null {
  if (memory === undefined || memory.length === 0) return null;
  const hostNodes = new Map(memory.map(({ guestNode, hostNode }) => [guestNode, hostNode]));
  return vcpus.map(({ vcpu }) => hostNodes.get(vcpu.guestNode) ?? null);
}
