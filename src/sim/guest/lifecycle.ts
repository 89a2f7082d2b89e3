/** A domain powers on, its tasks finish, and a background load starts again. */
import { EVENT_BALANCE } from "../engine/event_kinds.ts";
import { enqueue, wakeOn } from "../guest_scheduler/run_queue.ts";
import { stopVcpu, wakeVcpu } from "../host/dispatch.ts";
import { changeOffCause } from "../host/settle.ts";
import { CAUSE_QUEUED } from "../metrics/causes.ts";
import { BALLOON_OFFLINE, BALLOON_OPEN, DOES_WORK, NEVER, NOBODY, VCPU_HALTED } from "../tables.ts";
import type { World } from "../world.ts";
import { armSource } from "./queues.ts";

/** Chosen: Linux balances a busy domain every 64 ms. */
export const GUEST_BALANCE_INTERVAL = 64_000_000;

/** Tasks go round the vCPUs that the guest may use; one without any halts until it is interrupted. */
export function powerOn(w: World, d: number): void {
  const { domains, vcpus, tasks, sources } = w;
  const first = domains.firstVcpu[d];
  const count = domains.vcpuCount[d];
  domains.poweredOn[d] = 1;
  domains.tasksLeft[d] = domains.taskCount[d];
  for (let i = 0; i < domains.taskCount[d]; i++) {
    const h = domains.firstTask[d] + i;
    begin(w, h);
    tasks.vcpu[h] = homeOf(w, d, i);
    changeOffCause(w, h, CAUSE_QUEUED);
    enqueue(w, tasks.vcpu[h], h);
  }
  for (let v = first; v < first + count; v++) {
    if (vcpus.queueLength[v] > 0) wakeVcpu(w, v);
    else if (vcpus.balloon[v] !== BALLOON_OFFLINE) stopVcpu(w, v, VCPU_HALTED);
  }
  for (let s = 0; s < sources.count; s++) if (vcpus.domain[sources.vcpu[s]] === d) armSource(w, s);
  if (domains.taskCount[d] > count) w.timers.arm(EVENT_BALANCE, d, w.now + GUEST_BALANCE_INTERVAL);
}

/** A task ran to its end. With the last one the workload is finished, and starts again when it is a background load. */
export function taskDone(w: World, h: number): void {
  const { domains, tasks } = w;
  const d = tasks.domain[h];
  if (--domains.tasksLeft[d] > 0) return;
  domains.completions[d]++;
  if (domains.finishedAt[d] === NEVER) {
    domains.finishedAt[d] = w.now;
    if (w.config.until.finished?.includes(domains.names[d]) && --w.domainsAwaited === 0) w.ended = true;
  }
  if (domains.restarts[d] === 0) return;
  domains.tasksLeft[d] = domains.taskCount[d];
  for (let i = 0; i < domains.taskCount[d]; i++) {
    const task = domains.firstTask[d] + i;
    begin(w, task);
    wakeOn(w, task, homeOf(w, d, i), NOBODY);
  }
}

function begin(w: World, h: number): void {
  w.tasks.pc[h] = w.tasks.entry[h];
  w.tasks.does[h] = DOES_WORK;
  w.tasks.kernelMode[h] = 0;
  w.tasks.remaining[h] = 0;
}

/** Round the vCPUs; the first stands in for one that was taken. */
function homeOf(w: World, d: number, i: number): number {
  const { domains, vcpus } = w;
  const v = domains.firstVcpu[d] + (i % domains.vcpuCount[d]);
  return vcpus.balloon[v] === BALLOON_OPEN ? v : domains.firstVcpu[d];
}
