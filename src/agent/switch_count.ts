/** How often the guest's vCPUs went from one thread to another, as its kernel counts in /proc/stat. */
import type { SwitchCount } from "../protocol/guest_messages.ts";

const LABEL = "\nctxt ";

/**
 * The total in the text of /proc/stat, of all vCPUs, those that are offline too. `null`: it is not there, not whole because
 * the file is longer than the agent reads, or what no kernel counts.
 */
export function switchesIn(stat: string): Omit<SwitchCount, "atMs"> | null {
  // From the end: the line before it, of interrupts, is many times as long as all that follow.
  const begin = stat.lastIndexOf(LABEL);
  const end = stat.indexOf("\n", begin + LABEL.length);
  if (begin === -1 || end === -1) return null;
  const word = stat.slice(begin + LABEL.length, end);
  const total = Number(word);
  return /^\d+$/.test(word) && Number.isSafeInteger(total) ? { total } : null;
}
