/** Why a decision is what it is, as data: tests assert it, `explain` renders it, the journal keeps it. */
import type { DomainId, MilliPcpu, NodeId, PcpuId, VcpuIndex } from "./units.ts";

export type Reason =
  // Entitlement
  | {
      readonly code: "share";
      readonly weight: number;
      readonly weightSum: number;
      readonly capacity: MilliPcpu;
      readonly share: MilliPcpu;
    }
  | { readonly code: "raised-to-reservation"; readonly reservation: MilliPcpu }
  | { readonly code: "lowered-to-cap"; readonly cap: MilliPcpu }
  | { readonly code: "lowered-to-vcpus"; readonly vcpus: number }
  | { readonly code: "surplus-from-others"; readonly surplus: MilliPcpu }
  | { readonly code: "lowered-for-reservations"; readonly shortfall: MilliPcpu }
  | {
      readonly code: "reservations-exceed-capacity";
      readonly reserved: MilliPcpu;
      readonly capacity: MilliPcpu;
    }
  // Target
  | { readonly code: "rounded-up"; readonly entitlement: MilliPcpu; readonly target: number }
  | { readonly code: "rounded-down"; readonly entitlement: MilliPcpu; readonly target: number }
  | { readonly code: "raised-to-minimum"; readonly vcpusMin: number }
  | { readonly code: "more-vcpus-than-pcpus"; readonly vcpus: number; readonly pcpus: number }
  | { readonly code: "cannot-offline"; readonly vcpus: readonly VcpuIndex[] }
  // Demand
  /** It leaves so many of the vCPUs that it is due to those who ask. */
  | { readonly code: "lends"; readonly due: number; readonly vcpus: number }
  | { readonly code: "borrows"; readonly due: number; readonly vcpus: number }
  // Co-operation
  | { readonly code: "silent-guest" }
  | { readonly code: "no-mechanism" }
  | { readonly code: "paused" }
  // Placement
  | { readonly code: "shares-pcpus"; readonly with: readonly DomainId[]; readonly pcpus: readonly PcpuId[] }
  | { readonly code: "node-full"; readonly node: NodeId }
  | { readonly code: "far-from-memory"; readonly vcpus: readonly VcpuIndex[] }
  | { readonly code: "pcpus-left-idle"; readonly pcpus: readonly PcpuId[] }
  | { readonly code: "no-pcpus" }
  // Moves
  | { readonly code: "first-placement" }
  | { readonly code: "brought-online" }
  | { readonly code: "near-memory"; readonly guestNode: NodeId; readonly node: NodeId }
  | { readonly code: "pcpu-gone"; readonly pcpu: PcpuId }
  | { readonly code: "pcpu-given-to"; readonly domain: DomainId }
  | { readonly code: "own-pcpu-instead-of-shared" }
  | { readonly code: "must-share" }
  | { readonly code: "set-resized"; readonly from: number; readonly to: number }
  | { readonly code: "closer"; readonly to: "node" | "llc" | "core" }
  | { readonly code: "confined-while-offline" };
