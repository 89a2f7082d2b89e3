/** What can happen to the controller. The journal keeps every one of them, in order. */
import type { Snapshot } from "./model.ts";

export type ControllerEvent =
  /** The shell begins, perhaps with the state of an earlier life: what was under way then is forgotten. */
  | { readonly kind: "started" }
  | { readonly kind: "observed"; readonly snapshot: Snapshot }
  /** A new observation equal to the last one. */
  | { readonly kind: "unchanged" }
  /** Told before the first observation that began after the command had ended. */
  | { readonly kind: "command-ended"; readonly id: number; readonly outcome: CommandOutcome }
  /** The policy that `step` is called with differs from the last one. */
  | { readonly kind: "policy-changed" }
  /** A clean stop: put every domain back as it was found. */
  | { readonly kind: "release" };

export type CommandOutcome =
  | { readonly ok: true }
  /** `why` is the adapter's sentence for a person. */
  | { readonly ok: false; readonly failure: string; readonly why: string };
