/**
 * What a vCPU does when its slot comes due: finish the interrupt, pick a task, let it take the next step of its
 * program, until something takes time again. This is the guest's kernel in one loop.
 */
import { evacuate, pickTask, putBack } from "../guest_scheduler/run_queue.ts";
import { arm, canTake, safePoint, stopVcpu } from "../host/dispatch.ts";
import { isUnsafe, settle } from "../host/settle.ts";
import {
  BALLOON_OFFLINE,
  BALLOON_OPEN,
  DOES_SPIN_ACK,
  DOES_SPIN_BARRIER,
  DOES_SPIN_LOCK,
  DOES_WORK,
  IRQ_BALLOON,
  IRQ_DEVICE,
  IRQ_SHOOTDOWN,
  IRQ_TICK,
  NEVER,
  NOBODY,
  VCPU_HALTED,
  VCPU_OFFLINE,
} from "../tables.ts";
import { AVOID_NOTHING, type World } from "../world.ts";
import { stopSpinning } from "./barriers.ts";
import { execute } from "./interpreter.ts";
import { retry, spunEnough, takeFree } from "./locks.ts";
import { takeFromDevices } from "./queues.ts";
import { acknowledge } from "./shootdown.ts";

/** Steps that take no time, in one go. More means that a program goes round without ever computing. */
const STEPS_MAX = 100_000;

/** The current task's work, the vCPU's overhead, or a spinner's patience is used up. */
export function onWork(w: World, p: number): void {
  const { vcpus, tasks } = w;
  const v = w.pcpus.current[p];
  settle(w, v);
  if (vcpus.irqs[v] !== 0 && vcpus.overhead[v] === 0) handleInterrupts(w, v);
  let steps = STEPS_MAX;
  for (;;) {
    if (vcpus.reschedule[v] === 1 && mayPreempt(w, v)) yieldTask(w, v);
    // Kernel work that a step has caused goes before the next step.
    if (vcpus.overhead[v] > 0) break;
    if (vcpus.current[v] === NOBODY) {
      if (findTask(w, v)) continue;
      if (vcpus.pcpu[v] === NOBODY) return;
      break;
    }
    const h = vcpus.current[v];
    if (tasks.does[h] === DOES_WORK) {
      if (tasks.remaining[h] > 0) break;
      execute(w, v);
    } else if (!takeStep(w, v)) {
      if (vcpus.pcpu[v] === NOBODY) return;
      break;
    }
    if (w.ended) return;
    // The release of a lock gave the pCPU back by hypercall: the guest gets no further, least of all into its next lock.
    if (w.avoidance !== AVOID_NOTHING && w.pcpus.reschedule[p] === 1) break;
    if (--steps === 0) complainOfLoop(w, v);
  }
  if (w.avoidance !== AVOID_NOTHING && !isUnsafe(w, v)) safePoint(w, v);
  arm(w, p);
}

/** The guest takes the current task off, because of its slice, a wake-up, or because the vCPU is being taken. */
function yieldTask(w: World, v: number): void {
  putBack(w, v);
  if (w.vcpus.balloon[v] === BALLOON_OPEN) return;
  w.vcpus.reschedule[v] = 0;
  evacuate(w, v);
}

/** A vCPU without a task gets one, or stops. False: it stopped, or has kernel work to do first. */
function findTask(w: World, v: number): boolean {
  const { vcpus } = w;
  if (vcpus.balloon[v] !== BALLOON_OPEN) evacuate(w, v);
  if (pickTask(w, v) !== NOBODY) return true;
  if (vcpus.overhead[v] > 0) return false;
  if (vcpus.irqs[v] !== 0) {
    handleInterrupts(w, v);
    return true;
  }
  stopVcpu(w, v, vcpus.balloon[v] === BALLOON_OFFLINE ? VCPU_OFFLINE : VCPU_HALTED);
  return false;
}

function complainOfLoop(w: World, v: number): never {
  throw new Error(
    `Task ${w.vcpus.current[v]} took ${STEPS_MAX} steps at ${w.now} ns without any time passing; give its loop some compute`,
  );
}

/** One step of a current task that waits; false when it goes on waiting, or its vCPU has stopped. */
function takeStep(w: World, v: number): boolean {
  const { vcpus, tasks } = w;
  const h = vcpus.current[v];
  switch (tasks.does[h]) {
    case DOES_SPIN_LOCK:
      if (canTake(w, tasks.waitsFor[h])) {
        takeFree(w, v);
        return true;
      }
      if (spunEnough(w, v)) {
        stopVcpu(w, v, VCPU_HALTED);
        return false;
      }
      if (tasks.pauseLeft[h] <= 0) exitPauseLoop(w, v);
      return false;
    case DOES_SPIN_BARRIER:
      if (tasks.remaining[h] > 0) return false;
      w.barrierWaits.take(tasks.waitsFor[h], h);
      w.barrierWaits.push(tasks.waitsFor[h], h);
      stopSpinning(w, v);
      return true;
    case DOES_SPIN_ACK:
      if (tasks.pauseLeft[h] <= 0) exitPauseLoop(w, v);
      return false;
    default:
      // DOES_RETRY
      retry(w, v);
      return true;
  }
}

/** The host notices a kernel spinner; the policy may yield to somebody else. Repeated exits come ever more rarely. */
function exitPauseLoop(w: World, v: number): void {
  const { vcpus, tasks, costs } = w;
  const h = vcpus.current[v];
  w.pauseLoopExits++;
  w.domains.pauseLoopExits[vcpus.domain[v]]++;
  vcpus.overhead[v] += costs.pauseLoopExit;
  vcpus.pauseWindow[v] = Math.min(2 * vcpus.pauseWindow[v], costs.pauseLoopWindowMax);
  tasks.pauseLeft[h] = vcpus.pauseWindow[v];
  w.policy.onYield?.(v, vcpus.pcpu[v]);
}

function handleInterrupts(w: World, v: number): void {
  const { vcpus } = w;
  const irqs = vcpus.irqs[v];
  vcpus.irqs[v] = 0;
  if ((irqs & IRQ_SHOOTDOWN) !== 0) acknowledge(w, v);
  if ((irqs & IRQ_DEVICE) !== 0) takeFromDevices(w, v);
  if ((irqs & IRQ_BALLOON) !== 0 && vcpus.balloon[v] !== BALLOON_OPEN) vcpus.reschedule[v] = 1;
  if ((irqs & IRQ_TICK) !== 0) {
    vcpus.ticks[v]++;
    vcpus.overhead[v] += w.costs.timerTick;
  }
  // IRQ_RESCHEDULE and IRQ_TIMER only make the vCPU look at its queue, which it does next.
}

function mayPreempt(w: World, v: number): boolean {
  const h = w.vcpus.current[v];
  return h !== NOBODY && w.tasks.preemptDepth[h] === 0;
}

/** The guest's slice of the current task is over. */
export function onGuestSlice(w: World, p: number): void {
  const { vcpus } = w;
  const v = w.pcpus.current[p];
  settle(w, v);
  vcpus.guestDue[v] = NEVER;
  vcpus.reschedule[v] = 1;
  if (mayPreempt(w, v)) {
    putBack(w, v);
    pickTask(w, v);
  }
  arm(w, p);
}
