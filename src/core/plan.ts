/**
 * The plan: what every domain should have. It is a pure function of policy, snapshot and nothing else;
 * actions are the plan minus the snapshot (controller.ts).
 */
import type { Reason } from "./reason.ts";
import type { DomainId, MilliPcpu, PcpuId, VcpuIndex } from "./units.ts";

export interface Plan {
  /** Ordered by id; a domain that is not managed is absent. */
  readonly domains: readonly DomainPlan[];
  /** Every vCPU whose pCPUs change, ordered by domain and index, with the reason. */
  readonly moves: readonly Move[];
  /** pCPUs of the pool that nobody was given, ascending. */
  readonly idlePcpus: readonly PcpuId[];
  /** What concerns the host as a whole. */
  readonly notes: readonly Reason[];
}

export interface DomainPlan {
  readonly id: DomainId;
  readonly entitlement: MilliPcpu;
  /** How many vCPUs should be online. */
  readonly target: number;
  /** Every plugged vCPU, ordered by index. */
  readonly vcpus: readonly PlannedVcpu[];
  /** The domains that it shares a pCPU with, ordered by id; empty for a domain with pCPUs of its own. */
  readonly sharesWith: readonly DomainId[];
  readonly emulatorPcpus: readonly PcpuId[];
  /** Why it is so, in the order in which the decision was made. */
  readonly reasons: readonly Reason[];
}

export interface PlannedVcpu {
  readonly index: VcpuIndex;
  /** What the guest should do with it; a silent guest's vCPUs are all planned online. */
  readonly online: boolean;
  /** Where it may run, ascending, never empty. An offline vCPU is confined to its domain's pCPUs. */
  readonly pcpus: readonly PcpuId[];
}

export interface Move {
  readonly domain: DomainId;
  readonly vcpu: VcpuIndex;
  readonly from: readonly PcpuId[] | null;
  readonly to: readonly PcpuId[];
  readonly why: Reason;
}
