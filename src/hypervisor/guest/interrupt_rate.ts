/** How often a guest's vCPUs interrupt each other, from one report to the next. */
import type { Milliseconds, VcpuIndex } from "../../core/units.ts";
import type { GuestMessage, SentInterrupts } from "../../protocol/guest_messages.ts";

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

/** Reports that follow a command at once would make a rate of a handful of interrupts. */
const APART_MS_MIN: Milliseconds = 1_000;

/** A guest may say anything: what does not grow has no rate. */
export function heedInterrupts(
  before: InterruptRate,
  { vcpus, interrupts }: GuestMessage & { readonly kind: "report" },
): InterruptRate {
  if (interrupts === undefined) return NO_INTERRUPTS;
  const online = vcpus.flatMap((vcpu) => (vcpu.online ? [vcpu.vcpu] : []));
  const anew: InterruptRate = { perSecond: null, since: interrupts, online };
  // What a vCPU counted leaves the totals with it, and comes back with it.
  if (before.since === null || String(online) !== String(before.online)) return anew;
  const elapsedMs = interrupts.atMs - before.since.atMs;
  const grown = allOf(interrupts) - allOf(before.since);
  if (elapsedMs < 0 || grown < 0) return anew;
  if (elapsedMs < APART_MS_MIN) return before;
  return { ...anew, perSecond: Math.round((MS_PER_SECOND * grown) / elapsedMs) };
}

const MS_PER_SECOND = 1_000;

/** Shootdowns are among the calls. */
function allOf({ rescheduling, calls }: SentInterrupts): number {
  return rescheduling + calls;
}
