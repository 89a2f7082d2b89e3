/** How often a guest's vCPUs go from one thread to another, from one report to the next. */
import type { GuestMessage, SwitchCount } from "../../protocol/guest_messages.ts";
import { rateBetween } from "./rate_between.ts";

export interface SwitchRate {
  /** Of all vCPUs together, over the last two reports; `null`: not known. */
  readonly perSecond: number | null;
  /** What the next report is compared with; `null`: this guest does not tell. */
  readonly since: SwitchCount | null;
}

/** Before the first report of a conversation: the guest may have booted anew since the last one. */
export const NO_SWITCHES: SwitchRate = { perSecond: null, since: null };

/** Unlike interrupts, what a vCPU counted stays in the total when it goes offline. */
export function heedSwitches(
  before: SwitchRate,
  { switches }: GuestMessage & { readonly kind: "report" },
): SwitchRate {
  if (switches === undefined) return NO_SWITCHES;
  if (before.since === null) return { perSecond: null, since: switches };
  const perSecond = rateBetween(before.since, switches);
  return perSecond === "too soon" ? before : { perSecond, since: switches };
}
