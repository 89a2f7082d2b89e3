/**
 * Xen's credit2 (G. Dunlap; xen/common/sched/credit2.c, read there): one queue per socket, ordered by credit.
 *
 * A running vCPU burns credit, one per nanosecond at the heaviest weight of its queue, more for a lighter one. The one
 * with the most credit runs next. When the best that is left has none, an epoch ends: everybody in the queue gets the
 * same amount on top of what little it may carry over. There is no accounting period, no priority and no boost: who
 * slept has more credit than those who ran, and therefore goes first.
 *
 * A vCPU runs until its credit is down to that of the first who waits, at least 0.5 ms and at least the rate limit of
 * 1 ms, at most 10 ms. It takes another's pCPU only with more credit, and a pCPU that it did not run on last only with
 * 0.5 ms more. A capped domain has a budget per 10 ms; without any left its vCPUs are parked.
 *
 * Example, equal weights: a runs with 7 ms of credit, b waits with 4: a runs for 3 ms.
 *
 * The weight counts once per vCPU, as in credit.
 *
 * Simplified: no soft affinity and no preference for idle cores; a domain's budget is one purse instead of being handed
 * out in advance; load between sockets is the number of runnable vCPUs instead of its moving average, and one vCPU
 * moves at a reset when two queues differ by two.
 */
import { CREDIT2 } from "../machine/constants.ts";
import { HELD_NOT, HELD_PARKED } from "../tables.ts";
import { callIdle } from "./call_idle.ts";
import type { Host, HostPolicy } from "./policy.ts";
import { VcpuQueue } from "./vcpu_queue.ts";

export interface Credit2Config {
  readonly kind: "credit2";
  /** pCPUs that share a queue: Xen's default is a socket, here a node. */
  readonly queuePer?: "node" | "llc" | "host";
  /** Nanoseconds; 0 for none. Default 1 ms. */
  readonly rateLimit?: number;
  /** Nanoseconds of credit; default 0.5 ms. */
  readonly migrateResistance?: number;
}

/**
 * How long a vCPU with this credit may run while the first who waits has `waiting` (absent: nobody waits). Credit
 * lasts `weight / heaviest` nanoseconds each; `least` is what is left of the rate limit.
 */
export function runtime(
  credit: number,
  waiting: number | undefined,
  { weight, heaviest, least }: { weight: number; heaviest: number; least: number },
): number {
  const lead = waiting !== undefined && waiting > 0 ? credit - waiting : credit;
  const time = Math.max(0, Math.floor((lead * weight) / heaviest));
  return Math.min(CREDIT2.initial, Math.max(time, CREDIT2.carryOver, least));
}

/** A vCPU's credit after a reset that was due because `next` had none left. */
export function afterReset(credit: number, next: number): number {
  const given = next <= -CREDIT2.initial ? 2 * CREDIT2.initial : CREDIT2.initial;
  return Math.min(credit + given, CREDIT2.initial + CREDIT2.carryOver);
}

/** How much a waiting vCPU deserves the pCPU of a running one; takes it when above 0. */
export function score(waiting: number, running: number, moves: boolean, resistance: number): number {
  return waiting - running - (moves ? resistance : 0);
}

export function credit2(host: Host, config: Credit2Config): HostPolicy {
  const rateLimit = config.rateLimit ?? CREDIT2.rateLimit;
  const resistance = config.migrateResistance ?? CREDIT2.migrateResistance;
  const capTimer = host.pcpus;

  const groupOf = new Int32Array(host.pcpus);
  for (let p = 0; p < host.pcpus; p++) {
    groupOf[p] = config.queuePer === "host" ? 0 : config.queuePer === "llc" ? host.llcOf(p) : host.nodeOf(p);
  }
  const groups = 1 + Math.max(...groupOf);
  const queues = Array.from({ length: groups }, () => new VcpuQueue(host.vcpus));
  const heaviest = new Float64Array(groups).fill(1);

  const group = new Int32Array(host.vcpus).fill(-1);
  /** The pCPU whose caches it knows. */
  const processor = new Int32Array(host.vcpus).fill(-1);
  const credits = new Float64Array(host.vcpus).fill(CREDIT2.initial);
  const burned = new Float64Array(host.vcpus);
  const startedAt = new Float64Array(host.vcpus);
  const yielding = new Uint8Array(host.vcpus);
  const parked = new Uint8Array(host.vcpus);
  /** Who ran there until the decision that is being made. */
  const before = new Int32Array(host.pcpus).fill(-1);
  const budget = new Float64Array(host.domains);
  const isCapped = (d: number): boolean => host.capOf(d) > 0;
  let capsStarted = false;

  function budgetOf(d: number): number {
    return (host.capOf(d) * CREDIT2.capPeriod) / 1000;
  }

  /** A queue's pCPUs that a vCPU may use. */
  function usable(v: number, g: number): boolean {
    for (let p = 0; p < host.pcpus; p++) if (groupOf[p] === g && host.allowed(v, p)) return true;
    return false;
  }

  const loads = (): Int32Array => {
    const load = new Int32Array(groups);
    for (let v = 0; v < host.vcpus; v++) if (group[v] >= 0 && host.isRunnable(v)) load[group[v]]++;
    return load;
  };

  function join(v: number, g: number): void {
    group[v] = g;
    heaviest[g] = Math.max(heaviest[g], host.weightOf(host.domainOf(v)));
    if (processor[v] >= 0 && groupOf[processor[v]] === g && host.allowed(v, processor[v])) return;
    for (let p = 0; p < host.pcpus; p++) {
      if (groupOf[p] !== g || !host.allowed(v, p)) continue;
      processor[v] = p;
      return;
    }
  }

  /** The queue with the least load of those it may use. */
  function leastLoaded(v: number): number {
    const load = loads();
    let best = -1;
    for (let g = 0; g < groups; g++) if (usable(v, g) && (best < 0 || load[g] < load[best])) best = g;
    return best;
  }

  function burn(v: number): void {
    const ran = host.ranOf(v) - burned[v];
    const d = host.domainOf(v);
    burned[v] += ran;
    credits[v] = Math.max(-CREDIT2.initial, credits[v] - (ran * heaviest[group[v]]) / host.weightOf(d));
    if (isCapped(d)) budget[d] -= ran;
  }

  function insert(v: number): void {
    const queue = queues[group[v]];
    let at = queue.first;
    while (at >= 0 && credits[at] >= credits[v]) at = queue.next(at);
    queue.insertBefore(v, at);
  }

  /** An idle pCPU for v, its own first; else the one whose vCPU has the least claim. */
  function tickle(v: number): void {
    const own = processor[v];
    for (let i = 0; i < host.pcpus; i++) {
      const p = (own + i) % host.pcpus;
      if (groupOf[p] !== group[v] || !host.isIdle(p) || !host.allowed(v, p)) continue;
      host.reschedule(p);
      return;
    }
    let best = -1;
    let highest = 0;
    for (let i = 0; i < host.pcpus; i++) {
      const p = (own + i) % host.pcpus;
      const current = host.running(p);
      if (groupOf[p] !== group[v] || current < 0 || !host.allowed(v, p)) continue;
      if (rateLimit > 0 && host.now() - startedAt[current] <= rateLimit - CREDIT2.rateLimitTolerance)
        continue;
      burn(current);
      const claim = score(credits[v], credits[current], p !== own, resistance);
      if (claim <= highest) continue;
      highest = claim;
      best = p;
      if (p === own) break;
    }
    if (best >= 0) host.reschedule(best);
  }

  function reset(g: number, next: number): void {
    const due = credits[next];
    for (let v = 0; v < host.vcpus; v++) {
      if (group[v] !== g) continue;
      if (host.isRunning(v)) burn(v);
      credits[v] = afterReset(credits[v], due);
    }
    balance();
  }

  /** One vCPU from the queue with the most runnable to that with the fewest, when they differ by two. */
  function balance(): void {
    if (groups === 1) return;
    const load = loads();
    let most = 0;
    let least = 0;
    for (let g = 1; g < groups; g++) {
      if (load[g] > load[most]) most = g;
      if (load[g] < load[least]) least = g;
    }
    if (load[most] - load[least] < 2) return;
    for (let v = queues[most].first; v >= 0; v = queues[most].next(v)) {
      if (!usable(v, least)) continue;
      queues[most].remove(v);
      join(v, least);
      insert(v);
      tickle(v);
      return;
    }
  }

  function park(v: number): void {
    parked[v] = 1;
    host.hold(v, HELD_PARKED);
  }

  const mustPark = (v: number): boolean => isCapped(host.domainOf(v)) && budget[host.domainOf(v)] <= 0;

  /** The first in the queue that p may run and that is not better off where it was. */
  function candidate(p: number, current: number): number {
    const queue = queues[groupOf[p]];
    for (let v = queue.first; v >= 0; v = queue.next(v)) {
      if (!host.allowed(v, p)) continue;
      if (current < 0) return v;
      if (processor[v] !== p && credits[current] + resistance > credits[v]) continue;
      return yielding[current] === 1 || credits[v] > credits[current] ? v : -1;
    }
    return -1;
  }

  return {
    // With one queue. Between queues only resets balance.
    workConserving: groups === 1,
    onWake(v) {
      if (!capsStarted) {
        capsStarted = true;
        for (let d = 0; d < host.domains; d++) budget[d] = budgetOf(d);
        if (budget.some((each) => each > 0)) host.arm(capTimer, host.now() + CREDIT2.capPeriod);
      }
      if (group[v] < 0 || !usable(v, group[v])) join(v, leastLoaded(v));
      burned[v] = host.ranOf(v);
      if (parked[v] === 1) return;
      if (mustPark(v)) {
        park(v);
        return;
      }
      insert(v);
      tickle(v);
    },
    onHalt(v, p) {
      if (p >= 0) burn(v);
      else queues[group[v]].remove(v);
    },
    onPreempt(v, p) {
      burn(v);
      if (mustPark(v)) park(v);
      else if (host.allowed(v, p)) before[p] = v;
      else {
        if (!usable(v, group[v])) join(v, leastLoaded(v));
        insert(v);
        tickle(v);
      }
    },
    pickNext(p) {
      const g = groupOf[p];
      const current = before[p];
      before[p] = -1;
      const isLimited =
        current >= 0 && yielding[current] === 0 && host.now() - startedAt[current] < rateLimit;
      const found = isLimited ? -1 : candidate(p, current);
      if (current >= 0) yielding[current] = 0;
      const next = found < 0 ? current : found;
      if (next < 0) return -1;
      if (next !== current) {
        queues[g].remove(next);
        startedAt[next] = host.now();
        burned[next] = host.ranOf(next);
        if (current >= 0) {
          insert(current);
          tickle(current);
        }
      }
      callIdle(host, queues[g]);
      const first = queues[g].first;
      if (Math.max(credits[next], first < 0 ? -CREDIT2.initial : credits[first]) <= 0) reset(g, next);
      if (processor[next] !== p) {
        processor[next] = p;
        credits[next] += CREDIT2.migrateCompensation;
      }
      return next;
    },
    slice(v, p) {
      const g = groupOf[p];
      const d = host.domainOf(v);
      const first = queues[g].first;
      const time = runtime(credits[v], first < 0 ? undefined : credits[first], {
        weight: host.weightOf(d),
        heaviest: heaviest[g],
        least: rateLimit - (host.now() - startedAt[v]),
      });
      if (!isCapped(d)) return time;
      // The domain's purse, if all its running vCPUs draw on it.
      let sharers = 0;
      for (let u = host.firstVcpuOf(d); u < host.firstVcpuOf(d) + host.vcpuCountOf(d); u++)
        if (host.isRunnable(u)) sharers++;
      return Math.max(1, Math.min(time, Math.ceil(budget[d] / Math.max(1, sharers))));
    },
    onTimer() {
      host.arm(capTimer, host.now() + CREDIT2.capPeriod);
      for (let d = 0; d < host.domains; d++) {
        if (!isCapped(d)) continue;
        // What was overdrawn stays owed; nothing is saved up.
        budget[d] = Math.min(budgetOf(d), budget[d] + budgetOf(d));
        for (let v = host.firstVcpuOf(d); v < host.firstVcpuOf(d) + host.vcpuCountOf(d); v++) {
          if (parked[v] === 0 || mustPark(v)) continue;
          parked[v] = 0;
          host.hold(v, HELD_NOT);
          if (!host.isRunnable(v)) continue;
          insert(v);
          tickle(v);
        }
      }
    },
    onYield(v, p) {
      yielding[v] = 1;
      host.reschedule(p);
    },
    onPins(v) {
      if (!host.isRunnable(v) || host.isRunning(v) || parked[v] === 1) return;
      queues[group[v]].remove(v);
      if (!usable(v, group[v])) join(v, leastLoaded(v));
      insert(v);
      tickle(v);
    },
  };
}
