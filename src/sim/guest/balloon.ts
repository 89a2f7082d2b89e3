/**
 * The guest's side of vCPU ballooning: after what the mechanism costs, the vCPU closes, gives its tasks away at the
 * first point where the guest may preempt, and is then off (`offline`: gone from the guest's sight, never again the
 * target of an interrupt) or merely idle (`isolate`: still there, so a shootdown can wake it; B-13).
 *
 * A vCPU without a pCPU cannot give its tasks away; the guest waits for it, as a real one does.
 */
import { EVENT_BALLOON } from "../engine/event_kinds.ts";
import { interrupt, wakeVcpu } from "../host/dispatch.ts";
import {
  BALLOON_ISOLATED,
  BALLOON_OFFLINE,
  BALLOON_OPEN,
  IRQ_BALLOON,
  NOBODY,
  VCPU_HALTED,
  VCPU_OFFLINE,
} from "../tables.ts";
import type { World } from "../world.ts";

/** How often the guest looks whether a vCPU has emptied. Chosen: a scheduler tick. */
const LOOK_AGAIN = 1_000_000;

/** Starts to bring a vCPU to `aim` (BALLOON_*), at a cost of `cost` nanoseconds. */
export function beginBalloon(w: World, v: number, aim: number, cost: number): void {
  w.vcpus.balloonAim[v] = aim;
  w.timers.arm(EVENT_BALLOON, v, w.now + cost);
}

/** True when the vCPU has got where it should be; otherwise this is called again later. */
export function finishBalloon(w: World, v: number): boolean {
  const { vcpus } = w;
  const aim = vcpus.balloonAim[v];
  vcpus.balloon[v] = aim;
  // Before its power-on a domain only takes note.
  if (w.domains.poweredOn[vcpus.domain[v]] === 0) return true;
  if (aim === BALLOON_OPEN) {
    if (vcpus.state[v] === VCPU_OFFLINE) wakeVcpu(w, v);
    else interrupt(w, NOBODY, v, IRQ_BALLOON);
  } else if (!hasArrived(w, v, aim)) {
    interrupt(w, NOBODY, v, IRQ_BALLOON);
    w.timers.arm(EVENT_BALLOON, v, w.now + LOOK_AGAIN);
    return false;
  } else if (aim === BALLOON_OFFLINE) {
    vcpus.mmActive[v] = 0;
  }
  w.policy.onOnline?.(v, aim === BALLOON_OPEN);
  return true;
}

function hasArrived(w: World, v: number, aim: number): boolean {
  const { vcpus } = w;
  if (aim === BALLOON_OFFLINE) return vcpus.state[v] === VCPU_OFFLINE;
  return (
    aim === BALLOON_ISOLATED &&
    vcpus.state[v] === VCPU_HALTED &&
    vcpus.current[v] === NOBODY &&
    vcpus.queueLength[v] === 0
  );
}
