/**
 * Relaxed co-scheduling, as VMware ESX since 3.x: a domain's vCPUs need not start together, but none may run too far
 * ahead of the slowest sibling. What strict co-scheduling loses to fragmentation is won back; that nobody waits for long
 * for a preempted sibling is kept.
 *
 * Each vCPU makes progress while it runs, and while it idles. Its lead is its progress minus that of the slowest sibling
 * that wants to run. A vCPU with a lead of more than `stopLead` is co-stopped, alone; it may go on when the lead is below
 * `startLead`, because the slowest has caught up.
 *
 * - `generation: 3` (ESX 3.x): time that the hypervisor spends on a vCPU's behalf counts as progress, and a stopped
 *   vCPU starts only together with the siblings that lag behind, when there are pCPUs for all of them at once.
 * - `generation: 4` (ESX 4.x): only what the guest gets counts, and a stopped vCPU may start by itself.
 *
 * When a vCPU takes over a pCPU from another domain, its waiting siblings are started with it, where somebody of another
 * domain has had more of what it is entitled to: as many siblings as possible run together, so that with pCPUs enough for a
 * whole domain it is served as by strict co-scheduling (VMware, The CPU Scheduler in VMware vSphere 5).
 *
 * Between domains: the one that has consumed the least of what it is entitled to by its weight goes first, and of its vCPUs
 * the one that has had least.
 *
 * Example, `stopLead` 3 ms, progress of four siblings 12, 9, 8 ms and 14 ms but asleep: the slowest who wants to run is
 * the third; the first leads by 4 ms and is stopped; the second by 1 ms; the sleeper needs no pCPU and holds up nobody.
 *
 * Sources: vScale (EuroSys'16) section 2.1 for the generations; VMware's white papers on ESX 3.5 and 4.1, from memory:
 * the thresholds, the interval at which skew is looked at and what a sleeper's lead becomes when it wakes are ours (the
 * constants say so). Simplified: one queue for the host, no preference for the pCPU's neighbours.
 */
import { RELAXED_CO } from "../machine/constants.ts";
import { HELD_CO_STOPPED, HELD_NOT } from "../tables.ts";
import { callIdle } from "./call_idle.ts";
import type { Host, HostPolicy } from "./policy.ts";
import { VcpuQueue } from "./vcpu_queue.ts";

export interface RelaxedCoConfig {
  readonly kind: "relaxed-co";
  /** Default 4. */
  readonly generation?: 3 | 4;
  readonly slice?: number;
  /** Infinity: never stop anybody, which is no co-scheduling at all. */
  readonly stopLead?: number;
  readonly startLead?: number;
  /** Starts siblings together; default true. Without it they are only kept from running far ahead. */
  readonly together?: boolean;
}

/** A sibling at the moment when the skew is looked at. */
export interface Sibling {
  readonly progress: number;
  /** Runs, or wants to. */
  readonly isRunnable: boolean;
  readonly isStopped: boolean;
}

/** How far each is ahead of the slowest that wants to run; 0 for all when nobody does. */
export function leads(siblings: readonly Sibling[]): number[] {
  const slowest = Math.min(...siblings.filter((each) => each.isRunnable).map((each) => each.progress));
  return siblings.map((each) => (slowest === Number.POSITIVE_INFINITY ? 0 : each.progress - slowest));
}

/** Who is stopped from now on. */
export function stopped(
  siblings: readonly Sibling[],
  { stopLead, startLead }: { stopLead: number; startLead: number },
): boolean[] {
  const ahead = leads(siblings);
  return siblings.map(({ isRunnable, isStopped }, i) =>
    isStopped ? startLead <= ahead[i] && isRunnable : isRunnable && stopLead < ahead[i],
  );
}

export function relaxedCo(host: Host, config: RelaxedCoConfig): HostPolicy {
  const generation = config.generation ?? 4;
  const slice = config.slice ?? RELAXED_CO.slice;
  const stopLead = config.stopLead ?? RELAXED_CO.stopLead;
  const startLead = config.startLead ?? RELAXED_CO.startLead;
  const together = config.together ?? true;
  const skewTimer = host.pcpus;

  const queue = new VcpuQueue(host.vcpus);
  const progress = new Float64Array(host.vcpus);
  const seenRan = new Float64Array(host.vcpus);
  /** The start of its run, and up to when that is booked. */
  const runningSince = new Float64Array(host.vcpus);
  const bookedAt = new Float64Array(host.vcpus);
  /** Time consumed over what it is entitled to. */
  const consumed = new Float64Array(host.vcpus);
  const charged = new Float64Array(host.vcpus);
  /** The same of a whole domain, which is what ranks its vCPUs when siblings are to run together. */
  const consumedByDomain = new Float64Array(host.domains);
  const isStopped = new Uint8Array(host.vcpus);
  /** On these pCPUs a gang of generation 3 starts together. */
  const reserved = new Int32Array(host.pcpus).fill(-1);
  /** Who ran there until the decision that is being made. */
  const before = new Int32Array(host.pcpus).fill(-1);
  let started = false;

  const siblingsOf = (d: number): number[] =>
    Array.from({ length: host.vcpuCountOf(d) }, (_, i) => host.firstVcpuOf(d) + i);

  /** Books what a vCPU did since it was last looked at. */
  function book(v: number): void {
    const ran = host.ranOf(v);
    const d = host.domainOf(v);
    consumed[v] += ((ran - charged[v]) * host.vcpuCountOf(d)) / host.weightOf(d);
    consumedByDomain[d] += (ran - charged[v]) / host.weightOf(d);
    charged[v] = ran;
    if (generation === 3) {
      // From the moment it was given the pCPU: switching to it is work on its behalf.
      if (!host.isRunning(v)) return;
      progress[v] += host.now() - bookedAt[v];
      bookedAt[v] = host.now();
    } else {
      progress[v] += ran - seenRan[v];
      seenRan[v] = ran;
    }
  }

  const servedOf = (v: number): number => (together ? consumedByDomain[host.domainOf(v)] : consumed[v]);

  function look(d: number): void {
    const vcpus = siblingsOf(d);
    for (const v of vcpus) book(v);
    const siblings = vcpus.map((v) => ({
      progress: progress[v],
      isRunnable: host.isRunnable(v),
      isStopped: isStopped[v] === 1,
    }));
    const stops = stopped(siblings, { stopLead, startLead });
    const starting: number[] = [];
    vcpus.forEach((v, i) => {
      if (stops[i] && isStopped[v] === 0) stop(v);
      else if (!stops[i] && isStopped[v] === 1) starting.push(v);
    });
    if (starting.length === 0) return;
    if (generation === 4) for (const v of starting) start(v);
    else startTogether(vcpus, starting);
  }

  function stop(v: number): void {
    isStopped[v] = 1;
    host.hold(v, HELD_CO_STOPPED);
    queue.remove(v);
    if (host.isRunning(v)) host.reschedule(host.pcpuOf(v));
  }

  function start(v: number): void {
    isStopped[v] = 0;
    host.hold(v, HELD_NOT);
    if (!host.isRunnable(v) || host.isRunning(v)) return;
    queue.pushBack(v);
    findPcpu(v);
  }

  /** With all siblings that lag, in one instant, or not yet. */
  function startTogether(vcpus: readonly number[], starting: readonly number[]): void {
    const waiting = vcpus.filter(
      (v) => host.isRunnable(v) && !host.isRunning(v) && (isStopped[v] === 0 || starting.includes(v)),
    );
    const taken: number[] = [];
    for (const v of waiting) {
      const p = best(v, taken);
      if (p < 0) return;
      taken.push(p);
    }
    for (const v of starting) {
      isStopped[v] = 0;
      host.hold(v, HELD_NOT);
      if (host.isRunnable(v) && !host.isRunning(v)) queue.pushBack(v);
    }
    waiting.forEach((v, i) => {
      reserved[taken[i]] = v;
      host.reschedule(taken[i]);
    });
  }

  /** The pCPU that v should have: an idle one, its last if that is idle, else that of whoever has consumed the most, and more. */
  function best(v: number, taken: readonly number[] = []): number {
    const last = host.lastPcpuOf(v);
    let chosen = -1;
    let most = servedOf(v);
    for (let i = 0; i < host.pcpus; i++) {
      const p = last < 0 ? i : (last + i) % host.pcpus;
      if (!host.allowed(v, p) || taken.includes(p)) continue;
      if (host.isIdle(p)) return p;
      const current = host.running(p);
      if (current < 0 || host.domainOf(current) === host.domainOf(v)) continue;
      book(current);
      if (servedOf(current) <= most || host.now() - runningSince[current] < RELAXED_CO.check) continue;
      most = servedOf(current);
      chosen = p;
    }
    return chosen;
  }

  /** The siblings of one that has just been given a pCPU, on those of domains that have had more. */
  function startSiblings(d: number): void {
    const taken: number[] = [];
    for (const v of siblingsOf(d)) {
      if (!queue.has(v) || reserved.includes(v)) continue;
      const p = best(v, taken);
      if (p < 0) return;
      taken.push(p);
      reserved[p] = v;
      host.reschedule(p);
    }
  }

  /** Whose domain has had less; of siblings the one that has; on a tie nobody is sent away for nothing. */
  function goesBefore(v: number, other: number, p: number): boolean {
    const difference = servedOf(v) - servedOf(other) || consumed[v] - consumed[other];
    return difference < 0 || (difference === 0 && v === before[p]);
  }

  function findPcpu(v: number): void {
    const p = best(v);
    if (p >= 0) host.reschedule(p);
  }

  function catchUpDomain(d: number): void {
    let least = Number.POSITIVE_INFINITY;
    for (let u = 0; u < host.vcpus; u++) {
      const other = host.domainOf(u);
      if (other !== d && host.isRunnable(u)) least = Math.min(least, consumedByDomain[other]);
    }
    if (least !== Number.POSITIVE_INFINITY) consumedByDomain[d] = Math.max(consumedByDomain[d], least);
  }

  /** Who slept has not saved anything up: it comes back beside the least served of those who are awake. */
  function catchUp(v: number): void {
    let least = Number.POSITIVE_INFINITY;
    for (let u = 0; u < host.vcpus; u++)
      if (u !== v && host.isRunnable(u)) least = Math.min(least, consumed[u]);
    if (least !== Number.POSITIVE_INFINITY) consumed[v] = Math.max(consumed[v], least);
    const d = host.domainOf(v);
    const awake = siblingsOf(d).filter((u) => u !== v && host.isRunnable(u));
    if (awake.length === 0) {
      catchUpDomain(d);
      return;
    }
    const slowest = Math.min(...awake.map((u) => progress[u]));
    // Idling was progress: it is not behind, and no further ahead than one who may start.
    progress[v] = Math.max(slowest, Math.min(progress[v], slowest + Math.min(startLead, stopLead)));
  }

  return {
    // Those that are co-stopped are held and do not count as waiting.
    workConserving: true,
    onWake(v) {
      if (!started) {
        started = true;
        host.arm(skewTimer, host.now() + RELAXED_CO.check);
      }
      book(v);
      catchUp(v);
      if (isStopped[v] === 1) {
        isStopped[v] = 0;
        host.hold(v, HELD_NOT);
      }
      queue.pushBack(v);
      findPcpu(v);
    },
    onHalt(v, p) {
      if (p >= 0) bookEnd(v);
      queue.remove(v);
    },
    onPreempt(v, p) {
      bookEnd(v);
      before[p] = v;
      if (isStopped[v] === 1) return;
      queue.pushBack(v);
    },
    pickNext(p) {
      let next = reserved[p];
      reserved[p] = -1;
      if (next < 0 || !queue.has(next)) {
        next = -1;
        for (let v = queue.first; v >= 0; v = queue.next(v)) {
          if (!host.allowed(v, p)) continue;
          if (next < 0 || goesBefore(v, next, p)) next = v;
        }
      }
      const last = before[p];
      before[p] = -1;
      if (next < 0) return -1;
      queue.remove(next);
      const d = host.domainOf(next);
      if (together && 0 <= last && host.domainOf(last) !== d) startSiblings(d);
      callIdle(host, queue);
      if (host.running(p) !== next) runningSince[next] = host.now();
      bookedAt[next] = host.now();
      return next;
    },
    slice: () => slice,
    onTimer() {
      host.arm(skewTimer, host.now() + RELAXED_CO.check);
      for (let d = 0; d < host.domains; d++) if (host.vcpuCountOf(d) > 1) look(d);
    },
    onPins(v) {
      if (queue.has(v)) findPcpu(v);
    },
  };

  /** It leaves its pCPU; the mechanism may have taken it off already. */
  function bookEnd(v: number): void {
    book(v);
    if (generation === 3 && !host.isRunning(v)) progress[v] += host.now() - bookedAt[v];
  }
}
