/**
 * Locks. The kernel's spinlocks disable the guest's preemption from the first attempt until the release; only the
 * host can take the pCPU away in between, which is what lock-holder preemption is.
 *
 * - ticket, queued: strictly first come, first served, also to a waiter that is not on a pCPU (lock-waiter preemption).
 * - test-and-set: whoever of those on a pCPU is quickest; drawn at random.
 * - paravirtual: as qspinlock under a hypervisor: waiters halt after a while and are kicked, and who is on a pCPU may
 *   take a free lock out of turn.
 * - paravirtual ticket: as Linux 3.x's ticket locks under a hypervisor: strictly first come, first served too, but waiters halt
 *   after a while, and the one that the lock is passed to is kicked.
 * - mutex: waiters block; the one woken tries again and may be overtaken.
 * - rwsem: waiters block; first come, first served, adjacent readers together.
 */

import { bits } from "../engine/draw.ts";
import { leave, wakeTask } from "../guest_scheduler/run_queue.ts";
import { arm, canTake, interrupt, safePoint } from "../host/dispatch.ts";
import { isExecuting, isUnsafe, setStall, settle, watchStall } from "../host/settle.ts";
import { CAUSE_BLOCKED } from "../metrics/causes.ts";
import { TRACE_LOCK } from "../metrics/trace.ts";
import {
  DOES_RETRY,
  DOES_SPIN_LOCK,
  DOES_WORK,
  HELD_LOCKS_MAX,
  IRQ_RESCHEDULE,
  LOCK_MUTEX,
  LOCK_PARAVIRTUAL,
  LOCK_PARAVIRTUAL_TICKET,
  LOCK_QUEUED,
  LOCK_RWSEM,
  LOCK_TEST_AND_SET,
  LOCK_TICKET,
  NEVER,
  NOBODY,
  STALL_WAITER,
  TASK_BLOCKED,
  VCPU_HALTED,
} from "../tables.ts";
import { AVOID_NOTHING, type World } from "../world.ts";

/** Takes the lock for the vCPU's current task, or lets it spin or block. */
export function acquire(w: World, v: number, l: number): void {
  const { locks, vcpus, tasks } = w;
  const h = vcpus.current[v];
  const kind = locks.kind[l];
  if (kind === LOCK_RWSEM) {
    if (locks.holder[l] === NOBODY && locks.readers[l] === 0) own(w, l, h);
    else waitBlocked(w, v, l, DOES_WORK);
  } else if (locks.holder[l] === NOBODY) {
    if (kind !== LOCK_MUTEX) {
      tasks.preemptDepth[h]++;
      addHeld(w, h, l);
    }
    own(w, l, h);
  } else if (kind === LOCK_MUTEX) {
    waitBlocked(w, v, l, DOES_RETRY);
  } else {
    tasks.preemptDepth[h]++;
    tasks.waitsFor[h] = l;
    tasks.does[h] = DOES_SPIN_LOCK;
    const halts = kind === LOCK_PARAVIRTUAL || kind === LOCK_PARAVIRTUAL_TICKET;
    tasks.remaining[h] = halts ? w.costs.paravirtualSpin : NEVER;
    tasks.pauseLeft[h] = w.pauseLoopExiting ? vcpus.pauseWindow[v] : NEVER;
    w.lockWaits.push(l, h);
    watchStall(w, h);
  }
}

/** A woken task tries for its mutex again. */
export function retry(w: World, v: number): void {
  const { locks, vcpus, tasks } = w;
  const h = vcpus.current[v];
  const l = tasks.waitsFor[h];
  if (locks.holder[l] === NOBODY) {
    tasks.does[h] = DOES_WORK;
    tasks.remaining[h] = 0;
    own(w, l, h);
  } else {
    waitBlocked(w, v, l, DOES_RETRY);
  }
}

/** A spinner sees a free lock. */
export function takeFree(w: World, v: number): void {
  const h = w.vcpus.current[v];
  const l = w.tasks.waitsFor[h];
  w.lockWaits.take(l, h);
  grant(w, l, h);
}

/** A spinner of a paravirtual lock has spun long enough: its vCPU halts until it is kicked. */
export function spunEnough(w: World, v: number): boolean {
  const h = w.vcpus.current[v];
  return w.tasks.remaining[h] <= 0 && !canTake(w, w.tasks.waitsFor[h]);
}

export function release(w: World, v: number, l: number): void {
  const { locks, vcpus, tasks } = w;
  const h = vcpus.current[v];
  if (locks.holder[l] !== h)
    throw new Error(`Task ${h} releases lock ${l} at ${w.now} ns, which ${locks.holder[l]} holds`);
  locks.holder[l] = NOBODY;
  locks.heldTime[l] += w.now - locks.heldSince[l];
  switch (locks.kind[l]) {
    case LOCK_RWSEM:
      passSemaphore(w, v, l);
      return;
    case LOCK_MUTEX:
      wakeNext(w, v, l);
      return;
    case LOCK_TICKET:
    case LOCK_QUEUED: {
      const next = w.lockWaits.shift(l);
      if (next !== NOBODY) grant(w, l, next);
      break;
    }
    case LOCK_PARAVIRTUAL_TICKET: {
      const next = w.lockWaits.shift(l);
      if (next === NOBODY) break;
      grant(w, l, next);
      wakeHalted(w, v, tasks.vcpu[next]);
      break;
    }
    case LOCK_TEST_AND_SET:
      passToSomebodyRunning(w, l);
      break;
    default:
      if (!passToFirstRunning(w, l)) kick(w, v, l);
  }
  tasks.preemptDepth[h]--;
  removeHeld(w, h, l);
  if (w.avoidance !== AVOID_NOTHING && !isUnsafe(w, v)) safePoint(w, v);
}

export function acquireShared(w: World, v: number, l: number): void {
  const { locks } = w;
  if (locks.holder[l] === NOBODY && w.lockWaits.head[l] === NOBODY) {
    locks.readers[l]++;
    locks.acquisitions[l]++;
  } else {
    waitBlocked(w, v, l, DOES_WORK);
    // Told apart from a writer when its turn comes.
    w.tasks.waitsFor[w.lockWaits.tail[l]] = -2 - l;
  }
}

export function releaseShared(w: World, v: number, l: number): void {
  if (--w.locks.readers[l] === 0) passSemaphore(w, v, l);
}

/** Hands a free semaphore to the first waiter, or to all readers up to the first writer. */
function passSemaphore(w: World, v: number, l: number): void {
  const { locks, tasks, lockWaits } = w;
  if (locks.readers[l] > 0) return;
  for (;;) {
    const next = lockWaits.head[l];
    if (next === NOBODY) return;
    const isReader = tasks.waitsFor[next] <= -2;
    if (!isReader && locks.readers[l] > 0) return;
    lockWaits.shift(l);
    tasks.waitsFor[next] = l;
    if (isReader) {
      locks.readers[l]++;
      locks.acquisitions[l]++;
    } else {
      own(w, l, next);
    }
    wakeBlocked(w, v, next);
    if (!isReader) return;
  }
}

function own(w: World, l: number, h: number): void {
  const { locks } = w;
  locks.holder[l] = h;
  locks.acquisitions[l]++;
  locks.heldSince[l] = w.now;
  if (w.trace !== null) w.trace.record(w.now, TRACE_LOCK, l, h, w.vcpus.index[w.tasks.vcpu[h]]);
}

/** Passes a spinlock to a waiter that was taken off the list. */
function grant(w: World, l: number, h: number): void {
  const { tasks, vcpus } = w;
  const v = tasks.vcpu[h];
  const executing = isExecuting(w, h);
  if (executing) settle(w, v);
  own(w, l, h);
  addHeld(w, h, l);
  tasks.does[h] = DOES_WORK;
  tasks.kernelMode[h] = 1;
  tasks.remaining[h] = w.costs.lockHandoff;
  if (executing) arm(w, vcpus.pcpu[v]);
  else setStall(w, l, STALL_WAITER);
}

function passToSomebodyRunning(w: World, l: number): void {
  const { tasks, lockWaits, locks } = w;
  let running = 0;
  for (let h = lockWaits.head[l]; h !== NOBODY; h = tasks.next[h]) if (isExecuting(w, h)) running++;
  if (running === 0) return;
  let skip = (bits(w.key ^ l, locks.acquisitions[l]) >>> 0) % running;
  for (let h = lockWaits.head[l]; h !== NOBODY; h = tasks.next[h]) {
    if (isExecuting(w, h) && skip-- === 0) {
      lockWaits.take(l, h);
      grant(w, l, h);
      return;
    }
  }
}

function passToFirstRunning(w: World, l: number): boolean {
  const { tasks, lockWaits } = w;
  for (let h = lockWaits.head[l]; h !== NOBODY; h = tasks.next[h]) {
    if (isExecuting(w, h)) {
      lockWaits.take(l, h);
      grant(w, l, h);
      return true;
    }
  }
  return false;
}

/** Nobody runs: wake the first waiter that halted. */
function kick(w: World, v: number, l: number): void {
  const first = w.lockWaits.head[l];
  if (first === NOBODY) return;
  if (wakeHalted(w, v, w.tasks.vcpu[first])) w.tasks.remaining[first] = w.costs.paravirtualSpin;
}

function wakeHalted(w: World, v: number, target: number): boolean {
  if (w.vcpus.state[target] !== VCPU_HALTED) return false;
  w.vcpus.overhead[v] += w.costs.ipiSend;
  interrupt(w, v, target, IRQ_RESCHEDULE);
  return true;
}

function wakeNext(w: World, v: number, l: number): void {
  const next = w.lockWaits.shift(l);
  if (next !== NOBODY) wakeBlocked(w, v, next);
}

function wakeBlocked(w: World, v: number, h: number): void {
  w.vcpus.overhead[v] += w.costs.futexWake;
  wakeTask(w, h, v);
}

function waitBlocked(w: World, v: number, l: number, then: number): void {
  const { vcpus, tasks } = w;
  const h = vcpus.current[v];
  tasks.waitsFor[h] = l;
  tasks.does[h] = then;
  tasks.remaining[h] = 0;
  vcpus.overhead[v] += w.costs.futexWait;
  w.lockWaits.push(l, h);
  leave(w, v, TASK_BLOCKED, CAUSE_BLOCKED);
}

/** The holder of a mutex waits for a condition: it will have to take the mutex again. */
export function queueForMutex(w: World, h: number, l: number): void {
  w.tasks.waitsFor[h] = l;
  w.tasks.does[h] = DOES_RETRY;
  w.tasks.remaining[h] = 0;
}

function addHeld(w: World, h: number, l: number): void {
  const { tasks } = w;
  if (tasks.heldCount[h] === HELD_LOCKS_MAX) {
    throw new Error(`Task ${h} takes more than ${HELD_LOCKS_MAX} spinlocks at once; flatten its program`);
  }
  tasks.held[h * HELD_LOCKS_MAX + tasks.heldCount[h]++] = l;
}

function removeHeld(w: World, h: number, l: number): void {
  const { tasks } = w;
  const row = h * HELD_LOCKS_MAX;
  const last = --tasks.heldCount[h];
  for (let i = 0; i < last; i++) {
    if (tasks.held[row + i] === l) tasks.held[row + i] = tasks.held[row + last];
  }
}
