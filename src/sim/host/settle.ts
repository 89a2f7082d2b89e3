/**
 * Lazy settlement. A vCPU that runs makes progress without events; whoever needs to know where it stands calls
 * `settle` first, which books the time since the last settlement: first the vCPU's kernel overhead, then whatever its
 * current task does.
 */
import {
  CAUSE_BLOCKED,
  CAUSE_CO_STOPPED,
  CAUSE_COUNT,
  CAUSE_KERNEL,
  CAUSE_PARKED,
  CAUSE_QUEUED,
  CAUSE_SPIN,
  CAUSE_SPIN_BARRIER,
  CAUSE_SPIN_HOLDER_PREEMPTED,
  CAUSE_SPIN_IPI,
  CAUSE_SPIN_IPI_PREEMPTED,
  CAUSE_SPIN_WAITER_PREEMPTED,
  CAUSE_STEAL,
  CAUSE_USER,
} from "../metrics/causes.ts";
import { TRACE_TASK } from "../metrics/trace.ts";
import {
  DOES_SPIN_ACK,
  DOES_SPIN_BARRIER,
  DOES_SPIN_LOCK,
  DOES_WORK,
  HELD_CO_STOPPED,
  HELD_PARKED,
  NOBODY,
  STALL_HOLDER,
  STALL_NONE,
  STALL_WAITER,
  VCPU_HALTED,
  VCPU_RUNNABLE,
  VCPU_RUNNING,
} from "../tables.ts";
import { AVOID_HINTED, type World } from "../world.ts";

/** Brings a running vCPU's books up to now. */
export function settle(w: World, v: number): void {
  const { vcpus, tasks, now } = w;
  const from = vcpus.mark[v];
  // Not running yet: the pCPU is still switching to it.
  if (now <= from) return;
  let elapsed = now - from;
  vcpus.mark[v] = now;
  vcpus.ran[v] += elapsed;
  const h = vcpus.current[v];

  const due = vcpus.overhead[v];
  if (due > 0) {
    const overhead = Math.min(due, elapsed);
    vcpus.overhead[v] = due - overhead;
    elapsed -= overhead;
    if (h !== NOBODY) book(w, h, CAUSE_KERNEL, overhead, from);
    if (elapsed === 0) return;
  }
  if (h === NOBODY) return;

  const does = tasks.does[h];
  // At full speed, as on most hosts always, the product is the time itself.
  if (does === DOES_WORK) {
    tasks.remaining[h] -= w.ratesVary ? Math.floor(elapsed * vcpus.rate[v]) : elapsed;
    book(w, h, tasks.kernelMode[h] === 1 ? CAUSE_KERNEL : CAUSE_USER, elapsed, now - elapsed);
    return;
  }
  tasks.remaining[h] -= elapsed;
  switch (does) {
    case DOES_SPIN_LOCK:
      tasks.pauseLeft[h] -= elapsed;
      if (sawNoStall(w, h)) book(w, h, CAUSE_SPIN, elapsed, now - elapsed);
      else bookStalledSpin(w, h, elapsed, now - elapsed);
      return;
    case DOES_SPIN_BARRIER:
      book(w, h, CAUSE_SPIN_BARRIER, elapsed, now - elapsed);
      return;
    case DOES_SPIN_ACK:
      tasks.pauseLeft[h] -= elapsed;
      book(
        w,
        h,
        tasks.acksOffPcpu[h] > 0 ? CAUSE_SPIN_IPI_PREEMPTED : CAUSE_SPIN_IPI,
        elapsed,
        now - elapsed,
      );
      return;
    default:
      book(w, h, tasks.kernelMode[h] === 1 ? CAUSE_KERNEL : CAUSE_USER, elapsed, now - elapsed);
  }
}

function book(w: World, h: number, cause: number, elapsed: number, begin: number): void {
  w.tasks.times[h * CAUSE_COUNT + cause] += elapsed;
  if (w.trace !== null) w.trace.record(begin, TRACE_TASK, h, cause, w.tasks.vcpu[h]);
}

/** Most spells see neither of the lock's clocks move. */
function sawNoStall(w: World, h: number): boolean {
  const { tasks, locks } = w;
  const l = tasks.waitsFor[h];
  return (
    locks.stall[l] === STALL_NONE &&
    locks.stallHolder[l] === tasks.stallHolderSeen[h] &&
    locks.stallWaiter[l] === tasks.stallWaiterSeen[h]
  );
}

/** Splits a spell of spinning by what the lock's clocks say of its holder during that spell. */
function bookStalledSpin(w: World, h: number, elapsed: number, begin: number): void {
  const { tasks } = w;
  const l = tasks.waitsFor[h];
  const holder = holderStall(w, l);
  const waiter = waiterStall(w, l);
  const behindHolder = Math.min(elapsed, holder - tasks.stallHolderSeen[h]);
  const behindWaiter = Math.min(elapsed - behindHolder, waiter - tasks.stallWaiterSeen[h]);
  tasks.stallHolderSeen[h] = holder;
  tasks.stallWaiterSeen[h] = waiter;
  const free = elapsed - behindHolder - behindWaiter;
  if (free > 0) book(w, h, CAUSE_SPIN, free, begin);
  if (behindHolder > 0) book(w, h, CAUSE_SPIN_HOLDER_PREEMPTED, behindHolder, begin + free);
  if (behindWaiter > 0) book(w, h, CAUSE_SPIN_WAITER_PREEMPTED, behindWaiter, w.now - behindWaiter);
}

function holderStall(w: World, l: number): number {
  const { locks } = w;
  return locks.stallHolder[l] + (locks.stall[l] === STALL_HOLDER ? w.now - locks.stallSince[l] : 0);
}

function waiterStall(w: World, l: number): number {
  const { locks } = w;
  return locks.stallWaiter[l] + (locks.stall[l] === STALL_WAITER ? w.now - locks.stallSince[l] : 0);
}

/** A spinner starts to watch the lock's clocks afresh: it begins to spin, or comes back to a pCPU. */
export function watchStall(w: World, h: number): void {
  const l = w.tasks.waitsFor[h];
  w.tasks.stallHolderSeen[h] = holderStall(w, l);
  w.tasks.stallWaiterSeen[h] = waiterStall(w, l);
}

/** Starts, stops or changes the clock of a lock. */
export function setStall(w: World, l: number, stall: number): void {
  const { locks } = w;
  if (locks.stall[l] === STALL_HOLDER) locks.stallHolder[l] += w.now - locks.stallSince[l];
  else if (locks.stall[l] === STALL_WAITER) locks.stallWaiter[l] += w.now - locks.stallSince[l];
  locks.stall[l] = stall;
  locks.stallSince[l] = w.now;
}

/** Is this task executing on a pCPU now? */
export function isExecuting(w: World, h: number): boolean {
  const v = w.tasks.vcpu[h];
  return w.vcpus.current[v] === h && w.vcpus.state[v] === VCPU_RUNNING;
}

/** What the hypervisor may know of it: a guest that gives hints says "holds a lock", otherwise it sees kernel mode. */
export function isUnsafe(w: World, v: number): boolean {
  const h = w.vcpus.current[v];
  return w.avoidance === AVOID_HINTED ? h !== NOBODY && w.tasks.heldCount[h] > 0 : inKernel(w, v);
}

/** Kernel mode: an interrupt, a context switch, a system call, a spinlock. */
export function inKernel(w: World, v: number): boolean {
  const { vcpus, tasks } = w;
  const h = vcpus.current[v];
  if (vcpus.overhead[v] > 0) return true;
  if (h === NOBODY) return false;
  return tasks.kernelMode[h] === 1 || tasks.preemptDepth[h] > 0;
}

/** A task stops executing for this cause, from now on. */
export function leavePcpu(w: World, h: number, cause: number): void {
  const { tasks } = w;
  tasks.offCause[h] = cause;
  tasks.offSince[h] = w.now;
  if (w.trace !== null) w.trace.record(w.now, TRACE_TASK, h, cause, tasks.vcpu[h]);
}

/** A task begins to execute at `at`, which may be a little ahead, after the switch. */
export function enterPcpu(w: World, h: number, at: number): void {
  bookOff(w, h, at);
  w.tasks.offInKernel[h] = 0;
  if (w.tasks.does[h] === DOES_SPIN_LOCK) watchStall(w, h);
}

/** Books the time off the pCPU up to `until`. */
export function bookOff(w: World, h: number, until: number): void {
  const { tasks } = w;
  const off = until - tasks.offSince[h];
  tasks.times[h * CAUSE_COUNT + tasks.offCause[h]] += off;
  if (tasks.offInKernel[h] === 1) tasks.stolenInKernel[h] += off;
}

/** The cause changes while the task stays off the pCPU. */
export function changeOffCause(w: World, h: number, cause: number): void {
  bookOff(w, h, w.now);
  leavePcpu(w, h, cause);
}

/** Why a task in the queue of a vCPU waits: for that vCPU, or with it for a pCPU. */
export function queuedCauseOf(w: World, v: number): number {
  return w.vcpus.state[v] === VCPU_RUNNABLE ? offCauseOf(w, v) : CAUSE_QUEUED;
}

/** Why the current task of a vCPU that does not run is off. */
export function offCauseOf(w: World, v: number): number {
  if (w.vcpus.state[v] === VCPU_HALTED) return CAUSE_BLOCKED;
  switch (w.vcpus.held[v]) {
    case HELD_CO_STOPPED:
      return CAUSE_CO_STOPPED;
    case HELD_PARKED:
      return CAUSE_PARKED;
    default:
      return CAUSE_STEAL;
  }
}
