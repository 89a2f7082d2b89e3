/** A plugged vCPU with what the guest says of it. */
import type { DomainSnapshot, Vcpu } from "./model.ts";
import type { PcpuId } from "./units.ts";

/** Ordered by index, whatever the order in the snapshot; so are the pins. */
export function observedVcpus({ guest, vcpus }: DomainSnapshot): ObservedVcpu[] {
  const ordered = isOrdered(vcpus) ? vcpus : vcpus.toSorted((a, b) => a.index - b.index);
  return ordered.map((vcpu, order) => {
    const { index, pins } = vcpu;
    const tidy =
      pins === null || isAscending(pins) ? vcpu : { ...vcpu, pins: pins.toSorted((a, b) => a - b) };
    // A silent guest may be using all its vCPUs, and nobody knows that it could let one go.
    if (guest === null) return { vcpu: tidy, order, inUse: true, canOffline: false };
    // Where it stands in the hypervisor's list is nearly always where it stands in the guest's.
    const usual = guest.vcpus[order];
    const report = usual?.index === index ? usual : guest.vcpus.find((other) => other.index === index);
    // A vCPU that the guest has not mentioned was plugged a moment ago; it is not in use.
    const inUse = index === 0 || (report?.online ?? false);
    return { vcpu: tidy, order, inUse, canOffline: index !== 0 && (report?.canOffline ?? true) };
  });
}

export interface ObservedVcpu {
  readonly vcpu: Vcpu;
  /** Its place in the list of its domain. */
  readonly order: number;
  /** As far as anybody knows. */
  readonly inUse: boolean;
  readonly canOffline: boolean;
}

function isOrdered(vcpus: readonly Vcpu[]): boolean {
  for (let order = 1; order < vcpus.length; order++) {
    if (vcpus[order]!.index < vcpus[order - 1]!.index) return false;
  }
  return true;
}

function isAscending(pins: readonly PcpuId[]): boolean {
  for (let order = 1; order < pins.length; order++) {
    if (pins[order]! < pins[order - 1]!) return false;
  }
  return true;
}
