/**
 * Reads a file of rt-app (github.com/scheduler-tools/rt-app, doc/tutorial.txt), the workload generator whose JSON other
 * tools take too, as a workload. What maps: tasks with `instance`, `loop`, `delay`, `priority`, phases; the events
 * run, sleep, lock, unlock, wait, signal, broad, sync, barrier, yield. Everything else is a fault with its place.
 *
 * rt-app's times are microseconds. A barrier's parties are the instances of the tasks that name it, as in rt-app. The
 * scenario says how long the run takes, so `global.duration` is read and not used; nor are its logs and calibration.
 */
import { type Checked, faultAt, inOrder } from "../../protocol/check_shape.ts";
import type { FieldPath } from "../../protocol/fault.ts";
import { parseLocatedYaml } from "../../protocol/located_yaml.ts";
import type { BarrierConfig, LockConfig, Step, TaskConfig, Workload } from "../workload/program.ts";
import { isMap } from "./choice.ts";
import { type Complain, complaintsAt } from "./complain.ts";

export function parseRtApp(source: { readonly file: string; readonly text: string }): Checked<Workload> {
  const located = parseLocatedYaml(source);
  if (Array.isArray(located)) return { faults: located };
  const { complain, faults } = complaintsAt(located);
  const file = located.value;
  if (!isMap(file) || !isMap(file["tasks"])) {
    return {
      faults: [
        faultAt(located, [], {
          rule: "An rt-app file is a map with `tasks`",
          fix: 'Write { "tasks": { ... } }',
          value: undefined,
        }),
      ],
    };
  }
  const reader = new Reader(complain);
  for (const key of Object.keys(file)) {
    if (!["tasks", "global", "resources"].includes(key))
      complain([key], `rt-app's ${key} does not map`, "Remove it");
  }
  if (isMap(file["global"])) reader.readGlobal(file["global"]);
  const tasks = Object.entries(file["tasks"]).map(([name, task]) => reader.readTask(name, task));
  if (tasks.length === 0) complain(["tasks"], "A workload has at least one task", "Write one");
  if (faults.length > 0) return { faults: inOrder(faults) };
  return { value: reader.workloadOf(tasks) };
}

type Json = Readonly<Record<string, unknown>>;

const NS_PER_US = 1_000;
/** What concerns rt-app's own running and logging, and nothing that is scheduled. */
const GLOBAL_WITHOUT_EFFECT = [
  "duration",
  "calibration",
  "ftrace",
  "gnuplot",
  "log_basename",
  "log_size",
  "logbasename",
  "logdir",
  "logsize",
  "lock_pages",
  "frag",
  "pi_enabled",
];
const TASK_KEYS = ["instance", "loop", "delay", "priority", "policy", "phases"];
/** The kernel's weights of nice -20 to 19: each step is a factor of about 1.25 around 1024. */
const NICE_STEP = 1.25;

class Reader {
  private readonly complain: Complain;
  private readonly locks: Record<string, LockConfig> = {};
  private readonly conditions = new Set<string>();
  /** By barrier: the tasks that name it. */
  private readonly barriers = new Map<string, Map<string, number>>();

  constructor(complain: Complain) {
    this.complain = complain;
  }

  workloadOf(tasks: readonly TaskConfig[]): Workload {
    const barriers = [...this.barriers].map(([name, users]): [string, BarrierConfig] => [
      name,
      // rt-app's barrier is a mutex and a condition: it blocks at once.
      { parties: [...users.values()].reduce((sum, count) => sum + count, 0), spin: 0 },
    ]);
    return {
      tasks,
      locks: this.locks,
      conditions: [...this.conditions],
      barriers: Object.fromEntries(barriers),
    };
  }

  readGlobal(global: Json): void {
    for (const [key, value] of Object.entries(global)) {
      if (GLOBAL_WITHOUT_EFFECT.includes(key)) continue;
      if (key === "default_policy") this.checkPolicy(value, ["global", key]);
      else this.complain(["global", key], `rt-app's ${key} does not map`, "Remove it");
    }
  }

  readTask(name: string, task: unknown): TaskConfig {
    const at: FieldPath = ["tasks", name];
    if (!isMap(task)) {
      this.complain(at, "A task is a map of events", 'Write { "run": 1000, "sleep": 9000 }');
      return { count: 1, program: [] };
    }
    this.checkPolicy(task["policy"], [...at, "policy"]);
    const count = this.integer(task["instance"], 1, { min: 1, max: 10_000 }, [...at, "instance"]);
    const delay = this.integer(task["delay"], 0, { min: 0, max: 1e9 }, [...at, "delay"]);
    const nice = this.integer(task["priority"], 0, { min: -20, max: 19 }, [...at, "priority"]);
    const owner = { name, count };
    const events = Object.entries(task).filter(([key]) => !TASK_KEYS.includes(key));
    const phases = task["phases"];
    if (phases !== undefined && events.length > 0) {
      this.complain(
        [...at, events[0]![0]],
        "A task has either events or phases",
        "Move the event into a phase",
      );
    }
    const body = isMap(phases)
      ? Object.entries(phases).flatMap(([phase, value]) =>
          this.readPhase(owner, value, [...at, "phases", phase]),
        )
      : events.flatMap(([key, value]) => this.readEvent(owner, key, value, [...at, key]));
    return {
      name,
      count,
      weight: Math.round(1024 / NICE_STEP ** nice),
      program: [
        ...(delay === 0 ? [] : [{ do: "sleep", time: delay * NS_PER_US } as const]),
        ...this.looped(body, task["loop"], -1, [...at, "loop"]),
      ],
    };
  }

  private readPhase(owner: Owner, phase: unknown, at: FieldPath): Step[] {
    if (!isMap(phase)) {
      this.complain(at, "A phase is a map of events", 'Write { "run": 1000 }');
      return [];
    }
    const events = Object.entries(phase).filter(([key]) => key !== "loop");
    const body = events.flatMap(([key, value]) => this.readEvent(owner, key, value, [...at, key]));
    return this.looped(body, phase["loop"], 1, [...at, "loop"]);
  }

  private looped(body: readonly Step[], loop: unknown, absent: number, at: FieldPath): Step[] {
    const times = this.integer(loop, absent, { min: -1, max: 1e9 }, at);
    if (times === 0) this.complain(at, "A loop runs at least once, or -1 for ever", "Write -1 or a count");
    if (times === 1) return [...body];
    return [times === -1 ? { do: "repeat", body } : { do: "repeat", times, body }];
  }

  private readEvent(owner: Owner, key: string, value: unknown, at: FieldPath): Step[] {
    // JSON has a key once only, so rt-app numbers events: run0, run1.
    switch (key.replace(/\d+$/, "")) {
      case "run":
        return [{ do: "compute", time: this.microseconds(value, at) }];
      case "sleep":
        return [{ do: "sleep", time: this.microseconds(value, at) }];
      case "lock":
        return [{ do: "lock", lock: this.mutex(value, at) }];
      case "unlock":
        return [{ do: "unlock", lock: this.mutex(value, at) }];
      case "signal":
        return [{ do: "signal", condition: this.condition(value, at) }];
      case "broad":
        return [{ do: "broadcast", condition: this.condition(value, at) }];
      case "wait":
        return [this.waitStep(value, at)];
      case "sync": {
        const wait = this.waitStep(value, at);
        return [{ do: "signal", condition: wait.condition }, wait];
      }
      case "barrier":
        return [{ do: "barrier", barrier: this.barrier(owner, value, at) }];
      case "yield":
        return [{ do: "yield" }];
      default:
        this.complain(
          at,
          `rt-app's ${key} does not map`,
          UNMAPPED[key.replace(/\d+$/, "")] ??
            "Use run, sleep, lock, unlock, wait, signal, broad, sync, barrier or yield",
        );
        return [];
    }
  }

  private waitStep(value: unknown, at: FieldPath): Extract<Step, { readonly do: "wait" }> {
    if (!isMap(value)) {
      this.complain(
        at,
        "`wait` and `sync` name a condition and a mutex",
        'Write { "ref": "queue", "mutex": "lock" }',
      );
      return { do: "wait", condition: "", mutex: "" };
    }
    return {
      do: "wait",
      condition: this.condition(value["ref"], [...at, "ref"]),
      mutex: this.mutex(value["mutex"], [...at, "mutex"]),
    };
  }

  private mutex(value: unknown, at: FieldPath): string {
    const name = this.name(value, at);
    this.locks[name] = { kind: "mutex" };
    return name;
  }

  private condition(value: unknown, at: FieldPath): string {
    const name = this.name(value, at);
    this.conditions.add(name);
    return name;
  }

  private barrier({ name: task, count }: Owner, value: unknown, at: FieldPath): string {
    const name = this.name(value, at);
    const users = this.barriers.get(name) ?? new Map<string, number>();
    this.barriers.set(name, users.set(task, count));
    return name;
  }

  private name(value: unknown, at: FieldPath): string {
    if (typeof value === "string" && value !== "") return value;
    this.complain(at, "The name of a resource must stand here", "Write its name as a text");
    return "";
  }

  private microseconds(value: unknown, at: FieldPath): number {
    return this.integer(value, Number.NaN, { min: 0, max: 1e12 }, at) * NS_PER_US;
  }

  private integer(
    value: unknown,
    absent: number,
    range: { min: number; max: number },
    at: FieldPath,
  ): number {
    if (value === undefined) return absent;
    const isFine =
      typeof value === "number" && Number.isInteger(value) && range.min <= value && value <= range.max;
    if (isFine) return value;
    this.complain(
      at,
      `A whole number from ${range.min} to ${range.max} must stand here`,
      "Write it without unit; times are microseconds",
    );
    return range.min;
  }

  private checkPolicy(value: unknown, at: FieldPath): void {
    if (value === undefined || value === "SCHED_OTHER") return;
    this.complain(at, "The guests have no scheduler but the fair one", 'Write "SCHED_OTHER"');
  }
}

interface Owner {
  readonly name: string;
  readonly count: number;
}

const UNMAPPED: Readonly<Record<string, string>> = {
  runtime: "Use run: runtime is time by the clock, and what it computes would depend on the scheduling",
  timer: "Use sleep: wake-ups at absolute times are not modelled",
  suspend: "Use wait with a mutex",
  resume: "Use signal",
  cpus: "Pin the domain's vCPUs in the scenario instead",
  fork: "Write the tasks that it forks",
  mem: "Use run for the time that it takes",
  iorun: "Use sleep for the time that it takes",
};
