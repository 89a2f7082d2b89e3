/**
 * EEVDF as the host scheduler of KVM, Linux 6.6 and later (I. Stoica, H. Abdel-Wahab, "Earliest Eligible Virtual
 * Deadline First", 1995; kernel/sched/fair.c).
 *
 * Every vCPU has a virtual runtime v: its running time divided by its weight. V is the average of them over the queue,
 * by weight: where a perfectly fair pCPU would be. Lag = V - v is what a vCPU is owed. Who is owed something (v <= V) is
 * eligible; each vCPU asks for one slice at a time, due at its deadline v + slice / weight; of the eligible, the one with
 * the earliest deadline runs. Lag survives sleep, so that sleeping gains nothing.
 *
 * Example, equal weights: a at v 4 due at 6, b at v 0 due at 9, c at v 8 due at 5. V is 4; c is the most urgent but has
 * had too much; a and b are eligible; a runs.
 *
 * - While its slice lasts, and as long as it is eligible, nobody who wakes preempts the current vCPU (`runToParity`).
 * - A vCPU that halts with negative lag stays in the average until it has become eligible (`delayDequeue`): it cannot
 *   get rid of a debt by a short sleep.
 * - Queues, wake-up placement and pulling as with CFS (linux_queues.ts); so are groups, flattened as in cfs.ts.
 *
 * Simplified: no slices of one's own, hence no preemption by shorter ones; the slice ends at a tick, as without
 * high-resolution ticks; the lag is not rescaled when the weight changes because a sibling woke.
 */
import { cfsFactor, EEVDF_BASE_SLICE, NICE_0_WEIGHT } from "../machine/constants.ts";
import { DirectedYield, type DirectedYieldRules } from "./directed_yield.ts";
import { BALANCE_INTERVAL, LinuxQueues } from "./linux_queues.ts";
import type { Host, HostPolicy } from "./policy.ts";

export interface EevdfConfig {
  readonly kind: "eevdf";
  /** Default: Linux's, scaled by the number of pCPUs. */
  readonly slice?: number;
  /** The host's timer tick; default 4 ms (HZ 250). */
  readonly tick?: number;
  /** One group per domain; default true. */
  readonly groups?: boolean;
  readonly runToParity?: boolean;
  readonly delayDequeue?: boolean;
  /** Whom a pause-loop exit helps; default as in Linux 6.12. */
  readonly directedYield?: DirectedYieldRules;
}

/** What the decision needs to know of each vCPU, by its number. */
export interface EevdfColumns {
  readonly vruntime: ArrayLike<number>;
  readonly deadline: ArrayLike<number>;
  readonly weight: ArrayLike<number>;
}

/** V: the average virtual runtime of these vCPUs by weight; 0 when there are none. */
export function averageVruntime(members: readonly number[], { vruntime, weight }: EevdfColumns): number {
  if (members.length === 0) return 0;
  // Relative to the first: sums of large numbers would lose digits.
  const origin = vruntime[members[0]];
  let sum = 0;
  let total = 0;
  for (const v of members) {
    sum += (vruntime[v] - origin) * weight[v];
    total += weight[v];
  }
  return origin + sum / total;
}

/** The eligible vCPU with the earliest deadline; -1 when there is none at all. */
export function earliestEligible(members: readonly number[], columns: EevdfColumns): number {
  const { vruntime, deadline } = columns;
  const average = averageVruntime(members, columns);
  let best = -1;
  let least = -1;
  for (const v of members) {
    if (least < 0 || vruntime[v] < vruntime[least]) least = v;
    if (average < vruntime[v]) continue;
    if (best < 0 || deadline[v] < deadline[best] || (deadline[v] === deadline[best] && v < best)) best = v;
  }
  // Rounding may leave even the least a hair above the average.
  return best < 0 ? least : best;
}

/** Where a vCPU with this lag must be put so that the lag is still the same once it is part of the average. */
export function placed(queue: { average: number; weight: number }, lag: number, weight: number): number {
  return queue.weight === 0 ? queue.average : queue.average - (lag * (queue.weight + weight)) / queue.weight;
}

export function eevdf(host: Host, config: EevdfConfig): HostPolicy {
  const slice = config.slice ?? EEVDF_BASE_SLICE * cfsFactor(host.pcpus);
  const tick = config.tick ?? 4_000_000;
  const groups = config.groups ?? true;
  const runToParity = config.runToParity ?? true;
  const delayDequeue = config.delayDequeue ?? true;
  const balanceTimer = host.pcpus;

  const spread = new LinuxQueues(host, "off");
  const { queues } = spread;
  const directedYield = new DirectedYield(host, config.directedYield ?? "linux-6.12");
  const vruntime = new Float64Array(host.vcpus);
  const deadline = new Float64Array(host.vcpus);
  const weight = new Float64Array(host.vcpus).fill(NICE_0_WEIGHT);
  const columns = { vruntime, deadline, weight };
  const lag = new Float64Array(host.vcpus);
  const charged = new Float64Array(host.vcpus);
  const home = new Int32Array(host.vcpus).fill(-1);
  const runnable = new Int32Array(host.domains);
  /** Where V stood when the queue was last empty. */
  const restingAt = new Float64Array(host.pcpus);
  /** Halted, but still part of its queue's average. */
  const delayed: number[][] = Array.from({ length: host.pcpus }, () => []);
  /** Who runs on with its slice: picked and not yet past its deadline. */
  const isProtected = new Uint8Array(host.vcpus);
  /** Who is helped by a directed yield, and who has given up its turn. */
  const nextBuddy = new Int32Array(host.pcpus).fill(-1);
  const skipped = new Int32Array(host.pcpus).fill(-1);
  let balancing = false;

  const sharesPerWeight = NICE_0_WEIGHT / 256;
  const refreshWeight = (v: number): void => {
    const d = host.domainOf(v);
    weight[v] = groups ? Math.max(2, (host.weightOf(d) * sharesPerWeight) / Math.max(1, runnable[d])) : 1024;
  };
  const virtual = (time: number, v: number): number => (time * NICE_0_WEIGHT) / weight[v];

  /** Everybody who counts on p: the current vCPU, those who wait, those who owe. */
  function membersOf(p: number): number[] {
    const members = [];
    const queue = queues[p];
    const current = host.running(p);
    if (current >= 0 && home[current] === p && !queue.has(current) && host.isRunnable(current))
      members.push(current);
    for (let v = queue.first; v >= 0; v = queue.next(v)) members.push(v);
    for (const v of delayed[p]) members.push(v);
    for (const v of members) refreshWeight(v);
    return members;
  }

  function averageOf(p: number): number {
    const members = membersOf(p);
    if (members.length > 0) restingAt[p] = averageVruntime(members, columns);
    return restingAt[p];
  }

  /** Books the current vCPU's time; a slice that is used up makes room for the next one. */
  function charge(v: number): void {
    const ran = host.ranOf(v);
    vruntime[v] += virtual(ran - charged[v], v);
    charged[v] = ran;
    if (vruntime[v] < deadline[v]) return;
    deadline[v] = vruntime[v] + virtual(slice, v);
    isProtected[v] = 0;
  }

  function chargeRunning(p: number): void {
    const current = host.running(p);
    if (current >= 0) charge(current);
  }

  function enter(v: number, p: number, part: number): void {
    chargeRunning(p);
    const members = membersOf(p);
    refreshWeight(v);
    let total = 0;
    for (const u of members) total += weight[u];
    vruntime[v] = placed({ average: averageOf(p), weight: total }, lag[v], weight[v]);
    deadline[v] = vruntime[v] + virtual(slice, v) * part;
    enqueue(v, p);
  }

  function enqueue(v: number, p: number): void {
    queues[p].pushBack(v);
    home[v] = p;
    armTick(p);
  }

  /** Bounded, as a vCPU may not be owed, or owe, more than a slice and a tick. */
  function rememberLag(v: number, p: number): void {
    const most = virtual(slice + tick, v);
    lag[v] = Math.max(-most, Math.min(most, averageOf(p) - vruntime[v]));
  }

  function armTick(p: number): void {
    if (queues[p].length > 0) host.arm(p, (Math.floor(host.now() / tick) + 1) * tick);
  }

  /** Those who owed and owe no more leave the average. */
  function forgive(p: number, v: number): void {
    delayed[p].splice(delayed[p].indexOf(v), 1);
    lag[v] = 0;
  }

  /** Whom p should run now, the current vCPU included. */
  function choose(p: number): number {
    const current = host.running(p);
    for (;;) {
      const members = membersOf(p);
      const buddy = nextBuddy[p];
      if (buddy >= 0 && queues[p].has(buddy)) return buddy;
      const candidates = members.length > 1 ? members.filter((v) => v !== skipped[p]) : members;
      const isParity =
        runToParity &&
        current >= 0 &&
        isProtected[current] === 1 &&
        candidates.includes(current) &&
        vruntime[current] <= averageVruntime(members, columns);
      const best = isParity ? current : earliestEligible(candidates, columns);
      if (best < 0 || host.isRunnable(best)) return best;
      forgive(p, best);
    }
  }

  return {
    workConserving: true,
    onWake(v) {
      const p = spread.choosePcpu(v);
      runnable[host.domainOf(v)]++;
      charged[v] = host.ranOf(v);
      const owes = home[v] >= 0 && delayed[home[v]].includes(v);
      if (owes && p === home[v]) {
        // Back before it had paid: as if it had never slept.
        delayed[p].splice(delayed[p].indexOf(v), 1);
        chargeRunning(p);
        enqueue(v, p);
      } else {
        if (owes) {
          rememberLag(v, home[v]);
          delayed[home[v]].splice(delayed[home[v]].indexOf(v), 1);
        }
        enter(v, p, home[v] < 0 ? 0.5 : 1);
      }
      if (!balancing) {
        balancing = true;
        host.arm(balanceTimer, host.now() + BALANCE_INTERVAL);
      }
      const current = host.running(p);
      if (current < 0 || choose(p) === v) {
        host.reschedule(p);
        return;
      }
      spread.callIdle(v);
    },
    onHalt(v, p) {
      const from = p >= 0 ? p : home[v];
      if (p >= 0) {
        charge(v);
        home[v] = p;
      } else {
        queues[from].remove(v);
      }
      // The average as it was while v was still part of it.
      delayed[from].push(v);
      rememberLag(v, from);
      if (!delayDequeue || lag[v] >= 0) delayed[from].splice(delayed[from].indexOf(v), 1);
      isProtected[v] = 0;
      runnable[host.domainOf(v)]--;
    },
    onPreempt(v, p) {
      charge(v);
      spread.noteLeft(v);
      if (host.allowed(v, p)) {
        enqueue(v, p);
        // Whoever takes its place may be pinned there, while another pCPU idles.
        spread.callIdle(v);
        return;
      }
      rememberLag(v, p);
      const q = spread.choosePcpu(v);
      enter(v, q, 1);
      host.reschedule(q);
    },
    pickNext(p) {
      let v = choose(p);
      if (v >= 0) {
        queues[p].remove(v);
      } else {
        v = spread.pull(p, true);
        if (v < 0) return -1;
        moveLag(v, p);
      }
      nextBuddy[p] = -1;
      skipped[p] = -1;
      home[v] = p;
      charged[v] = host.ranOf(v);
      isProtected[v] = 1;
      directedYield.runs(v);
      armTick(p);
      return v;
    },
    slice: () => Number.POSITIVE_INFINITY,
    onTimer(timer) {
      if (timer === balanceTimer) {
        host.arm(balanceTimer, host.now() + BALANCE_INTERVAL);
        for (let p = 0; p < host.pcpus; p++) {
          const v = spread.pull(p, false);
          if (v < 0) continue;
          moveLag(v, p);
          enqueue(v, p);
          if (host.running(p) < 0) host.reschedule(p);
        }
        return;
      }
      const p = timer;
      const current = host.running(p);
      if (current < 0 || queues[p].length === 0) return;
      armTick(p);
      charge(current);
      if (isProtected[current] === 0) host.reschedule(p);
    },
    onYield(v, p) {
      const target = directedYield.target(v);
      if (target < 0) return;
      nextBuddy[home[target]] = target;
      skipped[p] = v;
      isProtected[v] = 0;
      host.reschedule(home[target]);
      host.reschedule(p);
    },
    onPins(v) {
      if (!host.isRunnable(v) || host.isRunning(v)) return;
      if (!host.allowed(v, home[v])) {
        rememberLag(v, home[v]);
        queues[home[v]].remove(v);
        const p = spread.choosePcpu(v);
        enter(v, p, 1);
        host.reschedule(p);
      }
      spread.callIdle(v);
    },
  };

  /** It has left its queue for p's: what it was owed there it is owed here. */
  function moveLag(v: number, p: number): void {
    const left = deadline[v] - vruntime[v];
    rememberLag(v, home[v]);
    const members = membersOf(p).filter((u) => u !== v);
    let total = 0;
    for (const u of members) total += weight[u];
    vruntime[v] = placed({ average: averageOf(p), weight: total }, lag[v], weight[v]);
    deadline[v] = vruntime[v] + left;
    home[v] = p;
  }
}
