/** What can happen to the controller. The journal keeps every one of them, in order. */
import type { Snapshot } from "./model.ts";
import type { VcpuRequest } from "./request.ts";
import type { DomainId, MilliPcpu } from "./units.ts";

export type ControllerEvent =
  /** The shell begins, perhaps with the state of an earlier life: what was under way then is forgotten. */
  | { readonly kind: "started" }
  | { readonly kind: "observed"; readonly snapshot: Snapshot; readonly use?: readonly DomainUse[] }
  /** A new observation equal to the last one. */
  | { readonly kind: "unchanged"; readonly use?: readonly DomainUse[] }
  /** Guests, or a person for them, ask for vCPUs: all that asked since the last step. */
  | { readonly kind: "requested"; readonly requests: readonly VcpuRequest[] }
  /** Told before the first observation that began after the command had ended. */
  | { readonly kind: "command-ended"; readonly id: number; readonly outcome: CommandOutcome }
  /** The policy that `step` is called with differs from the last one. */
  | { readonly kind: "policy-changed" }
  /** A clean stop: put every domain back as it was found. */
  | { readonly kind: "release" };

/**
 * pCPU time that a domain used of late, or had work for and waited to get, measured by the host in `USE_STEP`s so that
 * noise is no news. Ordered by id, every domain that could be measured; absent from an event when it is as before.
 */
export interface DomainUse {
  readonly domain: DomainId;
  readonly used: MilliPcpu;
}

export const USE_STEP: MilliPcpu = 50;

export type CommandOutcome =
  | { readonly ok: true }
  /** `why` is the adapter's sentence for a person. */
  | { readonly ok: false; readonly failure: string; readonly why: string };
