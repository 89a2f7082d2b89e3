/** What the tests on a libvirt of the lab's own compare: virsh's word, the guest's and the daemon's, each at its source. */
import { parseCpuList } from "../../hypervisor/linux/cpu_list.ts";
import type { StateView } from "../../protocol/state_view.ts";
import type { PrivateLibvirt } from "./private_libvirt.ts";

/** Of one domain: where each vCPU may run, and which the guest uses. */
export interface Placed {
  readonly pins: readonly (readonly number[])[];
  readonly online: number | null;
}

/** As `virsh vcpupin` says: "0      0-1". */
export async function pinsOfVirsh(libvirt: PrivateLibvirt, name: string): Promise<number[][]> {
  return (await libvirt.virsh("vcpupin", name, "--live"))
    .split("\n")
    .map((line) => parseCpuList(line.trim().split(/\s+/)[1] ?? "") ?? []);
}

/** As `virsh vcpuinfo` says, vCPU by vCPU: "CPU Affinity: y-". */
export async function affinitiesOfVirsh(libvirt: PrivateLibvirt, name: string): Promise<number[][]> {
  return [...(await libvirt.virsh("vcpuinfo", name)).matchAll(/^CPU Affinity:\s*([y-]+)$/gm)].map(
    ([, marks]) => marks!.split("").flatMap((mark, pcpu) => (mark === "y" ? [pcpu] : [])),
  );
}

/** As `vbal status` says. */
export function placedByVbal(state: StateView, name: string): Placed | null {
  const domain = state.domains.find((one) => one.name === name);
  return domain === undefined
    ? null
    : { pins: domain.vcpus.map((vcpu) => vcpu.pcpus ?? []), online: domain.online };
}
