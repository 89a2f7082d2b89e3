/** How often the guest's vCPUs interrupted each other, as its kernel counts in /proc/interrupts. */
import { type SentInterrupts, VCPUS_MAX } from "../protocol/guest_messages.ts";

/**
 * The totals in the text of /proc/interrupts, over the vCPUs that it has a column for, which are those online. `null`: some row
 * is not there (another architecture, a kernel for one vCPU), or not whole because the file is longer than the agent reads.
 *
 * x86 counts where an interrupt arrives, 32 bits for each vCPU (arch/x86/kernel/irq.c). Its `CAL` holds the shootdowns too: since
 * 2016 the kernel no longer takes `TLB` from it, because requests that meet in one interrupt count in `TLB` each.
 */
export function sentInterruptsIn(text: string): Omit<SentInterrupts, "atMs"> | null {
  const [rescheduling, calls, shootdowns] = [
    totalOf("RES", text),
    totalOf("CAL", text),
    totalOf("TLB", text),
  ];
  if (rescheduling === null || calls === null || shootdowns === null) return null;
  return { rescheduling, calls, shootdowns };
}

/** The kernel's own rows stand below those of devices, whose names may be anything. */
function totalOf(row: string, text: string): number | null {
  const begin = text.lastIndexOf(`${row}:`);
  const end = text.indexOf("\n", begin);
  if (begin === -1 || end === -1) return null;
  let total = 0;
  let columns = 0;
  for (const word of text.slice(begin + row.length + 1, end).split(" ")) {
    if (word === "") continue;
    const count = Number(word);
    // The row in words.
    if (Number.isNaN(count)) break;
    total += count;
    columns++;
  }
  return columns === 0 || VCPUS_MAX < columns || !Number.isSafeInteger(total) ? null : total;
}
