/** Executes one instruction of a task's program (workload/compile.ts). */
import { bits } from "../engine/draw.ts";
import { EVENT_SLEEP } from "../engine/event_kinds.ts";
import { leave, putBack } from "../guest_scheduler/run_queue.ts";
import { CAUSE_OFF, CAUSE_SLEEPING } from "../metrics/causes.ts";
import { DOES_WORK, TASK_DONE, TASK_SLEEPING } from "../tables.ts";
import {
  INSTRUCTION_INTS,
  LOOP_DEPTH_MAX,
  OP_BARRIER,
  OP_BROADCAST,
  OP_CHANCE,
  OP_COMPUTE,
  OP_DOWN_READ,
  OP_END,
  OP_EXIT,
  OP_JUMP,
  OP_LOCK,
  OP_LOOP,
  OP_MARK,
  OP_POP,
  OP_PUSH,
  OP_SHOOTDOWN,
  OP_SIGNAL,
  OP_SLEEP,
  OP_UNLOCK,
  OP_UP_READ,
  OP_WAIT,
  OP_YIELD,
} from "../workload/compile.ts";
import type { World } from "../world.ts";
import { arrive } from "./barriers.ts";
import { broadcast, signal, waitFor } from "./conditions.ts";
import { crowd } from "./crowding.ts";
import { taskDone } from "./lifecycle.ts";
import { acquire, acquireShared, release, releaseShared } from "./locks.ts";
import { pop, push } from "./queues.ts";
import { beginShootdown } from "./shootdown.ts";

export function execute(w: World, v: number): void {
  const { tasks, code } = w;
  const h = w.vcpus.current[v];
  const at = tasks.pc[h]++ * INSTRUCTION_INTS;
  const a = code[at + 1];
  const b = code[at + 2];
  switch (code[at]) {
    case OP_COMPUTE:
      tasks.does[h] = DOES_WORK;
      tasks.kernelMode[h] = b;
      w.durations.drawInto(tasks.remaining, h, a, tasks.key[h], tasks.draws[h]++);
      tasks.crowding[h] = 0;
      if (code[at + 3] !== 0) crowd(w, v, code[at + 3] - 1);
      return;
    case OP_LOCK:
      acquire(w, v, a);
      return;
    case OP_UNLOCK:
      release(w, v, a);
      return;
    case OP_DOWN_READ:
      acquireShared(w, v, a);
      return;
    case OP_UP_READ:
      releaseShared(w, v, a);
      return;
    case OP_BARRIER:
      arrive(w, v, a);
      return;
    case OP_WAIT:
      waitFor(w, v, a, b);
      return;
    case OP_SIGNAL:
      signal(w, v, a);
      return;
    case OP_BROADCAST:
      broadcast(w, v, a);
      return;
    case OP_PUSH:
      push(w, v, a);
      return;
    case OP_POP:
      pop(w, v, a);
      return;
    case OP_SHOOTDOWN:
      beginShootdown(w, v);
      return;
    case OP_SLEEP: {
      const time = w.durations.draw(a, tasks.key[h], tasks.draws[h]++);
      tasks.remaining[h] = 0;
      w.timers.arm(EVENT_SLEEP, h, w.now + time);
      leave(w, v, TASK_SLEEPING, CAUSE_SLEEPING);
      return;
    }
    case OP_YIELD:
      if (w.vcpus.queueLength[v] > 0) putBack(w, v);
      return;
    case OP_MARK:
      tasks.marks[h]++;
      return;
    case OP_LOOP:
      tasks.loops[h * LOOP_DEPTH_MAX + a] = b;
      return;
    case OP_END:
      if (--tasks.loops[h * LOOP_DEPTH_MAX + a] > 0) tasks.pc[h] = b;
      return;
    case OP_CHANCE:
      if (bits(tasks.key[h], tasks.draws[h]++) >>> 1 >= a) tasks.pc[h] = b;
      return;
    case OP_JUMP:
      tasks.pc[h] = a;
      return;
    case OP_EXIT:
      leave(w, v, TASK_DONE, CAUSE_OFF);
      taskDone(w, h);
      return;
    default:
      throw new Error(`Task ${h} is at instruction ${tasks.pc[h] - 1}, which has no meaning: ${code[at]}`);
  }
}
