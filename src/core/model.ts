/**
 * What the hypervisor and the guests said about the host at one observation. It is the only state that
 * decisions start from: whatever is `null` here was not read, and an absent reading never leads to a shrink.
 */
import type { DomainId, NodeId, PcpuId, VcpuIndex } from "./units.ts";

/** One observation of the whole host. Lists are ordered by id. */
export interface Snapshot {
  readonly pcpus: readonly Pcpu[];
  readonly domains: readonly DomainSnapshot[];
}

/** One hardware thread of the host and where it sits. `core`, `llc` and `node` are ids unique on the host. */
export interface Pcpu {
  readonly id: PcpuId;
  readonly core: number;
  readonly llc: number;
  readonly node: NodeId;
  readonly online: boolean;
}

export interface DomainSnapshot {
  readonly id: DomainId;
  /**
   * Changes when the hypervisor's process for it is a new one, so that nothing learnt of an earlier life is used.
   * A reboot of the guest alone changes nothing here: pins survive it, and the guest's next report tells the rest.
   */
  readonly incarnation: string;
  /** `paused`: stopped by an administrator, a migration or a fault; nothing is asked of its guest. */
  readonly state: "running" | "paused";
  /** Every vCPU that is plugged, ordered by index; vCPU 0 is always there. */
  readonly vcpus: readonly Vcpu[];
  /**
   * Places for further vCPUs that the hypervisor would plug now, in the order in which it should plug them; absent
   * where it plugs none.
   */
  readonly freeSlots?: readonly VcpuSlot[];
  /** On which host node the memory of each guest node is; absent for a node whose memory is on none in particular. */
  readonly memory?: readonly { readonly guestNode: NodeId; readonly hostNode: NodeId }[];
  /** Where the emulator and I/O threads may run; `null` when it could not be read. */
  readonly emulatorPins: readonly PcpuId[] | null;
  /** The guest's own last word, or `null` for a silent guest. */
  readonly guest: GuestReport | null;
}

/** A vCPU as the hypervisor sees it, with its place in the topology that the guest was given. */
export interface Vcpu extends VcpuSlot {
  /** The guest's own number for it. */
  readonly index: VcpuIndex;
  /** The pCPUs it may run on, ascending; `null` when it could not be read. */
  readonly pins: readonly PcpuId[] | null;
  /** The hypervisor would unplug it; absent for one that was there at boot. */
  readonly removable?: boolean;
}

/** A place in the topology that a guest was given: where a vCPU is, or could be plugged. */
export interface VcpuSlot {
  readonly guestSocket: number;
  readonly guestCore: number;
  readonly guestThread: number;
  readonly guestNode: NodeId;
}

/** What a guest said of its own vCPUs. */
export interface GuestReport {
  readonly agent: "vbal-agent" | "qemu-guest-agent";
  /** Its load monitor is at work, so that it asks when it is short of vCPUs; absent: no. */
  readonly asks?: boolean;
  /** How this guest can take a vCPU, best first. */
  readonly mechanisms: readonly BalloonMechanism[];
  /** Ordered by index. */
  readonly vcpus: readonly GuestVcpu[];
}

export interface GuestVcpu {
  readonly index: VcpuIndex;
  /** In use by the guest: online and not isolated. */
  readonly online: boolean;
  /** The guest would let it go. Always false for vCPU 0. */
  readonly canOffline: boolean;
}

/** `offline`: light hotplug inside the guest (B-14). `isolate`: emptied and left to idle, still visible (B-10). */
export type BalloonMechanism = "offline" | "isolate";
