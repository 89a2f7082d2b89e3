/** How long the guest's vCPUs have run programs and the kernel, as its kernel counts in /proc/stat. */
import type { CpuTime } from "../protocol/guest_messages.ts";

/** The kernel counts in hundredths of a second (USER_HZ is 100 on every architecture that matters). */
const MS_PER_TICK = 10;

/** user, nice, system, (idle, iowait,) irq, softirq: of all vCPUs, those that are offline too. */
const ALL_VCPUS = /^cpu +(\d+) (\d+) (\d+) \d+ \d+ (\d+) (\d+)/;

/** From the first line of the text of /proc/stat; `null`: it is not there, or holds what no kernel counts. */
export function cpuTimeIn(stat: string): CpuTime | null {
  const found = ALL_VCPUS.exec(stat);
  if (found === null) return null;
  const [user = 0, nice = 0, system = 0, irq = 0, softirq = 0] = found.slice(1).map(Number);
  // What its own guests run counts as a program of this one: the kernel has it in `user` already.
  const programsMs = MS_PER_TICK * (user + nice);
  const kernelMs = MS_PER_TICK * (system + irq + softirq);
  return Number.isSafeInteger(programsMs) && Number.isSafeInteger(kernelMs) ? { programsMs, kernelMs } : null;
}
