/**
 * Demand-based coordinated scheduling (H. Kim, S. Kim, J. Jeong, J. Lee, S. Maeng, ASPLOS'13), on top of CFS. Guests
 * that coordinate their vCPUs send interrupts between them; the host sees these, and takes them for demands.
 *
 * - IPI-driven co-scheduling: the target of an interrupt that the sender waits for (a TLB shootdown) becomes urgent. An
 *   urgent vCPU goes before the others of its queue, unless it has had a whole scheduling period more than they, and
 *   gives way to the next urgent one after 0.1 ms. It is urgent until it is descheduled.
 * - The target of a reschedule interrupt must not preempt anybody when it wakes: the sender may be the victim.
 * - Delayed preemption: a vCPU that has just sent a reschedule interrupt probably holds the lock under which it did so.
 *   Its preemption is put off once, by a bound.
 * - Load-conscious balance scheduling: siblings are kept apart where that overloads no pCPU (linux_queues.ts).
 *
 * What it cannot see: a task that spins in user mode, or for a spinlock, sends no interrupt (B-32). What it costs: an
 * urgent vCPU preempts whoever runs, however important (priority inversion, B-30).
 *
 * Example: 0 runs and 1 waits on pCPU 0, 2 runs on pCPU 1. When 2 flushes the TLBs of its siblings 0 and 1, vCPU 1 gets
 * pCPU 0 at once, acknowledges, and both go on; without it, 2 would spin until 0's slice is over.
 *
 * Sources: the paper's abstract, and the code for KVM that preceded it, from which the constants come; the bound of the
 * delay is from memory. Simplified: groups are flattened, so there is one test for urgency instead of one per level.
 */
import { CFS_LATENCY, cfsFactor, DEMAND_BASED } from "../machine/constants.ts";
import { IRQ_RESCHEDULE, IRQ_SHOOTDOWN } from "../tables.ts";
import { cfs } from "./cfs.ts";
import type { DirectedYieldRules } from "./directed_yield.ts";
import type { BalanceMode } from "./linux_queues.ts";
import type { Host, HostPolicy } from "./policy.ts";

export interface DemandBasedConfig {
  readonly kind: "demand-based";
  readonly tick?: number;
  /** Whether interrupts make their targets urgent; default true. */
  readonly ipiDriven?: boolean;
  /** How much more than the least served of its queue one may have had and still be urgent; default one scheduling period. */
  readonly urgentLead?: number;
  /** How long the preemption of one that has sent a reschedule interrupt is put off; 0 for not at all. Default 0.5 ms. */
  readonly preemptionDelay?: number;
  /** Default `load-conscious`. */
  readonly balance?: BalanceMode;
  readonly directedYield?: DirectedYieldRules;
}

/** What an interrupt between vCPUs (IRQ_*) says of its target. */
export function demandOf(vector: number): "urgent" | "patient" | "none" {
  switch (vector) {
    case IRQ_SHOOTDOWN:
      return "urgent";
    case IRQ_RESCHEDULE:
      return "patient";
    default:
      return "none";
  }
}

/** Of the urgent ones, in the order in which they became so, the first that has not had too much; -1 for none. */
export function firstUrgent(
  waiting: readonly { readonly vcpu: number; readonly lead: number }[],
  leadMax: number,
): number {
  return waiting.find(({ lead }) => lead < leadMax)?.vcpu ?? -1;
}

/** Until when the preemption of one that sent a reschedule interrupt at `sentAt` may be put off; `now` for not at all. */
export function putOffUntil(now: number, { sentAt, bound }: { sentAt: number; bound: number }): number {
  return Math.max(now, sentAt + bound);
}

export function demandBased(host: Host, config: DemandBasedConfig): HostPolicy {
  const lead = config.urgentLead ?? CFS_LATENCY * cfsFactor(host.pcpus);
  const tick = config.tick ?? 4_000_000;
  const ipiDriven = config.ipiDriven ?? true;
  const bound = config.preemptionDelay ?? DEMAND_BASED.preemptionDelay;
  const delayTimer = host.pcpus + 1;
  const urgentTimer = host.pcpus + 2;

  const isUrgent = new Uint8Array(host.vcpus);
  const mustBePatient = new Uint8Array(host.vcpus);
  /** Per pCPU, those who became urgent, the earliest first; may hold some that have left since. */
  const urgent: number[][] = Array.from({ length: host.pcpus }, () => []);
  const sentAt = new Float64Array(host.vcpus).fill(Number.NEGATIVE_INFINITY);
  const wasPutOff = new Uint8Array(host.vcpus);
  /** Per pCPU, when a preemption that was put off is due, and when an urgent vCPU must give way. */
  const putOff = new Float64Array(host.pcpus).fill(Number.POSITIVE_INFINITY);
  const givesWay = new Float64Array(host.pcpus).fill(Number.POSITIVE_INFINITY);
  const ranBefore = new Int32Array(host.pcpus).fill(-1);

  /** CFS asks for its preemptions here; some of them wait. */
  const patientHost: Host = {
    ...host,
    reschedule(p) {
      const current = host.running(p);
      if (current >= 0 && putOff[p] !== Number.POSITIVE_INFINITY) return;
      const until =
        current >= 0 && wasPutOff[current] === 0
          ? putOffUntil(host.now(), { sentAt: sentAt[current], bound })
          : host.now();
      if (until === host.now()) {
        host.reschedule(p);
        return;
      }
      wasPutOff[current] = 1;
      putOff[p] = until;
      host.arm(delayTimer, Math.min(...putOff));
    },
  };
  const base = cfs(
    patientHost,
    {
      kind: "cfs",
      tick,
      balance: config.balance ?? "load-conscious",
      ...(config.directedYield === undefined ? {} : { directedYield: config.directedYield }),
    },
    { mayPreempt: (woken, current) => mustBePatient[woken] === 0 && isUrgent[current] === 0 },
  );

  const waitingUrgent = (p: number): { vcpu: number; lead: number }[] => {
    urgent[p] = urgent[p].filter((v) => isUrgent[v] === 1 && base.waitsOn(v) === p);
    return urgent[p].map((vcpu) => ({ vcpu, lead: base.leadOf(vcpu) }));
  };

  /** An urgent vCPU waits on p: the one that runs there gives way, at once or, when it is urgent too, soon. */
  function press(v: number, p: number): void {
    if (!urgent[p].includes(v)) urgent[p].push(v);
    const current = host.running(p);
    if (current >= 0 && isUrgent[current] === 1) {
      givesWay[p] = Math.min(givesWay[p], host.now() + DEMAND_BASED.urgentSlice);
      host.arm(urgentTimer, Math.min(...givesWay));
    } else {
      host.reschedule(p);
    }
  }

  return {
    workConserving: base.workConserving ?? false,
    onWake(v) {
      base.onWake(v);
      mustBePatient[v] = 0;
      const p = base.waitsOn(v);
      if (isUrgent[v] === 1 && p >= 0) press(v, p);
    },
    onHalt(v, p) {
      isUrgent[v] = 0;
      base.onHalt(v, p);
    },
    onPreempt(v, p) {
      ranBefore[p] = v;
      base.onPreempt(v, p);
    },
    pickNext(p) {
      const before = ranBefore[p];
      ranBefore[p] = -1;
      putOff[p] = Number.POSITIVE_INFINITY;
      givesWay[p] = Number.POSITIVE_INFINITY;
      let next = firstUrgent(waitingUrgent(p), lead);
      if (next >= 0) base.take(next);
      else next = base.pickNext(p);
      if (before >= 0 && before !== next) isUrgent[before] = 0;
      if (next >= 0 && before !== next) wasPutOff[next] = 0;
      return next;
    },
    slice(v, p) {
      if (isUrgent[v] === 0) return base.slice(v, p);
      if (waitingUrgent(p).length > 0) return DEMAND_BASED.urgentSlice;
      return (Math.floor(host.now() / tick) + 1) * tick - host.now();
    },
    onTimer(timer) {
      if (timer === delayTimer) comeDue(putOff, timer);
      else if (timer === urgentTimer) comeDue(givesWay, timer);
      else base.onTimer?.(timer);
    },
    onYield(v, p) {
      base.onYield?.(v, p);
    },
    onPins(v) {
      base.onPins?.(v);
    },
    onIpi(from, to, vector) {
      switch (demandOf(vector)) {
        case "urgent": {
          if (!ipiDriven) return;
          isUrgent[to] = 1;
          const p = base.waitsOn(to);
          if (p >= 0) press(to, p);
          return;
        }
        case "patient":
          if (!host.isRunnable(to)) mustBePatient[to] = 1;
          sentAt[from] = host.now();
          return;
        case "none":
      }
    },
  };

  function comeDue(due: Float64Array, timer: number): void {
    for (let p = 0; p < host.pcpus; p++) {
      if (host.now() < due[p]) continue;
      due[p] = Number.POSITIVE_INFINITY;
      host.reschedule(p);
    }
    host.arm(timer, Math.min(...due));
  }
}
