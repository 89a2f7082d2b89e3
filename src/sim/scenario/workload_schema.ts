/** The form of a workload that is written out in a scenario file: what workload/program.ts says, as schemas. */
import { z } from "zod";
import { field, word } from "../../protocol/fields.ts";
import type { Crowding, LockKind, Step, TaskConfig, Workload } from "../workload/program.ts";
import { byWord, choice } from "./choice.ts";
import { TASKS_MAX } from "./limits.ts";
import { count, DURATION, fraction, label, time } from "./quantities.ts";

/** Loops run for ever without `times`; a number beyond this is a slip of the keyboard. */
const TIMES_MAX = 1_000_000_000;

const LOCK_KINDS: readonly LockKind[] = [
  "test-and-set",
  "ticket",
  "queued",
  "paravirtual",
  "paravirtual-ticket",
  "mutex",
  "rwsem",
];

type StepKind = Step["do"];
type StepOf<K extends StepKind> = Extract<Step, { readonly do: K }>;

const body = z.lazy(() => z.array(STEP));

function step<const K extends StepKind, Shape extends z.core.$ZodLooseShape>(kind: K, shape: Shape) {
  return z.strictObject({ do: z.literal(kind), ...shape });
}

const CROWDING: z.ZodType<Crowding> = z.strictObject({
  among: word(["domain", "memory"]),
  contention: fraction("Contention", { min: 0, max: 1000 }),
  coherence: fraction("Coherence", { min: 0, max: 1000 }),
});

const STEPS: { readonly [K in StepKind]: z.ZodType<StepOf<K>> } = {
  compute: step("compute", {
    time: DURATION,
    mode: word(["user", "kernel"]).exactOptional(),
    crowding: CROWDING.exactOptional(),
  }),
  lock: step("lock", { lock: label() }),
  unlock: step("unlock", { lock: label() }),
  "down-read": step("down-read", { lock: label() }),
  "up-read": step("up-read", { lock: label() }),
  "down-write": step("down-write", { lock: label() }),
  "up-write": step("up-write", { lock: label() }),
  barrier: step("barrier", { barrier: label() }),
  wait: step("wait", { condition: label(), mutex: label() }),
  signal: step("signal", { condition: label() }),
  broadcast: step("broadcast", { condition: label() }),
  push: step("push", { queue: label() }),
  pop: step("pop", { queue: label() }),
  shootdown: step("shootdown", {}),
  sleep: step("sleep", { time: DURATION }),
  yield: step("yield", {}),
  mark: step("mark", {}),
  repeat: step("repeat", {
    times: count("How often a body repeats", { min: 1, max: TIMES_MAX }).exactOptional(),
    body,
  }),
  chance: step("chance", { probability: fraction("A probability", { min: 0, max: 1 }), body }),
};

const STEP: z.ZodType<Step> = choice<Step>(byWord<Step>("do", "step", STEPS));

const TASK: z.ZodType<TaskConfig> = z.strictObject({
  name: label().exactOptional(),
  count: count("The number of tasks", { min: 1, max: TASKS_MAX }),
  weight: count("A task's weight", { min: 2, max: 1_000_000 }).exactOptional(),
  program: z.array(STEP),
});

export const WORKLOAD: z.ZodType<Workload> = z.strictObject({
  memoryPart: fraction("The part of computing that goes to memory", { min: 0, max: 1 }).exactOptional(),
  tasks: z.array(TASK),
  locks: z
    .record(
      z.string(),
      z.strictObject({
        kind: field({
          rule: "One of the kinds of lock must stand here",
          fix: `Write ${LOCK_KINDS.join(", ")}`,
          read: (value) => LOCK_KINDS.find((kind) => kind === value),
        }),
      }),
    )
    .exactOptional(),
  barriers: z
    .record(
      z.string(),
      z.strictObject({
        parties: count("The number of parties", { min: 1, max: TASKS_MAX }),
        spin: time().exactOptional(),
      }),
    )
    .exactOptional(),
  conditions: z.array(label()).exactOptional(),
  queues: z
    .record(
      z.string(),
      z.strictObject({ capacity: count("A queue's capacity", { min: 1, max: 1_000_000_000 }) }),
    )
    .exactOptional(),
  sources: z
    .array(
      z.strictObject({
        queue: label(),
        interval: DURATION,
        vcpu: count("The vCPU that a source interrupts", { min: 0, max: TASKS_MAX }),
      }),
    )
    .exactOptional(),
});
