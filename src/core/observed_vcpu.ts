/** A plugged vCPU with what the guest says of it. */
import type { DomainSnapshot, GuestReport, GuestVcpu, Vcpu } from "./model.ts";
import type { VcpuIndex } from "./units.ts";

/** Ordered by index, whatever the order in the snapshot; so are the pins. */
export function observedVcpus({ guest, vcpus }: DomainSnapshot): ObservedVcpu[] {
  const observed = vcpus.map((vcpu, order): ObservedVcpu => {
    const ordered = isAscending(vcpu.pins) ? vcpu : { ...vcpu, pins: vcpu.pins!.toSorted((a, b) => a - b) };
    // A silent guest may be using all its vCPUs, and nobody knows that it could let one go.
    if (guest === null) return { vcpu: ordered, inUse: true, canOffline: false };
    const report = reportOf(guest, { index: vcpu.index, order });
    // A vCPU that the guest has not mentioned was plugged a moment ago; it is not in use.
    const inUse = vcpu.index === 0 || (report?.online ?? false);
    return { vcpu: ordered, inUse, canOffline: vcpu.index !== 0 && (report?.canOffline ?? true) };
  });
  return observed.every(({ vcpu }, order) => order === 0 || observed[order - 1]!.vcpu.index < vcpu.index)
    ? observed
    : observed.sort((a, b) => a.vcpu.index - b.vcpu.index);
}

export interface ObservedVcpu {
  readonly vcpu: Vcpu;
  /** As far as anybody knows. */
  readonly inUse: boolean;
  readonly canOffline: boolean;
}

function reportOf(guest: GuestReport, { index, order }: Whereabouts): GuestVcpu | undefined {
  const usual = guest.vcpus[order];
  return usual?.index === index ? usual : guest.vcpus.find((vcpu) => vcpu.index === index);
}

interface Whereabouts {
  readonly index: VcpuIndex;
  /** Where it stands in the hypervisor's list, which is nearly always where it stands in the guest's. */
  readonly order: number;
}

function isAscending(pins: Vcpu["pins"]): boolean {
  return pins === null || pins.every((pcpu, order) => order === 0 || pins[order - 1]! < pcpu);
}
