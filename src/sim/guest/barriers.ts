/**
 * Barriers: the early spin, block, or spin for a while and then block (PARSEC's barrier spins about 0.1 ms). They
 * spin in user mode without the pause instruction, so neither pause-loop exits nor interrupts show the host that they
 * wait.
 */
import { leave, wakeTask } from "../guest_scheduler/run_queue.ts";
import { arm } from "../host/dispatch.ts";
import { isExecuting, settle } from "../host/settle.ts";
import { CAUSE_BLOCKED } from "../metrics/causes.ts";
import { DOES_SPIN_BARRIER, DOES_WORK, NOBODY, TASK_BLOCKED } from "../tables.ts";
import type { World } from "../world.ts";

export function arrive(w: World, v: number, b: number): void {
  const { barriers, tasks, vcpus, barrierWaits } = w;
  const h = vcpus.current[v];
  if (++barriers.arrived[b] === barriers.parties[b]) {
    barriers.arrived[b] = 0;
    barriers.releases[b]++;
    for (let next = barrierWaits.shift(b); next !== NOBODY; next = barrierWaits.shift(b)) letGo(w, v, next);
    return;
  }
  tasks.waitsFor[h] = b;
  tasks.remaining[h] = barriers.spin[b];
  barrierWaits.push(b, h);
  if (barriers.spin[b] > 0) tasks.does[h] = DOES_SPIN_BARRIER;
  else stopSpinning(w, v);
}

/** It has spun long enough and blocks. */
export function stopSpinning(w: World, v: number): void {
  const h = w.vcpus.current[v];
  w.tasks.does[h] = DOES_WORK;
  w.tasks.remaining[h] = 0;
  w.vcpus.overhead[v] += w.costs.futexWait;
  leave(w, v, TASK_BLOCKED, CAUSE_BLOCKED);
}

function letGo(w: World, v: number, h: number): void {
  const { tasks, vcpus } = w;
  if (tasks.state[h] === TASK_BLOCKED) {
    vcpus.overhead[v] += w.costs.futexWake;
    wakeTask(w, h, v);
    return;
  }
  const home = tasks.vcpu[h];
  const executing = isExecuting(w, h);
  if (executing) settle(w, home);
  tasks.does[h] = DOES_WORK;
  tasks.kernelMode[h] = 0;
  tasks.remaining[h] = w.costs.lockHandoff;
  if (executing) arm(w, vcpus.pcpu[home]);
}
