/**
 * CFS as the host scheduler of KVM, after Linux 3.0-3.2 (kernel/sched_fair.c): one queue per pCPU ordered by virtual
 * runtime, decisions at ticks and wake-ups, idle and periodic load balancing, and KVM's directed yield.
 *
 * The domain is a task group with shares proportional to its weight (libvirt puts each domain into a cgroup), or with
 * `groups: false` every vCPU weighs 1024. Flattened: a vCPU's weight is its domain's shares divided by the
 * domain's runnable vCPUs, which is what the hierarchy comes to when the group's load is spread evenly.
 *
 * With `balance`, every choice of a pCPU, at wake-up and when pulling, first avoids pCPUs that have a sibling.
 *
 * Simplified: no last buddy, no average idle time before idle balancing, one balancing domain for the whole host, the
 * waker's pCPU is no candidate at wake-up (interrupts have none).
 */
import {
  CFS_LATENCY,
  CFS_MIN_GRANULARITY,
  CFS_NR_LATENCY,
  CFS_WAKEUP_GRANULARITY,
  cfsFactor,
  NICE_0_WEIGHT,
} from "../machine/constants.ts";
import type { Host, HostPolicy } from "./policy.ts";
import { VcpuQueue } from "./vcpu_queue.ts";

export interface CfsConfig {
  readonly kind: "cfs";
  /** One group per domain; default true. */
  readonly groups?: boolean;
  /**
   * Balance scheduling (O. Sukwong, H. Kim, EuroSys'11): siblings are kept in the queues of different pCPUs, without
   * being run at the same time. `load-conscious` lets go of that where it would overload a pCPU (H. Kim, ASPLOS'13).
   */
  readonly balance?: "off" | "siblings-apart" | "load-conscious";
  /** The host's timer tick; default 4 ms (HZ 250). */
  readonly tick?: number;
  /** Default: Linux's, scaled by the number of pCPUs. */
  readonly latency?: number;
  readonly minGranularity?: number;
  readonly wakeupGranularity?: number;
}

/** Busy pCPUs are balanced every 64 ms (busy_factor 64 times 1 ms), when the busiest has 25 % more (imbalance_pct 125). */
const BALANCE_INTERVAL = 64_000_000;
const IMBALANCE_PERCENT = 125;
/** `load-conscious`: a pCPU with more than this part of the average load is no candidate (cpu.balsched's default). */
const BALANCED_LOAD_PERCENT = 150;
/** A vCPU that ran this recently is cache-hot and stays (sysctl_sched_migration_cost). */
const MIGRATION_COST = 500_000;
const SHARES_MIN = 2;
/** A weight of 256 is 1024 shares, the default of each. */
const SHARES_PER_WEIGHT = 4;

export function cfs(host: Host, config: CfsConfig): HostPolicy {
  const factor = cfsFactor(host.pcpus);
  const latency = config.latency ?? CFS_LATENCY * factor;
  const minGranularity = config.minGranularity ?? CFS_MIN_GRANULARITY * factor;
  const wakeupGranularity = config.wakeupGranularity ?? CFS_WAKEUP_GRANULARITY * factor;
  const tick = config.tick ?? 4_000_000;
  const groups = config.groups ?? true;
  const balanceMode = config.balance ?? "off";
  const balanceTimer = host.pcpus;

  const queues = Array.from({ length: host.pcpus }, () => new VcpuQueue(host.vcpus));
  const minVruntime = new Float64Array(host.pcpus);
  const nextBuddy = new Int32Array(host.pcpus).fill(-1);
  const skipBuddy = new Int32Array(host.pcpus).fill(-1);
  const home = new Int32Array(host.vcpus).fill(-1);
  const vruntime = new Float64Array(host.vcpus);
  const charged = new Float64Array(host.vcpus);
  const pickedAtRan = new Float64Array(host.vcpus);
  const leftAt = new Float64Array(host.vcpus).fill(-MIGRATION_COST);
  const runnable = new Int32Array(host.domains);
  const lastBoosted = new Int32Array(host.domains);
  let balancing = false;

  const weightOf = (v: number): number => {
    if (!groups) return NICE_0_WEIGHT;
    const d = host.domainOf(v);
    return Math.max(SHARES_MIN, (host.weightOf(d) * SHARES_PER_WEIGHT) / Math.max(1, runnable[d]));
  };

  /** Books the current vCPU's time since it was last booked. */
  function charge(v: number): void {
    const ran = host.ranOf(v);
    vruntime[v] += ((ran - charged[v]) * NICE_0_WEIGHT) / weightOf(v);
    charged[v] = ran;
  }

  function chargeRunning(p: number): void {
    const current = host.running(p);
    if (current >= 0) charge(current);
    let least = current >= 0 ? vruntime[current] : Number.POSITIVE_INFINITY;
    const queue = queues[p];
    for (let v = queue.first; v >= 0; v = queue.next(v)) least = Math.min(least, vruntime[v]);
    if (least !== Number.POSITIVE_INFINITY && least > minVruntime[p]) minVruntime[p] = least;
  }

  const loadOf = (p: number): number => queues[p].length + (host.running(p) >= 0 ? 1 : 0);

  function weightOn(p: number): number {
    const queue = queues[p];
    const current = host.running(p);
    let sum = current >= 0 ? weightOf(current) : 0;
    for (let v = queue.first; v >= 0; v = queue.next(v)) if (v !== current) sum += weightOf(v);
    return sum;
  }

  function sliceOf(v: number, p: number): number {
    const running = loadOf(p);
    const period = running > CFS_NR_LATENCY ? running * minGranularity : latency;
    return (period * weightOf(v)) / Math.max(weightOf(v), weightOn(p));
  }

  function leftmost(p: number, except: number): number {
    const queue = queues[p];
    let best = -1;
    for (let v = queue.first; v >= 0; v = queue.next(v)) {
      if (v === except) continue;
      if (best < 0 || vruntime[v] < vruntime[best] || (vruntime[v] === vruntime[best] && v < best)) best = v;
    }
    return best;
  }

  function enqueue(v: number, p: number): void {
    queues[p].pushBack(v);
    home[v] = p;
    armTick(p);
  }

  /** Virtual runtimes are relative to their queue's minimum. */
  function moveTo(v: number, p: number): void {
    if (home[v] >= 0 && home[v] !== p) vruntime[v] += minVruntime[p] - minVruntime[home[v]];
    home[v] = p;
  }

  /** Ticks matter only where somebody waits; all pCPUs tick at the same moments. */
  function armTick(p: number): void {
    if (queues[p].length > 0) host.arm(p, (Math.floor(host.now() / tick) + 1) * tick);
  }

  /** Balance scheduling: may v go there without sharing the pCPU with a sibling? */
  function isApart(v: number, p: number): boolean {
    const d = host.domainOf(v);
    const current = host.running(p);
    if (current >= 0 && current !== v && host.domainOf(current) === d) return false;
    for (let u = queues[p].first; u >= 0; u = queues[p].next(u))
      if (u !== v && host.domainOf(u) === d) return false;
    if (balanceMode !== "load-conscious") return true;
    let total = 0;
    for (let q = 0; q < host.pcpus; q++) total += loadOf(q);
    return (loadOf(p) + 1) * host.pcpus * 100 <= BALANCED_LOAD_PERCENT * (total + 1) || loadOf(p) === 0;
  }

  /** Where v goes under balance scheduling: of the pCPUs without a sibling the least loaded, its last one on a tie. */
  function choosePcpuApart(v: number): number {
    const last = host.lastPcpuOf(v);
    let best = -1;
    for (let i = 0; i < host.pcpus; i++) {
      const p = last < 0 ? i : (last + i) % host.pcpus;
      if (host.allowed(v, p) && isApart(v, p) && (best < 0 || loadOf(p) < loadOf(best))) best = p;
    }
    return best;
  }

  /** The last pCPU when idle, else an idle one that shares its cache, else the last; a new vCPU where load is least. */
  function choosePcpu(v: number): number {
    if (balanceMode !== "off") {
      const apart = choosePcpuApart(v);
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
      if (host.allowed(v, p) && (best < 0 || loadOf(p) < loadOf(best))) best = p;
    }
    return best;
  }

  /** The busiest queue from which p may take somebody who is not cache-hot (an idle pCPU is not so choosy). */
  function pull(p: number, idle: boolean): number {
    let busiest = -1;
    for (let q = 0; q < host.pcpus; q++) {
      if (q !== p && queues[q].length > 0 && (busiest < 0 || loadOf(q) > loadOf(busiest))) busiest = q;
    }
    if (busiest < 0) return -1;
    if (!idle && loadOf(busiest) * 100 <= IMBALANCE_PERCENT * loadOf(p)) return -1;
    if (!idle && loadOf(busiest) - loadOf(p) < 2) return -1;
    const from = idle ? queuesByLoad(p) : [busiest];
    for (const q of from) {
      const queue = queues[q];
      for (let v = queue.first; v >= 0; v = queue.next(v)) {
        if (!host.allowed(v, p) || (balanceMode !== "off" && !isApart(v, p))) continue;
        if (!idle && host.now() - leftAt[v] < MIGRATION_COST) continue;
        queue.remove(v);
        moveTo(v, p);
        return v;
      }
    }
    return -1;
  }

  function queuesByLoad(p: number): number[] {
    const others = [];
    for (let q = 0; q < host.pcpus; q++) if (q !== p && queues[q].length > 0) others.push(q);
    return others.sort((a, b) => loadOf(b) - loadOf(a) || a - b);
  }

  function pick(p: number): number {
    let chosen = leftmost(p, -1);
    if (chosen < 0) return -1;
    const within = (v: number): boolean =>
      vruntime[v] - vruntime[chosen] <= (wakeupGranularity * NICE_0_WEIGHT) / weightOf(v);
    if (chosen === skipBuddy[p]) {
      const second = leftmost(p, chosen);
      if (second >= 0 && within(second)) chosen = second;
    }
    const buddy = nextBuddy[p];
    if (buddy >= 0 && queues[p].has(buddy) && within(buddy)) chosen = buddy;
    nextBuddy[p] = -1;
    skipBuddy[p] = -1;
    return chosen;
  }

  return {
    // Keeping siblings apart may leave a pCPU idle that only a sibling could use.
    workConserving: balanceMode === "off",
    onWake(v) {
      runnable[host.domainOf(v)]++;
      const p = choosePcpu(v);
      chargeRunning(p);
      if (home[v] < 0) vruntime[v] = minVruntime[p];
      moveTo(v, p);
      charged[v] = host.ranOf(v);
      vruntime[v] = Math.max(vruntime[v], minVruntime[p] - latency / 2);
      enqueue(v, p);
      if (!balancing) {
        balancing = true;
        host.arm(balanceTimer, host.now() + BALANCE_INTERVAL);
      }
      const current = host.running(p);
      if (current < 0) host.reschedule(p);
      else if (vruntime[current] - vruntime[v] > (wakeupGranularity * NICE_0_WEIGHT) / weightOf(v)) {
        nextBuddy[p] = v;
        host.reschedule(p);
      } else {
        // Somebody idles elsewhere though it must not: idle balancing would have pulled it.
        for (let q = 0; q < host.pcpus; q++) {
          if (host.isIdle(q) && host.allowed(v, q)) {
            host.reschedule(q);
            break;
          }
        }
      }
    },
    onHalt(v, p) {
      if (p >= 0) charge(v);
      else queues[home[v]].remove(v);
      runnable[host.domainOf(v)]--;
    },
    onPreempt(v, p) {
      charge(v);
      leftAt[v] = host.now();
      let q = p;
      if (!host.allowed(v, p)) {
        q = choosePcpu(v);
        moveTo(v, q);
        host.reschedule(q);
      }
      enqueue(v, q);
    },
    pickNext(p) {
      let v = pick(p);
      if (v >= 0) queues[p].remove(v);
      else v = pull(p, true);
      if (v < 0) return -1;
      charged[v] = host.ranOf(v);
      pickedAtRan[v] = charged[v];
      armTick(p);
      return v;
    },
    slice: () => Number.POSITIVE_INFINITY,
    onTimer(timer) {
      if (timer === balanceTimer) {
        host.arm(balanceTimer, host.now() + BALANCE_INTERVAL);
        for (let p = 0; p < host.pcpus; p++) {
          const v = pull(p, false);
          if (v < 0) continue;
          enqueue(v, p);
          if (host.running(p) < 0) host.reschedule(p);
        }
        return;
      }
      const p = timer;
      const current = host.running(p);
      if (current < 0 || queues[p].length === 0) return;
      chargeRunning(p);
      armTick(p);
      const ran = host.ranOf(current) - pickedAtRan[current];
      const slice = sliceOf(current, p);
      if (ran > slice) host.reschedule(p);
      else if (ran >= minGranularity && vruntime[current] - vruntime[leftmost(p, -1)] > slice)
        host.reschedule(p);
    },
    /** KVM's directed yield: the next sibling in turn that waits for a pCPU goes first there, the spinner steps back here. */
    onYield(v, p) {
      const d = host.domainOf(v);
      const first = host.firstVcpuOf(d);
      const count = host.vcpuCountOf(d);
      for (let i = 1; i <= count; i++) {
        const target = first + ((lastBoosted[d] + i) % count);
        if (target === v || !host.isRunnable(target) || host.isRunning(target)) continue;
        lastBoosted[d] = target - first;
        nextBuddy[home[target]] = target;
        skipBuddy[p] = v;
        host.reschedule(home[target]);
        host.reschedule(p);
        return;
      }
    },
    onPins(v) {
      if (!host.isRunnable(v) || host.isRunning(v) || host.allowed(v, home[v])) return;
      queues[home[v]].remove(v);
      const p = choosePcpu(v);
      moveTo(v, p);
      enqueue(v, p);
      host.reschedule(p);
    },
  };
}
