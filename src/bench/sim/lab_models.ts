/**
 * The lab's guest programs (lab/programs/*.c) as workloads. Each has two numbers, both measured on one guest alone: how long a
 * round takes on one vCPU, and by which factor the simulator's costs of meeting (interrupts, futexes, hand-overs) must be
 * multiplied so that two vCPUs take as long as they did. What a round does is in the program's source.
 */
import { type Costs, DEFAULT_COSTS } from "../../sim/machine/constants.ts";
import type { Step, Workload } from "../../sim/workload/program.ts";

export const MODELLED_PROGRAMS = ["compute", "spin-barrier", "futex-barrier", "spinlock", "mm"] as const;
export type ModelledProgram = (typeof MODELLED_PROGRAMS)[number];

export interface LabModel {
  /** Rounds at scale 1, by all threads together: the program's own constant. */
  readonly rounds: number;
  /** Threads that do `rounds` in all, each of `work` nanoseconds when nobody else is there. */
  readonly workload: (threads: number, rounds: number, work: number) => Workload;
}

/** Chosen: no two rounds take the same time. Without it two threads fall into step and never meet at a lock. */
const VARIATION = 0.1;

const user = (time: number): Step => ({
  do: "compute",
  time: { mean: Math.max(1, Math.round(time)), cv: VARIATION },
});
const kernel = (time: number): Step => ({ ...user(time), mode: "kernel" }) as Step;
const loop = (threads: number, rounds: number, body: readonly Step[]) => ({
  count: threads,
  program: [{ do: "repeat" as const, times: Math.max(1, Math.round(rounds / threads)), body }],
});

const PAGES = 16;
/** Of a round of `mm` on one vCPU; chosen: sixteen faults are most of it. */
const MM_PARTS = { map: 0.1, faults: 0.8, unmap: 0.1 };

export const LAB_MODELS: Readonly<Record<ModelledProgram, LabModel>> = {
  compute: {
    rounds: 100_000,
    workload: (threads, rounds, work) => ({ tasks: [loop(threads, rounds, [user(work)])] }),
  },
  "spin-barrier": {
    rounds: 1_000_000,
    workload: (threads, rounds, work) => ({
      barriers: { b: { parties: threads } },
      tasks: [loop(threads, rounds, [user(work), { do: "barrier", barrier: "b" }])],
    }),
  },
  "futex-barrier": {
    rounds: 150_000,
    workload: (threads, rounds, work) => ({
      barriers: { b: { parties: threads, spin: 0 } },
      tasks: [loop(threads, rounds, [user(work), { do: "barrier", barrier: "b" }])],
    }),
  },
  // 1500 units outside the lock and 500 inside.
  spinlock: {
    rounds: 1_000_000,
    workload: (threads, rounds, work) => ({
      locks: { l: { kind: "test-and-set" } },
      tasks: [
        loop(threads, rounds, [
          user(0.75 * work),
          { do: "lock", lock: "l" },
          user(0.25 * work),
          { do: "unlock", lock: "l" },
        ]),
      ],
    }),
  },
  mm: {
    rounds: 8_000,
    workload: (threads, rounds, work) => ({
      locks: { mm: { kind: "rwsem" } },
      tasks: [
        loop(threads, rounds, [
          { do: "down-write", lock: "mm" },
          kernel(MM_PARTS.map * work),
          { do: "up-write", lock: "mm" },
          {
            do: "repeat",
            times: PAGES,
            body: [
              { do: "down-read", lock: "mm" },
              kernel((MM_PARTS.faults * work) / PAGES),
              { do: "up-read", lock: "mm" },
            ],
          },
          { do: "down-write", lock: "mm" },
          kernel(MM_PARTS.unmap * work),
          { do: "shootdown" },
          { do: "up-write", lock: "mm" },
        ]),
      ],
    }),
  },
};

/** What meeting costs, as a multiple of what the simulator takes for a pCPU with hardware virtualisation. */
export function meetingCosts(factor: number): Partial<Costs> {
  const names = ["futexWait", "futexWake", "ipiSend", "ipiReceive", "lockHandoff", "taskSwitch"] as const;
  return Object.fromEntries(names.map((name) => [name, Math.round(factor * DEFAULT_COSTS[name])]));
}
