/** What the daemon's thread and the API's thread say to each other. */
import type { MetricFact } from "../metrics/metric_fact.ts";
import type { ApiTarget } from "./api_target.ts";
import type { ServeOptions } from "./serve_api.ts";

/** What the API's thread is started with. */
export type ThreadStart = Pick<ServeOptions, "control" | "history" | "pageFolder" | "version">;

export type FromThread =
  | { readonly kind: "listening" }
  /** It cannot start, for a reason that a person can put right. */
  | { readonly kind: "failed"; readonly why: string }
  | { readonly kind: "fault"; readonly text: string }
  | Ask;

/** A call of the target, under a number that the answer carries. */
export interface Ask {
  readonly kind: "ask";
  readonly id: number;
  readonly method: keyof ApiTarget;
  readonly args: readonly unknown[];
}

export type ToThread =
  | { readonly kind: "answer"; readonly id: number; readonly value: unknown }
  | { readonly kind: "no-answer"; readonly id: number; readonly why: string }
  | { readonly kind: "changed"; readonly facts: readonly MetricFact[] }
  | { readonly kind: "close" };
