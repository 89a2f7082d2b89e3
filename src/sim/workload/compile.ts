/**
 * Thread programs to flat bytecode: four integers per instruction (operation, a, b, c), names resolved to ids. The
 * interpreter is guest/interpreter.ts.
 */
import { unreachable } from "../../core/unreachable.ts";
import type { Crowding, Duration, LockKind, Step, Workload } from "./program.ts";

export const OP_EXIT = 0;
export const OP_COMPUTE = 1; // duration, 1 for kernel mode, crowding plus 1 or 0
export const OP_LOCK = 2; // lock
export const OP_UNLOCK = 3;
export const OP_DOWN_READ = 4;
export const OP_UP_READ = 5;
export const OP_BARRIER = 6;
export const OP_WAIT = 7; // condition, mutex
export const OP_SIGNAL = 8;
export const OP_BROADCAST = 9;
export const OP_PUSH = 10;
export const OP_POP = 11;
export const OP_SHOOTDOWN = 12;
export const OP_SLEEP = 13; // duration
export const OP_YIELD = 14;
export const OP_MARK = 15;
export const OP_LOOP = 16; // depth, times
export const OP_END = 17; // depth, target
export const OP_CHANCE = 18; // probability * 2^31, target when it does not come
export const OP_JUMP = 19; // target

export const INSTRUCTION_INTS = 4;
/** Loops inside loops; each task has this many counters. */
export const LOOP_DEPTH_MAX = 8;

/** What the domains' workloads are compiled into. Ids count over all domains. */
export interface Compiled {
  readonly code: number[];
  readonly durations: Duration[];
  readonly crowdings: Crowding[];
  readonly lockKinds: LockKind[];
  readonly barrierParties: number[];
  readonly barrierSpin: number[];
  readonly queueCapacity: number[];
  conditions: number;
}

export function emptyCompiled(): Compiled {
  return {
    code: [],
    durations: [],
    crowdings: [],
    lockKinds: [],
    barrierParties: [],
    barrierSpin: [],
    queueCapacity: [],
    conditions: 0,
  };
}

export interface Names {
  readonly domain: string;
  readonly locks: ReadonlyMap<string, number>;
  readonly barriers: ReadonlyMap<string, number>;
  readonly conditions: ReadonlyMap<string, number>;
  readonly queues: ReadonlyMap<string, number>;
}

/** Gives every lock, barrier, condition and queue of a workload its id. */
export function declare(out: Compiled, domain: string, workload: Workload): Names {
  const locks = new Map<string, number>();
  for (const [name, lock] of Object.entries(workload.locks ?? {})) {
    locks.set(name, out.lockKinds.push(lock.kind) - 1);
  }
  const barriers = new Map<string, number>();
  for (const [name, barrier] of Object.entries(workload.barriers ?? {})) {
    barriers.set(name, out.barrierParties.push(barrier.parties) - 1);
    out.barrierSpin.push(barrier.spin ?? Number.POSITIVE_INFINITY);
  }
  const conditions = new Map<string, number>();
  for (const name of workload.conditions ?? []) conditions.set(name, out.conditions++);
  const queues = new Map<string, number>();
  for (const [name, queue] of Object.entries(workload.queues ?? {})) {
    queues.set(name, out.queueCapacity.push(queue.capacity) - 1);
  }
  return { domain, locks, barriers, conditions, queues };
}

/** Appends a program; returns the address of its first instruction. */
export function compileProgram(out: Compiled, names: Names, program: readonly Step[]): number {
  const start = out.code.length / INSTRUCTION_INTS;
  emitAll(out, names, program, 0);
  emit(out, OP_EXIT);
  return start;
}

function emitAll(out: Compiled, names: Names, steps: readonly Step[], depth: number): void {
  for (const step of steps) emitStep(out, names, step, depth);
}

function emitStep(out: Compiled, names: Names, step: Step, depth: number): void {
  switch (step.do) {
    case "compute":
      emit(
        out,
        OP_COMPUTE,
        out.durations.push(step.time) - 1,
        step.mode === "kernel" ? 1 : 0,
        step.crowding === undefined ? 0 : out.crowdings.push(step.crowding),
      );
      return;
    case "lock":
    case "down-write":
      emit(out, OP_LOCK, idOf(names, "locks", step.lock));
      return;
    case "unlock":
    case "up-write":
      emit(out, OP_UNLOCK, idOf(names, "locks", step.lock));
      return;
    case "down-read":
      emit(out, OP_DOWN_READ, idOf(names, "locks", step.lock));
      return;
    case "up-read":
      emit(out, OP_UP_READ, idOf(names, "locks", step.lock));
      return;
    case "barrier":
      emit(out, OP_BARRIER, idOf(names, "barriers", step.barrier));
      return;
    case "wait":
      emit(out, OP_WAIT, idOf(names, "conditions", step.condition), idOf(names, "locks", step.mutex));
      return;
    case "signal":
      emit(out, OP_SIGNAL, idOf(names, "conditions", step.condition));
      return;
    case "broadcast":
      emit(out, OP_BROADCAST, idOf(names, "conditions", step.condition));
      return;
    case "push":
      emit(out, OP_PUSH, idOf(names, "queues", step.queue));
      return;
    case "pop":
      emit(out, OP_POP, idOf(names, "queues", step.queue));
      return;
    case "shootdown":
      emit(out, OP_SHOOTDOWN);
      return;
    case "sleep":
      emit(out, OP_SLEEP, out.durations.push(step.time) - 1);
      return;
    case "yield":
      emit(out, OP_YIELD);
      return;
    case "mark":
      emit(out, OP_MARK);
      return;
    case "repeat":
      emitRepeat(out, names, step.body, step.times, depth);
      return;
    case "chance": {
      const at = emit(out, OP_CHANCE, Math.floor(step.probability * 0x7fffffff), 0);
      emitAll(out, names, step.body, depth);
      out.code[at * INSTRUCTION_INTS + 2] = here(out);
      return;
    }
    default:
      unreachable(step);
  }
}

function emitRepeat(
  out: Compiled,
  names: Names,
  body: readonly Step[],
  times: number | undefined,
  depth: number,
): void {
  if (depth >= LOOP_DEPTH_MAX) {
    throw new Error(
      `Domain ${names.domain}: more than ${LOOP_DEPTH_MAX} repeats inside each other; flatten the program`,
    );
  }
  if (times !== undefined && times < 1) {
    throw new Error(`Domain ${names.domain}: repeat needs times of at least 1, not ${times}`);
  }
  if (times !== undefined) emit(out, OP_LOOP, depth, times);
  const target = here(out);
  emitAll(out, names, body, depth + 1);
  if (times === undefined) emit(out, OP_JUMP, target);
  else emit(out, OP_END, depth, target);
}

function emit(out: Compiled, operation: number, a = 0, b = 0, c = 0): number {
  const at = here(out);
  out.code.push(operation, a, b, c);
  return at;
}

function here(out: Compiled): number {
  return out.code.length / INSTRUCTION_INTS;
}

function idOf(names: Names, kind: "locks" | "barriers" | "conditions" | "queues", name: string): number {
  const id = names[kind].get(name);
  if (id === undefined) {
    const known = [...names[kind].keys()].join(", ") || "none";
    throw new Error(
      `Domain ${names.domain}: the program names "${name}", which is not among its ${kind} (${known})`,
    );
  }
  return id;
}
