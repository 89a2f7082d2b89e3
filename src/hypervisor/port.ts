/**
 * The one door to a host: what the controller needs to see and to do, in the words of the core. Every adapter
 * passes the same contract suite (contract_suite.ts).
 *
 * Rules of the port
 * - `observe` never rejects for the world's faults: what could not be read is `null` in the snapshot and named
 *   in `problems`. A domain that vanished half-way through is simply absent.
 * - A command either took effect and was read back, or rejects with a `CommandError`; never a silent success.
 * - Every call ends within its deadline. Commands on one domain run one after another, in the order of the calls;
 *   commands on different domains never wait for each other.
 */
import type { BalloonMechanism, Snapshot, VcpuSlot } from "../core/model.ts";
import type { Answer, VcpuRequest } from "../core/request.ts";
import type { DomainId, Milliseconds, Nanoseconds, PcpuId, VcpuIndex } from "../core/units.ts";
import type { DomainFields } from "../protocol/domain_fields.ts";
import type {
  MeasureReport,
  PreflightFinding,
  ThresholdInForce,
  ThresholdSetting,
} from "../protocol/guest_messages.ts";

export interface Hypervisor {
  /** For messages: "qmp", "libvirt", "xen", "simulated". */
  readonly kind: string;
  /**
   * Begins to look for domains; resolves when those that could be reached at once have been. `onChange` is a hint
   * that an observation is worthwhile now.
   */
  start(onChange: (change: HypervisorChange) => void): Promise<void>;
  observe(deadline: Milliseconds): Promise<Observation>;
  /** Lets a vCPU run on these pCPUs only, each of them online. Read back before it resolves. */
  pinVcpu(domain: DomainId, vcpu: VcpuIndex, pcpus: readonly PcpuId[], deadline: Milliseconds): Promise<void>;
  /** The same for the emulator's and I/O threads. */
  pinEmulator(domain: DomainId, pcpus: readonly PcpuId[], deadline: Milliseconds): Promise<void>;
  /**
   * Asks the guest to use exactly these vCPUs, vCPU 0 always among them. Resolves with those in use when the guest
   * confirmed, which may be others than asked for; rejects when it did not answer in time (the command may still
   * take effect: observe). A silent guest has until the deadline to speak, unless it has no channel at all.
   */
  setOnline(
    domain: DomainId,
    online: readonly VcpuIndex[],
    mechanism: BalloonMechanism,
    deadline: Milliseconds,
  ): Promise<readonly VcpuIndex[]>;
  /**
   * Adds a vCPU in one of the domain's `freeSlots`. Resolves with the guest's own number for it, as soon as the guest
   * has it, online or not; the next observation shows it.
   */
  plugVcpu(domain: DomainId, slot: VcpuSlot, deadline: Milliseconds): Promise<VcpuIndex>;
  /** Takes a `removable` vCPU out; resolves when it is gone. Where the guest keeps it: `guest-refused`, and it stays. */
  unplugVcpu(domain: DomainId, vcpu: VcpuIndex, deadline: Milliseconds): Promise<void>;
  /** Tells the guest what came of its request, if it is there to hear it. */
  answer(domain: DomainId, request: string, answer: Answer): void;
  /** From now on, also for guests that come later or start anew; a guest without a load monitor ignores it. */
  setMonitor(domain: DomainId, settings: MonitorSettings): void;
  /** Lets go of every connection; changes nothing on the host. */
  close(): Promise<void>;
}

export type HypervisorChange =
  | { readonly kind: "domain-arrived"; readonly domain: DomainId }
  | { readonly kind: "domain-departed"; readonly domain: DomainId }
  | { readonly kind: "domain-reset"; readonly domain: DomainId }
  | { readonly kind: "domain-state"; readonly domain: DomainId }
  | { readonly kind: "guest-reported"; readonly domain: DomainId }
  /** Its guest asks for a vCPU. */
  | { readonly kind: "guest-asked"; readonly request: VcpuRequest }
  | { readonly kind: "host-topology" };

export interface Observation {
  readonly snapshot: Snapshot;
  /** Counters for people and for load measures; decisions about placement do not use them. */
  readonly usage: readonly DomainUsage[];
  readonly problems: readonly Problem[];
  /** What the guests say would be displaced, or stands in the way, if a vCPU were taken; absent when nobody said. */
  readonly preflight?: readonly DomainFinding[];
  /** What the guests' load monitors say, of those that have one at work; absent when nobody said. */
  readonly load?: readonly DomainLoad[];
  /** What the host's own definitions say that domains are due; absent where there are none. The config lies over it. */
  readonly defined?: readonly DefinedDomain[];
}

export interface DefinedDomain {
  readonly domain: DomainId;
  readonly fields: DomainFields;
}

/** How a guest's load monitor is to work. */
export interface MonitorSettings {
  readonly on: boolean;
  readonly measuresEveryMs: Milliseconds;
  /** The host's layer of thresholds, over the guest's own. */
  readonly thresholds: readonly ThresholdSetting[];
}

/** A guest's word, so for people and for the simulator; no decision about others rests on it. */
export interface DomainLoad {
  readonly domain: DomainId;
  readonly measures: readonly MeasureReport[];
  readonly thresholds: readonly ThresholdInForce[];
  readonly degraded: readonly string[];
  /** Thresholds that were set and that the guest's agent does not know. */
  readonly unknown: readonly string[];
}

export interface DomainFinding extends PreflightFinding {
  readonly domain: DomainId;
}

export interface DomainUsage {
  readonly domain: DomainId;
  readonly vcpus: readonly VcpuUsage[];
  /** How often its vCPUs interrupted each other of late, by the guest's word; `null` where nobody tells. */
  readonly interruptsPerSecond: number | null;
  /** How often its vCPUs, all together, went from one thread to another of late, by the guest's word; `null` as above. */
  readonly switchesPerSecond: number | null;
  /**
   * Of looks within the last second, or the last one, that found its vCPUs on a pCPU, the part that found one in a loop of
   * pauses; `null` where nobody looks, or none was found there.
   */
  readonly spinning: number | null;
  /**
   * Of the time in which its vCPUs ran, by its guest's own account, the part in its kernel: the same until it reports
   * again; `null`: not told.
   */
  readonly inKernel: number | null;
}

/** Totals since the domain started; a reader takes differences. */
export interface VcpuUsage {
  readonly index: VcpuIndex;
  /** Time on a pCPU. */
  readonly run: Nanoseconds | null;
  /** Time runnable but not run: ready time. */
  readonly wait: Nanoseconds | null;
  /** How often it was put on a pCPU, after another thread or after none: a vCPU that halts and wakes is, each time. */
  readonly dispatches: number | null;
  /** As the guest was told; `null` where the guest has no such account. */
  readonly steal: Nanoseconds | null;
  /** The pCPU it last ran on. */
  readonly lastPcpu: PcpuId | null;
}

/** Something of the world that is not as it should be, in a sentence that says what, where and what to do. */
export interface Problem {
  readonly domain: DomainId | null;
  readonly message: string;
}

export type CommandFailure =
  | "no-such-domain"
  | "no-such-vcpu"
  | "no-such-pcpu"
  | "paused"
  | "guest-silent"
  | "guest-refused"
  | "no-such-slot"
  | "not-supported"
  | "timed-out"
  | "connection-lost"
  | "not-applied";

/** A command that did not take effect, or of which nobody knows whether it did (`timed-out`, `connection-lost`). */
export class CommandError extends Error {
  readonly failure: CommandFailure;
  constructor(failure: CommandFailure, message: string) {
    super(message);
    this.name = "CommandError";
    this.failure = failure;
  }
}
