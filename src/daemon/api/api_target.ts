/** What the API asks of the daemon. The daemon answers from memory, at once; the promise is the way to its thread. */
import type { PlanView } from "../../protocol/plan_view.ts";
import type { RequestView, StateView } from "../../protocol/state_view.ts";
import type { Meters } from "../metrics/meters.ts";
import type { ChangesByDomain, PreviewParts } from "./preview.ts";

export interface ApiTarget {
  view(): Awaitable<StateView>;
  plan(): Awaitable<PlanView>;
  /** Lays fields of the config file over a domain's; checks them itself. `by`: who says so, for the audit. */
  setDomain(name: string, fields: unknown, by?: string): Awaitable<Answer>;
  /** Asks for one more vCPU for a domain, on a virtual NUMA node of it or anywhere (`null`); answers within seconds. */
  requestVcpu(name: string, node: number | null): Awaitable<RequestAnswer>;
  reload(): Awaitable<Answer>;
  /** Begins or ends a maintenance pause. */
  setPaused(paused: boolean, by: string): Awaitable<Answer>;
  /** What a preview of these fields, by domain, is made from. */
  previewParts(domains: ChangesByDomain): Awaitable<({ readonly ok: true } & PreviewParts) | Refused>;
  meters(): Awaitable<Meters>;
}

export type Awaitable<T> = T | Promise<T>;

/** Done, or refused for what a person can put right. */
export type Answer = { readonly ok: true; readonly message: string } | Refused;

export interface Refused {
  readonly ok: false;
  readonly errors: readonly string[];
}

/** `waiting`: a vCPU is being plugged; the state shows how that ends. */
export type RequestAnswer = { readonly ok: true; readonly request: RequestView } | Refused;
