/** How much of the time that a guest's vCPUs run they spend in its kernel, from one report to the next. */
import type { Milliseconds } from "../../core/units.ts";
import type { CpuTime, GuestMessage } from "../../protocol/guest_messages.ts";

export interface KernelPart {
  /** Of the time that has passed in programs and in the kernel, 0 to 1; `null`: not known. */
  readonly inKernel: number | null;
  /** What the next report is compared with; `null`: this guest does not tell. */
  readonly since: CpuTime | null;
}

/** Before the first report of a conversation: the guest may have booted anew since the last one. */
export const NO_CPU_TIME: KernelPart = { inKernel: null, since: null };

/** The guest's kernel looks what runs every 10 ms at best: fewer than fifty such looks would make a part of chance. */
const RAN_MS_MIN: Milliseconds = 500;

/**
 * Until enough has run there is no part, and what has run is kept for the next report. So a guest at rest does not keep
 * the part that it had when it worked, and one that hardly runs tells now and then, of a longer time. A report that
 * follows another at once is taken for rest: nothing in these totals says how long ago the last one was.
 *
 * Unlike interrupts, the time of a vCPU that goes offline stays in the totals.
 */
export function heedCpuTime(
  { since }: KernelPart,
  { cpuTime }: GuestMessage & { readonly kind: "report" },
): KernelPart {
  if (cpuTime === undefined) return NO_CPU_TIME;
  const anew: KernelPart = { inKernel: null, since: cpuTime };
  if (since === null) return anew;
  const programsMs = cpuTime.programsMs - since.programsMs;
  const kernelMs = cpuTime.kernelMs - since.kernelMs;
  // A guest may say anything: of what shrinks there is no part.
  if (programsMs < 0 || kernelMs < 0) return anew;
  const ranMs = programsMs + kernelMs;
  return ranMs < RAN_MS_MIN ? { inKernel: null, since } : { inKernel: kernelMs / ranMs, since: cpuTime };
}
