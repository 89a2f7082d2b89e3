/** How often a guest's vCPUs interrupt each other, from one report to the next. */
import type { VcpuIndex } from "../../core/units.ts";
import type { GuestMessage, SentInterrupts } from "../../protocol/guest_messages.ts";
import { type Counted, rateBetween } from "./rate_between.ts";

export interface InterruptRate {
  /** Of all vCPUs together, over the last two reports; `null`: not known. */
  readonly perSecond: number | null;
  /** What the next report is compared with; `null`: this guest does not tell. */
  readonly since: SentInterrupts | null;
  /** The vCPUs that were online then, ascending. */
  readonly online: readonly VcpuIndex[];
}

/** Before the first report of a conversation: an agent's new life may count its time from another beginning. */
export const NO_INTERRUPTS: InterruptRate = { perSecond: null, since: null, online: [] };

export function heedInterrupts(
  before: InterruptRate,
  { vcpus, interrupts }: GuestMessage & { readonly kind: "report" },
): InterruptRate {
  if (interrupts === undefined) return NO_INTERRUPTS;
  const online = vcpus.flatMap((vcpu) => (vcpu.online ? [vcpu.vcpu] : []));
  const anew: InterruptRate = { perSecond: null, since: interrupts, online };
  // What a vCPU counted leaves the totals with it, and comes back with it.
  if (before.since === null || String(online) !== String(before.online)) return anew;
  const perSecond = rateBetween(allOf(before.since), allOf(interrupts));
  return perSecond === "too soon" ? before : { ...anew, perSecond };
}

/** Shootdowns are among the calls. */
function allOf({ atMs, rescheduling, calls }: SentInterrupts): Counted {
  return { atMs, total: rescheduling + calls };
}
