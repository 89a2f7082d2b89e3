/** Which virtual NUMA node a request names: a highly loaded one (P-66). */
import type { Level } from "./measure.ts";
import { subjectsOf } from "./measured.ts";
import type { VcpuLoad } from "./vcpu_load.ts";

/**
 * The node that is short itself, or that of the vCPU that is; for the VM the node with the most runnable threads per
 * vCPU, the lowest of equals. A node is named also where it alone has vCPUs online: on the others there may be some that
 * are offline, which are of no use to load that is bound to this one. `null` in a guest that shows no nodes.
 */
export function chooseNode(level: Level, subject: number | null, vcpus: readonly VcpuLoad[]): number | null {
  const nodes = subjectsOf("node", vcpus);
  if (level === "node") return subject;
  if (level === "vcpu") {
    const node = vcpus.find(({ vcpu }) => vcpu === subject)?.node ?? -1;
    return node < 0 ? null : node;
  }
  let highest: { readonly node: number | null; readonly load: number } = { node: null, load: -1 };
  for (const { subject: node, vcpus: members } of nodes) {
    const load =
      members.reduce((sum, vcpu) => sum + (vcpu.readings["runnable-threads"].value ?? 0), 0) / members.length;
    if (highest.load < load) highest = { node, load };
  }
  return highest.node;
}
