/** A whole run as plain data: equal configs give equal runs, byte for byte. Scenario files are parsed into this. */

import type { SchedulerConfig } from "./host_scheduler/policies.ts";
import type { Costs } from "./machine/constants.ts";
import type { TopologyConfig } from "./machine/topology.ts";
import type { Workload } from "./workload/program.ts";

export interface SimulationConfig {
  readonly seed: number;
  /** The replication's number: same seed, other draws. */
  readonly replication: number;
  /** 0: events at equal times go by (kind, entity); anything else permutes them. */
  readonly tieSalt?: number;
  readonly until: Until;
  readonly machine: { readonly topology: TopologyConfig; readonly costs?: Partial<Costs> };
  readonly host: HostConfig;
  readonly domains: readonly DomainConfig[];
  /** Check the invariants after every event. */
  readonly checks?: boolean;
  /** Record every change of cause (metrics/trace.ts), up to this many records. */
  readonly traceRecords?: number;
}

/** Nanoseconds. A run always ends at `at`; with `finished` it ends as soon as these domains have finished. */
export interface Until {
  readonly at: number;
  readonly finished?: readonly string[];
}

export interface HostConfig {
  readonly scheduler: SchedulerConfig;
  /** Exit to the hypervisor when a kernel spinner pauses too long, and let the policy yield. */
  readonly pauseLoopExits?: boolean;
  /** Uhlig's lock-holder preemption avoidance: by the guest's hint, or by watching for kernel mode. */
  readonly lockHolderAvoidance?: "none" | "hinted" | "observed";
}

export interface DomainConfig {
  readonly name: string;
  readonly vcpus: number;
  readonly weight?: number;
  /** Thousandths of a pCPU; absent for none. */
  readonly cap?: number;
  /** For each vCPU the pCPUs it may run on; absent for all. */
  readonly pins?: readonly (readonly number[])[];
  /** Its vCPUs power on at this time. */
  readonly startAt?: number;
  /** Start the workload again when it finishes, so that it stays a background load. */
  readonly restart?: boolean;
  /** The guest takes steal time out of its accounts; false as in the guests of the paper. */
  readonly stealAware?: boolean;
  /** Timer ticks per second on a vCPU that does something (HZ); absent for none. Slices of the guest then end at ticks. */
  readonly timerTicks?: number;
  readonly workload: Workload;
}
