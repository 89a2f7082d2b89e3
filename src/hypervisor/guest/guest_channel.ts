/** A way to talk to one guest about its vCPUs, whichever agent is at the other end. */
import type { BalloonMechanism, GuestReport } from "../../core/model.ts";
import type { Nanoseconds, VcpuIndex } from "../../core/units.ts";
import type { PreflightFinding } from "../../protocol/guest_messages.ts";

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
  /** The guest may have (re)started its agent: greet it now. */
  greet(): void;
  /** The guest was reset: what it said before counts no more. */
  forget(): void;
  close(): void;
}

export interface GuestWord {
  readonly report: GuestReport;
  /** Steal time since the guest's boot, for the vCPUs where it has such an account. */
  readonly steal: ReadonlyMap<VcpuIndex, Nanoseconds>;
  /** What would be displaced, or stands in the way. */
  readonly preflight: readonly PreflightFinding[];
}
