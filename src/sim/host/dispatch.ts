/**
 * The host's mechanism: it moves vCPUs between states, switches pCPUs from one to another and keeps the books. Who
 * goes where is the policy's business (host_scheduler/policy.ts).
 */
import { SLOT_GUEST, SLOT_HOST, SLOT_WORK } from "../engine/slots.ts";
import { CAUSE_STEAL } from "../metrics/causes.ts";
import { TRACE_IPI, TRACE_VCPU } from "../metrics/trace.ts";
import {
  DOES_SPIN_ACK,
  DOES_SPIN_BARRIER,
  DOES_SPIN_LOCK,
  DOES_WORK,
  HELD_LOCKS_MAX,
  HELD_NOT,
  LOCK_PARAVIRTUAL,
  LOCK_TEST_AND_SET,
  NEVER,
  NOBODY,
  STALL_HOLDER,
  STALL_NONE,
  VCPU_HALTED,
  VCPU_OFFLINE,
  VCPU_RUNNABLE,
  VCPU_RUNNING,
  VCPU_STATES,
} from "../tables.ts";
import { AVOID_NOTHING, type World } from "../world.ts";
import { refillCost } from "./cache_refill.ts";
import { rateOn } from "./rates.ts";
import {
  changeOffCause,
  enterPcpu,
  inKernel,
  isUnsafe,
  leavePcpu,
  offCauseOf,
  queuedCauseOf,
  setStall,
  settle,
} from "./settle.ts";
import { startTick, stopTick } from "./timer_tick.ts";

/** Rounds of decisions that one event may lead to. More means that a policy goes round in circles. */
const DECISION_ROUNDS_MAX = 64;

/** Decide again on this pCPU after the current event. */
export function askReschedule(w: World, p: number): void {
  if (w.pcpus.reschedule[p] === 1) return;
  w.pcpus.reschedule[p] = 1;
  w.pcpus.asked[w.reschedules++] = p;
}

/**
 * Makes every decision that was asked for, in rounds until nobody asks any more. The decisions of a round are made
 * together: first all their pCPUs let go, then all pick, then all switch. So a vCPU may change places with another in
 * one instant, and a gang may start as one.
 */
export function makeDecisions(w: World): void {
  const { pcpus } = w;
  for (let round = 0; w.reschedules > 0 || offerIdlePcpus(w); round++) {
    if (round === DECISION_ROUNDS_MAX)
      throw new Error(`The host policy asks for decisions without end at ${w.now} ns`);
    const count = takeAsked(w);
    const { round: these, deciding } = pcpus;
    for (let i = 0; i < count; i++) letGo(w, these[i]);
    for (let i = 0; i < count; i++) if (deciding[these[i]] === 1) pick(w, these[i]);
    for (let i = 0; i < count; i++) if (deciding[these[i]] === 1) switchAway(w, these[i]);
    for (let i = 0; i < count; i++) {
      if (deciding[these[i]] === 1) switchTo(w, these[i]);
      deciding[these[i]] = 0;
    }
  }
}

/** More than these are put in order by going through all pCPUs. */
const SORTED_MAX = 16;

/** Moves the pCPUs that were asked for into `pcpus.round`, in ascending order, and marks them; returns how many. */
function takeAsked(w: World): number {
  const { asked, round, reschedule, deciding, count: all } = w.pcpus;
  const count = w.reschedules;
  w.reschedules = 0;
  if (count > SORTED_MAX) {
    let i = 0;
    for (let p = 0; p < all; p++) if (reschedule[p] === 1) round[i++] = p;
  } else {
    for (let i = 0; i < count; i++) {
      const p = asked[i];
      let place = i;
      for (; place > 0 && round[place - 1] > p; place--) round[place] = round[place - 1];
      round[place] = p;
    }
  }
  for (let i = 0; i < count; i++) {
    reschedule[round[i]] = 0;
    deciding[round[i]] = 1;
  }
  return count;
}

/**
 * A work-conserving policy is asked again for an idle pCPU when somebody who has just begun to wait may run there:
 * several who woke at once may all have been promised the same one. True when there is something to decide.
 */
function offerIdlePcpus(w: World): boolean {
  const { vcpus, pcpus } = w;
  while (w.freshCount > 0) {
    const v = vcpus.fresh[--w.freshCount];
    vcpus.isFresh[v] = 0;
    if (w.policy.workConserving !== true || vcpus.state[v] !== VCPU_RUNNABLE || vcpus.held[v] !== HELD_NOT)
      continue;
    for (let p = 0; p < pcpus.count && w.idlePcpus > 0; p++) {
      if (pcpus.current[p] !== NOBODY || vcpus.allowed[v * pcpus.count + p] === 0) continue;
      if (pcpus.reschedule[p] === 1) continue;
      askReschedule(w, p);
      break;
    }
  }
  return w.reschedules > 0;
}

function noteFresh(w: World, v: number): void {
  const { vcpus } = w;
  if (vcpus.isFresh[v] === 1) return;
  vcpus.isFresh[v] = 1;
  vcpus.fresh[w.freshCount++] = v;
}

function letGo(w: World, p: number): void {
  const { pcpus } = w;
  const current = pcpus.current[p];
  if (current === NOBODY) return;
  settle(w, current);
  if (delayPreemption(w, p, current)) pcpus.deciding[p] = 0;
  else w.policy.onPreempt(current, p);
}

function pick(w: World, p: number): void {
  const next = w.policy.pickNext(p);
  w.pcpus.picked[p] = next;
  if (next !== NOBODY) checkPick(w, p, next);
}

function switchAway(w: World, p: number): void {
  const { pcpus } = w;
  const current = pcpus.current[p];
  if (current !== NOBODY && current !== pcpus.picked[p]) switchOut(w, p, current, VCPU_RUNNABLE);
}

function switchTo(w: World, p: number): void {
  const { pcpus, vcpus } = w;
  const next = pcpus.picked[p];
  if (next !== NOBODY) {
    if (next !== pcpus.current[p]) switchIn(w, p, next);
    vcpus.preemptPending[next] = 0;
    vcpus.delayUsed[next] = 0;
    pcpus.hostDue[p] = w.now + w.policy.slice(next, p);
  }
  arm(w, p);
}

function checkPick(w: World, p: number, next: number): void {
  const { vcpus, pcpus } = w;
  const complain = (why: string): never => {
    throw new Error(`The host policy picked vCPU ${next} for pCPU ${p} at ${w.now} ns; ${why}`);
  };
  const runsOn = vcpus.pcpu[next];
  if (vcpus.state[next] < VCPU_RUNNABLE) complain("it is not runnable");
  if (runsOn !== NOBODY && pcpus.deciding[runsOn] === 0) complain(`it runs on pCPU ${runsOn}`);
  if (vcpus.allowed[next * pcpus.count + p] === 0) complain("its pins forbid it");
}

/** Lock-holder preemption avoidance: once per slice, let a vCPU go on until it is safe to take the pCPU away. */
function delayPreemption(w: World, p: number, v: number): boolean {
  const { vcpus } = w;
  if (w.avoidance === AVOID_NOTHING || w.policy.switchesTogether === true || !isUnsafe(w, v)) return false;
  if (vcpus.allowed[v * w.pcpus.count + p] === 0) return false;
  if (vcpus.preemptPending[v] === 1) {
    if (w.now < w.pcpus.hostDue[p]) return true;
    w.preemptionsForced++;
    return false;
  }
  if (vcpus.delayUsed[v] === 1) return false;
  vcpus.delayUsed[v] = 1;
  vcpus.preemptPending[v] = 1;
  w.pcpus.hostDue[p] = w.now + w.costs.preemptionDelayMax;
  w.preemptionsDelayed++;
  arm(w, p);
  return true;
}

/** The guest reached a point where it holds nothing that others spin for. */
export function safePoint(w: World, v: number): void {
  if (w.vcpus.preemptPending[v] === 0) return;
  w.vcpus.preemptPending[v] = 0;
  askReschedule(w, w.vcpus.pcpu[v]);
}

/** Arms the pCPU's slot with the earliest of what can happen there: work done, guest slice over, host slice over. */
export function arm(w: World, p: number): void {
  const { vcpus, pcpus, now } = w;
  const v = pcpus.current[p];
  if (v === NOBODY) {
    w.slots.arm(p, NEVER, SLOT_WORK);
    return;
  }
  // While the pCPU still switches, nothing of the guest's can happen before the switch is over.
  const from = Math.max(now, vcpus.mark[v]);
  let at = from + workLeft(w, v);
  let kind = SLOT_WORK;
  const guest = vcpus.guestDue[v];
  if (guest < at) {
    at = Math.max(guest, from);
    kind = SLOT_GUEST;
  }
  const host = pcpus.hostDue[p];
  if (host < at) {
    at = Math.max(host, now);
    kind = SLOT_HOST;
  }
  w.slots.arm(p, at, kind);
}

/** How long a vCPU runs, undisturbed, until the guest has something to decide. */
function workLeft(w: World, v: number): number {
  const { vcpus, tasks } = w;
  const overhead = vcpus.overhead[v];
  const h = vcpus.current[v];
  if (h === NOBODY || vcpus.irqs[v] !== 0) return overhead;
  switch (tasks.does[h]) {
    case DOES_WORK: {
      const left = tasks.remaining[h];
      return overhead + (w.ratesVary ? Math.ceil(left / vcpus.rate[v]) : left);
    }
    case DOES_SPIN_BARRIER:
      return overhead + tasks.remaining[h];
    case DOES_SPIN_LOCK:
      return (
        overhead + (canTake(w, tasks.waitsFor[h]) ? 0 : Math.min(tasks.remaining[h], tasks.pauseLeft[h]))
      );
    case DOES_SPIN_ACK:
      return overhead + tasks.pauseLeft[h];
    default:
      // DOES_RETRY
      return overhead;
  }
}

/** A lock that is free for whoever runs first: the unfair kinds. */
export function canTake(w: World, l: number): boolean {
  const { locks } = w;
  const kind = locks.kind[l];
  return locks.holder[l] === NOBODY && (kind === LOCK_TEST_AND_SET || kind === LOCK_PARAVIRTUAL);
}

function switchIn(w: World, p: number, v: number): void {
  const { pcpus, vcpus, tasks, costs } = w;
  countWaiting(w);
  pcpus.idle[p] += w.now - pcpus.switchedAt[p];
  pcpus.current[p] = v;
  pcpus.switchedAt[p] = w.now;
  pcpus.resumeAt[p] = w.now + costs.vcpuSwitch;
  w.idlePcpus--;
  w.vcpuSwitches++;
  // After another vCPU or after none: what Linux counts in a thread's schedstat.
  vcpus.dispatches[v]++;

  if (w.domains.stealAware[vcpus.domain[v]] === 1) stopGuestClock(w, v, w.now - vcpus.since[v]);
  vcpus.overhead[v] += refillCost(w, p, v);
  if (vcpus.lastPcpu[v] !== p && vcpus.lastPcpu[v] !== NOBODY) w.vcpuMigrations++;
  setVcpuState(w, v, VCPU_RUNNING, p);
  vcpus.pcpu[v] = p;
  vcpus.lastPcpu[v] = p;
  pcpus.lastVcpu[p] = v;
  vcpus.mark[v] = pcpus.resumeAt[p];
  vcpus.pauseWindow[v] = costs.pauseLoopWindow;
  if (vcpus.irqs[v] !== 0) vcpus.overhead[v] += costs.ipiReceive;
  if (vcpus.owedCount[v] > 0) countTargets(w, v, -1);
  if (w.ratesVary) reviewRates(w, p);

  const h = vcpus.current[v];
  if (h === NOBODY) return;
  enterPcpu(w, h, vcpus.mark[v]);
  if (w.pauseLoopExiting && tasks.pauseLeft[h] !== NEVER) tasks.pauseLeft[h] = costs.pauseLoopWindow;
  for (let i = 0; i < tasks.heldCount[h]; i++) setStall(w, tasks.held[h * HELD_LOCKS_MAX + i], STALL_NONE);
}

/** Who runs on this core has changed: its other threads get faster or slower, and this one starts at its rate. */
function reviewRates(w: World, p: number): void {
  const { pcpus, vcpus } = w;
  for (let q = 0; q < pcpus.count; q++) {
    const v = pcpus.current[q];
    if (pcpus.core[q] !== pcpus.core[p] || v === NOBODY) continue;
    settle(w, v);
    vcpus.rate[v] = rateOn(w, q, v);
    arm(w, q);
  }
}

/** A guest that knows of steal time does not charge its current task for it. */
function stopGuestClock(w: World, v: number, off: number): void {
  w.vcpus.pickedAt[v] += off;
  w.vcpus.chargedAt[v] += off;
  w.vcpus.guestDue[v] += off;
}

function switchOut(w: World, p: number, v: number, state: number): void {
  const { pcpus, vcpus, tasks } = w;
  countWaiting(w);
  const switched = Math.min(w.now, pcpus.resumeAt[p]);
  pcpus.switching[p] += switched - pcpus.switchedAt[p];
  pcpus.run[p] += w.now - switched;
  vcpus.leftAtRun[v] = pcpus.run[p];
  const ahead = vcpus.mark[v] - w.now;
  pcpus.current[p] = NOBODY;
  pcpus.switchedAt[p] = w.now;
  pcpus.hostDue[p] = NEVER;
  w.idlePcpus++;
  setVcpuState(w, v, state, NOBODY);
  vcpus.pcpu[v] = NOBODY;
  vcpus.preemptPending[v] = 0;
  if (vcpus.owedCount[v] > 0) countTargets(w, v, 1);
  if (w.ratesVary) reviewRates(w, p);

  const h = vcpus.current[v];
  if (h === NOBODY) return;
  leavePcpu(w, h, offCauseOf(w, v));
  tasks.offInKernel[h] = state === VCPU_RUNNABLE && inKernel(w, v) ? 1 : 0;
  // It was booked as off until the end of a switch that did not end.
  if (ahead > 0) tasks.offSince[h] = w.now + ahead;
  if (state !== VCPU_RUNNABLE) return;
  if (tasks.does[h] === DOES_SPIN_LOCK) w.waiterPreemptions++;
  if (tasks.heldCount[h] > 0) w.holderPreemptions++;
  for (let i = 0; i < tasks.heldCount[h]; i++) setStall(w, tasks.held[h * HELD_LOCKS_MAX + i], STALL_HOLDER);
}

/** Those who spin for this vCPU's acknowledgement: one target more, or one less, is off the pCPUs. */
function countTargets(w: World, target: number, change: number): void {
  const { vcpus, tasks } = w;
  const row = target * vcpus.count;
  for (let i = 0; i < vcpus.count; i++) {
    const owed = w.owed[row + i];
    if (owed === 0) continue;
    if (vcpus.state[i] === VCPU_RUNNING) settle(w, i);
    tasks.acksOffPcpu[owed - 1] += change;
  }
}

function setVcpuState(w: World, v: number, state: number, p: number): void {
  const { vcpus } = w;
  const old = vcpus.state[v];
  vcpus.times[v * VCPU_STATES + old] += w.now - vcpus.since[v];
  vcpus.since[v] = w.now;
  vcpus.state[v] = state;
  if (old === VCPU_RUNNABLE) w.waitingVcpus--;
  if (state === VCPU_RUNNABLE) {
    w.waitingVcpus++;
    noteFresh(w, v);
  }
  if (w.trace !== null) w.trace.record(w.now, TRACE_VCPU, v, state, p);
  if (vcpus.queueLength[v] > 0) renameWaiting(w, v);
}

/** The tasks in a vCPU's queue wait for something else now that its state has changed. */
function renameWaiting(w: World, v: number): void {
  const { vcpus } = w;
  const cause = queuedCauseOf(w, v);
  const base = vcpus.queueBase[v];
  for (let i = 0; i < vcpus.queueLength[v]; i++) changeOffCause(w, vcpus.queue[base + i], cause);
}

/** Before the number of idle pCPUs or waiting vCPUs changes: books the pCPU time that idled though work waited. */
export function countWaiting(w: World): void {
  w.idleWhileWaiting += Math.min(w.idlePcpus, w.waitingVcpus) * (w.now - w.countedAt);
  w.countedAt = w.now;
}

/** A halted or offline vCPU becomes runnable. */
export function wakeVcpu(w: World, v: number): void {
  countWaiting(w);
  setVcpuState(w, v, VCPU_RUNNABLE, NOBODY);
  const h = w.vcpus.current[v];
  if (h !== NOBODY) changeOffCause(w, h, CAUSE_STEAL);
  startTick(w, v);
  w.policy.onWake(v);
}

/** A vCPU stops being runnable: it halts or goes offline. The caller has settled it. */
export function stopVcpu(w: World, v: number, state: number): void {
  stopTick(w, v);
  const p = w.vcpus.pcpu[v];
  const wasRunnable = w.vcpus.state[v] >= VCPU_RUNNABLE;
  if (p !== NOBODY) {
    switchOut(w, p, v, state);
    arm(w, p);
    askReschedule(w, p);
  } else {
    countWaiting(w);
    setVcpuState(w, v, state, NOBODY);
  }
  if (wasRunnable) w.policy.onHalt(v, p);
}

/** An interrupt for a vCPU, from a sibling (`from`), or from a device or timer (-1). Equal ones coalesce. */
export function interrupt(w: World, from: number, to: number, irq: number): void {
  const { vcpus } = w;
  if (vcpus.state[to] === VCPU_OFFLINE) return;
  const pending = vcpus.irqs[to];
  if (from !== NOBODY) {
    w.ipis++;
    w.domains.ipis[vcpus.domain[from]]++;
    if ((pending & irq) === 0) w.domains.arrivedIpis[vcpus.domain[from]]++;
    w.policy.onIpi?.(from, to, irq);
    if (w.trace !== null) w.trace.record(w.now, TRACE_IPI, to, from, irq);
  }
  vcpus.irqs[to] = pending | irq;
  if (vcpus.state[to] === VCPU_HALTED) {
    wakeVcpu(w, to);
  } else if (vcpus.state[to] === VCPU_RUNNING && pending === 0) {
    settle(w, to);
    vcpus.overhead[to] += w.costs.ipiReceive;
    arm(w, vcpus.pcpu[to]);
  }
}

/** A policy says why a runnable vCPU is held back (HELD_*). */
export function setHeld(w: World, v: number, why: number): void {
  const { vcpus } = w;
  if (vcpus.held[v] === why) return;
  vcpus.held[v] = why;
  const h = vcpus.current[v];
  if (vcpus.state[v] !== VCPU_RUNNABLE) return;
  if (h !== NOBODY) changeOffCause(w, h, offCauseOf(w, v));
  renameWaiting(w, v);
}

/** Changes where a vCPU may run. A list of pCPUs, not empty. */
export function setPins(w: World, v: number, allowed: readonly number[]): void {
  const { vcpus, pcpus } = w;
  const row = v * pcpus.count;
  vcpus.allowed.fill(0, row, row + pcpus.count);
  for (const p of allowed) vcpus.allowed[row + p] = 1;
  w.policy.onPins?.(v);
  if (vcpus.state[v] === VCPU_RUNNABLE) noteFresh(w, v);
  const p = vcpus.pcpu[v];
  if (p !== NOBODY && vcpus.allowed[row + p] === 0) askReschedule(w, p);
}
