/**
 * TLB shootdown after Linux 3.0 (arch/x86/mm/tlb.c): the sender interrupts every vCPU that has the address space
 * loaded and spins, with preemption disabled, until all have acknowledged. One target without a pCPU holds up the
 * sender for as long as it waits (B-13, B-33).
 *
 * A halted vCPU that still has the address space loaded is a target once: woken by the interrupt, it lets go of it.
 * An offline vCPU is never a target. Simplified: one address space per domain.
 */
import { arm, interrupt } from "../host/dispatch.ts";
import { isExecuting, settle } from "../host/settle.ts";
import {
  DOES_SPIN_ACK,
  DOES_WORK,
  IRQ_SHOOTDOWN,
  NEVER,
  NOBODY,
  VCPU_OFFLINE,
  VCPU_RUNNING,
} from "../tables.ts";
import type { World } from "../world.ts";

export function beginShootdown(w: World, v: number): void {
  const { vcpus, tasks, domains } = w;
  const h = vcpus.current[v];
  const d = vcpus.domain[v];
  w.shootdowns++;
  vcpus.overhead[v] += w.costs.shootdown;
  tasks.acksOwed[h] = 0;
  tasks.acksOffPcpu[h] = 0;
  tasks.does[h] = DOES_SPIN_ACK;
  tasks.kernelMode[h] = 1;
  tasks.remaining[h] = NEVER;
  tasks.pauseLeft[h] = w.pauseLoopExiting ? vcpus.pauseWindow[v] : NEVER;
  tasks.preemptDepth[h]++;
  for (let target = domains.firstVcpu[d]; target < domains.firstVcpu[d] + domains.vcpuCount[d]; target++) {
    if (target === v || vcpus.mmActive[target] === 0 || vcpus.state[target] === VCPU_OFFLINE) continue;
    vcpus.overhead[v] += w.costs.ipiSend;
    w.owed[target * vcpus.count + v] = h + 1;
    vcpus.owedCount[target]++;
    tasks.acksOwed[h]++;
    if (vcpus.state[target] !== VCPU_RUNNING) tasks.acksOffPcpu[h]++;
    interrupt(w, v, target, IRQ_SHOOTDOWN);
  }
  if (tasks.acksOwed[h] === 0) finish(w, v, h);
}

/** The interrupt handler of a target: acknowledges to everyone who waits for it. */
export function acknowledge(w: World, target: number): void {
  const { vcpus, tasks } = w;
  const row = target * vcpus.count;
  for (let v = 0; v < vcpus.count && vcpus.owedCount[target] > 0; v++) {
    const owed = w.owed[row + v];
    if (owed === 0) continue;
    w.owed[row + v] = 0;
    vcpus.owedCount[target]--;
    if (--tasks.acksOwed[owed - 1] === 0) finish(w, v, owed - 1);
  }
  if (vcpus.current[target] === NOBODY) vcpus.mmActive[target] = 0;
}

function finish(w: World, v: number, h: number): void {
  const { vcpus, tasks } = w;
  const executing = isExecuting(w, h);
  if (executing) settle(w, v);
  tasks.does[h] = DOES_WORK;
  tasks.remaining[h] = 0;
  tasks.preemptDepth[h]--;
  if (executing) arm(w, vcpus.pcpu[v]);
}
