/**
 * The guest's timer tick: a virtual timer for each vCPU, as the hypervisor emulates it. It ticks at multiples of its period
 * since the domain's power-on, on all vCPUs at once, as Linux has it without skew_tick; and not on a vCPU that halted or is
 * offline (CONFIG_NO_HZ_IDLE). Ticks that come while the vCPU waits for a pCPU become one.
 */
import { EVENT_TICK } from "../engine/event_kinds.ts";
import type { World } from "../world.ts";

/** A vCPU has something to do. */
export function startTick(w: World, v: number): void {
  const d = w.vcpus.domain[v];
  if (w.domains.tickPeriod[d] > 0) w.timers.arm(EVENT_TICK, v, tickAtOrAfter(w, d, w.now + 1));
}

/** A vCPU has nothing to do any more. */
export function stopTick(w: World, v: number): void {
  if (w.domains.tickPeriod[w.vcpus.domain[v]] > 0) w.timers.disarm(EVENT_TICK, v);
}

/** When a domain's timers tick next; any time at all in a domain without. */
export function tickAtOrAfter(w: World, d: number, at: number): number {
  const period = w.domains.tickPeriod[d];
  if (period === 0) return at;
  const start = w.domains.startAt[d];
  return start + Math.ceil((at - start) / period) * period;
}
