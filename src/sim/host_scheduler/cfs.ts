/**
 * CFS as the host scheduler of KVM, after Linux 3.0-3.2 (kernel/sched_fair.c): one queue per pCPU ordered by virtual
 * runtime, decisions at ticks and wake-ups, idle and periodic load balancing, and KVM's directed yield.
 *
 * The domain is a task group with shares proportional to its weight (libvirt puts each domain into a cgroup), or with
 * `groups: false` every vCPU weighs 1024. Flattened: a vCPU's weight is its domain's shares divided by the
 * domain's runnable vCPUs, which is what the hierarchy comes to when the group's load is spread evenly.
 *
 * Which queue a vCPU goes to, and who is pulled, is in linux_queues.ts. Simplified: no last buddy, and what is said
 * there.
 */
import {
  CFS_LATENCY,
  CFS_MIN_GRANULARITY,
  CFS_NR_LATENCY,
  CFS_WAKEUP_GRANULARITY,
  cfsFactor,
  NICE_0_WEIGHT,
} from "../machine/constants.ts";
import { DirectedYield, type DirectedYieldRules } from "./directed_yield.ts";
import { BALANCE_INTERVAL, type BalanceMode, LinuxQueues } from "./linux_queues.ts";
import type { Host, HostPolicy } from "./policy.ts";

export interface CfsConfig {
  readonly kind: "cfs";
  /** One group per domain; default true. */
  readonly groups?: boolean;
  /** Keep siblings apart; default off. */
  readonly balance?: BalanceMode;
  /** Whom a pause-loop exit helps; default as in Linux 3.0. */
  readonly directedYield?: DirectedYieldRules;
  /** The host's timer tick; default 4 ms (HZ 250). */
  readonly tick?: number;
  /** Default: Linux's, scaled by the number of pCPUs. */
  readonly latency?: number;
  readonly minGranularity?: number;
  readonly wakeupGranularity?: number;
}

const SHARES_MIN = 2;
/** A weight of 256 is 1024 shares, the default of each. */
const SHARES_PER_WEIGHT = 4;

/** What a policy that builds upon CFS may ask of it. */
export interface CfsPolicy extends HostPolicy {
  /** The pCPU in whose queue it waits, or -1. */
  waitsOn(vcpu: number): number;
  /** How far its virtual runtime is ahead of the first in that queue. */
  leadOf(vcpu: number): number;
  /** Lets it run there next: what `pickNext` does with its own choice. */
  take(vcpu: number): void;
}

/** What a policy that builds upon CFS may refuse it. */
export interface CfsRules {
  mayPreempt(woken: number, current: number): boolean;
}

export function cfs(host: Host, config: CfsConfig, rules?: CfsRules): CfsPolicy {
  const factor = cfsFactor(host.pcpus);
  const latency = config.latency ?? CFS_LATENCY * factor;
  const minGranularity = config.minGranularity ?? CFS_MIN_GRANULARITY * factor;
  const wakeupGranularity = config.wakeupGranularity ?? CFS_WAKEUP_GRANULARITY * factor;
  const tick = config.tick ?? 4_000_000;
  const groups = config.groups ?? true;
  const balanceMode = config.balance ?? "off";
  const balanceTimer = host.pcpus;

  const spread = new LinuxQueues(host, balanceMode);
  const { queues } = spread;
  const directedYield = new DirectedYield(host, config.directedYield ?? "linux-3.0");
  const minVruntime = new Float64Array(host.pcpus);
  const nextBuddy = new Int32Array(host.pcpus).fill(-1);
  const skipBuddy = new Int32Array(host.pcpus).fill(-1);
  const home = new Int32Array(host.vcpus).fill(-1);
  const vruntime = new Float64Array(host.vcpus);
  const charged = new Float64Array(host.vcpus);
  const pickedAtRan = new Float64Array(host.vcpus);
  const runnable = new Int32Array(host.domains);
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

  function weightOn(p: number): number {
    const queue = queues[p];
    const current = host.running(p);
    let sum = current >= 0 ? weightOf(current) : 0;
    for (let v = queue.first; v >= 0; v = queue.next(v)) if (v !== current) sum += weightOf(v);
    return sum;
  }

  function sliceOf(v: number, p: number): number {
    const running = spread.loadOf(p);
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

  function begin(v: number, p: number): void {
    charged[v] = host.ranOf(v);
    pickedAtRan[v] = charged[v];
    directedYield.runs(v);
    armTick(p);
  }

  function pull(p: number, idle: boolean): number {
    const v = spread.pull(p, idle);
    if (v >= 0) moveTo(v, p);
    return v;
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
      const p = spread.choosePcpu(v);
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
      else if (
        vruntime[current] - vruntime[v] > (wakeupGranularity * NICE_0_WEIGHT) / weightOf(v) &&
        (rules === undefined || rules.mayPreempt(v, current))
      ) {
        nextBuddy[p] = v;
        host.reschedule(p);
      } else {
        // Somebody idles elsewhere though it must not: idle balancing would have pulled it.
        spread.callIdle(v);
      }
    },
    onHalt(v, p) {
      if (p >= 0) charge(v);
      else queues[home[v]].remove(v);
      runnable[host.domainOf(v)]--;
    },
    onPreempt(v, p) {
      charge(v);
      spread.noteLeft(v);
      let q = p;
      if (!host.allowed(v, p)) {
        q = spread.choosePcpu(v);
        moveTo(v, q);
        host.reschedule(q);
      }
      enqueue(v, q);
      // Whoever takes its place may be pinned there, while another pCPU idles.
      spread.callIdle(v);
    },
    pickNext(p) {
      let v = pick(p);
      if (v >= 0) queues[p].remove(v);
      else v = pull(p, true);
      if (v >= 0) begin(v, p);
      return v;
    },
    waitsOn: (v) => (home[v] >= 0 && queues[home[v]].has(v) ? home[v] : -1),
    leadOf: (v) => vruntime[v] - vruntime[leftmost(home[v], -1)],
    take(v) {
      queues[home[v]].remove(v);
      begin(v, home[v]);
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
    /** The sibling that is helped goes first where it waits, the spinner steps back here. */
    onYield(v, p) {
      const target = directedYield.target(v);
      if (target < 0) return;
      nextBuddy[home[target]] = target;
      skipBuddy[p] = v;
      host.reschedule(home[target]);
      host.reschedule(p);
    },
    onPins(v) {
      if (!host.isRunnable(v) || host.isRunning(v)) return;
      if (!host.allowed(v, home[v])) {
        queues[home[v]].remove(v);
        const p = spread.choosePcpu(v);
        moveTo(v, p);
        enqueue(v, p);
        host.reschedule(p);
      }
      spread.callIdle(v);
    },
  };
}
