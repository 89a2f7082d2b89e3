/**
 * Bounded queues between the stages of a pipeline, and sources that fill them from outside by interrupt. An item goes
 * straight to a waiting consumer, a freed place straight to a waiting producer.
 */
import { EVENT_ARRIVAL } from "../engine/event_kinds.ts";
import { leave, wakeTask } from "../guest_scheduler/run_queue.ts";
import { interrupt } from "../host/dispatch.ts";
import { CAUSE_BLOCKED } from "../metrics/causes.ts";
import { BALLOON_OPEN, DOES_WORK, IRQ_DEVICE, NOBODY, TASK_BLOCKED } from "../tables.ts";
import type { World } from "../world.ts";

export function push(w: World, v: number, q: number): void {
  const { queues } = w;
  if (handOver(w, v, q)) return;
  if (queues.items[q] < queues.capacity[q]) {
    queues.items[q]++;
    count(w, q, 1);
  } else {
    wait(w, v, w.pushWaits, q);
  }
}

export function pop(w: World, v: number, q: number): void {
  const { queues } = w;
  if (queues.items[q] === 0) {
    wait(w, v, w.popWaits, q);
    return;
  }
  queues.items[q]--;
  count(w, q, -1);
  const producer = w.pushWaits.shift(q);
  if (producer === NOBODY) return;
  queues.items[q]++;
  count(w, q, 1);
  w.vcpus.overhead[v] += w.costs.futexWake;
  wakeTask(w, producer, v);
}

function handOver(w: World, v: number, q: number): boolean {
  const consumer = w.popWaits.shift(q);
  if (consumer === NOBODY) return false;
  w.vcpus.overhead[v] += w.costs.futexWake;
  wakeTask(w, consumer, v);
  return true;
}

function wait(w: World, v: number, list: World["popWaits"], q: number): void {
  const h = w.vcpus.current[v];
  w.tasks.does[h] = DOES_WORK;
  w.tasks.remaining[h] = 0;
  w.vcpus.overhead[v] += w.costs.futexWait;
  list.push(q, h);
  leave(w, v, TASK_BLOCKED, CAUSE_BLOCKED);
}

/** An item reaches the device: interrupt the vCPU that serves it, and say when the next one comes. */
export function arriveAtDevice(w: World, s: number): void {
  const { sources, vcpus, domains } = w;
  sources.waiting[s]++;
  sources.arrived[s]++;
  count(w, sources.queue[s], 1);
  armSource(w, s);
  // The interrupts of a vCPU that was taken go to the domain's first.
  if (vcpus.balloon[sources.vcpu[s]] !== BALLOON_OPEN)
    sources.vcpu[s] = domains.firstVcpu[vcpus.domain[sources.vcpu[s]]];
  interrupt(w, NOBODY, sources.vcpu[s], IRQ_DEVICE);
}

export function armSource(w: World, s: number): void {
  const { sources } = w;
  const gap = w.durations.draw(sources.duration[s], sources.key[s], sources.draws[s]++);
  w.timers.arm(EVENT_ARRIVAL, s, w.now + gap);
}

/** The device's interrupt handler: everything that waits goes into its queue; what does not fit is dropped. */
export function takeFromDevices(w: World, v: number): void {
  const { sources, queues } = w;
  for (let s = 0; s < sources.count; s++) {
    if (sources.vcpu[s] !== v) continue;
    const q = sources.queue[s];
    while (sources.waiting[s] > 0) {
      sources.waiting[s]--;
      if (queues.items[q] < queues.capacity[q] && w.popWaits.head[q] === NOBODY) {
        queues.items[q]++;
        continue;
      }
      count(w, q, -1);
      if (!handOver(w, v, q)) sources.dropped[s]++;
    }
  }
}

/** Keeps the integral of what is pending, from which the mean length and by Little's law the mean wait follow. */
function count(w: World, q: number, change: number): void {
  const { queues } = w;
  queues.pendingTime[q] += queues.pending[q] * (w.now - queues.countedAt[q]);
  queues.countedAt[q] = w.now;
  queues.pending[q] += change;
}
