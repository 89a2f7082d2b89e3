/** Which process is which: a pid alone may have been given to another process meanwhile, so it goes with its start time. */
import { readFileSync } from "node:fs";
import { setTimeout as sleep } from "node:timers/promises";
import { z } from "zod";

/** `startTime` is in clock ticks since the host booted, as /proc says it. */
export interface ProcessIdentity {
  readonly pid: number;
  readonly startTime: string;
}

export const PROCESS_IDENTITY: z.ZodType<ProcessIdentity> = z.object({
  pid: z.number().int().positive(),
  startTime: z.string(),
});

/** `null` when there is no such process, or only its unreaped remains. */
export function identify(pid: number): ProcessIdentity | null {
  try {
    // The name in the second field may hold blanks and brackets; the state follows the last bracket.
    const stat = readFileSync(`/proc/${pid}/stat`, "latin1");
    const fields = stat.slice(stat.lastIndexOf(")") + 2).split(" ");
    const startTime = fields[19];
    return startTime === undefined || fields[0] === "Z" || fields[0] === "X" ? null : { pid, startTime };
  } catch {
    return null;
  }
}

export function isAlive(process: ProcessIdentity): boolean {
  return identify(process.pid)?.startTime === process.startTime;
}

/** Sends SIGKILL and waits until it is gone; rejects when the kernel does not let go of it in time. */
export async function killForGood(victim: ProcessIdentity): Promise<void> {
  const until = performance.now() + DEATH_MAX_MS;
  while (isAlive(victim)) {
    signal(victim, "SIGKILL");
    if (until < performance.now()) {
      throw new Error(
        `Process ${victim.pid} did not end within ${DEATH_MAX_MS} ms of SIGKILL: look at its state`,
      );
    }
    await sleep(LOOK_EVERY_MS);
  }
}

/** False when the process is gone already. */
export function signal(target: ProcessIdentity, name: NodeJS.Signals): boolean {
  if (!isAlive(target)) return false;
  try {
    return process.kill(target.pid, name);
  } catch {
    return false;
  }
}

/** A guest's memory is given back within a second or two, more on a host that swaps. */
const DEATH_MAX_MS = 15_000;
const LOOK_EVERY_MS = 10;
