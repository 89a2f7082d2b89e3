/** What the agent has used of its guest: by the guest's own kernel, time on a vCPU to the nanosecond, and resident memory. */
import type { Guest } from "../lab/guest.ts";

export interface AgentUsage {
  /** Since it began. */
  readonly runMs: number;
  /** Of the guest's clock. */
  readonly atSeconds: number;
  readonly rssBytes: number;
}

export async function agentUsage(guest: Guest): Promise<AgentUsage> {
  const script = "p=$(pidof vbal-agent); cat /proc/uptime /proc/$p/schedstat /proc/$p/status";
  const printed = await guest.output(["sh", "-c", script]);
  const [uptime, schedstat] = printed.split("\n");
  return {
    runMs: Number(schedstat?.split(" ")[0]) / NS_PER_MS,
    atSeconds: Number(uptime?.split(" ")[0]),
    rssBytes: BYTES_PER_KIB * Number(/^VmRSS:\s*(\d+) kB$/m.exec(printed)?.[1]),
  };
}

/** Percent of one vCPU, between two readings. */
export function agentPercent(before: AgentUsage, after: AgentUsage): number {
  return (100 * (after.runMs - before.runMs)) / (MS_PER_SECOND * (after.atSeconds - before.atSeconds));
}

const NS_PER_MS = 1e6;
const MS_PER_SECOND = 1_000;
const BYTES_PER_KIB = 1_024;
