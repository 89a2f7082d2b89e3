/** What happened in the daemon's thread that metrics count or time. Plain data, for the way to the API's thread. */
import type { Command } from "../../core/action.ts";

export type MetricFact =
  | { readonly kind: "step"; readonly seconds: number }
  | { readonly kind: "observation"; readonly seconds: number }
  | {
      readonly kind: "command";
      readonly command: Command["kind"];
      /** `ok`, or the failure's code. */
      readonly outcome: string;
      readonly seconds: number;
    }
  /** The answer to a guest's or a person's request; `reason` is the denial's code, empty when granted. */
  | { readonly kind: "answer"; readonly domain: string; readonly reason: string; readonly seconds: number }
  /** What was granted is in use by the guest. */
  | { readonly kind: "granted-online"; readonly domain: string; readonly seconds: number }
  /** A new target, until the guest reported that it uses exactly that. */
  | { readonly kind: "target-confirmed"; readonly domain: string; readonly seconds: number }
  /** A domain's arrival, until every vCPU of it is where it was planned. */
  | { readonly kind: "arrival-pinned"; readonly domain: string; readonly seconds: number }
  /** A target or pins of a domain were changed. */
  | { readonly kind: "change"; readonly domain: string };
