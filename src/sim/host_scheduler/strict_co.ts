/**
 * Strict co-scheduling, the gang scheduling of VMware ESX 2.x: a domain's runnable vCPUs start together, each on a
 * pCPU of its own, or not at all. Nobody waits for a preempted sibling; the price is fragmentation (pCPUs that idle
 * because no gang fits) and inversion (whoever is urgent waits for the slot's end) (B-29, B-30).
 *
 * Time is cut into slots that are common to the host (J. Ousterhout, "Scheduling Techniques for Concurrent Systems",
 * 1982). At each slot's start, domains are placed in the order of time consumed over weight. A gang keeps its pCPUs
 * through the slot, also while a member halts; pCPUs that come free go to gangs that still wait and fit. A vCPU that
 * wakes in a running gang without a pCPU of its own joins when one is free; otherwise its skew grows, and after
 * `skewMax` the whole gang is co-stopped until there is room for all.
 */
import { HELD_CO_STOPPED, HELD_NOT } from "../tables.ts";
import type { Host, HostPolicy } from "./policy.ts";

export interface StrictCoConfig {
  readonly kind: "strict-co";
  /** Default 50 ms, as ESX. */
  readonly slice?: number;
  /** How long a runnable member may lag before all are stopped. Default 3 ms (white papers say 3-4 ms). */
  readonly skewMax?: number;
}

export function strictCo(host: Host, config: StrictCoConfig): HostPolicy {
  const slice = config.slice ?? 50_000_000;
  const skewMax = config.skewMax ?? 3_000_000;
  const slotTimer = host.pcpus;
  const skewTimer = host.pcpus + 1;
  /** Armed for now: gangs are placed after everything else of this moment, when all members have woken. */
  const fillTimer = host.pcpus + 2;

  for (let d = 0; d < host.domains; d++) {
    if (host.vcpuCountOf(d) > host.pcpus) {
      throw new Error(
        `Strict co-scheduling needs a pCPU for every vCPU of a domain: domain ${d} has ${host.vcpuCountOf(d)}, the host ${host.pcpus}; give it fewer`,
      );
    }
  }

  /** Whose place a pCPU is in this slot, or -1. */
  const place = new Int32Array(host.pcpus).fill(-1);
  /** Its place in this slot, or -1. */
  const seat = new Int32Array(host.vcpus).fill(-1);
  const runnable = new Uint8Array(host.vcpus);
  const gangRuns = new Uint8Array(host.domains);
  const laggingSince = new Float64Array(host.domains).fill(Number.POSITIVE_INFINITY);
  const visited = new Uint8Array(host.pcpus);
  let started = false;

  function start(): void {
    if (started) return;
    started = true;
    host.arm(slotTimer, host.now() + slice);
  }

  const members = (d: number): number[] => {
    const list = [];
    for (let v = host.firstVcpuOf(d); v < host.firstVcpuOf(d) + host.vcpuCountOf(d); v++)
      if (runnable[v] === 1) list.push(v);
    return list;
  };

  /** Finds v a pCPU, moving members that were seated in this attempt if it must (Kuhn's augmenting path). */
  function findSeat(v: number, movable: ReadonlySet<number>): boolean {
    const last = host.lastPcpuOf(v);
    for (let i = 0; i < host.pcpus; i++) {
      const p = last < 0 ? i : (last + i) % host.pcpus;
      if (visited[p] === 1 || !host.allowed(v, p)) continue;
      if (place[p] >= 0 && !movable.has(place[p])) continue;
      visited[p] = 1;
      const occupant = place[p];
      if (occupant >= 0 && !findSeat(occupant, movable)) continue;
      place[p] = v;
      seat[v] = p;
      return true;
    }
    return false;
  }

  /** A seat for each, or none for any. */
  function seatAll(gang: readonly number[]): boolean {
    const movable = new Set(gang);
    for (const v of gang) {
      visited.fill(0);
      if (findSeat(v, movable)) continue;
      for (const other of gang) leave(other);
      return false;
    }
    return true;
  }

  /** Seats for as many as pins allow, the least served first. */
  function seatSome(gang: readonly number[]): void {
    const movable = new Set(gang);
    for (const v of gang.toSorted((a, b) => host.ranOf(a) - host.ranOf(b) || a - b)) {
      visited.fill(0);
      findSeat(v, movable);
    }
  }

  /**
   * All of the domain's runnable vCPUs, or none. With the whole host free, a gang that its pins do not let start as one
   * starts in part; else it would never run, and never give up the vCPUs that are too many.
   */
  function coStart(d: number): boolean {
    const gang = members(d);
    if (gang.length === 0) return false;
    const hostIsFree = place.every((v) => v < 0);
    if (!seatAll(gang)) {
      if (!hostIsFree) return false;
      seatSome(gang);
    }
    gangRuns[d] = 1;
    laggingSince[d] = Number.POSITIVE_INFINITY;
    for (const v of gang) {
      host.hold(v, HELD_NOT);
      if (seat[v] >= 0) host.reschedule(seat[v]);
    }
    return true;
  }

  function coStop(d: number): void {
    gangRuns[d] = 0;
    laggingSince[d] = Number.POSITIVE_INFINITY;
    for (let v = host.firstVcpuOf(d); v < host.firstVcpuOf(d) + host.vcpuCountOf(d); v++) leave(v);
  }

  function leave(v: number): void {
    if (seat[v] < 0) return;
    host.reschedule(seat[v]);
    place[seat[v]] = -1;
    seat[v] = -1;
  }

  const consumed = (d: number): number => {
    let sum = 0;
    for (let v = host.firstVcpuOf(d); v < host.firstVcpuOf(d) + host.vcpuCountOf(d); v++)
      sum += host.ranOf(v);
    return sum / host.weightOf(d);
  };

  /** Starts every waiting gang that fits, the least served first; marks those who wait though pCPUs are left. */
  function fill(): void {
    const waiting = [];
    for (let d = 0; d < host.domains; d++) if (gangRuns[d] === 0 && members(d).length > 0) waiting.push(d);
    waiting.sort((a, b) => consumed(a) - consumed(b) || a - b);
    for (const d of waiting) coStart(d);
    const pcpusLeft = place.includes(-1);
    for (const d of waiting) {
      if (gangRuns[d] === 1) continue;
      for (const v of members(d)) host.hold(v, pcpusLeft ? HELD_CO_STOPPED : HELD_NOT);
    }
  }

  function armSkew(): void {
    host.arm(skewTimer, Math.min(...laggingSince) + skewMax);
  }

  return {
    switchesTogether: true,
    gangSkewMax: skewMax,
    onWake(v) {
      start();
      runnable[v] = 1;
      const d = host.domainOf(v);
      if (seat[v] >= 0) {
        host.reschedule(seat[v]);
      } else if (gangRuns[d] === 0) {
        host.arm(fillTimer, host.now());
      } else {
        visited.fill(0);
        if (findSeat(v, new Set())) host.reschedule(seat[v]);
        else if (laggingSince[d] === Number.POSITIVE_INFINITY) {
          laggingSince[d] = host.now();
          armSkew();
        }
      }
    },
    onHalt(v) {
      runnable[v] = 0;
      const d = host.domainOf(v);
      // A gang without runnable members gives its pCPUs back.
      if (gangRuns[d] === 1 && members(d).length === 0) {
        coStop(d);
        host.arm(fillTimer, host.now());
      }
    },
    onPreempt() {},
    pickNext(p) {
      const v = place[p];
      return v >= 0 && runnable[v] === 1 ? v : -1;
    },
    slice: () => Number.POSITIVE_INFINITY,
    onTimer(timer) {
      if (timer === slotTimer) {
        host.arm(slotTimer, host.now() + slice);
        for (let d = 0; d < host.domains; d++) if (gangRuns[d] === 1) coStop(d);
        fill();
      } else if (timer === fillTimer) {
        fill();
      } else {
        for (let d = 0; d < host.domains; d++) if (laggingSince[d] + skewMax <= host.now()) coStop(d);
        fill();
        armSkew();
      }
    },
    onPins(v) {
      if (seat[v] >= 0 && !host.allowed(v, seat[v])) {
        coStop(host.domainOf(v));
        fill();
      }
    },
    onOnline(v, online) {
      if (!online) leave(v);
    },
  };
}
