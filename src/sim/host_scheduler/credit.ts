/**
 * Xen's credit scheduler as in Xen 4.1.2 (xen/common/sched_credit.c): one queue per pCPU ordered by priority (BOOST
 * before UNDER before OVER), credit burned while running and handed out every 30 ms by weight, slices of 30 ms,
 * stealing only when the next in the queue is OVER or there is none.
 *
 * The weight counts once per active vCPU, as it did in 4.1: of two domains of equal weight, the one with twice
 * the active vCPUs gets twice the time. `weightPer: "domain"` gives each domain its weight once, as vScale changed it.
 *
 * Simplified: ticks are spread evenly over the pCPUs instead of by the moments at which they booted; there is no rate
 * limit (it came with 4.2); a peer's lock is always to be had.
 */
import { HELD_NOT, HELD_PARKED } from "../tables.ts";
import type { Host, HostPolicy } from "./policy.ts";
import { VcpuQueue } from "./vcpu_queue.ts";

export interface CreditConfig {
  readonly kind: "credit";
  /** Default 30 ms. The tick is a third of it. */
  readonly slice?: number;
  readonly weightPer?: "vcpu" | "domain";
  /** A woken vCPU that is not over its credit goes before all others; default true. */
  readonly boost?: boolean;
}

const TICKS_PER_SLICE = 3;
const CREDITS_PER_MS = 10;
const NS_PER_MS = 1_000_000;

/** Priorities: the higher goes first. */
const BOOST = 0;
const UNDER = -1;
const OVER = -2;
const IDLE = -64;

export function credit(host: Host, config: CreditConfig): HostPolicy {
  const slice = config.slice ?? 30 * NS_PER_MS;
  const tick = Math.floor(slice / TICKS_PER_SLICE);
  const creditPerSlice = (slice / NS_PER_MS) * CREDITS_PER_MS;
  const perDomain = config.weightPer === "domain";
  const boosting = config.boost ?? true;
  const accountTimer = host.pcpus;

  const queues = Array.from({ length: host.pcpus }, () => new VcpuQueue(host.vcpus));
  const processor = new Int32Array(host.vcpus).fill(-1);
  const priority = new Int32Array(host.vcpus).fill(UNDER);
  const credits = new Float64Array(host.vcpus);
  /** The vCPU's pCPU time up to which credit was burned. */
  const burned = new Float64Array(host.vcpus);
  const active = new Uint8Array(host.vcpus);
  const parked = new Uint8Array(host.vcpus);
  const yielding = new Uint8Array(host.vcpus);
  const migrating = new Uint8Array(host.vcpus);
  const activeVcpus: number[][] = Array.from({ length: host.domains }, () => []);
  /** Domains with active vCPUs; whoever could use more than its share is moved to the front. */
  const activeDomains: number[] = [];
  const sortedAt = new Int32Array(host.pcpus);
  let sortEpoch = 0;
  let balance = 0;
  let lastTickled = 0;
  let started = false;

  const coreOf = (p: number): number => host.coreOf(p);
  const llcOf = (p: number): number => host.llcOf(p);
  const termOf = (d: number): number => host.weightOf(d) * (perDomain ? 1 : activeVcpus[d].length);
  const priorityOn = (p: number): number => (host.running(p) < 0 ? IDLE : priority[host.running(p)]);

  function start(): void {
    started = true;
    for (let p = 0; p < host.pcpus; p++) host.arm(p, host.now() + tick + Math.floor((p * tick) / host.pcpus));
    host.arm(accountTimer, host.now() + slice);
  }

  function burn(v: number): void {
    const unit = NS_PER_MS / CREDITS_PER_MS;
    const spent = Math.floor((host.ranOf(v) - burned[v]) / unit + 0.5);
    if (spent <= 0) return;
    credits[v] -= spent;
    burned[v] += spent * unit;
  }

  /** Before the first of lower priority; one who yields lets one more pass. */
  function insert(v: number, p: number): void {
    const queue = queues[p];
    let at = queue.first;
    while (at >= 0 && priority[at] >= priority[v]) at = queue.next(at);
    if (yielding[v] === 1 && at >= 0) at = queue.next(at);
    queue.insertBefore(v, at);
    processor[v] = p;
  }

  function tickle(p: number, v: number): void {
    if (priority[v] > priorityOn(p)) host.reschedule(p);
    if (host.running(p) < 0) return;
    for (let i = 1; i <= host.pcpus; i++) {
      const q = (lastTickled + i) % host.pcpus;
      if (!host.isIdle(q) || !host.allowed(v, q)) continue;
      lastTickled = q;
      host.reschedule(q);
      return;
    }
  }

  /** Where Xen puts a new vCPU: beside its predecessor; the first of a domain where the fewest are. */
  function firstProcessor(v: number): number {
    if (host.indexOf(v) > 0) return nextAllowed(v, processor[v - 1]);
    let best = -1;
    const count = (p: number): number => processor.reduce((sum, home) => sum + (home === p ? 1 : 0), 0);
    for (let p = 0; p < host.pcpus; p++) {
      if (host.allowed(v, p) && (best < 0 || count(p) < count(best))) best = p;
    }
    return best;
  }

  function nextAllowed(v: number, after: number): number {
    for (let i = 1; i <= host.pcpus; i++)
      if (host.allowed(v, (after + i) % host.pcpus)) return (after + i) % host.pcpus;
    throw new Error(`vCPU ${v} may run nowhere`);
  }

  /** An idle pCPU that has more idle neighbours: idle threads in a core, or more than twice the idle pCPUs of a cache. */
  function pickPcpu(v: number): number {
    const own = host.allowed(v, processor[v]) ? processor[v] : nextAllowed(v, processor[v]);
    const idleNear = (p: number, near: (q: number) => number): number => {
      let idle = 0;
      for (let q = 0; q < host.pcpus; q++) if (near(q) === near(p) && (q === own || host.isIdle(q))) idle++;
      return idle;
    };
    let best = own;
    for (let i = 1; i < host.pcpus; i++) {
      const p = (own + i) % host.pcpus;
      if (!host.isIdle(p) || !host.allowed(v, p)) continue;
      const better =
        host.llcOf(p) === host.llcOf(best)
          ? idleNear(best, coreOf) < idleNear(p, coreOf)
          : 2 * idleNear(best, llcOf) < idleNear(p, llcOf);
      if (better) best = p;
    }
    return best;
  }

  function activate(v: number): void {
    const d = host.domainOf(v);
    active[v] = 1;
    activeVcpus[d].push(v);
    if (activeVcpus[d].length === 1) activeDomains.push(d);
  }

  function deactivate(v: number): void {
    const d = host.domainOf(v);
    active[v] = 0;
    activeVcpus[d].splice(activeVcpus[d].indexOf(v), 1);
    if (activeVcpus[d].length === 0) activeDomains.splice(activeDomains.indexOf(d), 1);
  }

  /** Every 30 ms: credit by weight, in proportion to what the pCPUs can give; who is short is OVER, who is rich retires. */
  function account(): void {
    for (let p = 0; p < host.pcpus; p++) if (host.running(p) >= 0) burn(host.running(p));
    const weightTotal = activeDomains.reduce((sum, d) => sum + termOf(d), 0);
    let creditTotal = creditPerSlice * host.pcpus - Math.min(0, balance);
    if (weightTotal === 0) {
      balance = 0;
      return;
    }
    let weightLeft = weightTotal;
    let newBalance = 0;
    let somebodyWantsMore = false;
    for (const d of activeDomains.slice()) {
      const members = activeVcpus[d].slice();
      const term = termOf(d);
      weightLeft -= term;
      let peak = members.length * creditPerSlice;
      if (balance < 0) peak += Math.ceil((-balance * term) / weightTotal);
      const cap = host.capOf(d);
      let capPerVcpu = 0;
      if (cap > 0) {
        const capCredit = Math.ceil((cap * creditPerSlice) / 1000);
        peak = Math.min(peak, capCredit);
        capPerVcpu = Math.ceil(capCredit / members.length);
      }
      let fair = Math.ceil((creditTotal * term) / weightTotal);
      if (fair < peak) {
        somebodyWantsMore = true;
      } else {
        if (weightLeft > 0) creditTotal += Math.ceil(((fair - peak) * weightTotal) / weightLeft);
        if (somebodyWantsMore) {
          activeDomains.splice(activeDomains.indexOf(d), 1);
          activeDomains.unshift(d);
        }
        fair = peak;
      }
      fair = Math.ceil(fair / members.length);
      for (const v of members) newBalance += settleCredit(v, fair, cap > 0 ? capPerVcpu : -1);
    }
    balance = newBalance;
    sortEpoch++;
  }

  function settleCredit(v: number, fair: number, capPerVcpu: number): number {
    credits[v] += fair;
    if (credits[v] < 0) {
      priority[v] = OVER;
      if (capPerVcpu >= 0 && credits[v] < -capPerVcpu && parked[v] === 0) park(v);
      if (credits[v] < -creditPerSlice) credits[v] = -creditPerSlice;
      return credits[v];
    }
    priority[v] = UNDER;
    if (parked[v] === 1) unpark(v);
    if (credits[v] > creditPerSlice) {
      deactivate(v);
      credits[v] = Math.floor(credits[v] / 2);
    }
    return credits[v];
  }

  function park(v: number): void {
    parked[v] = 1;
    host.hold(v, HELD_PARKED);
    if (host.isRunning(v)) host.reschedule(host.pcpuOf(v));
    else queues[processor[v]].remove(v);
  }

  function unpark(v: number): void {
    parked[v] = 0;
    host.hold(v, HELD_NOT);
    if (!host.isRunnable(v) || host.isRunning(v)) return;
    insert(v, host.allowed(v, processor[v]) ? processor[v] : nextAllowed(v, processor[v]));
    tickle(processor[v], v);
  }

  /** After an accounting: those UNDER before those OVER, stable. */
  function resort(p: number): void {
    if (sortedAt[p] === sortEpoch) return;
    sortedAt[p] = sortEpoch;
    const queue = queues[p];
    const all: number[] = [];
    for (let v = queue.first; v >= 0; v = queue.next(v)) all.push(v);
    for (const v of all) queue.remove(v);
    for (const v of all) if (priority[v] >= UNDER) queue.pushBack(v);
    for (const v of all) if (priority[v] < UNDER) queue.pushBack(v);
  }

  /** The first vCPU of a busy peer that goes before `least`, and may run here. */
  function steal(p: number, least: number): number {
    for (let i = 1; i < host.pcpus; i++) {
      const peer = (p + i) % host.pcpus;
      if (host.running(peer) < 0) continue;
      const queue = queues[peer];
      for (let v = queue.first; v >= 0 && priority[v] > least; v = queue.next(v)) {
        if (!host.allowed(v, p)) continue;
        queue.remove(v);
        processor[v] = p;
        return v;
      }
    }
    return -1;
  }

  return {
    onWake(v) {
      if (!started) start();
      if (processor[v] < 0) processor[v] = firstProcessor(v);
      if (!host.allowed(v, processor[v])) processor[v] = nextAllowed(v, processor[v]);
      if (parked[v] === 1) return;
      if (boosting && priority[v] === UNDER) priority[v] = BOOST;
      insert(v, processor[v]);
      tickle(processor[v], v);
    },
    onHalt(v, p) {
      if (p >= 0) burn(v);
      else if (processor[v] >= 0) queues[processor[v]].remove(v);
    },
    onPreempt(v, p) {
      burn(v);
      if (parked[v] === 1) {
        host.hold(v, HELD_PARKED);
        return;
      }
      let home = p;
      if (!host.allowed(v, p)) home = nextAllowed(v, p);
      else if (migrating[v] === 1) home = pickPcpu(v);
      migrating[v] = 0;
      insert(v, home);
      yielding[v] = 0;
      if (home !== p) tickle(home, v);
    },
    pickNext(p) {
      const next = queues[p].first;
      if (next >= 0) {
        if (priority[next] > OVER) {
          queues[p].remove(next);
          return next;
        }
      }
      const stolen = steal(p, next < 0 ? IDLE : priority[next]);
      if (stolen >= 0) return stolen;
      if (next >= 0) queues[p].remove(next);
      return next;
    },
    slice: () => slice,
    onTimer(timer) {
      if (timer === accountTimer) {
        host.arm(accountTimer, host.now() + slice);
        account();
        return;
      }
      const p = timer;
      host.arm(p, host.now() + tick);
      const v = host.running(p);
      if (v >= 0) {
        if (priority[v] === BOOST) priority[v] = UNDER;
        burn(v);
        if (active[v] === 0) activate(v);
        else if (pickPcpu(v) !== p) {
          migrating[v] = 1;
          host.reschedule(p);
        }
      }
      resort(p);
    },
    onYield(v, p) {
      yielding[v] = 1;
      host.reschedule(p);
    },
    onPins(v) {
      if (!host.isRunnable(v) || host.isRunning(v) || parked[v] === 1 || host.allowed(v, processor[v]))
        return;
      queues[processor[v]].remove(v);
      insert(v, nextAllowed(v, processor[v]));
      tickle(processor[v], v);
    },
  };
}
