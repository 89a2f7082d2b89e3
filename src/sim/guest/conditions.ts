/** Condition variables: a waiter gives up its mutex, and takes it again before it goes on. */
import { leave, wakeTask } from "../guest_scheduler/run_queue.ts";
import { CAUSE_BLOCKED } from "../metrics/causes.ts";
import { NOBODY, TASK_BLOCKED } from "../tables.ts";
import type { World } from "../world.ts";
import { queueForMutex, release } from "./locks.ts";

export function waitFor(w: World, v: number, c: number, mutex: number): void {
  const h = w.vcpus.current[v];
  release(w, v, mutex);
  queueForMutex(w, h, mutex);
  w.vcpus.overhead[v] += w.costs.futexWait;
  w.conditionWaits.push(c, h);
  leave(w, v, TASK_BLOCKED, CAUSE_BLOCKED);
}

export function signal(w: World, v: number, c: number): boolean {
  const h = w.conditionWaits.shift(c);
  if (h === NOBODY) return false;
  w.vcpus.overhead[v] += w.costs.futexWake;
  wakeTask(w, h, v);
  return true;
}

export function broadcast(w: World, v: number, c: number): void {
  while (signal(w, v, c));
}
