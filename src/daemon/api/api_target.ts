/** What the API asks of the daemon. The daemon answers from memory, at once; the promise is the way to its thread. */
import type { PlanView } from "../../protocol/plan_view.ts";
import type { StateView } from "../../protocol/state_view.ts";

export interface ApiTarget {
  view(): Awaitable<StateView>;
  plan(): Awaitable<PlanView>;
  /** Lays fields of the config file over a domain's; checks them itself. */
  setDomain(name: string, fields: unknown): Awaitable<Answer>;
  reload(): Awaitable<Answer>;
}

export type Awaitable<T> = T | Promise<T>;

/** Done, or refused for what a person can put right. */
export type Answer =
  | { readonly ok: true; readonly message: string }
  | { readonly ok: false; readonly errors: readonly string[] };
