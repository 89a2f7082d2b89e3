/** A way to talk to one guest about its vCPUs, whichever agent is at the other end. */
import type { BalloonMechanism, GuestReport } from "../../core/model.ts";
import type { Answer, VcpuRequest } from "../../core/request.ts";
import type { Nanoseconds, VcpuIndex } from "../../core/units.ts";
import type { PreflightFinding } from "../../protocol/guest_messages.ts";
import type { DomainLoad, MonitorSettings } from "../port.ts";

export interface GuestChannel {
  /** The guest's last word, or `null` when there is none that still counts. */
  word(): GuestWord | null;
  /** What is not as it should be, each a sentence with advice. */
  problems(): readonly string[];
  /**
   * Asks the guest to use exactly these vCPUs; for a guest that speaks (`word`). Resolves with those in use when it
   * confirmed; rejects with a `CommandError`, or with the signal's reason as soon as it aborts.
   */
  setOnline(
    online: readonly VcpuIndex[],
    mechanism: BalloonMechanism,
    signal: AbortSignal,
  ): Promise<readonly VcpuIndex[]>;
  /** From now on and at every later greeting; a guest without a load monitor is not told. */
  setMonitor(settings: MonitorSettings): void;
  /** How long the vCPUs' threads have run, ascending; told only to a guest whose load monitor is at work. */
  runTimes(vcpus: readonly VcpuRunTime[]): void;
  /** Tells the guest what came of its request, if it is there to hear it. */
  answer(request: string, answer: Answer): void;
  /** What its load monitor says; `null`: it has none at work, or it has not said anything that still counts. */
  load(): GuestLoad | null;
  /** The guest may have (re)started its agent: greet it now. */
  greet(): void;
  /** The guest's vCPUs may have changed: have it say how things are, if it speaks. */
  refresh(): void;
  /** The guest was reset: what it said before counts no more. */
  forget(): void;
  close(): void;
}

export interface GuestWord {
  readonly report: GuestReport;
  /** Steal time since the guest's boot, for the vCPUs where it has such an account. */
  readonly steal: ReadonlyMap<VcpuIndex, Nanoseconds>;
  /** The firmware's numbers (ACPI's _UID) of the guest's vCPUs; absent where its agent tells none. */
  readonly uids?: ReadonlyMap<VcpuIndex, number>;
  /** How often its vCPUs interrupted each other between its last two reports; `null` where it does not tell. */
  readonly interruptsPerSecond: number | null;
  /** How often its vCPUs, all together, went from one thread to another between them; `null` where it does not tell. */
  readonly switchesPerSecond: number | null;
  /** Of the time that its vCPUs ran between reports, the part in its kernel, 0 to 1; `null`: it does not tell, or rests. */
  readonly inKernel: number | null;
  /** What would be displaced, or stands in the way. */
  readonly preflight: readonly PreflightFinding[];
}

/** Run time of a vCPU's thread on the host since it began. */
export interface VcpuRunTime {
  readonly vcpu: VcpuIndex;
  readonly runNs: Nanoseconds;
}

/** Without the domain, which a channel does not know. */
export type GuestLoad = Omit<DomainLoad, "domain">;

/** A request that parsed and came within the bounds of rate; whoever knows the domain adds it. */
export type GuestAsked = Omit<VcpuRequest, "domain">;
