/**
 * The guest's scheduler, after Linux 3.0's CFS (kernel/sched_fair.c) on each vCPU's run queue: least virtual runtime
 * first, slices from latency and granularity, sleepers placed half a latency back, wake-ups onto idle vCPUs.
 *
 * Simplified: slices end exactly instead of at the next tick, unless the domain has ticks; no buddies and no group scheduling; queues are short,
 * so the least virtual runtime is found by looking at all. A guest that does not know of steal time (X-5) charges its
 * tasks for the time that the host took away.
 */
import { interrupt } from "../host/dispatch.ts";
import { changeOffCause, enterPcpu, leavePcpu, queuedCauseOf } from "../host/settle.ts";
import { tickAtOrAfter } from "../host/timer_tick.ts";
import {
  CFS_LATENCY,
  CFS_MIN_GRANULARITY,
  CFS_NR_LATENCY,
  CFS_WAKEUP_GRANULARITY,
  cfsFactor,
  NICE_0_WEIGHT,
} from "../machine/constants.ts";
import { CAUSE_QUEUED } from "../metrics/causes.ts";
import {
  BALLOON_OPEN,
  IRQ_RESCHEDULE,
  NEVER,
  NOBODY,
  TASK_CURRENT,
  TASK_READY,
  VCPU_HALTED,
} from "../tables.ts";
import type { World } from "../world.ts";

/** Makes the best of the vCPU's queue its current task; pulls one from a sibling when it has none. -1: nothing to do. */
export function pickTask(w: World, v: number): number {
  const { vcpus, tasks } = w;
  if (vcpus.queueLength[v] === 0 && (vcpus.balloon[v] !== BALLOON_OPEN || !pull(w, v))) return NOBODY;
  const base = vcpus.queueBase[v];
  let place = 0;
  for (let i = 1; i < vcpus.queueLength[v]; i++) {
    if (earlier(w, vcpus.queue[base + i], vcpus.queue[base + place])) place = i;
  }
  const h = removeAt(w, v, place);
  tasks.state[h] = TASK_CURRENT;
  vcpus.current[v] = h;
  vcpus.mmActive[v] = 1;
  vcpus.picks[v]++;
  vcpus.pickedAt[v] = w.now;
  vcpus.chargedAt[v] = w.now;
  vcpus.reschedule[v] = 0;
  if (vcpus.lastTask[v] !== h) {
    vcpus.lastTask[v] = h;
    vcpus.overhead[v] += w.costs.taskSwitch;
    w.taskSwitches++;
    vcpus.arrivals[v]++;
  }
  setSlice(w, v);
  enterPcpu(w, h, Math.max(w.now, vcpus.mark[v]));
  return h;
}

/** The current task stays runnable and goes back into the queue. */
export function putBack(w: World, v: number): void {
  const h = w.vcpus.current[v];
  leave(w, v, TASK_READY, CAUSE_QUEUED);
  enqueue(w, v, h);
}

/** The current task leaves its vCPU for this state and cause. */
export function leave(w: World, v: number, state: number, cause: number): void {
  const { vcpus, tasks } = w;
  const h = vcpus.current[v];
  charge(w, v);
  tasks.state[h] = state;
  vcpus.current[v] = NOBODY;
  vcpus.guestDue[v] = NEVER;
  leavePcpu(w, h, cause);
}

/** Makes a task that waited runnable. `waker` is the vCPU on which that happens and which pays for it, or -1. */
export function wakeTask(w: World, h: number, waker: number): void {
  const target = waker === NOBODY ? openVcpu(w, h) : chooseVcpu(w, h);
  wakeOn(w, h, target, waker);
}

/** Makes a task runnable on this vCPU. */
export function wakeOn(w: World, h: number, target: number, waker: number): void {
  const { vcpus, tasks } = w;
  changeOffCause(w, h, queuedCauseOf(w, target));
  move(w, h, target);
  const floor = vcpus.minVruntime[target] - (CFS_LATENCY * factor(w, target)) / 2;
  if (tasks.vruntime[h] < floor) tasks.vruntime[h] = floor;
  enqueue(w, target, h);

  const current = vcpus.current[target];
  if (current === NOBODY) {
    // A vCPU that is awake looks into its queue by itself before it halts.
    if (vcpus.state[target] === VCPU_HALTED) sendReschedule(w, waker, target);
    return;
  }
  charge(w, target);
  const granularity = (CFS_WAKEUP_GRANULARITY * factor(w, target) * NICE_0_WEIGHT) / tasks.weight[h];
  if (tasks.vruntime[current] - tasks.vruntime[h] > granularity) {
    vcpus.reschedule[target] = 1;
    if (target !== waker) sendReschedule(w, waker, target);
  }
}

function sendReschedule(w: World, from: number, to: number): void {
  if (from !== NOBODY) w.vcpus.overhead[from] += w.costs.ipiSend;
  interrupt(w, from, to, IRQ_RESCHEDULE);
}

/** Adds to a queue. Whoever runs there now gets a slice, since it is no longer alone. */
export function enqueue(w: World, v: number, h: number): void {
  const { vcpus, tasks } = w;
  countQueue(w, v);
  vcpus.queue[vcpus.queueBase[v] + vcpus.queueLength[v]++] = h;
  tasks.vcpu[h] = v;
  tasks.state[h] = TASK_READY;
  if (vcpus.current[v] !== NOBODY) setSlice(w, v);
}

/** The vCPU that a woken task goes to: its own when that idles, else the first idle one, else its own. */
function chooseVcpu(w: World, h: number): number {
  const own = openVcpu(w, h);
  if (isIdle(w, own)) return own;
  const d = w.tasks.domain[h];
  const first = w.domains.firstVcpu[d];
  for (let v = first; v < first + w.domains.vcpuCount[d]; v++) {
    if (w.vcpus.balloon[v] === BALLOON_OPEN && isIdle(w, v)) return v;
  }
  return own;
}

/** The task's vCPU, or when that was taken the open one with the least to do. */
export function openVcpu(w: World, h: number): number {
  const own = w.tasks.vcpu[h];
  if (w.vcpus.balloon[own] === BALLOON_OPEN) return own;
  const d = w.tasks.domain[h];
  const first = w.domains.firstVcpu[d];
  let best = first;
  for (let v = first; v < first + w.domains.vcpuCount[d]; v++) {
    if (w.vcpus.balloon[v] === BALLOON_OPEN && load(w, v) < load(w, best)) best = v;
  }
  return best;
}

function isIdle(w: World, v: number): boolean {
  return w.vcpus.artificialLoad[v] === 0 && w.vcpus.current[v] === NOBODY && w.vcpus.queueLength[v] === 0;
}

function load(w: World, v: number): number {
  return w.vcpus.artificialLoad[v] + w.vcpus.queueLength[v] + (w.vcpus.current[v] === NOBODY ? 0 : 1);
}

/** A vCPU about to idle takes a waiting task from the sibling with the longest queue. */
function pull(w: World, v: number): boolean {
  const busiest = longestQueue(w, w.vcpus.domain[v]);
  if (busiest === NOBODY || busiest === v) return false;
  pullFrom(w, busiest, v);
  return true;
}

function longestQueue(w: World, d: number): number {
  const { vcpus, domains } = w;
  let busiest = NOBODY;
  let most = 0;
  for (let v = domains.firstVcpu[d]; v < domains.firstVcpu[d] + domains.vcpuCount[d]; v++) {
    // Alone in the queue of a vCPU that is just picking it: leave it there.
    const waiting =
      vcpus.current[v] === NOBODY && vcpus.state[v] !== VCPU_HALTED
        ? vcpus.queueLength[v] - 1
        : vcpus.queueLength[v];
    if (waiting > most) {
      most = waiting;
      busiest = v;
    }
  }
  return busiest;
}

function pullFrom(w: World, from: number, to: number): void {
  const h = removeAt(w, from, w.vcpus.queueLength[from] - 1);
  move(w, h, to);
  enqueue(w, to, h);
}

/** The periodic balance: one task from the longest queue to the shortest, when they differ by two. */
export function balance(w: World, d: number): void {
  const { domains, vcpus } = w;
  const first = domains.firstVcpu[d];
  let busiest = NOBODY;
  let idlest = NOBODY;
  for (let v = first; v < first + domains.vcpuCount[d]; v++) {
    if (vcpus.balloon[v] !== BALLOON_OPEN) continue;
    if (busiest === NOBODY || load(w, v) > load(w, busiest)) busiest = v;
    if (idlest === NOBODY || load(w, v) < load(w, idlest)) idlest = v;
  }
  if (busiest === NOBODY || load(w, busiest) - load(w, idlest) < 2 || vcpus.queueLength[busiest] === 0)
    return;
  pullFrom(w, busiest, idlest);
  if (vcpus.state[idlest] === VCPU_HALTED) interrupt(w, NOBODY, idlest, IRQ_RESCHEDULE);
}

/** A vCPU that was taken gives its tasks to the others. */
export function evacuate(w: World, v: number): void {
  while (w.vcpus.queueLength[v] > 0) {
    const h = removeAt(w, v, w.vcpus.queueLength[v] - 1);
    const target = openVcpu(w, h);
    move(w, h, target);
    enqueue(w, target, h);
    if (w.vcpus.state[target] === VCPU_HALTED) sendReschedule(w, v, target);
  }
}

/** Virtual runtimes are relative to their queue's minimum. */
function move(w: World, h: number, to: number): void {
  const { vcpus, tasks } = w;
  tasks.vruntime[h] += vcpus.minVruntime[to] - vcpus.minVruntime[tasks.vcpu[h]];
  tasks.vcpu[h] = to;
}

/** Charges the current task for the guest's time since it was last charged. */
function charge(w: World, v: number): void {
  const { vcpus, tasks } = w;
  const h = vcpus.current[v];
  const ran = Math.max(0, w.now - vcpus.chargedAt[v]);
  vcpus.chargedAt[v] = w.now;
  tasks.vruntime[h] += (ran * NICE_0_WEIGHT) / tasks.weight[h];
  let least = tasks.vruntime[h];
  const base = vcpus.queueBase[v];
  for (let i = 0; i < vcpus.queueLength[v]; i++)
    least = Math.min(least, tasks.vruntime[vcpus.queue[base + i]]);
  if (least > vcpus.minVruntime[v]) vcpus.minVruntime[v] = least;
}

function setSlice(w: World, v: number): void {
  const { vcpus, tasks } = w;
  const waiting = vcpus.queueLength[v];
  if (waiting === 0) {
    vcpus.guestDue[v] = NEVER;
    return;
  }
  const current = tasks.weight[vcpus.current[v]];
  let total = current;
  const base = vcpus.queueBase[v];
  for (let i = 0; i < waiting; i++) total += tasks.weight[vcpus.queue[base + i]];
  const running = waiting + 1;
  const period = running > CFS_NR_LATENCY ? running * CFS_MIN_GRANULARITY : CFS_LATENCY;
  const due = vcpus.pickedAt[v] + Math.ceil((period * factor(w, v) * current) / total);
  vcpus.guestDue[v] = tickAtOrAfter(w, vcpus.domain[v], due);
}

function factor(w: World, v: number): number {
  return cfsFactor(w.domains.vcpuCount[w.vcpus.domain[v]]);
}

function earlier(w: World, a: number, b: number): boolean {
  const va = w.tasks.vruntime[a];
  const vb = w.tasks.vruntime[b];
  return va < vb || (va === vb && a < b);
}

function removeAt(w: World, v: number, place: number): number {
  const { vcpus } = w;
  const base = vcpus.queueBase[v];
  const h = vcpus.queue[base + place];
  countQueue(w, v);
  vcpus.queue[base + place] = vcpus.queue[base + --vcpus.queueLength[v]];
  return h;
}

/** Before the length of a queue changes, and for who wants to know it: how long tasks have waited there, all together. */
export function countQueue(w: World, v: number): void {
  const { vcpus } = w;
  vcpus.queueTime[v] += vcpus.queueLength[v] * (w.now - vcpus.queueCountedAt[v]);
  vcpus.queueCountedAt[v] = w.now;
}
