/**
 * What a written-out program may get wrong: names that are not declared, locks used as what they are not, a lock that
 * is released but not held or still held at the end, a barrier that can never open, a loop in which no time passes.
 */
import type { FieldPath } from "../../protocol/fault.ts";
import type { DomainConfig } from "../config.ts";
import { LOOP_DEPTH_MAX } from "../workload/compile.ts";
import type { Duration, LockKind, Step, Workload } from "../workload/program.ts";
import type { Complain } from "./complain.ts";
import { nearest } from "./scenario_faults.ts";

export function programFaults({ workload, vcpus }: DomainConfig, at: FieldPath, complain: Complain): void {
  if (workload.tasks.length === 0)
    complain([...at, "tasks"], "A workload has at least one task", "Write one");
  const context: Context = { workload, complain };
  workload.tasks.forEach(({ program }, t) => {
    const held = walk(program, [...at, "tasks", t, "program"], [], 0, context);
    if (held.length > 0) {
      complain(
        [...at, "tasks", t, "program"],
        `The program ends while it holds ${held.join(", ")}`,
        "Release it before the end",
      );
    }
  });
  sourceFaults(workload, vcpus, at, complain);
  barrierFaults(workload, at, complain);
  for (const [name, { interval }] of (workload.sources ?? []).entries())
    durationFaults(interval, [...at, "sources", name, "interval"], complain);
}

interface Context {
  readonly workload: Workload;
  readonly complain: Complain;
}

type Held = readonly string[];

/** Checks steps one after another; the answer is what is held after them. */
function walk(steps: readonly Step[], at: FieldPath, held: Held, depth: number, context: Context): Held {
  return steps.reduce<Held>((now, step, i) => stepFaults(step, [...at, i], now, depth, context), held);
}

function stepFaults(step: Step, at: FieldPath, held: Held, depth: number, context: Context): Held {
  const { workload, complain } = context;
  const named = (field: string, name: string, what: string, known: readonly string[]): void => {
    if (!known.includes(name)) {
      complain(
        [...at, field],
        `The workload declares no ${what} ${JSON.stringify(name)}`,
        nearest(name, known),
      );
    }
  };
  const lockNamed = (field: string, name: string, fits: (kind: LockKind) => boolean, needs: string): void => {
    const lock = Object.hasOwn(workload.locks ?? {}, name) ? workload.locks![name] : undefined;
    if (lock === undefined) named(field, name, "lock", Object.keys(workload.locks ?? {}));
    else if (!fits(lock.kind)) {
      complain(
        [...at, field],
        `\`${step.do}\` needs ${needs}; ${name} is of kind ${lock.kind}`,
        "Change the step or the lock's kind",
      );
    }
  };
  const isSemaphore = (kind: LockKind): boolean => kind === "rwsem";
  const released = (name: string): Held => {
    if (!held.includes(name))
      complain(
        [...at, "lock"],
        `The task does not hold ${name} here`,
        "Take it before, on the same level of the program",
      );
    return held.filter((each) => each !== name);
  };
  const taken = (name: string): Held => {
    if (held.includes(name))
      complain(
        [...at, "lock"],
        `The task holds ${name} already and would wait for itself`,
        "Release it before",
      );
    return [...held, name];
  };
  switch (step.do) {
    case "compute":
    case "sleep":
      durationFaults(step.time, [...at, "time"], complain);
      return held;
    case "lock":
      lockNamed("lock", step.lock, (kind) => kind !== "rwsem", "a lock that is no rwsem");
      return taken(step.lock);
    case "unlock":
      lockNamed("lock", step.lock, (kind) => kind !== "rwsem", "a lock that is no rwsem");
      return released(step.lock);
    case "down-read":
    case "down-write":
      lockNamed("lock", step.lock, isSemaphore, "an rwsem");
      return taken(step.lock);
    case "up-read":
    case "up-write":
      lockNamed("lock", step.lock, isSemaphore, "an rwsem");
      return released(step.lock);
    case "barrier":
      named("barrier", step.barrier, "barrier", Object.keys(workload.barriers ?? {}));
      return held;
    case "wait":
      named("condition", step.condition, "condition", workload.conditions ?? []);
      lockNamed("mutex", step.mutex, (kind) => kind === "mutex", "a mutex");
      if (!held.includes(step.mutex))
        complain([...at, "mutex"], `The task does not hold ${step.mutex} here`, "Lock it before waiting");
      return held;
    case "signal":
    case "broadcast":
      named("condition", step.condition, "condition", workload.conditions ?? []);
      return held;
    case "push":
    case "pop":
      named("queue", step.queue, "queue", Object.keys(workload.queues ?? {}));
      return held;
    case "repeat":
      repeatFaults(step, at, depth, complain);
      return bodyFaults(step.body, at, held, depth + 1, context);
    case "chance":
      return bodyFaults(step.body, at, held, depth, context);
    case "shootdown":
    case "yield":
    case "mark":
      return held;
  }
}

/** A body that may run any number of times must leave the locks as it found them. */
function bodyFaults(body: readonly Step[], at: FieldPath, held: Held, depth: number, context: Context): Held {
  const after = walk(body, [...at, "body"], held, depth, context);
  if ([...after].sort().join() !== [...held].sort().join()) {
    context.complain(
      [...at, "body"],
      "A body ends with the locks that it began with",
      "Release what it takes, and take what it releases",
    );
  }
  return held;
}

function repeatFaults(
  { times, body }: Extract<Step, { do: "repeat" }>,
  at: FieldPath,
  depth: number,
  complain: Complain,
): void {
  if (depth === LOOP_DEPTH_MAX) {
    complain(at, `At most ${LOOP_DEPTH_MAX} repeats stand inside each other`, "Flatten the program");
  }
  if (times === undefined && !takesTime(body)) {
    complain(
      [...at, "body"],
      "No time passes in a loop without end",
      "Add a compute or sleep step that always comes",
    );
  }
}

/** Some step always takes time, or waits for something that does. */
function takesTime(steps: readonly Step[]): boolean {
  return steps.some((step) => {
    switch (step.do) {
      case "compute":
      case "sleep":
        return typeof step.time === "number" ? 0 < step.time : true;
      case "barrier":
      case "pop":
      case "push":
      case "wait":
      case "shootdown":
        return true;
      case "repeat":
        return takesTime(step.body);
      default:
        return false;
    }
  });
}

function durationFaults(duration: Duration, at: FieldPath, complain: Complain): void {
  if (typeof duration === "object" && "low" in duration && duration.high < duration.low) {
    complain(at, "`low` may not exceed `high`", "Swap the two");
  }
}

function sourceFaults(
  { sources = [], queues = {} }: Workload,
  vcpus: number,
  at: FieldPath,
  complain: Complain,
): void {
  sources.forEach(({ queue, vcpu, interval }, i) => {
    const here: FieldPath = [...at, "sources", i];
    if (!Object.hasOwn(queues, queue)) {
      complain(
        [...here, "queue"],
        `The workload declares no queue ${JSON.stringify(queue)}`,
        nearest(queue, Object.keys(queues)),
      );
    }
    if (vcpus <= vcpu)
      complain([...here, "vcpu"], `The domain has vCPUs 0 to ${vcpus - 1}`, "Name one of them");
    if (interval === 0)
      complain(
        [...here, "interval"],
        "Items that arrive without any time between them never end",
        "Write a time above zero",
      );
  });
}

/** Barriers open when all parties are there; too few tasks that use one would wait for ever. */
function barrierFaults({ barriers = {}, tasks }: Workload, at: FieldPath, complain: Complain): void {
  for (const [name, { parties }] of Object.entries(barriers)) {
    const users = tasks
      .filter(({ program }) => uses(program, name))
      .reduce((sum, { count }) => sum + count, 0);
    if (0 < users && users < parties) {
      complain(
        [...at, "barriers", name, "parties"],
        `The barrier waits for ${parties} tasks, and ${users} use it`,
        "Lower the parties or add tasks",
      );
    }
  }
}

function uses(steps: readonly Step[], barrier: string): boolean {
  return steps.some((step) => {
    if (step.do === "barrier") return step.barrier === barrier;
    return (step.do === "repeat" || step.do === "chance") && uses(step.body, barrier);
  });
}
