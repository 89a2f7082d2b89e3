/**
 * Linux's run queues, one per pCPU, and what CFS and EEVDF have in common: which queue a woken vCPU goes to, and whom
 * a pCPU pulls when it idles or balances (kernel/sched_fair.c: select_task_rq_fair, idle_balance, load_balance).
 * Whom a queue runs first is the schedulers' own business.
 *
 * With `balance`, every choice first avoids pCPUs that have a sibling.
 *
 * Simplified: one balancing domain for the whole host; the waker's pCPU is no candidate (interrupts have none); no
 * average idle time before idle balancing.
 */
import type { Host } from "./policy.ts";
import { VcpuQueue } from "./vcpu_queue.ts";

/**
 * Balance scheduling (O. Sukwong, H. Kim, EuroSys'11): siblings are kept in the queues of different pCPUs, without
 * being run at the same time. `load-conscious` lets go of that where it would overload a pCPU (H. Kim, ASPLOS'13).
 */
export type BalanceMode = "off" | "siblings-apart" | "load-conscious";

/** Busy pCPUs are balanced every 64 ms (busy_factor 64 times 1 ms), when the busiest has 25 % more (imbalance_pct 125). */
export const BALANCE_INTERVAL = 64_000_000;
const IMBALANCE_PERCENT = 125;
/** `load-conscious`: a pCPU with more than this part of the average load is no candidate (cpu.balsched's default). */
const BALANCED_LOAD_PERCENT = 150;
/** A vCPU that ran this recently is cache-hot and stays (sysctl_sched_migration_cost). */
const MIGRATION_COST = 500_000;

export class LinuxQueues {
  readonly queues: readonly VcpuQueue[];
  private readonly host: Host;
  private readonly balance: BalanceMode;
  private readonly leftAt: Float64Array;

  constructor(host: Host, balance: BalanceMode) {
    this.host = host;
    this.balance = balance;
    this.queues = Array.from({ length: host.pcpus }, () => new VcpuQueue(host.vcpus));
    this.leftAt = new Float64Array(host.vcpus).fill(-MIGRATION_COST);
  }

  /** Those who run or wait there. */
  loadOf(p: number): number {
    return this.queues[p].length + (this.host.running(p) >= 0 ? 1 : 0);
  }

  /** It has just been preempted, so its cache is hot. */
  noteLeft(v: number): void {
    this.leftAt[v] = this.host.now();
  }

  /** The last pCPU when idle, else an idle one that shares its cache, else the last; a new vCPU where load is least. */
  choosePcpu(v: number): number {
    const { host, queues } = this;
    if (this.balance !== "off") {
      const apart = this.choosePcpuApart(v);
      if (apart >= 0) return apart;
    }
    const last = host.lastPcpuOf(v);
    if (last >= 0 && host.allowed(v, last)) {
      if (host.isIdle(last)) return last;
      for (let p = 0; p < host.pcpus; p++) {
        if (
          host.llcOf(p) === host.llcOf(last) &&
          host.isIdle(p) &&
          queues[p].length === 0 &&
          host.allowed(v, p)
        )
          return p;
      }
      return last;
    }
    let best = -1;
    for (let p = 0; p < host.pcpus; p++) {
      if (host.allowed(v, p) && (best < 0 || this.loadOf(p) < this.loadOf(best))) best = p;
    }
    return best;
  }

  /** Lets an idle pCPU look whether it can pull v, which waits elsewhere. */
  callIdle(v: number): void {
    const { host } = this;
    for (let p = 0; p < host.pcpus; p++) {
      if (!host.isIdle(p) || !host.allowed(v, p)) continue;
      host.reschedule(p);
      return;
    }
  }

  /** Takes somebody for p from the busiest queue, or -1: not a cache-hot one (an idle pCPU is not so choosy). */
  pull(p: number, idle: boolean): number {
    const { host, queues } = this;
    let busiest = -1;
    for (let q = 0; q < host.pcpus; q++) {
      if (q !== p && queues[q].length > 0 && (busiest < 0 || this.loadOf(q) > this.loadOf(busiest)))
        busiest = q;
    }
    if (busiest < 0) return -1;
    if (!idle && this.loadOf(busiest) * 100 <= IMBALANCE_PERCENT * this.loadOf(p)) return -1;
    if (!idle && this.loadOf(busiest) - this.loadOf(p) < 2) return -1;
    for (const q of idle ? this.queuesByLoad(p) : [busiest]) {
      const queue = queues[q];
      for (let v = queue.first; v >= 0; v = queue.next(v)) {
        if (!host.allowed(v, p) || (this.balance !== "off" && !this.isApart(v, p))) continue;
        if (!idle && host.now() - this.leftAt[v] < MIGRATION_COST) continue;
        queue.remove(v);
        return v;
      }
    }
    return -1;
  }

  private queuesByLoad(p: number): number[] {
    const others = [];
    for (let q = 0; q < this.host.pcpus; q++) if (q !== p && this.queues[q].length > 0) others.push(q);
    return others.sort((a, b) => this.loadOf(b) - this.loadOf(a) || a - b);
  }

  /** May v go there without sharing the pCPU with a sibling? */
  private isApart(v: number, p: number): boolean {
    const { host, queues } = this;
    const d = host.domainOf(v);
    const current = host.running(p);
    if (current >= 0 && current !== v && host.domainOf(current) === d) return false;
    for (let u = queues[p].first; u >= 0; u = queues[p].next(u))
      if (u !== v && host.domainOf(u) === d) return false;
    if (this.balance !== "load-conscious") return true;
    let total = 0;
    for (let q = 0; q < host.pcpus; q++) total += this.loadOf(q);
    const load = this.loadOf(p);
    return (load + 1) * host.pcpus * 100 <= BALANCED_LOAD_PERCENT * (total + 1) || load === 0;
  }

  /** Where v goes under balance scheduling: of the pCPUs without a sibling the least loaded, its last one on a tie. */
  private choosePcpuApart(v: number): number {
    const { host } = this;
    const last = host.lastPcpuOf(v);
    let best = -1;
    for (let i = 0; i < host.pcpus; i++) {
      const p = last < 0 ? i : (last + i) % host.pcpus;
      if (host.allowed(v, p) && this.isApart(v, p) && (best < 0 || this.loadOf(p) < this.loadOf(best)))
        best = p;
    }
    return best;
  }
}
